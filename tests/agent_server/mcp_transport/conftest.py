"""A desk with a person, for MCP clients in the same process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.clock import FrozenClock
from tests.support import mcp_desk
from tests.support.rest_desk import Person, RestDesk, rest_desk, settings_in


@pytest.fixture
async def desk(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[RestDesk]:
    """An empty desk whose skills include slow and long ones."""
    mcp_desk.SLOW = mcp_desk.Slow()
    async with rest_desk(settings_in(tmp_path), clock, mcp_desk.registry()) as made:
        yield made


@pytest.fixture
async def ada(desk: RestDesk) -> Person:
    """An administrator of her own team, signed in."""
    return await desk.person("ada")
