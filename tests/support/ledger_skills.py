"""The ledger's skills over the fake market, called through the dispatcher as every door does."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import insert

from core.access.audit_log import HEAD_FILE, AuditLog, load_or_create_key
from core.access.model import Caller, Role
from core.access.service import AccessService
from core.access.store import users
from core.clock import FrozenClock
from core.ids import SeededIds
from core.portfolio.service import PortfolioService
from core.settings import Settings
from core.storage.database import Database
from skills.investment import portfolio, trading
from tests.support.fake_market import FakeMarket, FakeRecommendations
from tests.support.ledger_desk import make_teams
from tests.support.small_market import ALPHA, BETA
from tools.context import SkillCall, SkillResult, Surface
from tools.dispatcher import Dispatcher
from tools.registry import Registry

ANNA, BEN = replace(ALPHA, all_scopes=True), replace(BETA, all_scopes=True)


@dataclass
class SkillDesk:
    """Runs `investment.stock.*` skills; `await SkillDesk.make(...)`."""

    dispatcher: Dispatcher
    market: FakeMarket
    advice: FakeRecommendations
    registry: Registry
    services: Any

    @classmethod
    async def make(cls, database: Database, clock: FrozenClock, folder: Path) -> "SkillDesk":
        await make_teams(database, clock)
        await make_users(database, clock)
        settings, ids, market, advice = Settings(home=folder), SeededIds(5), FakeMarket(), FakeRecommendations()
        services: Any = SimpleNamespace(portfolio=PortfolioService(market, clock, advice), clock=clock)
        registry = Registry.collect([portfolio, trading])
        dispatcher = Dispatcher(
            registry=registry,
            services=services,
            database=database,
            access=AccessService(ids, clock, settings),
            audit=AuditLog(load_or_create_key(settings.keys_folder, ids), settings.keys_folder / HEAD_FILE, clock),
            clock=clock,
            ids=ids,
            settings=settings,
        )
        return cls(dispatcher, market, advice, registry, services)

    async def run(self, skill_id: str, caller: Caller = ANNA, /, **params: Any) -> SkillResult:
        call = SkillCall(skill_id=skill_id, params=params, caller=caller, surface=Surface.REST, trace_id="trc_1")
        return await self.dispatcher.run(call)


async def make_users(database: Database, clock: FrozenClock) -> None:
    """Make the people behind the callers: an approval names the one who asked."""
    async with database.unit_of_work() as uow:
        async with uow.write():
            for caller in (ANNA, BEN):
                row = {"id": caller.user_id, "team_id": caller.team_id, "username": caller.username, "email": "a@b.cn"}
                row |= {"username_key": caller.username, "role": Role.MEMBER, "password_hash": "x", "is_active": True}
                await uow.execute(insert(users).values(created_at=clock.now(), **row))
        await uow.commit()
