"""The front that speaks before the desk is open, and what it does when the desk cannot be opened."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client
from mcp.server import Server
from mcp.shared.exceptions import MCPError

from agent_server.mcp_transport.identity import SecretIdentity
from agent_server.mcp_transport.server import build_server
from agent_server.mcp_transport.stdio import METHODS, Front
from core.errors import Unavailable
from tests.support.mcp_desk import ERAS, Asked
from tests.support.rest_desk import Person, RestDesk

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def fronted(opener: Any) -> AsyncIterator[Front]:
    front = Front(opener)
    keeping = asyncio.create_task(front.keep_open())
    try:
        yield front
    finally:
        front.close()
        await keeping


@pytest.mark.parametrize("era", ERAS)
async def test_first_words_need_no_desk_and_the_rest_waits_for_it(desk: RestDesk, ada: Person, era: str) -> None:
    gate = asyncio.Event()
    secret = (await desk.mint(ada.user)).secret
    asked = Asked(then=ada.decide)
    victim = (await desk.mint(ada.user)).token.token_id

    @asynccontextmanager
    async def opener() -> AsyncIterator[Server[Any]]:
        await gate.wait()
        yield build_server(desk.desk, identity=SecretIdentity(desk.desk, secret, client="pytest"), preset="portfolio")

    async with (
        fronted(opener) as front,
        Client(front.server(), mode=era, elicitation_callback=asked) as client,  # type: ignore[arg-type]
    ):
        listing = asyncio.create_task(client.list_tools())
        await asyncio.sleep(0)
        assert not listing.done()
        gate.set()
        names = {tool.name for tool in (await listing).tools}
        done = await client.call_tool("subscription_token_revoke", {"token_id": victim})
    assert "investment_stock_portfolio_list" in names
    assert "market_quote_get" not in names
    assert not done.is_error
    assert len(asked.shown) == 1


async def test_the_front_answers_what_the_server_answers(desk: RestDesk) -> None:
    server = build_server(desk.desk, identity=SecretIdentity(desk.desk, "", client=""))
    entries = {method: server.get_request_handler(method) for method in METHODS}
    assert {method: entry.params_type for method, entry in entries.items() if entry is not None} == METHODS
    own = {method for method in server._request_handlers if server.get_request_handler(method) is not None}
    assert own - set(METHODS) == {"ping", "server/discover"}
    assert server.get_capabilities() == Front(lambda: None).server().get_capabilities()  # type: ignore[arg-type,return-value]


async def test_a_desk_that_cannot_be_opened_is_told_to_every_request() -> None:
    @asynccontextmanager
    async def opener() -> AsyncIterator[Server[Any]]:
        raise Unavailable(reason="the database is away")
        yield

    async with fronted(opener) as front, Client(front.server(), mode="legacy") as client:
        for _ in range(2):
            with pytest.raises(MCPError, match="cannot be opened: the database is away"):
                await client.list_tools()
    assert front.failure is not None
    assert front.failure.code == "upstream_unavailable"
