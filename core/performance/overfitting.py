"""How much of a result is luck: deflated Sharpe ratio and probability of backtest overfitting.

Sharpe ratios here are per period, not annualised. A trial that never moved has the Sharpe ratio 0, as cash has.

Sources: D. H. Bailey and M. Lopez de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40 (2014);
D. H. Bailey, J. M. Borwein, M. Lopez de Prado and Q. J. Zhu, The Probability of Backtest Overfitting, Journal of
Computational Finance 20 (2017).
"""

from dataclasses import dataclass
from itertools import combinations
from math import e, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from core.errors import Invalid
from core.performance.figures import NOISE, Figure, FloatArray, IntArray, Undefined, defined, is_constant, undefined

EULER_GAMMA: Final = 0.5772156649015329
BLOCKS: Final = 16
"""Blocks of time that are dealt into two halves in every way: 12,870 ways for 16."""
LARGEST_BLOCKS: Final = 20
MINIMUM_BLOCK: Final = 2
MINIMUM_RETURNS: Final = 3
"""A third and a fourth moment of fewer returns say nothing."""
CELLS_AT_ONCE: Final = 2_000_000
"""Figures held in memory at a time while the halves are gone through."""
ROUNDING: Final = 1e-11
"""A variance that is a smaller part of the mean square is what rounding leaves of none."""
TIE: Final = 1e-12
"""Ratios closer than this are equal: trials with the same returns differ by the order in which they were summed."""
STANDARD_NORMAL: Final = NormalDist()


class GridInvalid(Invalid):
    """Returns or blocks that no grid of trials can have."""

    code = "grid_invalid"
    template = "{reason}"


def probabilistic_sharpe(returns: FloatArray, *, threshold: float = 0.0) -> Figure:
    """Probability that the true Sharpe ratio is above `threshold` (per period), given the returns seen."""
    if returns.size < MINIMUM_RETURNS:
        return undefined(Undefined.TOO_FEW_PERIODS)
    if is_constant(returns):
        return undefined(Undefined.NO_VARIANCE)
    standard = (returns - returns.mean()) / returns.std(ddof=0)
    squares = standard * standard
    return probability_above(
        threshold,
        ratio=float(returns.mean() / returns.std(ddof=1)),
        periods=returns.size,
        skewness=float(np.mean(squares * standard)),
        kurtosis=float(np.mean(squares * squares)),
    )


def probability_above(threshold: float, *, ratio: float, periods: int, skewness: float, kurtosis: float) -> Figure:
    """Probability that the true Sharpe ratio is above `threshold`, from what was seen over T periods.

    Z((SR - threshold) x sqrt(T - 1) / sqrt(1 - g3 x SR + (g4 - 1) / 4 x SR**2)), with skewness g3 and kurtosis g4 (3
    for a normal distribution), Z the normal distribution function. The root is zero only for returns of two values.
    """
    spread = 1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio**2
    if spread <= NOISE:
        return undefined(Undefined.NO_VARIANCE)
    return defined(STANDARD_NORMAL.cdf((ratio - threshold) * sqrt(periods - 1) / sqrt(spread)))


def expected_maximum_sharpe(variance: float, trials: float) -> float:
    """Return the best Sharpe ratio that `trials` independent trials without any skill are expected to show.

    sqrt(variance) x ((1 - g) x Z^-1(1 - 1/N) + g x Z^-1(1 - 1/(N x e))), g = Euler's constant, `variance` that of the
    trials' Sharpe ratios. One trial is expected to show nothing.
    """
    if trials <= 1.0 or variance <= 0.0:
        return 0.0
    best, second = STANDARD_NORMAL.inv_cdf(1.0 - 1.0 / trials), STANDARD_NORMAL.inv_cdf(1.0 - 1.0 / (trials * e))
    return sqrt(variance) * ((1.0 - EULER_GAMMA) * best + EULER_GAMMA * second)


def deflated_sharpe(returns: FloatArray, *, trials: float = 1.0, variance: float = 0.0) -> Figure:
    """Probability that the Sharpe ratio is above what the best of `trials` tries shows by luck.

    `probabilistic_sharpe` against `expected_maximum_sharpe`. With one trial it is the probability of any skill at all.
    """
    return probabilistic_sharpe(returns, threshold=expected_maximum_sharpe(variance, trials))


def independent_trials(average_correlation: float, trials: int) -> float:
    """Return how many independent trials so many correlated ones are worth: p + (1 - p) x M (Bailey 2014, app. 3)."""
    share = min(max(average_correlation, 0.0), 1.0)
    return share + (1.0 - share) * trials


@dataclass(frozen=True, slots=True, kw_only=True)
class GridVerdict:
    """What a grid of trials proves. `best` is the column with the highest Sharpe ratio, the first of equals.

    `overfitting_probability`: how often the best in one half of time is below the middle of the field in the other.
    `loss_probability`: how often it loses money there. `expected_maximum` is what luck alone would have shown.
    """

    trials: int
    best: int | None
    best_sharpe: Figure
    expected_maximum: Figure
    deflated_sharpe: Figure
    overfitting_probability: Figure
    loss_probability: Figure
    blocks: int


