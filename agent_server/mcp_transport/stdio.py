"""Standard input and output of a process that opens the desk itself, for when no server is running."""

from typing import Any, Final

from mcp.server import Server
from mcp.server.lowlevel import NotificationOptions
from mcp.server.stdio import stdio_server

from agent_server.desk import Desk
from agent_server.mcp_transport.identity import FixedIdentity, Identity, SecretIdentity
from agent_server.mcp_transport.server import build_server
from core.access.model import Caller

CLIENT: Final = "dingpan mcp"


async def identity_of(desk: Desk, *, token: str, local: Caller | None) -> Identity:
    """Return who the process acts for: the token's caller, or the desk's own machine.

    Raises `Unauthenticated` at once for a token that opens nothing.
    """
    if local is not None:
        return FixedIdentity(local)
    identity = SecretIdentity(desk, token, client=CLIENT)
    await identity.caller()
    return identity


async def serve(desk: Desk, identity: Identity, *, preset: str) -> None:
    """Answer until the client closes its side."""
    server: Server[Any] = build_server(desk, identity=identity, preset=preset)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options(NotificationOptions()))
