"""The look-ahead check as callers ask for it: a named strategy over the desk's bars, in a child process, bounded.

It changes nothing and ends soon, so it is an ordinary call and no run. Costs and market rules are left out: they decide
how orders end, and the check compares how they are given.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from core.backtest.lookahead_finding import LookAhead
from core.backtest.model import BarTable
from core.backtest.named_strategies import OTHERS, make_strategies
from core.backtest.problems import ParameterInvalid
from core.backtest.run_service import read_bars
from core.backtest.strategy_runs import StrategyRun, checked_run
from core.durable.child import Children, Kind, Tell
from core.durable.model import Limits
from core.errors import Limited
from core.market.service import MarketService

LIMITS: Final = Limits(seconds=45.0, memory_mb=1_024.0)
AT_ONCE: Final = 2
MOST_OF_A_TEAM: Final = 4
"""Checks of one team that run or wait for a place: others want theirs too."""
RETRY_SECONDS: Final = 10
PRICES: Final = ("trade_date", "open", "high", "low", "close", "volume")


class TooManyChecks(Limited):
    """The team has as many look-ahead checks in hand as it may have."""

    template = "{limit} look-ahead checks of the team are running or waiting already. Wait for one to end."


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAheadReport:
    """What was tried and found. `is_clean` when no order changed with the future."""

    strategy: str
    symbol: str
    bars: int
    samples: int
    is_clean: bool
    findings: tuple[LookAhead, ...]


@dataclass(frozen=True, slots=True)
class LookAheadService:
    """Checks strategies; made once by `bootstrap`."""

    market: MarketService
    children: Children
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _in_hand: Counter[int] = field(default_factory=Counter)

    async def check(self, team_id: int, *, wish: StrategyRun, samples: int) -> LookAheadReport:
        """Run the check. Raises the errors of a run that cannot be, `RunOverLimit`, and `TooManyChecks`."""
        run = await asyncio.to_thread(checked_run, wish)
        if run.strategy in OTHERS:
            reason = f"{run.strategy} does not decide by prices, so there is nothing to check"
            raise ParameterInvalid(name="strategy", reason=reason)
        tables, _ = await read_bars(self.market, run.symbols, run.terms)
        symbol, table = next(iter(tables.items()))
        async with self._place(team_id):
            bars, findings = await self.children.run(
                check_in_child, run, table, samples, limits=LIMITS, on_message=_ignore
            )
        return LookAheadReport(
            strategy=run.strategy,
            symbol=symbol,
            bars=bars,
            samples=samples,
            is_clean=not findings,
            findings=tuple(findings),
        )

    @asynccontextmanager
    async def _place(self, team_id: int) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        if self._in_hand[team_id] >= MOST_OF_A_TEAM:
            raise TooManyChecks(bucket="lookahead", retry_after_seconds=RETRY_SECONDS, limit=MOST_OF_A_TEAM)
        self._in_hand[team_id] += 1
        try:
            async with self._places:
                yield
        finally:
            self._in_hand[team_id] -= 1
            if not self._in_hand[team_id]:
                del self._in_hand[team_id]


def check_in_child(tell: Tell, run: StrategyRun, table: BarTable, samples: int) -> tuple[int, list[LookAhead]]:  # noqa: ARG001
    """Run the check; called in a child process."""
    from core.backtest.lookahead import lookahead_check  # noqa: PLC0415 - the engine loads in the child

    def make(_: Sequence[Mapping[str, Any]]) -> object:
        return make_strategies(run.strategy, run.parameters, run.symbols, {})[run.symbols[0]]

    rows = rows_of(table)
    return len(rows), lookahead_check(make, rows, samples=samples)


def rows_of(table: BarTable) -> list[dict[str, Any]]:
    """Return the dates and prices of a table as rows."""
    columns = {name: table.columns[name].tolist() for name in PRICES}
    columns["trade_date"] = [day.isoformat() for day in columns["trade_date"]]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _ignore(_: Kind, __: object) -> None:
    """Nobody waits for the progress of a check."""