def judge_grid(returns: FloatArray, *, independent: float | None = None, blocks: int = BLOCKS) -> GridVerdict:
    """Judge trials from their returns: one row a period, one column a trial.

    `independent` is the number of independent trials where the columns are known to be alike; all of them otherwise,
    which is the stricter reading. `blocks` must be even. Raises `GridInvalid`.
    """
    periods, trials = _checked(returns, blocks)
    if trials < 2 or periods < MINIMUM_RETURNS:
        missing = undefined(Undefined.TOO_FEW_TRIALS if trials < 2 else Undefined.TOO_FEW_PERIODS)
        return GridVerdict(
            trials=trials,
            best=None,
            best_sharpe=missing,
            expected_maximum=missing,
            deflated_sharpe=missing,
            overfitting_probability=missing,
            loss_probability=missing,
            blocks=blocks,
        )
    whole = np.array([periods], dtype=np.int64)
    ratios = _ratios(whole, returns.sum(axis=0)[None, :], np.square(returns).sum(axis=0)[None, :])[0]
    best, variance = int((ratios >= ratios.max() - TIE).argmax()), float(ratios.var(ddof=1))
    count = float(trials) if independent is None else independent
    overfit, loss = overfitting_probability(returns, blocks=blocks)
    return GridVerdict(
        trials=trials,
        best=best,
        best_sharpe=defined(ratios[best]),
        expected_maximum=defined(expected_maximum_sharpe(variance, count)),
        deflated_sharpe=deflated_sharpe(np.ascontiguousarray(returns[:, best]), trials=count, variance=variance),
        overfitting_probability=overfit,
        loss_probability=loss,
        blocks=blocks,
    )


def overfitting_probability(returns: FloatArray, *, blocks: int = BLOCKS) -> tuple[Figure, Figure]:
    """Return the probabilities of overfitting and of loss by combinatorially symmetric cross-validation.

    Time is cut into `blocks` runs of equal length (to one period). For every choice of half of them, the trial that is
    best there gets its relative rank w = rank / (N + 1) in the other half, equals sharing the middle rank; overfitting
    is ln(w / (1 - w)) <= 0. Only sums per block are needed, so the cost does not grow with the periods. Raises
    `GridInvalid`.
    """
    periods, trials = _checked(returns, blocks)
    if trials < 2:
        return undefined(Undefined.TOO_FEW_TRIALS), undefined(Undefined.TOO_FEW_TRIALS)
    if periods < MINIMUM_BLOCK * blocks:
        return undefined(Undefined.TOO_FEW_PERIODS), undefined(Undefined.TOO_FEW_PERIODS)
    edges = np.linspace(0, periods, blocks + 1).astype(np.int64)
    sums, squares = np.add.reduceat(returns, edges[:-1]), np.add.reduceat(np.square(returns), edges[:-1])
    lengths = np.diff(edges)
    halves = _halves(blocks)
    at_once = max(1, CELLS_AT_ONCE // trials)
    below = losing = 0
    for first in range(0, len(halves), at_once):
        inside = halves[first : first + at_once]
        outside = 1.0 - inside
        one = _ratios(inside @ lengths, inside @ sums, inside @ squares)
        other = _ratios(outside @ lengths, outside @ sums, outside @ squares)
        for seen, kept in ((one, other), (other, one)):
            chosen = np.take_along_axis(kept, seen.argmax(axis=1)[:, None], axis=1)
            lower = np.count_nonzero(kept < chosen - TIE, axis=1)
            not_higher = np.count_nonzero(kept <= chosen + TIE, axis=1)
            below += int(np.count_nonzero(lower + not_higher <= trials))
            losing += int(np.count_nonzero(chosen < -TIE))
    return defined(below / len(halves) / 2), defined(losing / len(halves) / 2)


def _checked(returns: FloatArray, blocks: int) -> tuple[int, int]:
    """Return how many periods and trials there are."""
    if blocks < 2 or blocks % 2 or blocks > LARGEST_BLOCKS:
        raise GridInvalid(reason=f"The blocks must be an even number from 2 to {LARGEST_BLOCKS}, not {blocks}.")
    if returns.ndim != 2 or not np.isfinite(returns).all():
        raise GridInvalid(reason="Returns of a grid are finite numbers, one row a period and one column a trial.")
    return returns.shape[0], returns.shape[1]


def _halves(blocks: int) -> FloatArray:
    """Return one row of zeros and ones for every way to part the blocks into two halves."""
    chosen = np.array([(0, *others) for others in combinations(range(1, blocks), blocks // 2 - 1)])
    rows = np.zeros((len(chosen), blocks))
    np.put_along_axis(rows, chosen, 1.0, axis=1)
    return rows


def _ratios(counts: FloatArray | IntArray, sums: FloatArray, squares: FloatArray) -> FloatArray:
    """Return mean / standard deviation (n - 1) of each column from the sums over its periods; 0 where nothing moved."""
    numbers = counts[:, None].astype(np.float64)
    spread = squares - sums * sums / numbers
    moved = spread > ROUNDING * squares
    ratios: FloatArray = np.zeros_like(sums)
    np.divide(sums, np.sqrt(spread, out=spread, where=moved), out=ratios, where=moved)
    ratios *= np.sqrt((numbers - 1.0) / np.square(numbers))
    return ratios
