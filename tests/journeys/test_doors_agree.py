"""The same question through every door has the same answer: REST, MCP of both eras, standard input and output, chat."""

import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client, StdioServerParameters, types
from mcp.client.streamable_http import streamable_http_client

from tests.support.real_desk import ROOT, RealDesk, run
from tools.names import wire_name

pytestmark = pytest.mark.anyio

TRADES = "investment.stock.trading.list"
DELETE = "investment.stock.trading.delete"
PNL = "investment.stock.portfolio.pnl.get"
BARS = "market.bars.get"
QUOTE = "market.quote.get"
ERAS = {"MCP 2026-07-28": "2026-07-28", "MCP 2025-11-25": "legacy"}
OF_THE_CALL = {"traceId", "instance"}

Door = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Asks a skill with parameters and returns the whole result in wire form, or the body of the refusal."""


@pytest.fixture
def desk(demo_server: tuple[RealDesk, str]) -> RealDesk:
    return demo_server[0]


@pytest.fixture
def token(demo_server: tuple[RealDesk, str]) -> str:
    return demo_server[1]


def whole(body: dict[str, Any]) -> dict[str, Any]:
    """The result inside REST's envelope, which has its rows under `data` and its provenance beside them."""
    if not body["success"]:
        return {name: value for name, value in body.items() if name not in OF_THE_CALL}
    beside = {name: body[name] for name in ("page", "size", "total", "meta") if name in body}
    return (body["data"] if isinstance(body["data"], dict) else {"items": body["data"]}) | beside


def rest_door(agent: httpx.Client) -> Door:
    async def ask(skill_id: str, params: dict[str, Any]) -> dict[str, Any]:
        return whole(run(agent, skill_id, **params).json())

    return ask


def mcp_door(client: Client) -> Door:
    async def ask(skill_id: str, params: dict[str, Any]) -> dict[str, Any]:
        result = await client.call_tool(wire_name(skill_id), params)
        (text,) = [part.text for part in result.content if isinstance(part, types.TextContent)]
        if result.is_error:
            assert result.structured_content is None
            assert json.loads(text) == result.meta["dingpan/problem"]
            return {k: v for k, v in result.meta["dingpan/problem"].items() if k not in OF_THE_CALL}
        assert json.loads(text) == result.structured_content
        return result.structured_content

    return ask


def meta_tool_door(client: Client) -> Door:
    """The way to skills that are not in the list."""
    inner = mcp_door(client)

    async def ask(skill_id: str, params: dict[str, Any]) -> dict[str, Any]:
        answer = await inner("skills.call", {"name": skill_id, "arguments": params})
        result: dict[str, Any] = answer.get("result", answer)
        return result

    return ask


@asynccontextmanager
async def http_client(desk: RealDesk, token: str, era: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
        Client(streamable_http_client(f"{desk.url}/mcp", http_client=http), mode=era) as client,
    ):
        yield client


def stdio_client(desk: RealDesk, token: str, **changes: str) -> Client:
    """An assistant that starts `dingpan mcp` by itself."""
    environment = desk.environment | {"DINGPAN_TOKEN": token} | changes
    program = [sys.executable, "-m", "agent_server", "mcp"]
    return Client(StdioServerParameters(command=program[0], args=program[1:], env=environment, cwd=ROOT))


@asynccontextmanager
async def every_door(desk: RealDesk, token: str) -> AsyncIterator[dict[str, Door]]:
    """Open them all. Standard input and output twice: through the running server, and on a desk of its own."""
    async with AsyncExitStack() as stack:
        doors = {"REST": rest_door(stack.enter_context(desk.agent(token)))}
        for name, era in ERAS.items():
            doors[name] = mcp_door(await stack.enter_async_context(http_client(desk, token, era)))
        carried = await stack.enter_async_context(stdio_client(desk, token))
        doors["stdio to the server"] = mcp_door(carried)
        doors["skills_call"] = meta_tool_door(carried)
        # Nothing answers at its port, so it opens the desk itself; approvals are given at the server's address.
        alone = stdio_client(desk, token, DINGPAN_PORT="1", DINGPAN_PUBLIC_URL=desk.url)
        doors["stdio alone"] = mcp_door(await stack.enter_async_context(alone))
        yield doors


async def test_answers_and_refusals_are_the_same_through_every_door(desk: RealDesk, token: str) -> None:
    async with every_door(desk, token) as doors:
        newest = (await doors["REST"](TRADES, {"size": 2}))["items"]
        symbol, record = newest[0]["symbol"], newest[0]["recordId"]
        asked: list[tuple[str, dict[str, Any], str]] = [
            (TRADES, {"size": 2}, ""),
            (PNL, {}, ""),
            (QUOTE, {"symbols": [symbol]}, ""),
            (BARS, {"symbol": symbol, "start": "2026-11-16", "end": "2026-11-19"}, ""),
            (BARS, {"symbol": symbol, "begin": "2026-11-16", "limit": "many"}, "validation_failed"),
            (BARS, {"symbol": "nothing known"}, "unknown_instrument"),
            (DELETE, {"record_id": record}, "approval_required"),
        ]
        answers = [{name: comparable(await doors[name](*call[:2])) for name in doors} for call in asked]
    for (skill_id, params, code), by_door in zip(asked, answers, strict=True):
        expected = by_door["REST"]
        assert expected.get("code", "") == code, expected
        for name, answer in by_door.items():
            assert answer == expected, (name, skill_id, params)


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """Leave out how each door says the next call; everything else, the approval's id too, is the same."""
    own = {"nextToolCall", "nextAction"}
    if answer.get("code") == "approval_required":
        own |= {"message", "detail"}
    return {name: value for name, value in answer.items() if name not in own}


@pytest.mark.parametrize("era", ERAS.values(), ids=ERAS)
async def test_long_result_over_mcp_is_whole_as_a_resource(desk: RealDesk, token: str, era: str) -> None:
    params = {"symbol": "000001.SH", "start": "2026-01-05", "end": "2026-11-19"}
    with desk.agent(token) as agent:
        expected = whole(run(agent, BARS, **params).json())
    assert len(expected["bars"]) > 200
    async with http_client(desk, token, era) as client:
        short = await client.call_tool(wire_name(BARS), params)
        (link,) = [part for part in short.content if isinstance(part, types.ResourceLink)]
        read = await client.read_resource(link.uri)
    assert len(short.structured_content["bars"]) < len(expected["bars"])
    assert json.loads(read.contents[0].text) == expected


@pytest.mark.parametrize(("words", "skill_id"), [("我最近的交易记录", TRADES), ("我的持仓盈亏怎么样", PNL)])
async def test_chat_without_a_model_answers_with_the_same_figures(
    desk: RealDesk, token: str, words: str, skill_id: str
) -> None:
    with desk.agent(token) as agent:
        expected = whole(run(agent, skill_id).json())
        stream = agent.post("/agent/chat", json={"message": words}).text
    events = dict(re.findall(r"^event: (\w+)\ndata: (.*)$", stream, re.MULTILINE))
    result = json.loads(events["tool_result"])
    assert (result["name"], result["structured"]) == (wire_name(skill_id), expected)
