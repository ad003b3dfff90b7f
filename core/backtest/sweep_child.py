"""A sweep carried out in a child process: each symbol by itself, judged alone and together, and packed to be kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.backtest.model import BarTable
from core.backtest.problems import ParameterInvalid
from core.backtest.strategy_runs import bars_in, rules_for, telling
from core.backtest.sweep_runs import MAXIMUM_REFUSED, FinishedSweep, SweepRun
from core.backtest.watching import RunLimits
from core.clock import Clock, SystemClock
from core.durable.child import Kind, Tell

if TYPE_CHECKING:
    from core.backtest.sweep_pool import SymbolSweep
    from core.backtest.sweep_result import SweepResult
    from core.backtest.walk_forward import WalkForward
    from core.durable.fan_out import FanOut

WINDOW_FIGURES = ("total_return", "sharpe", "max_drawdown", "num_trades")


def run_sweep(
    tell: Tell, run: SweepRun, tables: Mapping[str, BarTable], processes: int, cluster: str, limits: RunLimits
) -> FinishedSweep:
    """Carry a sweep out. What was done when the time is over is returned, and told."""
    from core.durable.fan_out import fan_out  # noqa: PLC0415 - the engine loads in the child

    with fan_out(processes=processes, cluster=cluster) as spread:
        work = _Work(tell, run, tables, rules_for(run.terms.rules, tables), processes, spread, limits)
        parts, stopped = work.sweeps()
        rows = [work.row(part, alone=len(tables) == 1) for part in parts]
    whole = parts[0].result if len(parts) == 1 else work.pooled(parts)
    tell(Kind.STEP, f"judging {len(whole)} trials")
    summary = _summary(whole) | {"symbols": [part.symbol for part in parts], "per_symbol": rows}
    summary["stopped"] = stopped or summary["stopped"] or next((row["stopped"] for row in rows if row["stopped"]), None)
    simulated = any(table.simulated for table in tables.values())
    return FinishedSweep(summary=summary, trials=_packed_trials(whole), count=len(whole), simulated=simulated)


@dataclass(slots=True)
class _Work:
    tell: Tell
    run: SweepRun
    tables: Mapping[str, BarTable]
    rules: str | None
    processes: int
    spread: "FanOut"
    limits: RunLimits
    clock: Clock = field(default_factory=SystemClock)
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.clock.monotonic()

    def left(self) -> RunLimits:
        """Return the limits of what is to be done yet."""
        seconds = self.limits.time_seconds
        rest = None if seconds is None else max(seconds - (self.clock.monotonic() - self.began), 0.0)
        return RunLimits(time_seconds=rest, memory_mb=self.limits.memory_mb)

    def named(self, table: BarTable) -> dict[str, Any]:
        """Return what a sweep and a walk forward share."""
        from core.backtest.sweep_grid import RandomSearch  # noqa: PLC0415 - numpy

        run = self.run
        search = None if run.trials is None else RandomSearch(trials=run.trials, seed=run.seed)
        shared = {"bars": table, "search": search, "objective": run.objective, "fan_out": self.spread}
        limits = {"limits": self.left(), "progress": telling(self.tell)}
        return shared | limits | run.terms.options(self.rules)

    def sweeps(self) -> tuple[list["SymbolSweep"], str | None]:
        """Sweep each symbol. When the time is over, those that are whole stay; the first stays as far as it is."""
        from core.backtest.sweep import sweep  # noqa: PLC0415 - the engine loads in the child
        from core.backtest.sweep_pool import SymbolSweep  # noqa: PLC0415 - the engine loads in the child

        parts: list[SymbolSweep] = []
        for symbol, table in self.tables.items():
            self.tell(Kind.STEP, f"sweeping {self.run.strategy} over {bars_in(table):,} bars of {symbol}")
            result = sweep(self.run.strategy, self.run.grid, threads=self.processes, **self.named(table))
            if not result.stopped or not parts:
                parts.append(SymbolSweep(symbol=symbol, result=result))
            if result.stopped:
                done = f"; {len(parts)} of {len(self.tables)} symbols are told" if len(self.tables) > 1 else ""
                return parts, f"{result.stopped}{done}"
        return parts, None

    def pooled(self, parts: list["SymbolSweep"]) -> "SweepResult":
        """Return the trials of all symbols together."""
        from core.backtest.sweep_pool import pooled  # noqa: PLC0415 - the engine loads in the child

        return pooled(parts)

    def row(self, part: "SymbolSweep", *, alone: bool) -> dict[str, Any]:
        """Return what is told of one symbol; a sweep of one symbol tells its best and verdict above."""
        told = part.result.to_dict() if not alone else {"best": None, "verdict": None}
        forward, stopped = (None, None) if self.run.train is None else self.walk_forward(part.symbol)
        return {
            "symbol": part.symbol,
            "bars": bars_in(self.tables[part.symbol]),
            "best": told["best"],
            "verdict": told["verdict"],
            "walk_forward": forward,
            "stopped": stopped,
        }

    def walk_forward(self, symbol: str) -> tuple[dict[str, Any], str | None]:
        """Choose and trade window by window; return what came of it, and why it was stopped."""
        from core.backtest.walk_forward import walk_forward  # noqa: PLC0415 - the engine loads in the child

        run, table = self.run, self.tables[symbol]
        self.tell(Kind.STEP, f"walking forward over {symbol}")
        asked: dict[str, Any] = {"train": run.train, "test": run.test, "anchored": run.anchored}
        try:
            walked = walk_forward(run.strategy, run.grid, **asked, **self.named(table))
        except ParameterInvalid as error:
            return {**asked, "windows": [], "metrics": {}, "error": error.message}, None
        return {**asked, **_walked(walked), "error": None}, walked.stopped


def _walked(walked: "WalkForward") -> dict[str, Any]:
    from core.backtest.outcome import FIGURES  # noqa: PLC0415 - numpy

    windows = [
        {
            "train": [one.train_start, one.train_end],
            "test": [one.test_start, one.test_end],
            "parameters": one.parameters,
            "train_metrics": {name: one.train_metrics.get(name) for name in WINDOW_FIGURES},
            "test_metrics": {name: one.test_metrics.get(name) for name in WINDOW_FIGURES},
        }
        for one in walked.windows
    ]
    return {"windows": windows, "metrics": {name: walked.metrics.get(name) for name in FIGURES}}


def _summary(result: "SweepResult") -> dict[str, Any]:
    whole = result.to_dict()
    return {
        "best": whole["best"],
        "verdict": whole["verdict"],
        "stopped": whole["stopped"],
        "failed": len(whole["errors"]),
        "refused": len(whole["refused"]),
        "refused_examples": whole["refused"][:MAXIMUM_REFUSED],
    }


def _packed_trials(result: "SweepResult") -> bytes:
    from core.backtest.results_tables import pack  # noqa: PLC0415 - pyarrow

    rows = [
        {
            "number": trial.number,
            "parameters": json.dumps(trial.parameters),
            "error": trial.error,
            **trial.metrics,
        }
        for trial in (result.trial(number) for number in result.ranking)
    ]
    return pack(rows, path="trials")
