"""How connections are opened. Migrations have their own tests."""

from pathlib import Path

import pytest
from sqlalchemy import text

from core.storage.database import Database

pytestmark = pytest.mark.anyio


async def test_a_database_without_a_revision_has_none(database: Database) -> None:
    assert await database.revision() is None


async def test_sqlite_runs_in_wal_mode_with_full_sync_and_foreign_keys(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'desk.sqlite3'}")
    async with database.unit_of_work() as uow:
        names = ("journal_mode", "synchronous", "foreign_keys")
        values = [(await uow.fetch_one(text(f"PRAGMA {name}")))[0] for name in names]
    await database.close()
    assert values == ["wal", 2, 1]
