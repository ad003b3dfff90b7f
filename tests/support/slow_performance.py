"""The figures again, one period at a time in plain Python and exact fractions where they are rational.

Written from the formulas, with no code of `core.performance`.
"""

import math
import statistics
from fractions import Fraction
from itertools import combinations, pairwise


def returns(initial: float, equity: list[float]) -> list[Fraction]:
    chain = [Fraction(initial), *map(Fraction, equity)]
    return [after / before - 1 for before, after in pairwise(chain)]


def drawdown(initial: float, equity: list[float]) -> tuple[Fraction, int | None, int | None, int | None]:
    """Depth, start, trough, recovery by looking at every pair of bars."""
    values = [Fraction(initial), *map(Fraction, equity)]
    worst: tuple[Fraction, int, int] = (Fraction(0), 0, 0)
    for low in range(len(values)):
        for high in range(low):
            depth = values[low] / values[high] - 1
            if depth < worst[0] or (depth == worst[0] and depth < 0 and low == worst[2]):
                worst = (depth, high, low)
    depth, high, low = worst
    if depth == 0:
        return depth, None, None, None
    recovery = next((place for place in range(low, len(values)) if values[place] >= values[high]), None)
    return depth, high - 1, low - 1, None if recovery is None else recovery - 1


def sharpe(values: list[float], annualization: float, risk_free: float) -> float:
    excess = [value - risk_free / annualization for value in values]
    return statistics.fmean(excess) / statistics.stdev(excess) * math.sqrt(annualization)


def sortino(values: list[float], annualization: float, target: float) -> float:
    excess = [value - target / annualization for value in values]
    downside = math.sqrt(sum(min(value, 0.0) ** 2 for value in excess) / len(excess))
    return statistics.fmean(excess) / downside * math.sqrt(annualization)


def regression(own: list[float], other: list[float]) -> tuple[float, float, float]:
    """alpha, beta, R2 through the standard library's least squares."""
    line = statistics.linear_regression(other, own)
    return line.intercept, line.slope, statistics.correlation(own, other) ** 2


def probabilistic_sharpe(values: list[float], threshold: float) -> float:
    count, mean = len(values), statistics.fmean(values)
    ratio = mean / statistics.stdev(values)
    deviation = statistics.pstdev(values)
    third = statistics.fmean(((value - mean) / deviation) ** 3 for value in values)
    fourth = statistics.fmean(((value - mean) / deviation) ** 4 for value in values)
    error = math.sqrt(1 - third * ratio + (fourth - 1) / 4 * ratio**2)
    return 0.5 * (1 + math.erf((ratio - threshold) * math.sqrt(count - 1) / error / math.sqrt(2)))


def overfitting(table: list[list[float]], blocks: int) -> tuple[Fraction, Fraction]:
    """Probability of overfitting and of loss; `table` has one row a period."""
    periods, trials = len(table), len(table[0])
    edges = [int(place * periods / blocks) for place in range(blocks + 1)]
    below = losing = ways = 0
    for chosen in combinations(range(blocks), blocks // 2):
        inside = [row for block in chosen for row in table[edges[block] : edges[block + 1]]]
        outside = [
            row for block in range(blocks) if block not in chosen for row in table[edges[block] : edges[block + 1]]
        ]
        seen = [_ratio([row[trial] for row in inside]) for trial in range(trials)]
        kept = [_ratio([row[trial] for row in outside]) for trial in range(trials)]
        best = seen.index(max(seen))
        rank = Fraction(
            2 * sum(value < kept[best] for value in kept) + sum(value == kept[best] for value in kept) + 1, 2
        )
        share = rank / (trials + 1)
        below += math.log(share / (1 - share)) <= 1e-15
        losing += kept[best] < 0
        ways += 1
    return Fraction(below, ways), Fraction(losing, ways)


def _ratio(values: list[float]) -> Fraction:
    """The squared ratio with the sign of the mean: it ranks as the ratio does, and equals are exactly equal."""
    exact = [Fraction(str(value)) for value in values]
    mean = sum(exact, Fraction(0)) / len(exact)
    variance = sum(((value - mean) ** 2 for value in exact), Fraction(0)) / (len(exact) - 1)
    return abs(mean) * mean / variance if variance else Fraction(0)
