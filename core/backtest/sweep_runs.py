"""Sweeps of named strategies over the desk's market: what may be asked for, what a child does of it, what is kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from math import prod
from typing import Any, Final, Self

from core.backtest.named_strategies import OTHERS
from core.backtest.problems import ParameterInvalid
from core.backtest.results import NAME_LENGTH
from core.backtest.strategy_runs import (
    LONGEST_PARAMETER,
    StrategyRun,
    Terms,
    checked_run,
    plain_numbers,
)
from core.errors import ArgumentsInvalid, FieldFault, NotFound

MAXIMUM_TRIALS: Final = 5_000
"""Trials of one sweep: the equity of each is held in memory to judge the whole grid."""
TRIALS_CHECKED: Final = 40
"""So many trials of a random search are drawn before it is queued: they show whether the strategy takes any."""
MAXIMUM_SYMBOLS: Final = 20
"""Instruments of one sweep."""
MAXIMUM_RUNS: Final = 10_000
"""Runs of one sweep: trials times instruments, and once more for each window of a walk forward."""
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
    """A sweep to carry out: a built-in strategy over symbols, each by itself, with values for each parameter.

    `symbol` names one, or is the first of `symbols`. `trials` None tries every combination; a number draws so many at
    random with `seed`. With `train` and `test` the choice is also made on so many bars and traded on the next so many.
    """

    strategy: str
    grid: dict[str, list[Any]]
    symbol: str = ""
    symbols: tuple[str, ...] = ()
    terms: Terms = field(default_factory=Terms)
    objective: str = "sharpe"
    trials: int | None = None
    seed: int = 0
    train: int | None = None
    test: int | None = None
    anchored: bool = False
    name: str = ""

    @property
    def title(self) -> str:
        """What the sweep is, for people."""
        more = len(self.all_symbols) - 1
        return f"sweep of {self.strategy} on {self.all_symbols[0]}" + (f" and {more} more" if more else "")

    @property
    def all_symbols(self) -> tuple[str, ...]:
        """The instruments that are swept."""
        return self.symbols or (self.symbol,)

    def as_run(self) -> StrategyRun:
        """Return the single run that a sweep of no parameters would be."""
        return StrategyRun(strategy=self.strategy, symbols=self.all_symbols[:1], terms=self.terms, name=self.name)

    def to_plain(self) -> dict[str, Any]:
        """Return the sweep as plain JSON values."""
        return asdict(self) | {"terms": self.as_run().to_plain()["terms"]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_plain` wrote."""
        whole = {"strategy": "", "symbols": [], "tags": []}
        symbols = tuple(plain.get("symbols", ()))
        return cls(
            **{**plain, "symbols": symbols, "terms": StrategyRun.from_plain({**whole, "terms": plain["terms"]}).terms}
        )


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
    `overfitting_probability` that the best of one half of the time is below the middle in the other. With several
    symbols a figure is its median over them, and `verdict` is about an account that holds all of them in equal parts;
    `per_symbol` tells the best trial, the verdict and the walk forward of each.
    """

    run_id: str
    strategy: str
    symbol: str
    symbols: list[str]
    objective: str
    trials: int
    failed: int
    refused: int
    refused_examples: list[dict[str, Any]]
    stopped: str | None
    simulated: bool
    best: dict[str, Any] | None
    verdict: dict[str, Any]
    per_symbol: list[dict[str, Any]]
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

    _check_symbols(wish)
    _check_stretches(wish)
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


def _check_symbols(wish: SweepRun) -> None:
    if (wish.symbol != "") == (wish.symbols != ()):
        raise ArgumentsInvalid(
            [FieldFault("symbols", "give either symbol or symbols", got="both" if wish.symbol else "neither")]
        )
    if len(wish.symbols) > MAXIMUM_SYMBOLS:
        expected = f"1 to {MAXIMUM_SYMBOLS} symbols"
        raise ArgumentsInvalid([FieldFault("symbols", f"has {len(wish.symbols)} symbols", expected=expected)])


def _check_stretches(wish: SweepRun) -> None:
    if (wish.train is None) != (wish.test is None) or (wish.anchored and wish.train is None):
        message = "train and test go together: choose on so many bars, trade the next so many"
        raise ArgumentsInvalid([FieldFault("train", message, got=f"train={wish.train}, test={wish.test}")])


def check_work(run: SweepRun, bars: Mapping[str, int]) -> None:
    """Refuse a sweep of more runs than one may have; `bars` are those of each symbol. Raises `ParameterInvalid`."""
    trials = min(run.trials or MAXIMUM_TRIALS, _combinations(run.grid))
    windows = 0
    for symbol, count in bars.items():
        if run.train is None or run.test is None:
            continue
        if count < run.train + run.test:
            reason = f"{run.train} + {run.test} bars do not fit into the {count} of {symbol}; take shorter stretches"
            raise ParameterInvalid(name="train", reason=reason)
        windows += (count - run.train) // run.test
    runs = trials * (len(bars) + windows)
    if runs > MAXIMUM_RUNS:
        reason = (
            f"{trials:,} trials x ({len(bars)} symbols + {windows} windows) are {runs:,} runs; at most {MAXIMUM_RUNS:,}"
        )
        raise ParameterInvalid(
            name="grid", reason=f"{reason}: thin the grid, give trials, or take longer test stretches"
        )


def _combinations(grid: Mapping[str, Sequence[Any]]) -> int:
    return prod(len(values) for values in grid.values())


def _check_size(grid: Mapping[str, list[Any]], trials: int | None) -> None:
    count = _combinations(grid)
    if trials is None and count > MAXIMUM_TRIALS:
        reason = f"{count:,} combinations; at most {MAXIMUM_TRIALS:,} are tried: thin the grid, or give trials"
        raise ParameterInvalid(name="grid", reason=reason)


def page_of(stored: StoredSweep, content: bytes, *, page: int, size: int) -> SweepPage:
    """Return a page of a kept sweep."""
    from core.backtest.results_tables import unpack  # noqa: PLC0415 - pyarrow

    rows = unpack(content)[(page - 1) * size : page * size]
    summary = stored.summary
    return SweepPage(
        run_id=stored.run_id,
        strategy=stored.strategy,
        symbol=stored.symbol,
        symbols=summary.get("symbols", [stored.symbol]),
        objective=stored.objective,
        trials=stored.trials,
        failed=summary["failed"],
        refused=summary["refused"],
        refused_examples=summary["refused_examples"],
        stopped=summary["stopped"],
        simulated=stored.simulated,
        best=summary["best"],
        verdict=summary["verdict"],
        per_symbol=summary.get("per_symbol", []),
        page=page,
        size=size,
        items=[{**row, "parameters": json.loads(str(row["parameters"]))} for row in rows],
        created_by=stored.created_by,
        created_at=stored.created_at,
    )
