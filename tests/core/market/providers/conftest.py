"""A wire that waits for nothing and writes down how long it would have waited."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
import respx

from core.market.providers.wire import Wire


@dataclass
class RecordedSleep:
    waits: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def sleep() -> RecordedSleep:
    return RecordedSleep()


@pytest.fixture
async def wire(sleep: RecordedSleep) -> AsyncIterator[Wire]:
    async with httpx.AsyncClient() as client:
        yield Wire(client, sleep=sleep)


@pytest.fixture
def mocked() -> respx.MockRouter:
    with respx.mock(assert_all_called=False) as router:
        yield router
