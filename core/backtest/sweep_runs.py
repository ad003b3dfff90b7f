"""Sweeps of named strategies over the desk's market: what may be asked for, what a child does of it, what is kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self

from core.backtest.model import BarTable
from core.backtest.named_strategies import OTHERS
from core.backtest.problems import ParameterInvalid
from core.backtest.results import NAME_LENGTH
from core.backtest.strategy_runs import (
    LONGEST_PARAMETER,
    StrategyRun,
    Terms,
    bars_in,
    checked_run,
    plain_numbers,
    rules_for,
    telling,
)
from core.backtest.watching import RunLimits
from core.durable.child import Kind, Tell
from core.errors import NotFound

MAXIMUM_TRIALS: Final = 5_000
"""Trials of one sweep: the equity of each is held in memory to judge the whole grid."""
TRIALS_CHECKED: Final = 40
"""So many trials of a random search are drawn before it is queued: they show whether the strategy takes any."""
MAXIMUM_REFUSED: Final = 20
"""Refused combinations that are listed; all are counted."""
OBJECTIVES: Final = ("sharpe", "sortino", "calmar", "total_return", "cagr", "max_drawdown", "profit_factor", "win_rate")


class SweepNotFound(NotFound):
    """No sweep of that run, or none that has ended well."""

    code = "sweep_not_found"
    template = "No finished sweep {run_id}. {hint}"
    shown = ("run_id", "state")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRun:
    """A sweep to carry out: a built-in strategy over one symbol, with a list of values for each parameter.

    `trials` None tries every combination; a number draws so many at random with `seed`.
    """

    strategy: str
    symbol: str
    grid: dict[str, list[Any]]
    terms: Terms = field(default_factory=Terms)
    objective: str = "sharpe"
    trials: int | None = None
    seed: int = 0
    name: str = ""

    @property
    def title(self) -> str:
        """What the sweep is, for people."""
        return f"sweep of {self.strategy} on {self.symbol}"

    def as_run(self) -> StrategyRun:
        """Return the single run that a sweep of no parameters would be."""
        return StrategyRun(strategy=self.strategy, symbols=(self.symbol,), terms=self.terms, name=self.name)

    def to_plain(self) -> dict[str, Any]:
        """Return the sweep as plain JSON values."""
        return asdict(self) | {"terms": self.as_run().to_plain()["terms"]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_plain` wrote."""
        whole = {"strategy": "", "symbols": [], "tags": []}
        return cls(**{**plain, "terms": StrategyRun.from_plain({**whole, "terms": plain["terms"]}).terms})


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedSweep:
    """What a child returns of a sweep: what the whole grid proves, and its trials as Parquet, best first."""

    summary: dict[str, Any]
    trials: bytes
    count: int
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSweep:
    """A kept sweep without its trials."""

    sweep_id: int
    run_id: str
    strategy: str
    symbol: str
    objective: str
    trials: int
    summary: dict[str, Any]
    simulated: bool
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPage:
    """A finished sweep and a page of its trials, best first by `objective`.

    `verdict` is about the whole grid: `deflated_sharpe` is the probability that the best is more than luck,
    `overfitting_probability` that the best of one half of the time is below the middle in the other.
    """

    run_id: str
    strategy: str
    symbol: str
    objective: str
    trials: int
    failed: int
    refused: int
    refused_examples: list[dict[str, Any]]
    stopped: str | None
    simulated: bool
    best: dict[str, Any] | None
    verdict: dict[str, Any]
    page: int
    size: int
    items: list[dict[str, Any]]
    created_by: str
    created_at: datetime


