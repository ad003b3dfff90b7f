"""A desk with two teams, ready to sign in, ask and decide."""

from pathlib import Path

import pytest

from core.access.audit_log import AuditLog
from core.access.passwords import Passwords
from core.access.service import AccessService
from core.clock import FrozenClock
from core.ids import SeededIds
from core.settings import Settings
from core.storage.database import Database
from tests.support.access import AccessDesk


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def access(ids: SeededIds, clock: FrozenClock, settings: Settings) -> AccessService:
    return AccessService(ids, clock, settings, passwords=Passwords(ids, passes=1, memory_kib=8, lanes=1))


@pytest.fixture
async def desk(database: Database, access: AccessService, clock: FrozenClock) -> AccessDesk:
    return await AccessDesk.make(database, access, clock)


@pytest.fixture
def head_path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "audit.head"


@pytest.fixture
def audit(clock: FrozenClock, head_path: Path) -> AuditLog:
    return AuditLog(b"k" * 32, head_path, clock)
