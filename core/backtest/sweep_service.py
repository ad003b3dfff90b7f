"""Sweeps as runs: check what is asked for, queue it, carry it out over all cores, keep what it found once."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, Final

from core.backtest.run_service import RunTicket, in_child, read_bars, ticket
from core.backtest.store import BacktestSweepStore
from core.backtest.strategy_runs import bars_in, rules_for
from core.backtest.sweep_child import run_sweep
from core.backtest.sweep_runs import (
    FinishedSweep,
    StoredSweep,
    SweepNotFound,
    SweepPage,
    SweepRun,
    check_work,
    checked_sweep,
    page_of,
)
from core.clock import Clock
from core.durable.model import Claim, Limits, RunDraft
from core.durable.runs import RunService
from core.durable.workbench import Workbench
from core.durable.worker import worker_processes
from core.errors import ArgumentsInvalid, FieldFault
from core.market.service import MarketService
from core.storage.unit_of_work import UnitOfWork

SWEEP: Final = "sweep"
SWEEP_SKILL: Final = "investment.stock.backtest.sweep.get"
LARGEST_PAGE: Final = 200
LIMITS: Final = Limits(seconds=900.0, memory_mb=4_096.0)


@dataclass(frozen=True, slots=True)
class SweepService:
    """Queues sweeps and shows what they found; made once by `bootstrap`."""

    market: MarketService
    runs: RunService
    limits: Limits = field(default=LIMITS)

    async def queue(self, uow: UnitOfWork, team_id: int, *, wish: SweepRun, created_by: str) -> RunTicket:
        """Check everything that can be checked, then queue the sweep.

        Raises `ArgumentsInvalid`, `StrategyUnknown`, `ParameterInvalid`, `InstrumentNotFound`, `BarsMissing`,
        `RunLimit`.
        """
        run = await asyncio.to_thread(checked_sweep, wish)
        tables, _ = await read_bars(self.market, run.all_symbols, run.terms)
        rules_for(run.terms.rules, tables)
        check_work(run, {symbol: bars_in(table) for symbol, table in tables.items()})
        run = replace(run, symbol=next(iter(tables)), symbols=tuple(tables))
        draft = RunDraft(kind=SWEEP, title=run.title, arguments=run.to_plain(), limits=self.limits)
        return ticket(await self.runs.queue(uow, team_id, draft=draft, created_by=created_by))

    async def get(self, uow: UnitOfWork, team_id: int, *, run_id: str, page: int = 1, size: int = 20) -> SweepPage:
        """Return what a finished sweep found, and a page of its trials. Raises `RunNotFound` and `SweepNotFound`."""
        if not (page >= 1 and 1 <= size <= LARGEST_PAGE):
            message = f"page counts from 1 and size lies between 1 and {LARGEST_PAGE}"
            raise ArgumentsInvalid([FieldFault("page", message, got=f"page={page}, size={size}")])
        found = await BacktestSweepStore(uow).for_team(team_id).find(run_id)
        if found is None:
            run = await self.runs.get(uow, team_id, run_id=run_id)
            hint = "It is no sweep." if run.kind != SWEEP else f"Its state is {run.state.value}."
            raise SweepNotFound(run_id=run_id, hint=hint, state=run.state)
        stored, content = found
        return await asyncio.to_thread(page_of, stored, content, page=page, size=size)


@dataclass(frozen=True, slots=True)
class SweepJob:
    """Carries out queued sweeps. `cluster` is the address of a dask scheduler; empty for this machine's cores."""

    market: MarketService
    clock: Clock
    cluster: str = ""

    @property
    def kind(self) -> str:
        """The kind of its runs."""
        return SWEEP

    async def carry_out(self, bench: Workbench) -> FinishedSweep:
        """Read the bars and sweep in a child process, which spreads the trials."""
        run = SweepRun.from_plain(bench.claim.arguments)
        bench.step(f"reading bars of {', '.join(run.all_symbols)}")
        tables, _ = await read_bars(self.market, run.all_symbols, run.terms)
        finished: FinishedSweep = await in_child(bench, run_sweep, run, tables, worker_processes(), self.cluster)
        return finished

    async def keep(self, uow: UnitOfWork, claim: Claim, outcome: FinishedSweep) -> dict[str, Any]:
        """Keep what was found; its page is read by the run's id."""
        run = SweepRun.from_plain(claim.arguments)
        stored = StoredSweep(
            sweep_id=0,
            run_id=claim.run_id,
            strategy=run.strategy,
            symbol=run.symbol,
            objective=run.objective,
            trials=outcome.count,
            summary=outcome.summary,
            simulated=outcome.simulated,
            created_by=claim.created_by,
            created_at=self.clock.now(),
        )
        await BacktestSweepStore(uow).for_team(claim.team_id).add(stored, trials=outcome.trials)
        action = {"skillId": SWEEP_SKILL, "params": {"run_id": claim.run_id}}
        return {"trials": outcome.count, "stopped": outcome.summary["stopped"], "nextAction": action}
