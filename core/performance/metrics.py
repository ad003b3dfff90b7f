"""Return and risk of an equity curve.

Returns are simple, per bar of the curve given; risk figures are taken from the daily curve, so that minute and daily
runs of one strategy can be compared. `annualization` is the number of periods of a year. Standard deviations divide
by n - 1.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from core.performance.curve import Curve
from core.performance.figures import (
    ANNUALIZATION,
    NOISE,
    BoolArray,
    Figure,
    FloatArray,
    Undefined,
    defined,
    is_constant,
    undefined,
)

MINIMUM_RETURNS: Final = 2
"""A standard deviation needs two values."""


def total_return(curve: Curve) -> Figure:
    """Final equity / initial cash - 1."""
    if not len(curve):
        return undefined(Undefined.TOO_FEW_PERIODS)
    return defined(curve.equity[-1] / curve.initial - 1.0)


def cagr(curve: Curve, *, annualization: float = ANNUALIZATION) -> Figure:
    """Compound annual growth rate: (final equity / initial cash) ** (annualization / n) - 1 for n periods.

    Source: CFA Institute, GIPS standards 2020, annualised time-weighted return; years are n / annualization.
    """
    if not len(curve):
        return undefined(Undefined.TOO_FEW_PERIODS)
    with np.errstate(over="ignore"):
        return defined(np.power(curve.equity[-1] / curve.initial, annualization / len(curve)) - 1.0)


def volatility(returns: FloatArray, *, annualization: float = ANNUALIZATION) -> Figure:
    """Standard deviation of the returns x sqrt(annualization). Zero when all returns are equal."""
    if returns.size < MINIMUM_RETURNS:
        return undefined(Undefined.TOO_FEW_PERIODS)
    return defined(0.0 if is_constant(returns) else returns.std(ddof=1) * np.sqrt(annualization))


def sharpe(returns: FloatArray, *, annualization: float = ANNUALIZATION, risk_free: float = 0.0) -> Figure:
    """mean(r - f) / std(r - f) x sqrt(annualization), f = `risk_free` (a year) / annualization.

    Source: W. F. Sharpe, The Sharpe Ratio, Journal of Portfolio Management 21 (1994).
    """
    if returns.size < MINIMUM_RETURNS:
        return undefined(Undefined.TOO_FEW_PERIODS)
    if is_constant(returns):
        return undefined(Undefined.NO_VARIANCE)
    excess = returns.mean() - risk_free / annualization
    return defined(excess / returns.std(ddof=1) * np.sqrt(annualization))


def sortino(returns: FloatArray, *, annualization: float = ANNUALIZATION, target: float = 0.0) -> Figure:
    """mean(r - t) / sqrt(mean(min(r - t, 0)**2)) x sqrt(annualization), t = `target` (a year) / annualization.

    The mean under the root is over all periods, not only the bad ones. Source: F. A. Sortino and L. N. Price,
    Performance Measurement in a Downside Risk Framework, Journal of Investing 3 (1994).
    """
    if returns.size < MINIMUM_RETURNS:
        return undefined(Undefined.TOO_FEW_PERIODS)
    excess = returns - target / annualization
    if float(excess.min()) >= -NOISE:
        return undefined(Undefined.NO_DOWNSIDE)
    downside = np.sqrt(np.mean(np.minimum(excess, 0.0) ** 2))
    return defined(excess.mean() / downside * np.sqrt(annualization))


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from an earlier high.

    `depth` is a return and so never positive: -0.25 is a quarter lost; 0 when equity never fell. `start` is the bar of
    the high (-1: the initial cash), `trough` the bar of the low, `recovery` the first later bar that reached the
    high again, None while it has not. Of equally deep falls it is the first.
    """

    depth: float
    start: int | None
    trough: int | None
    recovery: int | None


def drawdown_series(curve: Curve) -> FloatArray:
    """Return E_t / max(initial, E_1 ... E_t) - 1 for each bar: zero at a high, else negative."""
    depths = np.maximum.accumulate(curve.equity)
    np.maximum(depths, curve.initial, out=depths)
    np.divide(curve.equity, depths, out=depths)
    depths -= 1.0
    return depths


def max_drawdown(curve: Curve) -> Drawdown:
    """Return the minimum of `drawdown_series` with where it began, ended and was made good.

    Taken over every bar given, so that a fall within the day counts when the bars are minutes.
    """
    depths = drawdown_series(curve)
    if not len(curve) or float(depths.min()) >= 0.0:
        return Drawdown(0.0, None, None, None)
    trough = int(depths.argmin())
    before = curve.equity[: trough + 1]
    high = max(float(before.max()), curve.initial)
    start = int(before.size - 1 - before[::-1].argmax()) if float(before.max()) >= curve.initial else -1
    later = np.flatnonzero(curve.equity[trough:] >= high)
    return Drawdown(float(depths[trough]), start, trough, trough + int(later[0]) if later.size else None)


def calmar(growth: Figure, drawdown: Drawdown) -> Figure:
    """CAGR / |maximum drawdown|, over the whole curve.

    Source: T. W. Young, Calmar Ratio: A Smoother Tool, Futures (October 1991), there over 36 months.
    """
    if growth.value is None:
        return growth
    if drawdown.depth == 0.0:
        return undefined(Undefined.NO_DRAWDOWN)
    return defined(growth.value / -drawdown.depth)


def exposure(held: BoolArray | None) -> Figure:
    """Share of the bars at whose end anything was held."""
    if held is None:
        return undefined(Undefined.NOT_RECORDED)
    return defined(held.mean()) if held.size else undefined(Undefined.TOO_FEW_PERIODS)


def turnover(curve: Curve, traded: float | None, *, annualization: float = ANNUALIZATION) -> Figure:
    """`traded` / 2 / mean equity x annualization / n: how often a year the whole account is bought and sold.

    `traded` is the value of all buys and all sells together; a round trip of the whole account counts once.
    """
    if traded is None:
        return undefined(Undefined.NOT_RECORDED)
    if not len(curve):
        return undefined(Undefined.TOO_FEW_PERIODS)
    mean = float(curve.equity.mean())
    if mean <= 0.0:
        return undefined(Undefined.LOST_EVERYTHING)
    return defined(traded / 2.0 / mean * annualization / len(curve))
