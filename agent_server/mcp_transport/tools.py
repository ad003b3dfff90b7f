"""`tools/list` and `tools/call`: the caller's own list, and every call through the bridge to the dispatcher."""

from typing import Any, Final

from mcp import types
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from agent_server.desk import Desk
from agent_server.mcp_transport import approval
from agent_server.mcp_transport.answers import answered
from agent_server.mcp_transport.changes import Changes
from agent_server.mcp_transport.identity import Context, Identity
from agent_server.mcp_transport.pages import page
from agent_server.mcp_transport.progress import reporting
from agent_server.mcp_transport.requests import caller_of, preset_of, trace_of
from agent_server.mcp_transport.shelf import Shelf
from agent_server.mcp_transport.tool_entries import described
from agent_server.tool_bridge import TIER_KEY, ToolAnswer, ToolBridge, with_approval
from core.access.model import Caller
from core.errors import ArgumentsInvalid
from tools.context import Surface
from tools.exports.meta_tools import meta_tools
from tools.risk import RiskTier

LIST_MILLISECONDS: Final = 60_000
"""How long a client may keep its list: a token's scopes never change, skills only with a new release."""
GREEN: Final = RiskTier.GREEN.value
REQUIRED: Final = "approval_required"


class Tools:
    """See the module."""

    def __init__(
        self, desk: Desk, bridge: ToolBridge, identity: Identity, shelf: Shelf, changes: Changes, *, preset: str
    ) -> None:
        self._desk, self._bridge, self._identity = desk, bridge, identity
        self._shelf, self._changes, self._preset = shelf, changes, preset

    async def listed(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """Return the tools of the caller's scopes, or of the preset its address names."""
        caller = await caller_of(self._identity, ctx)
        try:
            entries = self._bridge.tools.for_caller(caller, preset=preset_of(ctx) or self._preset or None)
        except ArgumentsInvalid as error:
            raise MCPError(INVALID_PARAMS, error.message) from error
        shown, following = page(entries, params)
        return types.ListToolsResult(
            tools=[described(entry) for entry in shown],
            next_cursor=following or None,
            ttl_ms=LIST_MILLISECONDS,
            cache_scope="private",
        )

    async def call(
        self, ctx: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Run a tool; ask for approval where one is needed and the client can ask."""
        caller = await caller_of(self._identity, ctx)
        arguments = dict(params.arguments or {})
        approval_id = approval.approval_of(params.request_state)
        async with reporting(ctx, f"{params.name} is running") as progress:
            if approval_id is not None:
                opened = approval.was_opened(params.input_responses)
                answer = await self._resume(ctx, params.name, arguments, approval_id, waits=opened)
            else:
                answer = await self._run(ctx, caller, params.name, arguments, progress)
            if answer.code == REQUIRED and answer.problem is not None and approval.can_open(ctx):
                if approval.is_modern(ctx):
                    return approval.question(answer.problem)
                if ctx.session.can_send_request and await approval.push_question(ctx, answer.problem):
                    approval_id = str(answer.problem["approvalId"])
                    answer = await self._resume(ctx, params.name, arguments, approval_id, waits=True)
        return answered(answer, caller, self._shelf)

    async def _resume(
        self, ctx: Context, name: str, arguments: dict[str, Any], approval_id: str, *, waits: bool
    ) -> ToolAnswer:
        """Run the call under its approval, after waiting for the decision where the person is looking at it."""
        caller = await caller_of(self._identity, ctx)
        if waits:
            await approval.wait_until_decided(self._desk, caller, approval_id)
            caller = await caller_of(self._identity, ctx, fresh=True)
        return await self._run(ctx, caller, name, with_approval(name, arguments, approval_id), None)

    async def _run(
        self, ctx: Context, caller: Caller, name: str, arguments: dict[str, Any], progress: Any
    ) -> ToolAnswer:
        answer = await self._bridge.call(
            caller, name, arguments, surface=Surface.MCP, trace_id=trace_of(ctx, self._desk), progress=progress
        )
        if answer.code == "skill_not_found" and name not in meta_tools():
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {name}", data=_hint(answer))
        if not answer.is_error and answer.meta.get(TIER_KEY, GREEN) != GREEN:
            await self._changes.tell(caller, answer.skill_id or "", answer.structured)
        return answer


def _hint(answer: ToolAnswer) -> dict[str, Any]:
    return {"didYouMean": (answer.problem or {}).get("didYouMean", [])}