def checked_sweep(wish: SweepRun) -> SweepRun:
    """Return the sweep with plain numbers, or raise what is wrong with it before anything is read.

    Raises `ArgumentsInvalid`, `StrategyUnknown` and `ParameterInvalid`.
    """
    from core.backtest.strategies.built_in import built_in  # noqa: PLC0415 - brings the compiler along
    from core.backtest.sweep_grid import RandomSearch, combinations  # noqa: PLC0415 - numpy

    checked_run(wish.as_run())
    if wish.strategy in OTHERS:
        raise ParameterInvalid(name="strategy", reason=f"{wish.strategy} has nothing to sweep; run it by itself")
    if wish.objective not in OBJECTIVES:
        reason = f"{wish.objective!r} is not one of {', '.join(OBJECTIVES)}"
        raise ParameterInvalid(name="objective", reason=reason)
    _check_values(wish.grid)
    grid = {name: [plain_numbers({name: value})[name] for value in values] for name, values in wish.grid.items()}
    _check_size(grid, wish.trials)
    search = None if wish.trials is None else RandomSearch(trials=min(wish.trials, TRIALS_CHECKED), seed=wish.seed)
    combinations(grid, lambda **one: built_in(wish.strategy, one), search=search)
    return replace(wish, grid=grid, name=wish.name.strip()[:NAME_LENGTH])


def _check_values(grid: Mapping[str, Sequence[Any]]) -> None:
    for name, values in grid.items():
        if len(values) > MAXIMUM_TRIALS:
            reason = f"{len(values):,} values; a parameter has at most {MAXIMUM_TRIALS:,}"
            raise ParameterInvalid(name=name[:LONGEST_PARAMETER], reason=reason)


def _check_size(grid: Mapping[str, list[Any]], trials: int | None) -> None:
    count = 1
    for values in grid.values():
        count *= len(values)
    if trials is None and count > MAXIMUM_TRIALS:
        reason = f"{count:,} combinations; at most {MAXIMUM_TRIALS:,} are tried: thin the grid, or give trials"
        raise ParameterInvalid(name="grid", reason=reason)


def run_sweep(
    tell: Tell,
    run: SweepRun,
    table: BarTable,
    processes: int,
    cluster: str,
    limits: RunLimits,
) -> FinishedSweep:
    """Carry a sweep out; called in a child process. What was done when the time is over is returned, and told."""
    from core.backtest.sweep import sweep  # noqa: PLC0415 - the engine loads in the child
    from core.backtest.sweep_grid import RandomSearch  # noqa: PLC0415 - the engine loads in the child
    from core.durable.fan_out import fan_out  # noqa: PLC0415 - the engine loads in the child

    rules = rules_for(run.terms.rules, {run.symbol: table})
    tell(Kind.STEP, f"sweeping {run.strategy} over {bars_in(table):,} bars of {run.symbol}")
    search = None if run.trials is None else RandomSearch(trials=run.trials, seed=run.seed)
    with fan_out(processes=processes, cluster=cluster) as spread:
        result = sweep(
            run.strategy,
            run.grid,
            bars=table,
            search=search,
            objective=run.objective,
            fan_out=spread,
            threads=processes,
            limits=limits,
            progress=telling(tell),
            **run.terms.options(rules),
        )
    tell(Kind.STEP, f"judging {len(result)} trials")
    return FinishedSweep(
        summary=_summary(result), trials=_packed_trials(result), count=len(result), simulated=table.simulated
    )


def _summary(result: Any) -> dict[str, Any]:
    whole = result.to_dict()
    return {
        "best": whole["best"],
        "verdict": whole["verdict"],
        "stopped": whole["stopped"],
        "failed": len(whole["errors"]),
        "refused": len(whole["refused"]),
        "refused_examples": whole["refused"][:MAXIMUM_REFUSED],
    }


def _packed_trials(result: Any) -> bytes:
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


def page_of(stored: StoredSweep, content: bytes, *, page: int, size: int) -> SweepPage:
    """Return a page of a kept sweep."""
    from core.backtest.results_tables import unpack  # noqa: PLC0415 - pyarrow

    rows = unpack(content)[(page - 1) * size : page * size]
    summary = stored.summary
    return SweepPage(
        run_id=stored.run_id,
        strategy=stored.strategy,
        symbol=stored.symbol,
        objective=stored.objective,
        trials=stored.trials,
        failed=summary["failed"],
        refused=summary["refused"],
        refused_examples=summary["refused_examples"],
        stopped=summary["stopped"],
        simulated=stored.simulated,
        best=summary["best"],
        verdict=summary["verdict"],
        page=page,
        size=size,
        items=[{**row, "parameters": json.loads(str(row["parameters"]))} for row in rows],
        created_by=stored.created_by,
        created_at=stored.created_at,
    )
