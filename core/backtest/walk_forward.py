"""Walk-forward: choose parameters on one stretch of time, trade the next one with them, and go on.

The figures are those of the stretches that no parameter was chosen on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.backtest.api import backtest
from core.backtest.bars import table_of
from core.backtest.model import Listing
from core.backtest.outcome import metrics_of
from core.backtest.parameter_checks import require_length
from core.backtest.ports import read_asset
from core.backtest.problems import ParameterInvalid
from core.backtest.request import RunRequest
from core.backtest.series import Series, Wanted, prepare
from core.backtest.sweep import sweep
from core.backtest.sweep_grid import Grid, Parameters, RandomSearch
from core.backtest.sweep_trials import maker_of
from core.backtest.watching import Progress
from core.durable.fan_out import FanOut
from core.market.model import CorporateAction
from core.performance.curve import Curve
from core.performance.measure import RunFigures, measure

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One step: the days the parameters were chosen on, the days they traded, and how both went."""

    train_start: str
    train_end: str
    test_start: str
    test_end: str
    parameters: Parameters
    train_metrics: dict[str, Any]
    test_metrics: dict[str, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class WalkForward:
    """The windows in time, and the figures of all their test stretches one after the other.

    `equity` starts with the initial cash and chains the returns of the test stretches; each of them began without a
    position. `metrics` are its figures, `undefined` the reasons of those that do not exist. `stopped` says why windows
    are missing.
    """

    windows: list[Window]
    dts: list[str] = field(repr=False)
    equity: Floats = field(repr=False)
    metrics: dict[str, Any]
    undefined: dict[str, str]
    stopped: str | None = None

    def summary(self) -> str:
        """Return the windows and the figures out of sample as lines of text."""
        lines = []
        for one in self.windows:
            given = " ".join(f"{name}={value}" for name, value in one.parameters.items())
            went = f"chosen on {_shown(one.train_metrics)}, then {_shown(one.test_metrics)}"
            lines.append(f"{one.test_start} .. {one.test_end}: {given}  {went}")
        lines += [f"stopped: {self.stopped}"] if self.stopped else []
        return "\n".join([*lines, f"out of sample: {_shown(self.metrics)}"])


def walk_forward(  # noqa: PLR0913 - the named parameters of `sweep`
    strategy: object,
    grid: Grid,
    *,
    train: int,
    test: int,
    anchored: bool = False,
    asset: int | str | None = None,
    filter_value: Any = None,
    bars: Any = None,
    actions: Sequence[CorporateAction] | None = None,
    listing: Listing | str | None = None,
    search: RandomSearch | None = None,
    objective: str = "sharpe",
    fan_out: FanOut | None = None,
    **parameters: Any,
) -> WalkForward:
    """Choose on `train` bars by a sweep, trade the next `test` bars with the best, move on by `test`.

    `anchored` lets the training stretch begin at the first bar and grow. Indicators of a test stretch know the training
    bars before it; positions start empty. The other parameters are those of `sweep`.

    `limits.time_seconds` is for all windows together: those that were done are returned, and it is said.

    Raises `ParameterInvalid` when the bars do not hold one whole window, no trial of a window has the objective, or not
    even one window could be done in time.
    """
    require_length("train", train, least=2)
    require_length("test", test)
    request = RunRequest.of(parameters)
    table = table_of(bars) if bars is not None else _read(request, asset, filter_value)
    whole = prepare(request, Wanted(filter_value=filter_value, bars=table, actions=actions, listing=listing))
    if len(whole.bars) < train + test:
        raise ParameterInvalid(
            name="train", reason=f"{train} + {test} bars do not fit into {len(whole.bars)}; take shorter stretches"
        )
    named = dict(parameters) | {"bars": table, "actions": actions, "listing": listing, "filter_value": filter_value}
    for name in ("start", "end", "progress", "limits"):
        named.pop(name, None)
    steps = _Steps(strategy, grid, whole, request, named, search, objective, fan_out)
    starts = range(train, len(whole.bars) - test + 1, test)
    done: list[Step] = []
    began, stopped = request.clock.monotonic(), None
    for number, start in enumerate(starts, 1):
        elapsed = request.clock.monotonic() - began
        step = steps.one(0 if anchored else start - train, start, start + test, elapsed)
        if step is None:
            stopped = f"it took longer than {request.limits.time_seconds:g} s; {len(done)} of {len(starts)} windows"
            break
        done.append(step)
        if request.progress is not None:
            request.progress(Progress(number, len(starts), elapsed, None))
    if not done:
        raise ParameterInvalid(name="limits", reason=f"{stopped} were done; take a smaller grid or more time")
    return replace(_joined(request, whole, done, train), stopped=stopped)


Step = tuple[Window, Any, int]
"""A window, the run over its test stretch, and how many training bars that run was warmed up with."""


@dataclass(frozen=True, slots=True)
class _Steps:
    strategy: object
    grid: Grid
    whole: Series
    request: RunRequest
    named: dict[str, Any]
    search: RandomSearch | None
    objective: str
    fan_out: FanOut | None

    def one(self, first: int, start: int, stop: int, elapsed: float) -> Step | None:
        """Choose on the bars `first` .. `start` - 1 and trade `start` .. `stop` - 1; None when the time is over."""
        dt: Callable[[int], str] = self.whole.bars.dt
        limit = self.request.limits.time_seconds
        if limit is not None and elapsed >= limit:
            return None
        left = replace(self.request.limits, time_seconds=None if limit is None else limit - elapsed)
        chosen = sweep(
            self.strategy,
            self.grid,
            start=dt(first),
            end=dt(start - 1),
            search=self.search,
            objective=self.objective,
            fan_out=self.fan_out,
            limits=left,
            **self.named,
        )
        if chosen.stopped is not None:
            return None
        best = chosen.best
        if best is None:
            raise ParameterInvalid(
                name="objective", reason=f"no trial from {dt(first)} to {dt(start - 1)} has {self.objective}"
            )
        warmup = {"warmup_bars": start - first, "start": dt(first), "end": dt(stop - 1), "limits": left}
        result = backtest(maker_of(self.strategy)(**best.parameters), **self.named | warmup)
        window = Window(
            train_start=dt(first),
            train_end=dt(start - 1),
            test_start=dt(start),
            test_end=dt(stop - 1),
            parameters=best.parameters,
            train_metrics=best.metrics,
            test_metrics=result.metrics,
        )
        return window, result, start - first


def _read(request: RunRequest, asset: int | str | None, filter_value: Any) -> Any:
    return read_asset(
        asset,
        filter_column=request.filter_column,
        filter_value=filter_value,
        start=request.start,
        end=request.end,
    )


def _joined(request: RunRequest, whole: Series, done: list[Step], train: int) -> WalkForward:
    """Chain the test stretches into one curve and measure it."""
    level, stretches, held, pnl = float(request.initial_cash), [], [], []
    for _, result, warmup in done:
        equity = np.asarray(result.curve.equity)[warmup:]
        stretches.append(equity / float(request.initial_cash) * level)
        level = float(stretches[-1][-1])
        held.append(np.asarray(result.curve.position)[warmup:] > 0)
        pnl += [trade["pnl"] for trade in result.trades]
    equity = np.concatenate(stretches)
    rows = slice(train, train + len(equity))
    figures = measure(
        RunFigures(
            curve=Curve(float(request.initial_cash), whole.bars.days[rows], equity),
            pnl=np.array(pnl, dtype=np.float64),
            held=np.concatenate(held),
            fees=sum(result.metrics["fees"] for _, result, _ in done),
        ),
        annualization=request.annualization,
    )
    metrics, undefined = metrics_of(figures, "")
    metrics.pop("fingerprint")
    return WalkForward(
        windows=[window for window, _, _ in done],
        dts=whole.bars.dts(rows.start, rows.stop),
        equity=equity,
        metrics=metrics,
        undefined=undefined,
    )


def _shown(metrics: dict[str, Any]) -> str:
    told = [(name, metrics.get(name)) for name in ("total_return", "sharpe", "max_drawdown")]
    return " ".join(f"{name} {'-' if value is None else f'{value:.4f}'}" for name, value in told)
