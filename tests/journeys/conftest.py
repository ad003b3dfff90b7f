"""Desks with a market, on both databases, for whole stories."""

import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from core.clock import CHINA, FrozenClock
from core.market.bar_store import MarketStore
from core.market.demo import install
from tests.support.databases import PostgresCluster
from tests.support.real_desk import RealDesk, real_desk
from tests.support.rest_desk import RestDesk, rest_desk, settings_in


@pytest.fixture(scope="session")
def demo_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the simulated market, made once."""
    folder = tmp_path_factory.mktemp("demo") / "market"
    install(MarketStore(folder), imported_at=datetime(2026, 11, 20, 16, tzinfo=CHINA))
    return folder


@pytest.fixture(params=["sqlite", "postgres"])
async def desk(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock, demo_market: Path
) -> AsyncIterator[RestDesk]:
    """A desk with the simulated market."""
    url = ""
    if request.param == "postgres":
        cluster: PostgresCluster = request.getfixturevalue("postgres")
        url = await cluster.new_database(empty=True)
    shutil.copytree(demo_market, tmp_path / "market")
    async with rest_desk(settings_in(tmp_path, database_url=url), clock) as made:
        yield made


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealDesk, str]]:
    """A running server on a demo desk, and its agent's token; for journeys that leave no trace others would mind."""
    with real_desk(tmp_path_factory.mktemp("server") / "desk", DINGPAN_WORKER="false") as opened:
        token = opened.demo()
        opened.start()
        yield opened, token
