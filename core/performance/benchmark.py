"""A strategy beside a benchmark: what it earned for moving with it, and what beyond."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from core.performance.curve import Curve
from core.performance.figures import (
    ANNUALIZATION,
    Figure,
    FloatArray,
    IntArray,
    Undefined,
    defined,
    is_constant,
    undefined,
)

MINIMUM_SAMPLE: Final = 5
"""Fewer pairs of returns than this say nothing about a slope."""


class BenchmarkWarning(StrEnum):
    """What to know before trusting a comparison."""

    FEW_RETURNS = "few_returns"
    FLAT_BENCHMARK = "flat_benchmark"
    STALE_BENCHMARK = "stale_benchmark"
    STARTS_LATE = "starts_late"
    FILLED_DAYS = "filled_days"
    NO_OVERLAP = "no_overlap"

    @property
    def text(self) -> str:
        """The warning as a sentence in English."""
        return _TEXTS[self][0]

    @property
    def text_zh(self) -> str:
        """The warning as a sentence in Chinese."""
        return _TEXTS[self][1]


_TEXTS: Final = {
    BenchmarkWarning.FEW_RETURNS: ("There are too few days beside the benchmark.", "与基准可比的天数太少。"),
    BenchmarkWarning.FLAT_BENCHMARK: ("The benchmark did not move.", "基准没有波动。"),
    BenchmarkWarning.STALE_BENCHMARK: (
        "The benchmark ends before the run; the comparison is cut there.",
        "基准数据早于回测结束，比较截至该日。",
    ),
    BenchmarkWarning.STARTS_LATE: (
        "The benchmark begins after the run; the comparison begins there.",
        "基准数据晚于回测开始，比较自该日起。",
    ),
    BenchmarkWarning.FILLED_DAYS: (
        "The benchmark has no price on some days; the last one was carried.",
        "基准在部分日期没有价格，沿用前值。",
    ),
    BenchmarkWarning.NO_OVERLAP: ("The benchmark has no prices in the period.", "基准在该区间没有价格。"),
}


@dataclass(frozen=True, slots=True)
class Regression:
    """r = alpha + beta x b + error, per period, by least squares. `r_squared` is the squared correlation."""

    alpha: Figure
    alpha_annualized: Figure
    beta: Figure
    r_squared: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A curve beside a benchmark over `first_day` to `last_day` (YYYYMMDD); `sample_size` pairs of daily returns.

    `portfolio_return` and `benchmark_return` run from the end of the first day to the end of the last one.
    `filled_days` had no benchmark price, so the last one was carried. `stale_at` is the benchmark's last day where it
    ends before the curve: the comparison is cut there.
    """

    first_day: int | None
    last_day: int | None
    sample_size: int
    portfolio_return: Figure
    benchmark_return: Figure
    regression: Regression
    portfolio_volatility: Figure
    benchmark_volatility: Figure
    tracking_error: Figure
    information_ratio: Figure
    filled_days: tuple[int, ...] = ()
    stale_at: int | None = None
    warnings: tuple[BenchmarkWarning, ...] = ()


def regression(own: FloatArray, other: FloatArray, *, annualization: float = ANNUALIZATION) -> Regression:
    """Regress returns on the benchmark's returns of the same periods.

    beta = cov(r, b) / var(b), both dividing by n - 1; alpha = mean(r) - beta x mean(b) a period, annualised by
    multiplication; R2 = cov(r, b)**2 / (var(r) x var(b)). Source: M. C. Jensen, The Performance of Mutual Funds in the
    Period 1945-1964, Journal of Finance 23 (1968), with a risk-free rate of zero.
    """
    if own.size < MINIMUM_SAMPLE or is_constant(other):
        missing = undefined(Undefined.TOO_FEW_PERIODS if own.size < MINIMUM_SAMPLE else Undefined.FLAT_BENCHMARK)
        return Regression(missing, missing, missing, missing)
    own_off, other_off = own - own.mean(), other - other.mean()
    together, spread = float(own_off @ other_off), float(other_off @ other_off)
    beta = together / spread
    alpha = float(own.mean()) - beta * float(other.mean())
    if is_constant(own):
        fit = undefined(Undefined.NO_VARIANCE)
    else:
        fit = defined(min(together**2 / (float(own_off @ own_off) * spread), 1.0))
    return Regression(defined(alpha), defined(alpha * annualization), defined(beta), fit)


def tracking_error(own: FloatArray, other: FloatArray, *, annualization: float = ANNUALIZATION) -> Figure:
    """Standard deviation of r - b (n - 1) x sqrt(annualization).

    Source: R. C. Grinold and R. N. Kahn, Active Portfolio Management (2000), as active risk.
    """
    return _deviation(own - other, annualization)


