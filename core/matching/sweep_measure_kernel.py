"""What the account of a trial comes to, stretch by stretch between two fills: days without shares take no time."""

from typing import Final

from core.matching import sweep_layout as at
from core.matching.compiled import compiled, inlined
from core.matching.fill_kernel import worth
from core.matching.sweep_layout import Floats, Integers, Rules, Series

SAFELY_FLOAT: Final = 2.0**53
"""Whole numbers up to this are floats without rounding."""


@compiled
def write_equity(turns: Integers, count: int, series: Series, rules: Rules, equity: Integers) -> None:
    """Write the account at the end of each bar, out of the notes of a trial."""
    factor, divisor, size = rules.options[4], rules.options[5], equity.size
    for turn in range(count):
        stop = turns[at.TURN_BAR, turn + 1] if turn + 1 < count else size
        cash, position = turns[at.TURN_CASH, turn], turns[at.TURN_POSITION, turn]
        for bar in range(turns[at.TURN_BAR, turn], stop):
            equity[bar] = cash + worth(position, series.closes[bar], factor, divisor)


@inlined
def add_returns(levels: Floats, ends: Integers, base: float, times: float, before: float, sums: Floats) -> float:
    """Add the returns of a stretch of days, whose equity is `base + times * level`; return its last equity."""
    returns, squares, downside, total = 0.0, 0.0, 0.0, 0.0
    for place in range(ends.size):
        level = base + times * levels[ends[place]]
        change = level / before - 1.0
        returns += change
        squares += change * change
        below = min(change, 0.0)
        downside += below * below
        total += level
        before = level
    sums[at.RETURNS] += returns
    sums[at.SQUARES] += squares
    sums[at.DOWNSIDE] += downside
    sums[at.LEVELS] += total
    return before


@inlined
def deepened(levels: Floats, base: float, times: float, high: float, deepest: float) -> tuple[float, float]:
    """Return the highest equity after a stretch, and the smallest part of a high that a later one was."""
    share = 1.0 / high
    for place in range(levels.size):
        level = base + times * levels[place]
        if level > high:
            high, share = level, 1.0 / level
        elif level * share < deepest:
            deepest = min(deepest, level / high)
    return high, deepest


@inlined
def measure_trial(
    turns: Integers, count: int, series: Series, rules: Rules, scratch: Floats, counts: Integers, sums: Floats
) -> None:
    """Sum up the returns of the daily curve, and find the deepest fall over all bars."""
    options, size = rules.options, series.closes.size
    factor, divisor, highest = options[4], options[5], float(options[6])
    before, high, deepest = float(options[0]), float(options[0]), 1.0
    for turn in range(count):
        start, stop = turns[at.TURN_BAR, turn], turns[at.TURN_BAR, turn + 1] if turn + 1 < count else size
        cash, position = turns[at.TURN_CASH, turn], turns[at.TURN_POSITION, turn]
        first, last = series.places[start], series.places[stop]
        base, times, levels = float(cash), float(position * factor), series.levels
        if position == 0:
            high, deepest = max(high, base), min(deepest, base / high)
            before = add_returns(levels, series.ends[first : min(first + 1, last)], base, 0.0, before, sums)
            sums[at.LEVELS] += base * max(last - first - 1, 0)
            continue
        counts[at.HELD] += stop - start
        if divisor != 1 or base + times * highest > SAFELY_FLOAT:
            for bar in range(start, stop):
                scratch[bar] = float(cash + worth(position, series.closes[bar], factor, divisor))
            base, times, levels = 0.0, 1.0, scratch
        high, deepest = deepened(levels[start:stop], base, times, high, deepest)
        before = add_returns(levels, series.ends[first:last], base, times, before, sums)
    sums[at.DRAWDOWN] = deepest - 1.0
    shares = turns[at.TURN_POSITION, count - 1]
    counts[at.FINAL] = turns[at.TURN_CASH, count - 1] + worth(shares, series.closes[size - 1], factor, divisor)
