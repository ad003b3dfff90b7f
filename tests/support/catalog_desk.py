"""A desk over the small market with two teams, called through the dispatcher as every door does."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
from sqlalchemy import insert

from core.access.audit_log import HEAD_FILE, AuditLog, load_or_create_key
from core.access.model import Caller
from core.access.service import AccessService
from core.access.store import teams
from core.catalog.service import CatalogService, TableDraft
from core.clock import FrozenClock
from core.feedback.service import FeedbackService
from core.ids import SeededIds
from core.market.bar_store import MarketStore, TableChange
from core.market.service import MarketService
from core.recommendation.service import RecommendationService
from core.settings import Settings
from core.storage.database import Database
from tests.support.small_market import ALPHA, BETA, IMPORTED, dataset_tables, source
from tools.context import SkillCall, SkillResult, Surface
from tools.dispatcher import Dispatcher
from tools.registry import Registry

ANNA, BEN = replace(ALPHA, all_scopes=True), replace(BETA, all_scopes=True)
"""Callers of the teams alpha and beta with every scope."""


class CatalogDesk:
    """Runs skills of the given modules; `await CatalogDesk.make(...)`."""

    def __init__(self, database: Database, clock: FrozenClock, folder: Path, modules: list[ModuleType]) -> None:
        self.database = database
        settings, ids = Settings(home=folder), SeededIds(5)
        market = MarketService(MarketStore(settings.market_folder), clock)
        self.store = market.store
        self.services: Any = SimpleNamespace(
            catalog=CatalogService(market, clock, folder=folder / "assets"),
            feedback=FeedbackService(clock),
            recommendation=RecommendationService(market, clock),
            clock=clock,
        )
        self.registry = Registry.collect(modules)
        keys = settings.keys_folder
        self.dispatcher = Dispatcher(
            registry=self.registry,
            services=self.services,
            database=database,
            access=AccessService(ids, clock, settings),
            audit=AuditLog(load_or_create_key(keys, ids), keys / HEAD_FILE, clock),
            clock=clock,
            ids=ids,
            settings=settings,
        )

    @classmethod
    async def make(
        cls, database: Database, clock: FrozenClock, folder: Path, *, modules: list[ModuleType]
    ) -> "CatalogDesk":
        desk = cls(database, clock, folder, modules)
        async with database.unit_of_work() as uow:
            async with uow.write():
                for name in ("alpha", "beta"):
                    await uow.execute(insert(teams).values(name=name, name_key=name, created_at=clock.now()))
            await uow.commit()
        tables = dataset_tables() | {"instruments": instruments()}
        desk.store.commit(
            {name: TableChange(table, (source(),)) for name, table in tables.items()}, imported_at=IMPORTED
        )
        return desk

    async def run(self, skill_id: str, caller: Caller = ANNA, **params: Any) -> SkillResult:
        return await self.dispatcher.run(
            SkillCall(skill_id=skill_id, params=params, caller=caller, surface=Surface.REST, trace_id="trc_1")
        )

    async def publish(self, name: str, table: pa.Table, caller: Caller = ANNA, **draft: Any) -> int:
        async with self.database.unit_of_work() as uow:
            asset = await self.services.catalog.publish_table(
                uow, caller, draft=TableDraft(asset_name=name, **draft), table=table
            )
            await uow.commit()
        return asset.asset_id


def instruments() -> pa.Table:
    rows = [
        ("000878.SZ", "鞍钢股份", "SZ", "main", "stock", "CNY"),
        ("600519.SH", "贵州茅台", "SH", "main", "stock", "CNY"),
        ("000300.SH", "沪深300", "SH", None, "index", "CNY"),
    ]
    names = ("symbol", "name", "exchange", "board", "kind", "currency")
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)})
