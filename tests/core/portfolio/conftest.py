"""A desk with a ledger, on both databases."""

import pytest

from core.clock import FrozenClock
from core.storage.database import Database
from tests.support.ledger_desk import LedgerDesk, make_teams


@pytest.fixture
async def desk(database: Database, clock: FrozenClock) -> LedgerDesk:
    await make_teams(database, clock)
    return LedgerDesk(database, clock)
