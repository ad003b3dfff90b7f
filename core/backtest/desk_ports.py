"""`asset=` and `persist=` on a desk: bars of its assets and market, results into its store, trades of its ledger.

The engine is synchronous and runs in a thread or a program of its own; the desk's connections live on an event loop.
Each call here waits for that loop, so the engine must not run on it.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeVar

from core.access.model import Caller
from core.backtest.dates import day_of
from core.backtest.desk_bars import desk_bars
from core.backtest.desk_ticks import desk_ticks
from core.backtest.model import BarTable
from core.backtest.ports import Ports
from core.backtest.results_draft import draft_of
from core.backtest.run_service import trading_records
from core.backtest.service import BacktestService
from core.catalog.filters import FilterSlot
from core.catalog.service import CatalogService
from core.market.instruments_spelling import read_spelling
from core.market.service import MarketService
from core.portfolio.model import TradeType
from core.portfolio.service import PortfolioService
from core.storage.database import Database

T = TypeVar("T")
MOST_ROWS: Final = 1_000_001
"""One more than a run may have, so that too many are noticed and not cut."""
UNNAMED: Final = "backtest"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPorts:
    """The ports of a desk for one caller. `results` None: nothing is kept here."""

    loop: asyncio.AbstractEventLoop
    database: Database
    market: MarketService
    catalog: CatalogService
    portfolio: PortfolioService
    caller: Caller
    results: BacktestService | None = None

    def ports(self) -> Ports:
        """Return them as the engine takes them."""
        return Ports(source=self, sink=None if self.results is None else self, records=self, ticks=self)

    def bars(
        self, asset: int | str, *, filter_column: str | None, filter_value: Any, start: str | None, end: str | None
    ) -> BarTable:
        """Return the rows of an asset by number or name, in the order of its days; or the daily bars of a symbol.

        A symbol such as 600519.SH brings its listing and its corporate actions along. Raises `AssetNotFound`,
        `InstrumentNotFound`, `ArgumentsInvalid` and `ParameterInvalid`. Of an asset the engine itself cuts the days.
        """
        symbol = _symbol(asset)
        if symbol is not None:
            first, last = (_day(value, name) for value, name in ((start, "start"), (end, "end")))
            return self._wait(desk_bars(self.market, symbol, start=first, end=last))
        return self._wait(self._rows(asset, filter_column, filter_value))

    def ticks(self, symbol: str, *, books: bool, start: str | None, end: str | None) -> BarTable | None:
        """Return trades of a symbol, or its order books, that the desk has between two days."""
        first, last = (_day(value, name) for value, name in ((start, "start"), (end, "end")))
        return self._wait(desk_ticks(self.market, symbol, books=books, start=first, end=last))

    def save(self, result: dict[str, Any], *, name: str | None) -> object:
        """Keep a result in the caller's team; return its id."""
        return self._wait(self._save(result, name or UNNAMED))

    def records(self, symbol: str, *, trade_type: str | None, size: int) -> list[dict[str, Any]]:
        """Return the newest trades of a stock in the team's ledger, newest first."""
        return self._wait(self._records(symbol, trade_type, size))

    async def _rows(self, asset: int | str, column: str | None, value: Any) -> BarTable:
        slot = FilterSlot() if column is None or value is None else FilterSlot(column=column, value=value)
        async with self.database.unit_of_work(read_only=True) as uow:
            found = await self.catalog.rows(uow, self.caller, asset=asset, slot=slot, limit=MOST_ROWS)
        return BarTable(rows=found.rows, simulated=found.simulated)

    async def _save(self, result: Mapping[str, Any], name: str) -> int:
        assert self.results is not None
        draft = draft_of(result, name=name, strategy=UNNAMED)
        async with self.database.unit_of_work() as uow:
            kept = await self.results.save(
                uow, self.caller.team_id or 0, draft=draft, created_by=self.caller.username or ""
            )
            await uow.commit()
        return kept.id

    async def _records(self, symbol: str, trade_type: str | None, size: int) -> list[dict[str, Any]]:
        wanted = None if trade_type is None else TradeType(trade_type.upper())
        async with self.database.unit_of_work(read_only=True) as uow:
            rows = await trading_records(self.portfolio, uow, self.caller.team_id or 0, symbol)
        return [row for row in reversed(rows) if wanted is None or row["trade_type"] == wanted][:size]

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


def _day(value: str | None, name: str) -> date | None:
    day = day_of(value, name=name)
    return None if day is None else date.fromisoformat(str(day.astype("datetime64[D]")))


def _symbol(asset: int | str) -> str | None:
    """Return the symbol that a text with an exchange in it means; None for the name or number of an asset."""
    if not isinstance(asset, str) or "." not in asset:
        return None
    spelling = read_spelling(asset)
    return None if spelling is None else spelling.symbol
