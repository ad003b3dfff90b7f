"""Standard input and output of a process that opens the desk itself, for when no server is running.

Clients wait for the first answer before they show anything, and it says nothing about the desk. So a front speaks at
once; the desk is opened behind it as soon as the first words are exchanged, and every real request waits for that.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from mcp import types
from mcp.server import Server, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import NotificationOptions
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

from agent_server.mcp_transport.about import INSTRUCTIONS, TITLE
from agent_server.release import NAME, release
from core.errors import DeskError

NOT_OPENED: Final = -32002
METHODS: Final[dict[str, type[Any]]] = {
    "tools/list": types.PaginatedRequestParams,
    "tools/call": types.CallToolRequestParams,
    "resources/list": types.PaginatedRequestParams,
    "resources/templates/list": types.PaginatedRequestParams,
    "resources/read": types.ReadResourceRequestParams,
    "prompts/list": types.PaginatedRequestParams,
    "prompts/get": types.GetPromptRequestParams,
    "completion/complete": types.CompleteRequestParams,
    "subscriptions/listen": types.SubscriptionsListenRequestParams,
}
"""What the server behind the front answers; a test compares them."""

Context = ServerRequestContext[Any, Any]
Opener = Callable[[], AbstractAsyncContextManager[Server[Any]]]


class Front:
    """A server without a desk that hands everything on to the one that `opener` yields."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._wanted, self._stop = asyncio.Event(), asyncio.Event()
        self.failure: DeskError | None = None
        self._opened: asyncio.Future[Server[Any]] = asyncio.get_running_loop().create_future()

    def server(self) -> Server[Any]:
        """Return the server that speaks at once."""
        server: Server[Any] = Server(NAME, version=release(), title=TITLE, instructions=INSTRUCTIONS)
        for method, params in METHODS.items():
            server.add_request_handler(method, params, self._hand_on)
        server.get_tool_input_schema = lambda _: None
        server.middleware.append(self._behind)
        return server

    async def keep_open(self) -> None:
        """Open what lies behind when it is wanted, until `close`."""
        await self._wanted.wait()
        if self._stop.is_set():
            return
        reason = "see the log of this process"
        try:
            async with self._opener() as server:
                self._opened.set_result(server)
                await self._stop.wait()
        except DeskError as error:
            reason = error.message
            self.failure = error
        finally:
            if not self._opened.done():
                self._opened.set_exception(MCPError(NOT_OPENED, f"The desk cannot be opened: {reason}"))
                self._opened.exception()  # nobody may be waiting

    def close(self) -> None:
        """Close what lies behind."""
        self._stop.set()
        self._wanted.set()

    async def _behind(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Let a request pass what the real server puts before its handlers; what needs no desk is answered at once."""
        if ctx.method not in METHODS:
            result = await call_next(ctx)
            self._wanted.set()
            return result
        self._wanted.set()
        following = call_next
        for layer in reversed((await self._real()).middleware[1:]):
            following = _layered(layer, following)
        return await following(ctx)

    async def _hand_on(self, ctx: Context, params: Any) -> Any:
        entry = (await self._real()).get_request_handler(ctx.method)
        assert entry is not None, ctx.method
        return await entry.handler(ctx, params)

    async def _real(self) -> Server[Any]:
        return await asyncio.shield(self._opened)


def _layered(layer: Any, following: CallNext) -> CallNext:
    async def call(ctx: Context) -> HandlerResult:
        result: HandlerResult = await layer(ctx, following)
        return result

    return call


async def serve(opener: Opener) -> DeskError | None:
    """Answer until the client closes its side; return why the desk could not be opened, if it could not."""
    front = Front(opener)
    server = front.server()
    keeping = asyncio.create_task(front.keep_open())
    try:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options(NotificationOptions()))
    finally:
        front.close()
        await keeping
    return front.failure
