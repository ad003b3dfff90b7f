"""One token's sessions never take the place of another's."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from agent_server.mcp_transport.http_app import http_app
from agent_server.mcp_transport.sessions import BoundedSessions
from tests.support.rest_desk import Person, RestDesk

pytestmark = pytest.mark.anyio

MOST = 3
HELLO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}


@pytest.fixture
async def door(desk: RestDesk) -> AsyncIterator[BoundedSessions]:
    """The MCP application with room for three sessions of a token."""
    app, manager = http_app(desk.desk, path="/mcp")
    async with manager.run():
        yield BoundedSessions(app, most=MOST)


class Agent:
    """A client with one token."""

    def __init__(self, door: BoundedSessions, desk: RestDesk, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        transport = httpx.ASGITransport(door)
        self.http = httpx.AsyncClient(transport=transport, base_url=desk.settings.base_url, headers=headers)

    async def open(self) -> str:
        answer = await self.http.post("/mcp", json=HELLO)
        assert answer.status_code == 200, answer.text
        return answer.headers["mcp-session-id"]

    async def ping(self, session: str) -> int:
        return (await self.http.post("/mcp", json=PING, headers={"Mcp-Session-Id": session})).status_code

    async def end(self, session: str) -> int:
        return (await self.http.delete("/mcp", headers={"Mcp-Session-Id": session})).status_code


@pytest.fixture
async def agents(desk: RestDesk, ada: Person, door: BoundedSessions) -> AsyncIterator[tuple[Agent, Agent]]:
    """Two tokens of the same person."""
    made = [Agent(door, desk, (await desk.mint(ada.user)).secret) for _ in range(2)]
    yield made[0], made[1]
    for agent in made:
        await agent.http.aclose()


async def test_one_session_too_many_ends_the_longest_unused(agents: tuple[Agent, Agent]) -> None:
    agent, other = agents
    theirs = await other.open()
    first, second, third = [await agent.open() for _ in range(MOST)]
    assert await agent.ping(first) == 200
    fourth = await agent.open()
    assert [await agent.ping(each) for each in (first, second, third, fourth)] == [200, 404, 200, 200]
    assert await other.ping(theirs) == 200


async def test_listening_session_outlives_one_that_does_nothing(
    agents: tuple[Agent, Agent], door: BoundedSessions
) -> None:
    agent, _ = agents
    listening, idle, third = [await agent.open() for _ in range(MOST)]
    hangs_up = anyio.Event()
    async with anyio.create_task_group() as group:
        await group.start(listen, agent, door, listening, hangs_up)
        states = [await agent.ping(idle), await agent.ping(third)]
        fourth = await agent.open()
        states += [await agent.ping(each) for each in (listening, idle, third, fourth)]
        hangs_up.set()
    assert states == [200, 200, 200, 404, 200, 200]


async def listen(
    agent: Agent,
    door: BoundedSessions,
    session: str,
    hangs_up: anyio.Event,
    *,
    task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
) -> None:
    """Hold the stream on which a server speaks to its client, until the client hangs up."""
    headers = [(name.lower(), value) for name, value in agent.http.headers.raw] + [
        (b"mcp-session-id", session.encode())
    ]
    host = agent.http.base_url.netloc
    scope = {"type": "http", "method": "GET", "path": "/mcp", "raw_path": b"/mcp", "query_string": b"", "root_path": ""}
    scope |= {
        "headers": [*headers, (b"host", host)],
        "scheme": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
    }

    asked: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not asked:
            await hangs_up.wait()
        return asked.pop() if asked else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
            task_status.started()

    await door(scope, receive, send)


async def test_ended_sessions_make_room(agents: tuple[Agent, Agent], door: BoundedSessions) -> None:
    agent, _ = agents
    first, second, third = [await agent.open() for _ in range(MOST)]
    assert await agent.end(second) == 200
    fourth = await agent.open()
    assert [await agent.ping(each) for each in (first, third, fourth)] == [200, 200, 200]
    assert await agent.ping(second) == 404
    for each in (first, third, fourth):
        assert await agent.end(each) == 200
    assert door._tokens == {}


async def test_session_of_another_token_is_not_theirs_to_use_or_end(
    agents: tuple[Agent, Agent], door: BoundedSessions
) -> None:
    agent, other = agents
    session = await agent.open()
    assert await other.ping(session) == 404
    assert await other.end(session) == 404
    assert await agent.ping(session) == 200


async def test_callers_without_a_token_are_not_remembered(desk: RestDesk, door: BoundedSessions) -> None:
    stranger = Agent(door, desk, "lgatk_wrong")
    assert (await stranger.http.post("/mcp", json=HELLO)).status_code == 401
    assert door._tokens == {}
    await stranger.http.aclose()


async def test_one_token_is_one_however_its_header_is_written(
    agents: tuple[Agent, Agent], door: BoundedSessions
) -> None:
    agent, _ = agents
    token = agent.http.headers["authorization"].partition(" ")[2]
    sessions = []
    for word in ("Bearer", "bearer", "BEARER", "bEARER"):
        agent.http.headers["authorization"] = f"{word} {token}"
        sessions.append(await agent.open())
    assert [await agent.ping(each) for each in sessions] == [404, 200, 200, 200]
    assert len(door._tokens) == 1
