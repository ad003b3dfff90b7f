"""A desk of sample skills, on both databases."""

from pathlib import Path

import pytest

from core.access.audit_log import HEAD_FILE, AuditLog, load_or_create_key
from core.access.service import AccessService
from core.clock import FrozenClock
from core.ids import SeededIds
from core.settings import Settings
from core.storage.database import Database
from tests.support.sample_skills import SampleDesk, jars


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, ids: SeededIds, tmp_path: Path) -> SampleDesk:
    async with database.engine.begin() as connection:
        await connection.run_sync(jars.create)
    settings = Settings(home=tmp_path, public_url="https://desk.example")
    keys = settings.keys_folder
    audit = AuditLog(load_or_create_key(keys, ids), keys / HEAD_FILE, clock)
    made = SampleDesk(database, AccessService(ids, clock, settings), audit, settings, clock)
    made.user = await made.new_user("anna")
    return made
