"""What a message says about itself beyond its parameters: who sends it, through which address, under which trace."""

from typing import Final

from mcp.shared.exceptions import MCPError
from starlette.requests import Request

from agent_server.desk import Desk
from agent_server.errors import problem_body
from agent_server.mcp_transport.identity import Context, Identity
from core.access.model import Caller
from core.errors import Unauthenticated
from core.ids import new_id

UNAUTHENTICATED: Final = -32001
LONGEST_PRESET: Final = 80


async def caller_of(identity: Identity, ctx: Context, *, fresh: bool = False) -> Caller:
    """Return who makes the request. Raises `MCPError` when its token opens nothing (any more)."""
    try:
        return await identity.caller(ctx, fresh=fresh)
    except Unauthenticated as error:
        body = problem_body(error, trace_id="", instance="/mcp")
        raise MCPError(UNAUTHENTICATED, error.message, data=body) from error


def preset_of(ctx: Context) -> str:
    """Return the preset that the address asks for with `?preset=`, or nothing."""
    request = ctx.request
    return request.query_params.get("preset", "")[:LONGEST_PRESET] if isinstance(request, Request) else ""


def trace_of(ctx: Context, desk: Desk) -> str:
    """Return the id under which the request is logged: the one of the HTTP request, or a new one."""
    request = ctx.request
    known = request.scope.get("trace_id", "") if isinstance(request, Request) else ""
    return known or new_id(desk.services.ids, "trc")
