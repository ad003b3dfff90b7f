"""Migrations on both databases: they make exactly the tables the code declares, and refuse a newer database."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from core.storage.database import Database, DatabaseNewer, DatabaseUnreachable
from core.storage.metadata import metadata
from core.storage.migrations import HEAD_REVISION, environment
from tests.support.databases import PostgresCluster
from tests.support.tables import import_every_table

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(params=["sqlite", "postgres"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path / 'new' / 'desk.sqlite3'}")
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    return Database(await cluster.new_database(empty=True))


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_migrated_schema_is_the_declared_one(empty: Database) -> None:
    import_every_table()
    await empty.migrate()
    await empty.migrate()
    assert await empty.revision() == HEAD_REVISION
    assert await empty.run(differences, writing=False) == []
    await empty.close()


async def test_processes_that_start_together_migrate_once(empty: Database) -> None:
    program = (
        "import asyncio, sys; from core.storage.database import Database; asyncio.run(Database(sys.argv[1]).migrate())"
    )
    command = [sys.executable, "-c", program, empty.url.render_as_string(hide_password=False)]
    started = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(4)]  # noqa: ASYNC220 - the point is that they are processes
    ended = [await asyncio.to_thread(process.communicate) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0, 0], ended
    assert await empty.revision() == HEAD_REVISION
    await empty.close()


async def test_newer_database_is_refused_with_what_to_do(empty: Database) -> None:
    await empty.migrate()
    await empty.run(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(DatabaseNewer, match=r"revision 9999.*install that release"):
        await empty.migrate()
    await empty.close()


def test_head_constant_is_the_newest_script() -> None:
    assert environment.scripts().get_current_head() == HEAD_REVISION


async def test_unreachable_database_says_so_without_the_password() -> None:
    database = Database("postgresql+asyncpg://desk:very-secret@127.0.0.1:1/desk")
    with pytest.raises(DatabaseUnreachable) as caught:
        await database.migrate()
    assert "very-secret" not in str(caught.value)
    await database.close()
