"""The tools of a case over every door: MCP in memory, MCP as a process, MCP over HTTP, REST, and the chat's own way.

Each gives the loop the same four things: definitions, calls, the text a model reads, and the whole answer.
"""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx

from agent_server.app import create_app
from agent_server.chat.toolbox import DeskToolbox, Toolbox, ToolOutcome
from agent_server.tool_bridge import TIER_KEY
from core.llm.model import ToolCall, ToolDefinition
from evals.answers import document_of_rest
from evals.people import Credentials
from evals.script import meant
from evals.stdio_desk import ORDERS
from evals.world import CaseDesk
from tools.exports.tool_list import ToolList

if TYPE_CHECKING:
    from mcp import Client

PROBLEM_KEY: Final = "dingpan/problem"
PAUSE_SECONDS: Final = 0.01
VALIDATORS: Final = "_tool_output_validators"
_COMPILED: Final[dict[str, Any]] = {}
EXECUTE: Final = "/agent/skills/execute"


@asynccontextmanager
async def toolbox(transport: str, case: CaseDesk, who: Credentials) -> AsyncIterator[Toolbox]:
    """Open the tools of a principal over a transport."""
    if transport == "chat":
        yield DeskToolbox(case.desk, who.caller)
    elif transport == "rest":
        async with _served(case) as address, _rest_client(address, who) as client:
            yield RestToolbox(client, case, who)
    else:
        async with _mcp(transport, case, who) as connected:
            yield McpToolbox(connected)


@asynccontextmanager
async def _mcp(transport: str, case: CaseDesk, who: Credentials) -> "AsyncIterator[Client]":
    from mcp import Client  # noqa: PLC0415 - two seconds

    if transport == "mcp-memory":
        from agent_server.mcp_transport.identity import (  # noqa: PLC0415 - two seconds
            FixedIdentity,
            SecretIdentity,
        )
        from agent_server.mcp_transport.server import build_server  # noqa: PLC0415 - two seconds

        fixed = FixedIdentity(who.caller)
        identity = SecretIdentity(case.desk, who.token, client="evals") if who.token else fixed
        async with Client(build_server(case.desk, identity=identity)) as client:
            _share_validators(client)
            yield client
    elif transport == "mcp-stdio":
        async with Client(_process(case, who)) as client:
            yield client
    else:
        from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415 - two seconds

        async with (
            _served(case) as address,
            _mcp_http_client(who) as http,
            Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
        ):
            yield client


def _share_validators(client: "Client") -> None:
    """Let all cases use the checks of results that the SDK compiles per connection; each takes 80 ms to compile."""
    if isinstance(getattr(client.session, VALIDATORS, None), dict):
        setattr(client.session, VALIDATORS, _COMPILED)


class McpToolbox:
    """Tools of an MCP server, as any agent reaches them."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    async def definitions(self) -> tuple[ToolDefinition, ...]:
        """Return the tools the server lists, page by page."""
        found: list[ToolDefinition] = []
        cursor: str | None = None
        while True:
            listed = await self._client.list_tools(cursor=cursor)
            for tool in listed.tools:
                tier = str((tool.meta or {}).get(TIER_KEY, "green"))
                found.append(_definition(tool.name, tool.description or "", tool.input_schema, tier))
            cursor = listed.next_cursor
            if not cursor:
                return tuple(found)

    async def call(self, call: ToolCall) -> ToolOutcome:
        """Run one call; an error of the protocol is an answer, too."""
        from mcp.shared.exceptions import MCPError  # noqa: PLC0415 - two seconds

        try:
            result = await self._client.call_tool(call.name, dict(call.arguments or {}))
        except MCPError as error:
            return _refused(_protocol_problem(error), {})
        text = "\n".join(part.text for part in result.content if part.type == "text")
        meta = dict(result.meta or {})
        if result.is_error:
            problem = meta.get(PROBLEM_KEY) or {"code": "tool_failed", "status": 500, "message": text}
            return ToolOutcome(text, is_error=True, problem=problem, meta=meta)
        return ToolOutcome(text, structured=result.structured_content or {}, meta=meta)


class RestToolbox:
    """The skills of a caller over REST; the model sees the list every other door offers."""

    def __init__(self, client: httpx.AsyncClient, case: CaseDesk, who: Credentials) -> None:
        self._client, self._registry, self._who = client, case.desk.registry, who

    async def definitions(self) -> tuple[ToolDefinition, ...]:
        """Return the caller's list."""
        listed = ToolList(self._registry).for_caller(self._who.caller)
        return tuple(_definition(item.name, item.description, item.input_schema, item.tier.value) for item in listed)

    async def call(self, call: ToolCall) -> ToolOutcome:
        """Run one call through the one address that runs any skill."""
        skill_id, arguments = meant(self._registry, call.name, call.arguments)
        answer = await self._client.post(EXECUTE, json={"skillId": skill_id, "params": dict(arguments)})
        body = answer.json()
        if answer.status_code >= 400:
            if body.get("code") == "approval_required":
                following = dict(arguments) | {"approvalId": body["approvalId"]}
                body["nextToolCall"] = {"name": call.name, "arguments": _wrapped(call, following)}
            return _refused(body, {})
        document = document_of_rest(self._registry, skill_id, body)
        data = document["data"]
        structured = (data if isinstance(data, dict) else {"result": data}) | {"meta": document["meta"]}
        return ToolOutcome(answer.text, structured=_wrapped_answer(call, skill_id, structured))


