"""Desks for tests of the doors."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.clock import FrozenClock
from tests.support.rest_desk import Person, RestDesk, rest_desk, settings_in


@pytest.fixture
async def desk(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[RestDesk]:
    """An empty desk on SQLite."""
    async with rest_desk(settings_in(tmp_path), clock) as made:
        yield made


@pytest.fixture
async def ada(desk: RestDesk) -> Person:
    """An administrator of her own team, signed in."""
    return await desk.person("ada")
