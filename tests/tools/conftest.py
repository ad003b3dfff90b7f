"""A desk of sample skills, on both databases."""

from pathlib import Path

import pytest

from core.clock import FrozenClock
from core.ids import SeededIds
from core.storage.database import Database
from tests.support.sample_skills import SampleDesk, new_desk


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, ids: SeededIds, tmp_path: Path) -> SampleDesk:
    return await new_desk(database, clock, ids, tmp_path)
