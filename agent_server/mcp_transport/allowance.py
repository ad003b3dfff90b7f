"""How many messages one token may send: lists and resources are work too, though they are no calls of skills."""

from typing import Final

from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError

from agent_server.desk import Desk
from agent_server.errors import problem_body
from agent_server.mcp_transport.identity import Context, Identity
from agent_server.mcp_transport.requests import caller_of, trace_of
from core.errors import Limited

TOO_MANY: Final = -32029
"""Our own error code for what is 429 elsewhere; `retryAfterSeconds` in the data says when to come again."""


class Allowance:
    """A layer of the server that counts every request before it is looked at."""

    def __init__(self, desk: Desk, identity: Identity) -> None:
        self._desk, self._identity = desk, identity

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Pass a request on. Raises `MCPError` for one too many; notifications have no answer and pass."""
        if ctx.request_id is not None:
            caller = await caller_of(self._identity, ctx)
            try:
                self._desk.dispatcher.limits.check_message(caller)
            except Limited as error:
                body = problem_body(error, trace_id=trace_of(ctx, self._desk), instance="/mcp")
                raise MCPError(TOO_MANY, error.message, data=body) from error
        return await call_next(ctx)
