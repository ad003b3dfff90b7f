"""Completion: codes of instruments, ids of skills, runs, backtests and assets, as far as the caller may read them."""

import re
from typing import Final

from mcp import types

from agent_server.desk import Desk
from agent_server.mcp_transport.identity import Context, Identity
from agent_server.mcp_transport.prompts import LANGUAGES
from agent_server.mcp_transport.requests import caller_of, trace_of
from agent_server.mcp_transport.resources import Resources
from agent_server.tool_bridge import ToolBridge
from core.access.model import Caller
from tools.context import Surface

MOST: Final = 100
LONGEST: Final = 100
SEARCH: Final = "market_instrument_search"
_TEMPLATE: Final = re.compile(r"desk://([a-z]+)/\{id\}")


class Completer:
    """See the module."""

    def __init__(self, desk: Desk, bridge: ToolBridge, identity: Identity, resources: Resources) -> None:
        self._desk, self._bridge, self._identity, self._resources = desk, bridge, identity, resources

    async def complete(self, ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        """Return what the argument may be; nothing for arguments that have no list of values."""
        caller = await caller_of(self._identity, ctx)
        name, value = params.argument.name, params.argument.value[:LONGEST].strip()
        found = await self._values(ctx, caller, params.ref, name, value)
        shown = found[:MOST]
        completion = types.Completion(values=shown, total=len(found), has_more=len(found) > len(shown))
        return types.CompleteResult(completion=completion)

    async def _values(
        self,
        ctx: Context,
        caller: Caller,
        ref: types.PromptReference | types.ResourceTemplateReference,
        name: str,
        value: str,
    ) -> list[str]:
        if isinstance(ref, types.ResourceTemplateReference):
            template = _TEMPLATE.fullmatch(ref.uri)
            ids = await self._resources.newest_ids(ctx, caller, template[1]) if template and name == "id" else []
            return [known for known in ids if known.lower().startswith(value.lower())]
        if name == "language":
            return [known for known in LANGUAGES if known.startswith(value.lower())]
        return await self._symbols(ctx, caller, value) if name == "symbol" else []

    async def _symbols(self, ctx: Context, caller: Caller, value: str) -> list[str]:
        if not value or self._bridge.tools.find(caller, SEARCH) is None:
            return []
        trace_id = trace_of(ctx, self._desk)
        arguments = {"text": value, "limit": 20}
        answer = await self._bridge.call(caller, SEARCH, arguments, surface=Surface.MCP, trace_id=trace_id)
        return [str(item["symbol"]) for item in (answer.structured or {}).get("instruments", [])]
