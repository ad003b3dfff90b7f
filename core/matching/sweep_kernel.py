"""Crossing averages for many pairs of lengths in one call: the same orders and fills as the strategy called bar by bar.

A trial buys when the fast average is above the slow one and nothing is held, and sells all when it is below. It holds
at most one waiting order, so between two fills nothing has to be looked at but the averages. What a fill needs of a bar
alone is looked up once for all trials.
"""

import numpy as np

from core.matching import sweep_layout as at
from core.matching.borrowed import borrowed
from core.matching.compiled import compiled, inlined
from core.matching.fill_kernel import buy_at, quoted, sell_at
from core.matching.indicator_kernel import mean_of_sums, running_sums
from core.matching.integers import DOWN, HALF_UP, mul_div
from core.matching.model import RATE, UNLIMITED
from core.matching.panel_layout import RATIO
from core.matching.rules_kernel import BUY, CENT, PENDING, SELL, relieved, volume_cap
from core.matching.sweep_layout import Floats, Integers, Rules, Series
from core.matching.sweep_measure_kernel import measure_trial, write_equity


@compiled
def means_of(closes: Integers, lengths: Integers, scale: int) -> Floats:
    """Return the moving average of each length, one row a length."""
    out, sums = np.empty((lengths.size, closes.size), np.float64), running_sums(closes)
    for row in range(lengths.size):
        mean_of_sums(sums, lengths[row], scale, out[row])
    return out


@compiled
def quote_bars(
    prices: Integers,
    volumes: Integers,
    down: Integers,
    up: Integers,
    regime: Integers,
    settings: Integers,
    ticks: Integers,
    paid: Integers,
    received: Integers,
    caps: Integers,
) -> None:
    """Write what a share costs and brings at each bar, 0 where nobody fills, and how many the volume lets through."""
    prices, volumes, down, up, regime = (
        borrowed(prices), borrowed(volumes), borrowed(down), borrowed(up), borrowed(regime),
    )  # fmt: skip
    settings, ticks = borrowed(settings), borrowed(ticks)
    for bar in range(prices.size):
        steps, volume = ticks[regime[bar]], volumes[bar]
        reason, price = quoted(prices[bar], volume, BUY, settings, steps, down[bar], up[bar])
        paid[bar] = price if reason == PENDING else 0
        reason, price = quoted(prices[bar], volume, SELL, settings, steps, down[bar], up[bar])
        received[bar] = price if reason == PENDING else 0
        caps[bar] = volume_cap(volume, settings[5], 0) if settings[5] > 0 else UNLIMITED


@inlined
def first_above(one: Floats, other: Floats, start: int, stop: int) -> int:
    """Return the first bar on which one average is above the other; `stop` when there is none."""
    ones, others = one[start:stop], other[start:stop]
    for place in range(ones.size):
        if ones[place] > others[place]:
            return start + place
    return stop


