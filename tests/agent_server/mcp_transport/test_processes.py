"""The door as agents find it: a real server over HTTP, and the processes that clients start, in both eras."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.support.mcp_desk import ERAS, Asked
from tests.support.real_desk import ROOT, RealDesk, RealPerson, real_desk

pytestmark = pytest.mark.anyio
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"Accept": "application/json, text/event-stream"}
NOTE = {"category": "general", "subject": "Prices", "message": "They are late."}


@dataclass
class World:
    desk: RealDesk
    token: str
    other: str
    person: RealPerson

    @property
    def url(self) -> str:
        return f"{self.desk.url}/mcp"

    def victim(self) -> int:
        """A token to revoke."""
        asked = {"name": "victim", "scopes": ["feedback.list"]}
        made = self.person.browser.post(
            "/api/subscription/tokens", json=asked, headers={"X-CSRF-Token": self.person.csrf, "Origin": self.desk.url}
        )
        assert made.status_code < 300, made.text
        return int(made.json()["data"]["token"]["tokenId"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with real_desk(tmp_path_factory.mktemp("mcp")) as desk:
        desk.add_user("ada")
        desk.add_user("ben")
        token, other = desk.token("ada"), desk.token("ben")
        desk.start()
        yield World(desk, token, other, desk.person("ada"))


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def over_http(world: World, era: str, *, query: str = "", **more: Any) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {world.token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(world.url + query, http_client=http), mode=era, **more) as client,  # type: ignore[arg-type]
    ):
        yield client


def spawned(world: World, **settings: str) -> StdioServerParameters:
    """What the README tells Claude Desktop to start, with the places of this machine."""
    written = next(block for block in json_blocks() if "command" in block.get("mcpServers", {}).get("dingpan", {}))
    server = written["mcpServers"]["dingpan"]
    assert server["command"] == "/path/to/dingpan/.venv/bin/dingpan"
    assert set(server["env"]) == {"DINGPAN_HOME", "DINGPAN_TOKEN"}
    program = Path(sys.executable).parent / "dingpan"
    start = [str(program)] if program.exists() else [sys.executable, "-m", "agent_server"]
    environment = {name: world.desk.environment[name] for name in ("DINGPAN_HOME", "DINGPAN_PORT", "PATH")}
    return StdioServerParameters(
        command=start[0], args=[*start[1:], *server["args"]], env=environment | settings, cwd=str(ROOT)
    )


def json_blocks() -> list[dict[str, Any]]:
    """The JSON of the README."""
    return [
        json.loads(block) for block in re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    ]


@asynccontextmanager
async def over_stdio(world: World, era: str, *, token: str, more: Any = None, **settings: str) -> AsyncIterator[Client]:
    parameters = spawned(world, DINGPAN_TOKEN=token, **settings)
    async with Client(stdio_client(parameters), mode=era, **(more or {})) as client:  # type: ignore[arg-type]
        yield client


def test_nobody_gets_in_without_a_token(world: World) -> None:
    answer = httpx.post(world.url, json=PING, headers=ACCEPT)
    metadata = f"{world.desk.url}/.well-known/oauth-protected-resource/mcp"
    assert answer.status_code == 401
    assert f'resource_metadata="{metadata}"' in answer.headers["WWW-Authenticate"]
    assert httpx.get(metadata).json()["resource"] == world.url
    other = world.token[:-1] + ("y" if world.token.endswith("x") else "x")
    forged = httpx.post(world.url, json=PING, headers=ACCEPT | {"Authorization": f"Bearer {other}"})
    assert forged.status_code == 401


def test_other_hosts_and_origins_are_refused(world: World) -> None:
    known = ACCEPT | {"Authorization": f"Bearer {world.token}"}
    assert httpx.post(world.url, json=PING, headers=known | {"Host": "evil.example"}).status_code == 421
    assert httpx.post(world.url, json=PING, headers=known | {"Origin": "http://evil.example"}).status_code == 403
    assert httpx.post(world.url, content=b"x" * 11_000_000, headers=known).status_code == 413


def test_a_session_serves_no_other_token(world: World) -> None:
    opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    known = ACCEPT | {"Authorization": f"Bearer {world.token}"}
    made = httpx.post(world.url, json=PING | {"method": "initialize", "params": opening}, headers=known)
    session = {"Mcp-Session-Id": made.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}
    assert httpx.post(world.url, json=PING, headers=known | session).status_code == 200
    stranger = known | session | {"Authorization": f"Bearer {world.other}"}
    assert httpx.post(world.url, json=PING, headers=stranger).status_code == 404


async def test_tools_resources_and_prompts_are_there(world: World, era: str) -> None:
    async with over_http(world, era) as client:
        listed = await client.list_tools()
        found = await client.call_tool("market_instrument_search", {"text": "银行"})
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("nothing_here", {})
        manual = await client.read_resource("desk://skills/market.quote.get")
        prompts = await client.list_prompts()
    assert len(listed.tools) > 10
    assert found.structured_content is not None
    assert found.structured_content["instruments"] == []
    assert manual.contents
    assert prompts.prompts


@pytest.mark.parametrize("way", ["http", "bridge"])
async def test_a_red_call_waits_for_the_person(world: World, era: str, way: str) -> None:
    victim = world.victim()

    async def approve(approval_id: str) -> None:
        assert world.person.decide(approval_id).status_code == 200

    asked = Asked(then=approve)
    more = {"elicitation_callback": asked}
    opened = over_http(world, era, **more) if way == "http" else over_stdio(world, era, token=world.token, more=more)
    async with opened as client:
        listed = await client.list_tools()
        result = await client.call_tool("subscription_token_revoke", {"token_id": victim})
    assert len(listed.tools) > 10
    assert not result.is_error, result
    assert len(asked.shown) == 1
    assert asked.shown[0].url.startswith(f"{world.desk.url}/approvals/apr_")


async def test_the_preset_in_the_address_or_the_environment_chooses(world: World) -> None:
    async with over_stdio(world, "2026-07-28", token=world.token, DINGPAN_PRESET="read-data") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert "dataasset_data_get" in names
    assert "investment_stock_portfolio_list" not in names
    async with over_http(world, "2026-07-28", query="?preset=no-such") as client:
        with pytest.raises(MCPError, match="no such preset"):
            await client.list_tools()


async def test_a_bad_token_is_told_in_words(world: World) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the client may wrap what the bridge says
        async with over_stdio(world, "legacy", token="lgatk_wrong"):
            pass
    assert "401" in repr(caught.value) or "401" in str(getattr(caught.value, "exceptions", ""))


async def test_the_machine_itself_needs_no_token_and_no_server(world: World) -> None:
    """Opens the desk in the process: what it cannot do is decide."""
    home = {key: value for key, value in world.desk.environment.items() if key != "DINGPAN_PORT"}
    command = ["mcp", "--user", "ada"]
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "agent_server", *command], env=home, cwd=str(ROOT)
    )
    async with Client(stdio_client(parameters), mode="legacy") as client:
        sent = await client.call_tool("skills_call", {"name": "feedback_submit", "arguments": NOTE})
        red = await client.call_tool("subscription_token_revoke", {"token_id": world.victim()})
    assert not sent.is_error
    assert red.meta is not None
    assert red.meta["dingpan/problem"]["code"] == "approval_required"


def test_a_folder_without_a_desk_is_told(world: World, tmp_path: Path) -> None:
    environment = world.desk.environment | {"DINGPAN_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "agent_server", "mcp"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "There is no desk" in done.stderr
    assert done.stdout == ""


async def test_what_the_readme_tells_editors_opens_the_door(world: World) -> None:
    servers = [block.get("mcpServers") or block.get("servers") or {} for block in json_blocks()]
    over_address = [found["dingpan"] for found in servers if "url" in found.get("dingpan", {})]
    assert len(over_address) == 2
    for server in over_address:
        assert server["url"] == "http://127.0.0.1:8765/mcp"
        headers = {name: re.sub(r"lgatk_\S+|\$\{\S+\}", world.token, text) for name, text in server["headers"].items()}
        address = server["url"].replace(":8765", f":{world.desk.port}")
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            assert (await client.list_tools()).tools


async def test_the_door_forgets_nobody_when_a_client_hangs_up(world: World) -> None:
    async with over_http(world, "2026-07-28") as client:
        with anyio.move_on_after(0.01):
            await client.call_tool("market_instrument_search", {"text": "x"})
        assert not (await client.call_tool("market_instrument_search", {"text": "x"})).is_error
