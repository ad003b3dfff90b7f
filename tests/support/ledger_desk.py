"""A desk with nothing but a ledger: one database, one fake market, two teams, and short calls."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from core.access.store import teams
from core.clock import Clock
from core.portfolio.model import Holding, LedgerLine, PnlReport, TradeType
from core.portfolio.requests import HoldingQuery, NewPosition, NewTrade, StatementFile
from core.portfolio.service import PortfolioService
from core.portfolio.statements.model import StatementImport
from core.storage.database import Database
from tests.support.fake_market import FakeMarket, FakeRecommendations


@dataclass
class LedgerDesk:
    """Calls the service as the dispatcher does: one unit of work per call, committed when it ends well."""

    database: Database
    clock: Clock
    market: Any = field(default_factory=FakeMarket)
    advice: FakeRecommendations = field(default_factory=FakeRecommendations)
    team_id: int = 1

    @property
    def service(self) -> PortfolioService:
        return PortfolioService(self.market, self.clock, self.advice)

    async def call(self, method: Callable[..., Awaitable[Any]], /, **arguments: Any) -> Any:
        async with self.database.unit_of_work() as uow:
            result = await method(uow, self.team_id, **arguments)
            await uow.commit()
            return result

    async def trade(self, line: str, **more: Any) -> LedgerLine:
        """Record `2026-11-02 buy 600519.SH 100 @ 1500.00 fee 5 tax 1`."""
        day, side, code, quantity, _, price, *rest = line.split()
        charges = {name: Decimal(value) for name, value in zip(rest[::2], rest[1::2], strict=True)}
        fees = {"fees": charges.get("fee", Decimal(0)), "tax": charges.get("tax")}
        trade = NewTrade(
            code=code,
            trade_type=TradeType(side.upper()),
            trade_date=date.fromisoformat(day),
            quantity=int(quantity),
            price=Decimal(price),
            **(fees | more),
        )
        return await self.call(self.service.create_trade, trade=trade)

    async def open(self, code: str, quantity: int, cost: str, **more: Any) -> Holding:
        position = NewPosition(code=code, quantity=quantity, cost=Decimal(cost), **more)
        return await self.call(self.service.create_opening, position=position)

    async def holdings(self, **query: Any) -> dict[str, Holding]:
        page = await self.call(self.service.list_holdings, query=HoldingQuery(**query))
        return {holding.symbol: holding for holding in page.items}

    async def pnl(self, **query: Any) -> PnlReport:
        return await self.call(self.service.pnl, **query)

    async def statement(self, content: bytes, *, dry_run: bool = False, **more: Any) -> StatementImport:
        file = StatementFile(name=more.pop("name", "statement.csv"), content=content, **more)
        return await self.call(self.service.import_statement, file=file, dry_run=dry_run)


async def make_teams(database: Database, clock: Clock) -> None:
    """Make the teams 1 and 2."""
    async with database.unit_of_work() as uow:
        async with uow.write():
            for name in ("first", "second"):
                row = {"name": name, "name_key": name, "created_at": clock.now()}
                await uow.execute(insert(teams).values(**row))
        await uow.commit()
