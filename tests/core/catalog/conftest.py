"""A small market, two teams and the catalog over them."""

from pathlib import Path

import pytest
from sqlalchemy import insert

from core.access.store import teams
from core.catalog.query import Caps
from core.catalog.service import CatalogService
from core.clock import FrozenClock
from core.market.bar_store import MarketStore, TableChange
from core.market.service import MarketService
from core.storage.database import Database
from tests.support.small_market import IMPORTED, dataset_tables, source


@pytest.fixture
def market_store(tmp_path: Path) -> MarketStore:
    """Three A shares on three days, two indices, minutes, one dividend; no Hong Kong days."""
    store = MarketStore(tmp_path / "market")
    changes = {name: TableChange(table, (source(),)) for name, table in dataset_tables().items()}
    store.commit(changes, imported_at=IMPORTED)
    return store


@pytest.fixture
def catalog(market_store: MarketStore, clock: FrozenClock, tmp_path: Path) -> CatalogService:
    caps = Caps(seconds=0.5, megabytes=64, rows=100)
    return CatalogService(MarketService(market_store, clock), clock, folder=tmp_path / "assets", caps=caps)


@pytest.fixture
async def desk(database: Database, clock: FrozenClock) -> Database:
    """The database with the teams alpha (1) and beta (2)."""
    async with database.unit_of_work() as uow:
        async with uow.write():
            for name in ("alpha", "beta"):
                await uow.execute(insert(teams).values(name=name, name_key=name, created_at=clock.now()))
        await uow.commit()
    return database
