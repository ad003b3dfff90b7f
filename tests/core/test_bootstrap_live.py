"""A desk opens live sources when told to, and closes them."""

import pytest

from core import bootstrap
from core.settings import Settings

pytestmark = pytest.mark.anyio


async def test_the_live_market_is_opened_and_closed_with_the_desk(tmp_path, clock, ids) -> None:
    async with bootstrap.opened(Settings(home=tmp_path, live_market=True), clock=clock, ids=ids) as services:
        assert services.live is not None
        assert services.market.live is services.live.quotes
        client = services.live.client
        assert client.is_closed is False
    assert client.is_closed is True


async def test_without_the_setting_there_is_none(tmp_path, clock, ids) -> None:
    async with bootstrap.opened(Settings(home=tmp_path), clock=clock, ids=ids) as services:
        assert (services.live, services.market.live) == (None, None)