@inlined
def apply_events(series: Series, state: Integers, owed: Integers, event: int, bar: int) -> int:
    """Book the corporate actions of a bar; return the number of the next event."""
    events, ratios = series.events, series.ratios
    while event < events.shape[0] and events[event, 0] == bar:
        action = events[event, 1]
        if events[event, 2] == 1:
            state[at.CASH] += owed[action]
            owed[action] = 0
        elif state[at.POSITION] > 0:
            owed[action] = mul_div(state[at.POSITION], ratios[action, 0], RATIO // 100, HALF_UP) * CENT
            state[at.INCOME] += owed[action]
            state[at.POSITION] += mul_div(state[at.POSITION], ratios[action, 1], RATIO, DOWN)
        event += 1
    return event


@inlined
def fill_buy(series: Series, rules: Rules, state: Integers, counts: Integers, bar: int) -> None:
    """Fill a buy of the whole cash, or of a part of it, at a bar."""
    part = rules.options[1]
    budget = mul_div(state[at.CASH], part, RATE, DOWN) if part > 0 else state[at.CASH]
    _, _, filled, amount, fees = buy_at(
        series.paid[bar], series.caps[bar], UNLIMITED, 0, budget, 0, 0, 0, rules.settings, rules.lots,
        rules.charges[series.regime[bar]],
    )  # fmt: skip
    if filled == 0:
        return
    state[at.CASH] -= amount + fees
    state[at.COST] += amount + fees
    state[at.POSITION] += filled
    state[at.BOUGHT] = filled + (state[at.BOUGHT] if state[at.BOUGHT_DAY] == series.days[bar] else 0)
    state[at.BOUGHT_DAY] = series.days[bar]
    counts[at.FEES] += fees
    counts[at.TRADED] += amount


@inlined
def fill_sale(series: Series, rules: Rules, state: Integers, counts: Integers, bar: int) -> None:
    """Fill the sale of everything at a bar, and count the trade that it closes."""
    held = state[at.POSITION]
    bought = state[at.BOUGHT] if state[at.BOUGHT_DAY] == series.days[bar] else 0
    _, _, filled, amount, fees = sell_at(
        series.received[bar], series.caps[bar], held, 0, state[at.CASH], held, bought, 0, 0, 0, rules.settings,
        rules.lots, rules.charges[series.regime[bar]],
    )  # fmt: skip
    if filled == 0:
        return
    cost, income = relieved(state[at.COST], filled, held), relieved(state[at.INCOME], filled, held)
    pnl = amount - fees - cost + income
    state[at.CASH] += amount - fees
    state[at.POSITION] -= filled
    state[at.COST] -= cost
    state[at.INCOME] -= income
    counts[at.FEES] += fees
    counts[at.TRADED] += amount
    counts[at.TRADES] += 1
    if pnl > 0:
        counts[at.WINS] += 1
        counts[at.GAINS] += pnl
    else:
        counts[at.LOSSES] -= pnl


@inlined
def fill_at(series: Series, rules: Rules, state: Integers, counts: Integers, bar: int) -> None:
    """Fill the waiting order at a bar: what is held is sold, else bought."""
    if state[at.POSITION] > 0:
        if series.received[bar] > 0:
            fill_sale(series, rules, state, counts, bar)
    elif series.paid[bar] > 0:
        fill_buy(series, rules, state, counts, bar)


@inlined
def note(turns: Integers, turn: int, bar: int, state: Integers) -> int:
    """Write down the account at the end of a bar, where it is not what it was; return how many notes there are."""
    cash, position = state[at.CASH], state[at.POSITION]
    if turn > 0:
        if turns[at.TURN_CASH, turn - 1] == cash and turns[at.TURN_POSITION, turn - 1] == position:
            return turn
        if turns[at.TURN_BAR, turn - 1] == bar:
            turn -= 1
    turns[at.TURN_BAR, turn], turns[at.TURN_CASH, turn], turns[at.TURN_POSITION, turn] = bar, cash, position
    return turn + 1


@inlined
def one_trial(
    fast: Floats,
    slow: Floats,
    series: Series,
    rules: Rules,
    state: Integers,
    owed: Integers,
    counts: Integers,
    turns: Integers,
) -> int:
    """Run one pair of averages over all bars; return how many columns of `turns` are written."""
    state[:], owed[:] = 0, 0
    state[at.CASH], state[at.BOUGHT_DAY] = rules.options[0], -1
    size, first, is_at_close = series.closes.size, rules.options[2], rules.options[3]
    events, gap_after = series.events, series.gap_after
    bar, event, waiting, turn = 0, 0, False, 0
    while bar < size:
        event = apply_events(series, state, owed, event, bar)
        if waiting and not gap_after[bar - 1]:
            fill_at(series, rules, state, counts, bar)
        turn = note(turns, turn, bar, state)
        stop = events[event, 0] if event < events.shape[0] else size
        one, other = (slow, fast) if state[at.POSITION] > 0 else (fast, slow)
        found = first_above(one, other, min(max(bar, first), stop), stop)
        waiting = found < stop and is_at_close == 0
        if found < stop and is_at_close == 1:
            fill_at(series, rules, state, counts, found)
            turn = note(turns, turn, found, state)
        bar = min(found + 1, stop)
    return turn


@inlined
def borrowed_series(series: Series) -> Series:
    """Return an instrument whose columns are not counted."""
    return Series(
        borrowed(series.closes),
        borrowed(series.levels),
        borrowed(series.paid),
        borrowed(series.received),
        borrowed(series.caps),
        borrowed(series.gap_after),
        borrowed(series.regime),
        borrowed(series.days),
        borrowed(series.ends),
        borrowed(series.places),
        borrowed(series.events),
        borrowed(series.ratios),
    )


@inlined
def borrowed_rules(rules: Rules) -> Rules:
    """Return rules whose tables are not counted."""
    return Rules(borrowed(rules.settings), borrowed(rules.lots), borrowed(rules.charges), borrowed(rules.options))


@compiled
def run_trials(
    means: Floats, pairs: Integers, series: Series, rules: Rules, counts: Integers, sums: Floats, curves: Integers
) -> None:
    """Run trials, each a pair of rows of `means`. `curves` takes the equity of each, or has no row."""
    means, pairs, counts, sums, curves = (
        borrowed(means), borrowed(pairs), borrowed(counts), borrowed(sums), borrowed(curves),
    )  # fmt: skip
    series, rules = borrowed_series(series), borrowed_rules(rules)
    size = series.closes.size
    kept = (
        np.empty(at.STATE, np.int64),
        np.zeros(series.ratios.shape[0], np.int64),
        np.empty((at.TURNS, size), np.int64),
    )
    room = np.empty(size)
    state, owed, turns, scratch = borrowed(kept[0]), borrowed(kept[1]), borrowed(kept[2]), borrowed(room)
    for trial in range(pairs.shape[0]):
        fast, slow = means[pairs[trial, 0]], means[pairs[trial, 1]]
        count = one_trial(fast, slow, series, rules, state, owed, counts[trial], turns)
        measure_trial(turns, count, series, rules, scratch, counts[trial], sums[trial])
        if curves.shape[0] > 0:
            write_equity(turns, count, series, rules, curves[trial])
