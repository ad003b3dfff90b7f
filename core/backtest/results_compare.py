"""Runs beside each other, metric by metric."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from core.backtest.results import ResultSummary, StoredResult

HIGHER_IS_BETTER: Final = frozenset(
    {
        "total_return",
        "cagr",
        "sharpe",
        "sortino",
        "calmar",
        "max_drawdown",
        "win_rate",
        "profit_factor",
        "payoff_ratio",
        "expectancy",
        "deflated_sharpe",
        "alpha",
        "alpha_annualized",
        "information_ratio",
    }
)
LOWER_IS_BETTER: Final = frozenset({"volatility", "tracking_error", "fees", "longest_losing_streak"})


class ComparisonWarning(StrEnum):
    """Why two runs are not quite comparable."""

    DIFFERENT_PERIODS = "different_periods"
    DIFFERENT_DATASETS = "different_datasets"
    SIMULATED_AND_REAL = "simulated_and_real"
    SAME_RUN = "same_fingerprint"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One metric of every run, in the order asked for. `differences` are to the first run; None where one is missing.

    `best` is the id of the run with the better figure; None for ties and for metrics that are neither good nor bad.
    """

    metric: str
    values: tuple[float | None, ...]
    differences: tuple[float | None, ...]
    best: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterRow:
    """One parameter that the runs do not share, as JSON values; None where a run has none of the name."""

    parameter: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultComparison:
    """Runs beside each other. `parameters` lists only those that differ."""

    runs: tuple[ResultSummary, ...]
    metrics: tuple[MetricRow, ...]
    parameters: tuple[ParameterRow, ...]
    warnings: tuple[ComparisonWarning, ...]


def compare(results: Sequence[StoredResult]) -> ResultComparison:
    """Compare runs, the first one being the base. Nested figures get dotted names: per_asset.600519.SH.return."""
    figures = [dict(_numbers(result.metrics)) for result in results]
    names = dict.fromkeys(name for found in figures for name in found)
    ids = [result.summary.id for result in results]
    return ResultComparison(
        runs=tuple(result.summary for result in results),
        metrics=tuple(_metric(name, [found.get(name) for found in figures], ids) for name in names),
        parameters=tuple(_parameters([result.parameters for result in results])),
        warnings=tuple(_warnings([result.summary for result in results])),
    )


def _numbers(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | None]]:
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}.")
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            yield prefix + name, value


def _metric(name: str, values: Sequence[float | None], ids: Sequence[int]) -> MetricRow:
    base = values[0]
    return MetricRow(
        metric=name,
        values=tuple(values),
        differences=tuple(None if value is None or base is None else value - base for value in values),
        best=_best(name, values, ids),
    )


def _best(name: str, values: Sequence[float | None], ids: Sequence[int]) -> int | None:
    direction = (name in HIGHER_IS_BETTER) - (name in LOWER_IS_BETTER)
    known = sorted(((value * direction, run) for value, run in zip(values, ids, strict=True) if value is not None))
    if not direction or not known or (len(known) > 1 and known[-1][0] == known[-2][0]):
        return None
    return known[-1][1]


def _parameters(parameters: Sequence[Mapping[str, Any]]) -> Iterator[ParameterRow]:
    for name in dict.fromkeys(name for found in parameters for name in found):
        values = tuple(found.get(name) for found in parameters)
        if any(value != values[0] for value in values):
            yield ParameterRow(parameter=name, values=values)


def _warnings(runs: Sequence[ResultSummary]) -> Iterator[ComparisonWarning]:
    if len({(run.first_dt, run.last_dt) for run in runs}) > 1:
        yield ComparisonWarning.DIFFERENT_PERIODS
    if len({run.dataset for run in runs}) > 1:
        yield ComparisonWarning.DIFFERENT_DATASETS
    if len({run.simulated for run in runs}) > 1:
        yield ComparisonWarning.SIMULATED_AND_REAL
    if len({run.fingerprint for run in runs}) < len(runs) and all(run.fingerprint for run in runs):
        yield ComparisonWarning.SAME_RUN
