"""`dingpan mcp`: the desk for one agent, over standard input and output."""

import asyncio
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from agent_server import probe
from agent_server.cli.context import (
    NOT_FOUND,
    USAGE,
    fail,
    is_set_up,
    local_caller,
    refuse,
    settings_of,
    user_named,
)
from core.errors import DeskError, Invalid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent_server.desk import Desk
    from agent_server.mcp_transport.identity import Identity
    from core.access.model import User
    from core.settings import Settings

CLIENT: Final = "dingpan mcp"
OURS: Final = frozenset({probe.READY, probe.NOT_READY, probe.STARTING})


def mcp(
    ctx: typer.Context,
    desk: Annotated[str | None, typer.Option(help="Address of a running desk; needs DINGPAN_TOKEN.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="For whom, without a token; not needed for one.")] = None,
) -> None:
    """Serve one agent over standard input and output (MCP), as assistants start it by themselves.

    With DINGPAN_TOKEN it has that token's rights, and goes through the desk's server when that runs. Without, it has
    those of this machine: everything but what a person must approve. DINGPAN_PRESET chooses the tools it lists.

    Example: dingpan mcp --user ada
    """
    settings = settings_of(ctx)
    address = _address(settings, desk)
    if address:
        _carry(settings, address)
        return

    if not is_set_up(settings):
        fail(f"There is no desk at {settings.home}. Make one with 'dingpan user add' or 'dingpan demo'.", NOT_FOUND)
    failure = asyncio.run(_serve(settings, user))
    if failure is not None:
        refuse(failure)


async def _serve(settings: "Settings", user: str | None) -> DeskError | None:
    from agent_server.log_output import configure  # noqa: PLC0415 - keeps --help fast
    from agent_server.mcp_transport import stdio  # noqa: PLC0415 - imports mcp, two seconds

    configure(settings.log_format, quiet=True)
    return await stdio.serve(lambda: _behind(settings, user))


@asynccontextmanager
async def _behind(settings: "Settings", user: str | None) -> "AsyncIterator[Any]":
    """Open the desk and yield its server, which acts for the token of the settings or for this machine."""
    identities, build_server = await asyncio.to_thread(_import)
    from agent_server.opening import open_desk  # noqa: PLC0415 - keeps --help fast
    from agent_server.worker import working  # noqa: PLC0415 - keeps --help fast

    async with open_desk(settings) as desk, working(desk.services):
        identity: Identity
        if settings.token:
            await identities.authenticate(desk, settings.token, address="", client=CLIENT)
            identity = identities.SecretIdentity(desk, settings.token, client=CLIENT)
        else:
            identity = identities.FixedIdentity(replace(local_caller(await _person(desk, user)), client=CLIENT))
        yield build_server(desk, identity=identity, preset=settings.preset)


def _import() -> "tuple[Any, Callable[..., Any]]":
    """Import the domain beside the event loop, which goes on answering what needs no desk."""
    from agent_server.mcp_transport import identity  # noqa: PLC0415 - keeps --help fast
    from agent_server.mcp_transport.server import build_server  # noqa: PLC0415 - keeps --help fast
    from agent_server.opening import import_domain  # noqa: PLC0415 - keeps --help fast

    import_domain()
    return identity, build_server


async def _person(desk: "Desk", name: str | None) -> "User":
    try:
        return await user_named(desk, name)
    except typer.Exit as error:
        raise Invalid(reason="say for whom with --user, or give a token in DINGPAN_TOKEN") from error


def _address(settings: "Settings", wanted: str | None) -> str:
    """Return where a running desk answers; nothing when this process must open the desk itself."""
    if wanted is None:
        own = probe.local_address(settings)
        return own if settings.token and probe.state_of(settings, own) in OURS else ""
    from core.settings import LOOPBACK  # noqa: PLC0415 - keeps --help fast

    parts = urlsplit(wanted)
    if not settings.token:
        fail("--desk needs a token in DINGPAN_TOKEN", USAGE)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        fail(f"{wanted!r} is no address of a desk, such as https://desk.example", USAGE)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        fail(f"{wanted} would send the token unencrypted; use https", USAGE)
    return wanted.rstrip("/")


def _carry(settings: "Settings", address: str) -> None:
    from agent_server.mcp_transport.line_bridge import LineBridge  # noqa: PLC0415 - keeps --help fast

    LineBridge(address, settings.token, settings.preset, sys.stdin.buffer, sys.stdout.buffer).run()
