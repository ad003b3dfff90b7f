"""Crossing averages for many pairs of lengths in one call: the same orders and fills as the strategy called bar by bar.

A trial buys when the fast average is above the slow one and nothing is held, and sells all when it is below. It holds
at most one waiting order, so between two fills nothing has to be looked at but the averages.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.matching.borrowed import borrowed
from core.matching.compiled import compiled
from core.matching.fill_kernel import buy, sell, worth
from core.matching.indicator_kernel import sma
from core.matching.integers import DOWN, HALF_UP, SAFELY_NARROW, mul_div
from core.matching.model import RATE, UNLIMITED
from core.matching.panel_layout import RATIO
from core.matching.rules_kernel import CENT

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FINAL: Final = 0
FEES: Final = 1
TRADED: Final = 2
TRADES: Final = 3
WINS: Final = 4
GAINS: Final = 5
LOSSES: Final = 6
HELD: Final = 7
COUNTS: Final = 8
"""Final equity, fees, value of all fills, trades, those that won, what they won and lost, bars at whose end held."""

RETURNS: Final = 0
SQUARES: Final = 1
DOWNSIDE: Final = 2
DRAWDOWN: Final = 3
LEVELS: Final = 4
SUMS: Final = 5
"""Sums of the daily returns, of their squares, of the squares of negative ones; the deepest fall from a high; the sum
of the daily equity."""

CASH: Final = 0
POSITION: Final = 1
BOUGHT: Final = 2
BOUGHT_DAY: Final = 3
COST: Final = 4
INCOME: Final = 5
STATE: Final = 6


class Series(NamedTuple):
    """One instrument as trials need it.

    `prices` are those that fill, `days` numbers that change with the day, `ends` the last bar of each day. An event is
    (bar, action, 0 for its effect or 1 for its payment), `ratios` are cash and bonus of one share in 1e-15.
    """

    prices: Integers
    closes: Integers
    volumes: Integers
    down: Integers
    up: Integers
    gap_after: Flags
    regime: Integers
    days: Integers
    ends: Integers
    events: Integers
    ratios: Integers


class Rules(NamedTuple):
    """The rules as `fill_kernel` takes them; `charges` and `ticks` by regime.

    `options`: initial cash, part of the cash in billionths (0: all), first bar of decisions, whether orders fill at the
    close, factor and divisor of the scale, the highest close.
    """

    settings: Integers
    lots: Integers
    rest_lots: Integers
    charges: Integers
    ticks: Integers
    options: Integers


@compiled
def means_of(closes: Integers, lengths: Integers, scale: int) -> Floats:
    """Return the moving average of each length, one row a length."""
    out = np.empty((lengths.size, closes.size), np.float64)
    for row in range(lengths.size):
        out[row] = sma(closes, lengths[row], scale)
    return out


@compiled
def first_above(one: Floats, other: Floats, start: int, stop: int) -> int:
    """Return the first bar on which one average is above the other; `stop` when there is none."""
    bar = start
    while bar < stop and not one[bar] > other[bar]:
        bar += 1
    return bar


@compiled
def write_equity(equity: Integers, series: Series, state: Integers, start: int, stop: int, rules: Rules) -> int:
    """Write the account of a stretch in which nothing is traded; return its bars at whose end something is held."""
    cash, position, factor, divisor = state[CASH], state[POSITION], rules.options[4], rules.options[5]
    closes = series.closes
    if position == 0:
        for bar in range(start, stop):
            equity[bar] = cash
        return 0
    shares = position * factor
    if divisor == 1 and float(shares) * float(rules.options[6]) < SAFELY_NARROW:
        for bar in range(start, stop):
            equity[bar] = cash + shares * closes[bar]
    else:
        for bar in range(start, stop):
            equity[bar] = cash + worth(position, closes[bar], factor, divisor)
    return stop - start


@compiled
def apply_events(series: Series, state: Integers, owed: Integers, event: int, bar: int) -> int:
    """Book the corporate actions of a bar; return the number of the next event."""
    events, ratios = series.events, series.ratios
    while event < events.shape[0] and events[event, 0] == bar:
        action = events[event, 1]
        if events[event, 2] == 1:
            state[CASH] += owed[action]
            owed[action] = 0
        elif state[POSITION] > 0:
            owed[action] = mul_div(state[POSITION], ratios[action, 0], RATIO // 100, HALF_UP) * CENT
            state[INCOME] += owed[action]
            state[POSITION] += mul_div(state[POSITION], ratios[action, 1], RATIO, DOWN)
        event += 1
    return event


@compiled
def fill_buy(series: Series, rules: Rules, state: Integers, counts: Integers, bar: int) -> None:
    """Fill a buy of the whole cash, or of a part of it, at a bar."""
    regime, part = series.regime[bar], rules.options[1]
    budget = mul_div(state[CASH], part, RATE, DOWN) if part > 0 else state[CASH]
    _, _, filled, amount, fees = buy(
        series.prices[bar], series.volumes[bar], 0, UNLIMITED, 0, 0, budget, 0, 0, 0, 0, rules.settings, rules.lots,
        rules.rest_lots, rules.charges[regime], rules.ticks[regime], series.down[bar], series.up[bar],
    )  # fmt: skip
    if filled == 0:
        return
    state[CASH] -= amount + fees
    state[COST] += amount + fees
    state[POSITION] += filled
    state[BOUGHT] = filled + (state[BOUGHT] if state[BOUGHT_DAY] == series.days[bar] else 0)
    state[BOUGHT_DAY] = series.days[bar]
    counts[FEES] += fees
    counts[TRADED] += amount


@compiled
def fill_sale(series: Series, rules: Rules, state: Integers, counts: Integers, bar: int) -> None:
    """Fill the sale of everything at a bar, and count the trade that it closes."""
    regime, held = series.regime[bar], state[POSITION]
    bought = state[BOUGHT] if state[BOUGHT_DAY] == series.days[bar] else 0
    _, _, filled, amount, fees = sell(
        series.prices[bar], series.volumes[bar], 0, held, 0, state[CASH], held, bought, 0, 0, 0, 0, rules.settings,
        rules.lots, rules.charges[regime], rules.ticks[regime], series.down[bar], series.up[bar],
    )  # fmt: skip
    if filled == 0:
        return
    cost, income = state[COST], state[INCOME]
    if filled != held:
        cost, income = mul_div(cost, filled, held, HALF_UP), mul_div(income, filled, held, HALF_UP)
    pnl = amount - fees - cost + income
    state[CASH] += amount - fees
    state[POSITION] -= filled
    state[COST] -= cost
    state[INCOME] -= income
    counts[FEES] += fees
    counts[TRADED] += amount
    counts[TRADES] += 1
    if pnl > 0:
        counts[WINS] += 1
        counts[GAINS] += pnl
    else:
        counts[LOSSES] -= pnl


@compiled
def one_trial(
    fast: Floats, slow: Floats, series: Series, rules: Rules, owed: Integers, counts: Integers, equity: Integers
) -> None:
    """Run one pair of averages over all bars."""
    state = np.zeros(STATE, np.int64)
    state[CASH], state[BOUGHT_DAY] = rules.options[0], -1
    size, first, is_at_close = series.closes.size, rules.options[2], rules.options[3]
    events, gap_after = series.events, series.gap_after
    bar, search, event, waiting = 0, 0, 0, False
    while bar < size:
        event = apply_events(series, state, owed, event, bar)
        if waiting and not gap_after[bar - 1]:
            if state[POSITION] > 0:
                fill_sale(series, rules, state, counts, bar)
            else:
                fill_buy(series, rules, state, counts, bar)
        stop = events[event, 0] if event < events.shape[0] else size
        start = max(bar, search, first)
        one, other = (slow, fast) if state[POSITION] > 0 else (fast, slow)
        found = first_above(one, other, min(start, stop), stop)
        waiting = found < stop and is_at_close == 0
        if found < stop and is_at_close == 1:
            counts[HELD] += write_equity(equity, series, state, bar, found, rules)
            if state[POSITION] > 0:
                fill_sale(series, rules, state, counts, found)
            else:
                fill_buy(series, rules, state, counts, found)
            counts[HELD] += write_equity(equity, series, state, found, found + 1, rules)
            bar, search = found + 1, found + 1
            continue
        after = min(found + 1, stop)
        counts[HELD] += write_equity(equity, series, state, bar, after, rules)
        bar = after
    counts[FINAL] = equity[size - 1]


@compiled
def measure_trial(equity: Integers, ends: Integers, initial: int, sums: Floats) -> None:
    """Sum up the returns of the daily curve, and find the deepest fall over all bars."""
    returns, squares, downside, levels, before = 0.0, 0.0, 0.0, 0.0, float(initial)
    for place in range(ends.size):
        level = float(equity[ends[place]])
        change = level / before - 1.0
        returns += change
        squares += change * change
        below = min(change, 0.0)
        downside += below * below
        levels += level
        before = level
    deepest, high, share = 1.0, float(initial), 1.0 / float(initial)
    for bar in range(equity.size):
        level = float(equity[bar])
        if level > high:
            high, share = level, 1.0 / level
        elif level < high and level * share < deepest:
            deepest = level / high
    sums[RETURNS], sums[SQUARES], sums[DOWNSIDE] = returns, squares, downside
    sums[DRAWDOWN], sums[LEVELS] = deepest - 1.0, levels


@compiled
def run_trials(
    means: Floats, pairs: Integers, series: Series, rules: Rules, counts: Integers, sums: Floats, curves: Integers
) -> None:
    """Run trials, each a pair of rows of `means`. `curves` takes the equity of each, or has no row."""
    means, pairs, counts, sums, curves = (
        borrowed(means), borrowed(pairs), borrowed(counts), borrowed(sums), borrowed(curves),
    )  # fmt: skip
    series = Series(
        borrowed(series.prices),
        borrowed(series.closes),
        borrowed(series.volumes),
        borrowed(series.down),
        borrowed(series.up),
        borrowed(series.gap_after),
        borrowed(series.regime),
        borrowed(series.days),
        borrowed(series.ends),
        borrowed(series.events),
        borrowed(series.ratios),
    )
    rules = Rules(
        borrowed(rules.settings),
        borrowed(rules.lots),
        borrowed(rules.rest_lots),
        borrowed(rules.charges),
        borrowed(rules.ticks),
        borrowed(rules.options),
    )
    scratch, owed = np.empty(series.closes.size, np.int64), np.zeros(series.ratios.shape[0], np.int64)
    for trial in range(pairs.shape[0]):
        equity = curves[trial] if curves.shape[0] > 0 else borrowed(scratch)
        owed[:] = 0
        one_trial(means[pairs[trial, 0]], means[pairs[trial, 1]], series, rules, borrowed(owed), counts[trial], equity)
        measure_trial(equity, series.ends, rules.options[0], sums[trial])
