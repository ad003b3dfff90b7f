"""Backtests as runs: check what is asked for, queue it, carry it out in a child process, keep the result once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from core.backtest.desk_bars import desk_bars
from core.backtest.desk_ticks import ticks_of
from core.backtest.model import BarTable
from core.backtest.named_strategies import REPLAY, StrategyList, strategy_list
from core.backtest.service import BacktestService
from core.backtest.strategy_runs import (
    FinishedRun,
    StrategyRun,
    Terms,
    check_options,
    checked_run,
    refuse_empty,
    rules_for,
    run_strategy,
)
from core.backtest.watching import RunLimits
from core.durable.model import Claim, Limits, RunDetail, RunDraft, RunState
from core.durable.runs import RunService
from core.durable.workbench import Workbench
from core.errors import DeskError, NotPossible
from core.market.model import InstrumentKind
from core.market.service import MarketService
from core.portfolio.requests import TradeQuery
from core.portfolio.service import PortfolioService
from core.storage.unit_of_work import UnitOfWork

ENGINE: Final = ("core.backtest.child",)
"""What a child process of a run has loaded before it begins."""
BACKTEST: Final = "backtest"
KINDS: Final = (BACKTEST, "sweep")
RUN_SKILL: Final = "investment.stock.backtest.run.get"
GRACE_SECONDS: Final = 10.0
"""How much longer than the engine's own limit the process may live: it stops itself with the log up to there."""
POLL_SECONDS: Final = 0.25
MAXIMUM_WAIT: Final = 20
MAXIMUM_TRADES: Final = 1_000