def information_ratio(own: FloatArray, other: FloatArray, *, annualization: float = ANNUALIZATION) -> Figure:
    """mean(r - b) / std(r - b) x sqrt(annualization). Source: as `tracking_error`."""
    active = own - other
    if active.size < MINIMUM_SAMPLE:
        return undefined(Undefined.TOO_FEW_PERIODS)
    if is_constant(active):
        return undefined(Undefined.NO_VARIANCE)
    return defined(active.mean() / active.std(ddof=1) * np.sqrt(annualization))


def compare(curve: Curve, days: IntArray, closes: FloatArray, *, annualization: float = ANNUALIZATION) -> Comparison:
    """Put the daily curve beside a benchmark's closes. `days` (YYYYMMDD) rise; closes are positive.

    Pairs of returns begin on the second day both have: on the first one the curve starts from cash in the morning, the
    benchmark from a close that is not given.
    """
    own = curve.daily
    start, stop = _common(own.days, days)
    if stop - start < 1:
        return _nothing()
    kept = own.days[start:stop]
    places = np.searchsorted(days, kept, side="right") - 1
    prices = closes[places]
    filled = tuple(kept[days[places] != kept].tolist())
    stale = int(days[-1]) if stop < len(own) else None
    ours, theirs = _returns(own.equity[start:stop]), _returns(prices)
    if ours is None or theirs is None:
        return _nothing(Undefined.LOST_EVERYTHING)
    return Comparison(
        first_day=int(kept[0]),
        last_day=int(kept[-1]),
        sample_size=int(ours.size),
        portfolio_return=defined(own.equity[stop - 1] / own.equity[start] - 1.0),
        benchmark_return=defined(prices[-1] / prices[0] - 1.0),
        regression=regression(ours, theirs, annualization=annualization),
        portfolio_volatility=_deviation(ours, annualization),
        benchmark_volatility=_deviation(theirs, annualization),
        tracking_error=tracking_error(ours, theirs, annualization=annualization),
        information_ratio=information_ratio(ours, theirs, annualization=annualization),
        filled_days=filled,
        stale_at=stale,
        warnings=_warnings(theirs, late=start > 0, filled=bool(filled), stale=stale is not None),
    )


def carried_closes(own_days: IntArray, days: IntArray, closes: FloatArray) -> list[float | None]:
    """Return the benchmark's close for each of `own_days`, for a chart: carried over gaps, None before and after."""
    start, stop = _common(own_days, days)
    places = np.searchsorted(days, own_days[start:stop], side="right") - 1
    carried: list[float] = closes[places].tolist()
    return [*[None] * start, *carried, *[None] * (own_days.size - stop)]


def _common(own: IntArray, other: IntArray) -> tuple[int, int]:
    """Return the half-open range of `own` that lies between the first and the last day of `other`."""
    if not own.size or not other.size:
        return 0, 0
    start = int(np.searchsorted(own, other[0], side="left"))
    return start, max(start, int(np.searchsorted(own, other[-1], side="right")))


def _returns(values: FloatArray) -> FloatArray | None:
    return None if (values[:-1] <= 0).any() else values[1:] / values[:-1] - 1.0


def _deviation(returns: FloatArray, annualization: float) -> Figure:
    if returns.size < MINIMUM_SAMPLE:
        return undefined(Undefined.TOO_FEW_PERIODS)
    return defined(0.0 if is_constant(returns) else returns.std(ddof=1) * np.sqrt(annualization))


def _warnings(returns: FloatArray, *, late: bool, filled: bool, stale: bool) -> tuple[BenchmarkWarning, ...]:
    said = {
        BenchmarkWarning.FEW_RETURNS: returns.size < MINIMUM_SAMPLE,
        BenchmarkWarning.FLAT_BENCHMARK: returns.size >= MINIMUM_SAMPLE and is_constant(returns),
        BenchmarkWarning.STALE_BENCHMARK: stale,
        BenchmarkWarning.STARTS_LATE: late,
        BenchmarkWarning.FILLED_DAYS: filled,
    }
    return tuple(warning for warning, holds in said.items() if holds)


def _nothing(reason: Undefined = Undefined.NO_OVERLAP) -> Comparison:
    missing = undefined(reason)
    warnings = (BenchmarkWarning.NO_OVERLAP,) if reason is Undefined.NO_OVERLAP else ()
    return Comparison(
        first_day=None,
        last_day=None,
        sample_size=0,
        portfolio_return=missing,
        benchmark_return=missing,
        regression=Regression(missing, missing, missing, missing),
        portfolio_volatility=missing,
        benchmark_volatility=missing,
        tracking_error=missing,
        information_ratio=missing,
        warnings=warnings,
    )