def _wrapped(call: ToolCall, arguments: Mapping[str, Any]) -> dict[str, Any]:
    own = dict(call.arguments or {})
    return own | {"arguments": dict(arguments)} if "arguments" in own and "name" in own else dict(arguments)


def _wrapped_answer(call: ToolCall, skill_id: str, structured: dict[str, Any]) -> dict[str, Any]:
    return {"skillId": skill_id, "result": structured} if call.name == "skills_call" else structured


def _definition(name: str, description: str, schema: Mapping[str, Any], tier: str) -> ToolDefinition:
    """Return a tool as the loop offers it: the approval of a call is given by the loop, never by the model."""
    offered = {key: shape for key, shape in schema.get("properties", {}).items() if key != "approvalId"}
    return ToolDefinition(name, description, dict(schema) | {"properties": offered}, tier=tier)


def _refused(problem: Mapping[str, Any], meta: Mapping[str, Any]) -> ToolOutcome:
    return ToolOutcome(json.dumps(problem, ensure_ascii=False), is_error=True, problem=problem, meta=meta)


def _protocol_problem(error: Any) -> dict[str, Any]:
    """Return an error of the protocol as a problem: an unknown tool, or one the caller may not see."""
    data = error.error.data if isinstance(error.error.data, dict) else {}
    code = "skill_not_found" if str(error).startswith("Unknown tool") else "protocol_error"
    return {"success": False, "status": 400, "code": code, "kind": "invalid", "message": str(error)} | data


@asynccontextmanager
async def _served(case: CaseDesk) -> AsyncIterator[str]:
    """Serve the desk on a free port of this machine; yields its address."""
    import uvicorn  # noqa: PLC0415 - only for transports with a socket

    desk = case.desk
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        app = create_app(desk.services, desk.registry, desk.dispatcher)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started and not serving.done():  # noqa: ASYNC110 - the server has no event to wait for
            await asyncio.sleep(PAUSE_SECONDS)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


def _rest_client(address: str, who: Credentials) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=address, headers=_headers(who), trust_env=False)


def _mcp_http_client(who: Credentials) -> Any:
    import httpx2  # noqa: PLC0415 - what mcp uses

    return httpx2.AsyncClient(headers=_headers(who), trust_env=False)


def _headers(who: Credentials) -> dict[str, str]:
    if who.token:
        return {"Authorization": f"Bearer {who.token}"}
    if who.cookie:
        return {"Cookie": f"dingpan_session={who.cookie}", "X-CSRF-Token": who.csrf}
    return {}


def _process(case: CaseDesk, who: Credentials) -> Any:
    """Return how to start the desk's MCP server as a process of its own on the same database, clock and seed."""
    from mcp.client.stdio import StdioServerParameters  # noqa: PLC0415 - two seconds

    asked = {
        "moment": case.clock.now().isoformat(),
        "seed": case.desk.services.ids.bits(32),
        "token": who.token,
        "username": who.caller.username,
        "kind": who.caller.kind.value,
    }
    home = case.desk.services.settings.home
    (home / ORDERS).write_text(json.dumps(asked), encoding="utf-8")
    return StdioServerParameters(command=sys.executable, args=["-m", "evals.stdio_desk", str(home)])
