"""Fixtures everybody uses: a clock that stands still, repeatable ids, both databases, the real market data."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import pytest
import structlog

from core.clock import CHINA, FrozenClock
from core.ids import SeededIds
from core.storage.database import Database
from tests.support.databases import PostgresCluster, create_schema, postgres_cluster

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the journeys: a long test that one of two workers begins last leaves the other idle."""
    items.sort(key=lambda item: "journeys" not in item.path.parts)


@pytest.fixture(autouse=True)
def _keep_logging_as_it_is() -> Iterator[None]:
    """Undo what commands that run in this process do to the log: tests after them look into it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(datetime(2026, 11, 20, 15, 30, tzinfo=CHINA))


@pytest.fixture
def ids() -> SeededIds:
    return SeededIds(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    with postgres_cluster(tmp_path_factory.mktemp("postgres")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def sqlite_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema in place, to be copied."""
    path = tmp_path_factory.mktemp("schema") / "desk.sqlite3"

    async def make() -> None:
        opened = Database(f"sqlite:///{path}")
        await create_schema(opened)
        await opened.close()

    asyncio.run(make())
    return path


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path, sqlite_schema: Path) -> AsyncIterator[Database]:
    """An empty database with the schema in place, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        opened = Database(f"sqlite:///{shutil.copy(sqlite_schema, tmp_path)}")
        yield opened
        await opened.close()
        return
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    async with cluster.lent_database() as lent:
        yield lent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real market data; it is not part of the project."""
    folder = Path(os.environ.get("DINGPAN_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "daily_bars.parquet").exists():
        pytest.skip(f"real market data is absent: put it at {folder} or set DINGPAN_TEST_DATA")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[pytest.TestReport]:
    """Where a machine checks the project, a test that a missing program would skip fails instead."""
    report: pytest.TestReport = yield
    reason = str(report.longrepr) if report.skipped else ""
    if os.environ.get("CI") == "true" and ("not installed" in reason or "needs curl" in reason):
        report.outcome = "failed"
        report.longrepr = f"a program is missing on this machine: {reason}"
    return report
