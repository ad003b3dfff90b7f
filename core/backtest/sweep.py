"""The sweep driver: one strategy with many parameters, and what the best of them is worth.

    result = sweep("dual_moving_average", {"fast": range(2, 52), "slow": range(20, 220)}, bars=rows)
    print(result.summary())

Every trial ends with the cents of a single run. The dual moving average runs in compiled trials; any other strategy
runs bar by bar, over processes where a `FanOut` is given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import table_of
from core.backtest.model import BarTable, Listing
from core.backtest.outcome import FIGURES
from core.backtest.ports import read_asset
from core.backtest.request import RunRequest
from core.backtest.series import Series, Wanted, prepare
from core.backtest.sweep_compiled import (
    UNIT,
    Averages,
    CompiledTrials,
    averages_of,
    can_compile,
    curves_of,
    quick_refusal,
    run_compiled,
    run_compiled_series,
)
from core.backtest.sweep_figures import figures_of
from core.backtest.sweep_grid import Combinations, Grid, Parameters, RandomSearch, combinations
from core.backtest.sweep_result import SweepResult
from core.backtest.sweep_trials import TrialJob, TrialOutcome, maker_of
from core.backtest.watching import Progress
from core.durable.fan_out import FanOut, Serial
from core.market.model import CorporateAction
from core.matching.threads import default_threads

TASKS: Final = 64
"""Tasks that other processes are given, at the most: what all trials share is sent with each."""
Floats = NDArray[np.float64]


@dataclass(slots=True)
class SweepWatch:
    """Tells how far a sweep is, and when it has to stop."""

    request: RunRequest
    total: int
    cancelled: Callable[[], bool] | None
    done: int = 0
    stopped: str | None = None
    started: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.started = self.request.clock.monotonic()

    def add(self, trials: int) -> bool:
        """Count finished trials; return whether to go on."""
        self.done += trials
        elapsed, limit = self.request.clock.monotonic() - self.started, self.request.limits.time_seconds
        if self.request.progress is not None:
            eta = elapsed * (self.total - self.done) / self.done if self.done else None
            self.request.progress(Progress(self.done, self.total, elapsed, eta))
        if self.done < self.total:
            if limit is not None and elapsed >= limit:
                self.stopped = f"it took longer than {limit:g} s"
            elif self.cancelled is not None and self.cancelled():
                self.stopped = "it was cancelled"
        return self.stopped is None


def sweep(  # noqa: PLR0913 - the named parameters are the interface
    strategy: object,
    grid: Grid,
    *,
    asset: int | str | None = None,
    filter_value: Any = None,
    bars: Any = None,
    actions: Sequence[CorporateAction] | None = None,
    listing: Listing | str | None = None,
    search: RandomSearch | None = None,
    where: Callable[[Parameters], bool] | None = None,
    objective: str = "sharpe",
    fan_out: FanOut | None = None,
    threads: int | None = None,
    cancelled: Callable[[], bool] | None = None,
    **parameters: Any,
) -> SweepResult:
    """Try a strategy with every combination of a grid, or with some drawn at random.

    `strategy`: a built-in's name, a Python file, or what makes a strategy when called with the parameters by name (a
    class will do). `grid`: the values of each parameter. `where` lets combinations through. `objective`: the figure
    that decides which is best. `parameters` are those of `backtest`; `limits.time_seconds` and `cancelled` stop the
    sweep, which then returns the trials that were done, and says so. With a time limit a single trial that never ends
    is not stopped: give `fan_out` processes for such.

    Raises `ParameterInvalid` for a grid of which nothing is left, and what `backtest` raises for the bars.
    """
    make = maker_of(strategy)
    request = RunRequest.of(parameters)
    wanted = combinations(grid, make, search=search, where=where, refusal=quick_refusal(make))
    table = _table(request, asset, filter_value, bars)
    series = prepare(
        request, Wanted(asset=asset, filter_value=filter_value, bars=table, actions=actions, listing=listing)
    )
    watch = SweepWatch(request, len(wanted.tried), cancelled)
    averages = averages_of(make, wanted.tried) if can_compile(request, [series]) else None
    if averages is not None:
        return _compiled(averages, request, series, wanted, watch, objective, threads or default_threads())
    named = dict(parameters) | {"actions": actions, "listing": listing, "filter_value": filter_value}
    for name in ("progress", "limits", "persist", "persist_name"):
        named.pop(name, None)
    job = TrialJob(make=make, bars=table, named=named)
    return _called(job, series, wanted, watch, objective, fan_out or Serial())


@dataclass(frozen=True, eq=False, kw_only=True)
class MarketSweep:
    """A sweep over many instruments: figures of (symbol, trial), each run on its own with the whole initial cash."""

    symbols: list[str]
    parameters: list[Parameters]
    refused: list[tuple[Parameters, str]] = field(repr=False)
    figures: dict[str, Floats] = field(repr=False)

    def median(self, figure: str) -> list[float | None]:
        """Return the median of a figure over the symbols for each trial; None where no symbol has it."""
        values = self.figures[figure]
        has_any = ~np.isnan(values).all(axis=0)
        out = np.full(values.shape[1], np.nan)
        out[has_any] = np.nanmedian(values[:, has_any], axis=0)
        return [None if np.isnan(value) else value for value in out.tolist()]


def sweep_market(
    strategy: object,
    grid: Grid,
    bars: Mapping[str, Any],
    *,
    listings: Mapping[str, Listing | str] | None = None,
    actions: Mapping[str, Sequence[CorporateAction]] | None = None,
    where: Callable[[Parameters], bool] | None = None,
    fan_out: FanOut | None = None,
    threads: int | None = None,
    **parameters: Any,
) -> MarketSweep:
    """Try every combination on every instrument, each by itself. `bars` gives the rows by symbol.

    The other parameters are those of `sweep`. Prepared `Series` may stand in place of rows.
    """
    make = maker_of(strategy)
    request = RunRequest.of(parameters)
    wanted = combinations(grid, make, where=where, refusal=quick_refusal(make))
    many = [_prepared(request, symbol, given, listings or {}, actions or {}) for symbol, given in bars.items()]
    averages = averages_of(make, wanted.tried) if can_compile(request, many) else None
    if averages is not None:
        results = run_compiled_series(averages, request, many, threads=threads or default_threads())
        figures = figures_of(list(results), request, many)
    else:
        rows = [
            sweep(
                make, grid, bars=one.bars.table, listing=one.listing, actions=one.actions, where=where, fan_out=fan_out,
                **parameters,
            ).figures
            for one in many
        ]  # fmt: skip
        figures = {name: np.stack([row[name] for row in rows]) for name in FIGURES}
    return MarketSweep(symbols=list(bars), parameters=wanted.tried, refused=wanted.refused, figures=figures)


def _prepared(
    request: RunRequest,
    symbol: str,
    given: Any,
    listings: Mapping[str, Listing | str],
    actions: Mapping[str, Sequence[CorporateAction]],
) -> Series:
    if isinstance(given, Series):
        return given
    wanted = Wanted(filter_value=symbol, bars=given, actions=actions.get(symbol), listing=listings.get(symbol, symbol))
    return prepare(request, wanted)


def _table(request: RunRequest, asset: int | str | None, filter_value: Any, bars: Any) -> BarTable:
    """Read the bars once for all trials."""
    if bars is not None:
        return table_of(bars)
    return read_asset(
        asset,
        filter_column=request.filter_column,
        filter_value=filter_value,
        start=request.start,
        end=request.end,
    )


def _compiled(
    averages: Averages,
    request: RunRequest,
    series: Series,
    wanted: Combinations,
    watch: SweepWatch,
    objective: str,
    threads: int,
) -> SweepResult:
    done: list[CompiledTrials] = []
    for part, trials in run_compiled(averages, request, series, threads=threads):
        done.append(trials)
        if not watch.add(part.stop - part.start):
            break
    trials = CompiledTrials(np.concatenate([one.counts for one in done]), np.concatenate([one.sums for one in done]))

    def returns_of_all() -> Floats:
        curves = curves_of(averages.first(watch.done), request, series, threads=threads)
        return _returns(curves / UNIT, request, series)

    return SweepResult(
        parameters=wanted.tried[: watch.done],
        figures={name: values[0] for name, values in figures_of([trials], request, [series]).items()},
        errors={},
        refused=wanted.refused,
        objective=objective,
        stopped=watch.stopped,
        days=series.bars.days[_ends(series)],
        returns_of_all=returns_of_all,
    )


def _called(
    job: TrialJob, series: Series, wanted: Combinations, watch: SweepWatch, objective: str, fan_out: FanOut
) -> SweepResult:
    """Run trials bar by bar, some in each task."""
    size = 1 if isinstance(fan_out, Serial) else max(1, -(-len(wanted.tried) // TASKS))
    tasks = [wanted.tried[first : first + size] for first in range(0, len(wanted.tried), size)]
    outcomes: list[TrialOutcome] = []
    for several in fan_out.map(job, tasks):
        outcomes += several
        if not watch.add(len(several)):
            break
    figures = {
        name: np.array([_number(one.metrics.get(name)) for one in outcomes], dtype=np.float64) for name in FIGURES
    }

    def returns_of_all() -> Floats:
        curves = [one.equity for one in outcomes if one.equity is not None]
        return _returns(np.stack(curves) if curves else np.zeros((0, len(series.bars))), watch.request, series)

    return SweepResult(
        parameters=wanted.tried[: len(outcomes)],
        figures=figures,
        errors={number: one.error for number, one in enumerate(outcomes) if one.error is not None},
        refused=wanted.refused,
        objective=objective,
        stopped=watch.stopped,
        days=series.bars.days[_ends(series)],
        returns_of_all=returns_of_all,
    )


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _returns(curves: Floats, request: RunRequest, series: Series) -> Floats:
    """Return the daily returns: one row a day, one column a trial."""
    daily = curves[:, _ends(series)]
    before = np.concatenate((np.full((len(daily), 1), request.cash / UNIT), daily[:, :-1]), axis=1)
    return np.ascontiguousarray((daily / before - 1.0).T)


def _ends(series: Series) -> NDArray[np.int64]:
    """Return the last bar of each day."""
    return np.flatnonzero(np.append(np.diff(series.bars.days) > 0, True))
