"""Streams of changes: a token has so many, and none after its end."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from agent_server.mcp_transport import changes
from tests.support.mcp_desk import secret_client
from tests.support.rest_desk import Person, RestDesk

pytestmark = pytest.mark.anyio


async def test_one_token_has_so_many_streams(desk: RestDesk, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_OF_ONE", 2)
    secret = (await desk.mint(ada.user)).secret
    async with secret_client(desk, secret) as client, AsyncExitStack() as streams:
        for _ in range(2):
            await streams.enter_async_context(client.listen(resources_list_changed=True))
        with pytest.raises(MCPError, match="2 streams of this token are open already"):
            await streams.enter_async_context(client.listen(resources_list_changed=True))
        await streams.aclose()
        async with asyncio.timeout(60):
            while not await listens(client):  # noqa: ASYNC110 - a closed stream ends at the server a moment later
                await asyncio.sleep(0.01)


async def listens(client: Any) -> bool:
    """Open a stream and close it again; tell whether there was room for it."""
    try:
        async with client.listen(resources_list_changed=True):
            return True
    except MCPError:
        return False


async def test_a_token_that_is_revoked_hears_nothing_more(
    desk: RestDesk, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "CHECK_SECONDS", 0.01)
    minted = await desk.mint(ada.user)
    async with secret_client(desk, minted.secret) as client:
        with pytest.raises(Exception) as ended:  # noqa: PT011 - which error a client raises is its own
            async with asyncio.timeout(60), client.listen(resources_list_changed=True) as heard:
                async with desk.desk.unit_of_work() as uow:
                    await desk.desk.services.access.revoke_token(uow, ada.user.team_id, minted.token.token_id)
                    await uow.commit()
                async for _ in heard:
                    pass
    assert type(ended.value).__name__ == "SubscriptionLost", ended.value
