"""The place of MCP in the desk's application: its addresses from the start, its library when it is needed.

The library takes two seconds to import. Neither the port nor the first answers of the other doors wait for that: it is
loaded beside the running desk a moment after the start, or at once when the first agent comes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from agent_server.desk import Desk
from agent_server.rest.plain_route import PlainRoute
from core.errors import Unavailable

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH: Final = "/mcp"
METADATA_PATH: Final = "/.well-known/oauth-protected-resource/mcp"
QUIET_SECONDS: Final = 3.0
"""After the start the desk answers others first; nobody waits for this but a server without agents."""


class McpDoor:
    """An ASGI application that is opened by `running`, once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._wanted, self._opened = asyncio.Event(), asyncio.Event()
        self._stop = asyncio.Event()
        self._app: ASGIApp | None = None

    def routes(self) -> list[PlainRoute]:
        """Return the addresses of the door."""
        return [PlainRoute(path, self, include_in_schema=False) for path in (PATH, METADATA_PATH)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, after the door is open."""
        if self._app is None:
            self._wanted.set()
            await self._opened.wait()
        if self._app is None:
            raise Unavailable(
                reason="The MCP door is closed: the desk is stopping, or could not open it (see its log)."
            )
        await self._app({**scope, "headers": _trimmed(scope["headers"])}, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the door open; its sessions end with the block."""
        keeping = asyncio.create_task(self._keep_open())
        try:
            yield
        finally:
            self._stop.set()
            self._wanted.set()
            await keeping

    async def _keep_open(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), QUIET_SECONDS)
        if self._stop.is_set():
            return
        try:
            app, manager = await asyncio.to_thread(_build, self._desk)
            async with manager.run():
                self._app = app
                self._opened.set()
                await self._stop.wait()
        finally:
            self._app = None
            self._opened.set()


def _trimmed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers without the space around values, which the parser leaves at their end (RFC 9110, 5.5).

    The SDK compares header values with the body's as they are.
    """
    return [(name, value.strip(b" \t")) for name, value in headers]


def _build(desk: Desk) -> "tuple[Any, StreamableHTTPSessionManager]":
    from agent_server.mcp_transport.http_app import http_app  # noqa: PLC0415 - imports mcp, two seconds

    return http_app(desk, path=PATH)