class NoTrades(NotPossible):
    """A replay was asked for and the team has recorded no trade of the symbol."""

    code = "no_trades_to_replay"
    template = "No trade of {symbol} is recorded: there is nothing to repeat. Record trades first, or leave it out."
    shown = ("symbol",)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTicket:
    """A queued run. `next_action` is the exact call that tells how it stands."""

    run_id: str
    state: RunState
    title: str
    next_action: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BacktestRunService:
    """Queues backtests and tells how they stand; made once by `bootstrap`."""

    market: MarketService
    runs: RunService
    portfolio: PortfolioService
    limits: Limits = field(default_factory=Limits)

    async def queue(self, uow: UnitOfWork, team_id: int, *, wish: StrategyRun, created_by: str) -> RunTicket:
        """Check everything that can be checked, then queue the backtest.

        Raises `ArgumentsInvalid`, `StrategyUnknown`, `ParameterInvalid`, `InstrumentNotFound`, `BarsMissing`,
        `RunLimit`, `TicksNeeded`, `TicksInvalid`.
        """
        run = await asyncio.to_thread(checked_run, wish)
        tables, _ = await read_bars(self.market, run.symbols, run.terms)
        check_options(run.terms, rules_for(run.terms.rules, tables))
        await read_ticks(self.market, tables, run.terms, whole=False)
        run = replace(run, symbols=tuple(tables))
        if run.strategy == REPLAY:
            run = replace(run, records=await self._records(uow, team_id, run.symbols))
        draft = RunDraft(kind=BACKTEST, title=run.title, arguments=run.to_plain(), limits=self.limits)
        return ticket(await self.runs.queue(uow, team_id, draft=draft, created_by=created_by))

    async def strategies(self) -> StrategyList:
        """Return what can be named."""
        return await asyncio.to_thread(strategy_list)

    async def get(
        self,
        uow: UnitOfWork,
        team_id: int,
        *,
        run_id: str,
        wait_seconds: int = 0,
        report: Callable[[float, float | None, str], Awaitable[None]] | None = None,
    ) -> RunDetail:
        """Return a run; wait up to `wait_seconds` for its end, telling `report` how far it is. Raises `RunNotFound`."""
        run = await self.runs.get(uow, team_id, run_id=run_id)
        for _ in range(int(wait_seconds / POLL_SECONDS)):
            if run.state.has_ended:
                break
            if report is not None:
                await report(run.progress, 1.0, run.step or run.state.value)
            await asyncio.sleep(POLL_SECONDS)
            await uow.commit()  # ends the snapshot, so that the next look is a new one
            run = await self.runs.get(uow, team_id, run_id=run_id)
        return run

    async def _records(self, uow: UnitOfWork, team_id: int, symbols: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the team's trades of each symbol as they stand now. Raises `NoTrades`."""
        found = {symbol: await trading_records(self.portfolio, uow, team_id, symbol) for symbol in symbols}
        for symbol, records in found.items():
            if not records:
                raise NoTrades(symbol=symbol)
        return found


async def trading_records(
    portfolio: PortfolioService, uow: UnitOfWork, team_id: int, symbol: str
) -> list[dict[str, Any]]:
    """Return the trades of a symbol in the team's ledger that count, as the replay strategy reads them."""
    page = await portfolio.list_trades(uow, team_id, query=TradeQuery(code=symbol, size=MAXIMUM_TRADES))
    return [
        {"trade_date": line.trade_date.isoformat(), "trade_type": line.trade_type.value, "qty": line.quantity}
        for line in reversed(page.items)
        if line.trade_type is not None and not line.is_reversed
    ]


def ticket(run: RunDetail, *, skill_id: str = RUN_SKILL) -> RunTicket:
    """Return what a caller is told of a queued run."""
    action = {"skillId": skill_id, "params": {"run_id": run.run_id}}
    return RunTicket(run_id=run.run_id, state=run.state, title=run.title, next_action=action)


async def read_bars(
    market: MarketService, codes: Sequence[str], terms: Terms
) -> tuple[dict[str, BarTable], BarTable | None]:
    """Read the bars of every symbol, under its full code and once each, and of the benchmark.

    Raises `InstrumentNotFound`, `CodeZerosLost` and `BarsMissing`.
    """
    tables: dict[str, BarTable] = {}
    for code in codes:
        symbol = (await market.instrument(code)).symbol
        if symbol not in tables:
            tables[symbol] = await desk_bars(market, symbol, start=terms.start, end=terms.end)
    refuse_empty(tables, terms)
    if terms.benchmark is None:
        return tables, None
    index = await desk_bars(market, terms.benchmark, start=terms.start, end=terms.end, kind=InstrumentKind.INDEX)
    refuse_empty({terms.benchmark: index}, terms)
    return tables, index


async def read_ticks(
    market: MarketService, tables: Mapping[str, BarTable], terms: Terms, *, whole: bool = True
) -> dict[str, BarTable] | None:
    """Read the ticks that orders are to meet, by symbol. Raises `TicksNeeded` and `TicksInvalid`."""
    return await ticks_of(market, tables, terms.matching, start=terms.start, end=terms.end, whole=whole)


@dataclass(frozen=True, slots=True)
class BacktestJob:
    """Carries out queued backtests."""

    market: MarketService
    results: BacktestService

    @property
    def kind(self) -> str:
        """The kind of its runs."""
        return BACKTEST

    async def carry_out(self, bench: Workbench) -> FinishedRun:
        """Read the bars and run the strategy in a child process."""
        run = StrategyRun.from_plain(bench.claim.arguments)
        bench.step("reading bars of " + (run.symbols[0] if len(run.symbols) == 1 else f"{len(run.symbols)} symbols"))
        tables, benchmark = await read_bars(self.market, run.symbols, run.terms)
        ticks = await read_ticks(self.market, tables, run.terms)
        finished: FinishedRun = await in_child(bench, run_strategy, run, tables, benchmark, ticks)
        for line in finished.log:
            bench.log(line)
        return finished

    async def keep(self, uow: UnitOfWork, claim: Claim, outcome: FinishedRun) -> dict[str, Any]:
        """Keep the result; its id is what the run left behind."""
        kept = await self.results.add(
            uow, claim.team_id, draft=outcome.draft, tables=outcome.tables, created_by=claim.created_by
        )
        return {"resultId": kept.id, "name": kept.name}


async def in_child(bench: Workbench, function: Callable[..., Any], *arguments: Any) -> Any:
    """Run the engine in a child; it stops itself at the run's limits, with what the strategy had written by then."""
    limits = bench.claim.limits
    own = RunLimits(time_seconds=limits.seconds, memory_mb=limits.memory_mb / 2)
    try:
        return await bench.in_child(function, *arguments, own, grace=GRACE_SECONDS)
    except DeskError as error:
        for line in _written(error.data):
            bench.log(line)
        raise


def _written(data: Mapping[str, Any]) -> Sequence[str]:
    log = data.get("log", ())
    return [str(line) for line in log] if isinstance(log, list | tuple) else []
