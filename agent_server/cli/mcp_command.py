"""`dingpan mcp`: the desk for one agent, over standard input and output."""

import sys
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from agent_server import probe
from agent_server.cli.context import USAGE, fail, local_caller, run, settings_of, user_named

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.settings import Settings

OURS: Final = frozenset({probe.READY, probe.NOT_READY, probe.STARTING})


def mcp(
    ctx: typer.Context,
    desk: Annotated[str | None, typer.Option(help="Address of a running desk; needs DINGPAN_TOKEN.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="For whom, without a token; not needed for one.")] = None,
) -> None:
    """Serve one agent over standard input and output (MCP), as assistants start it by themselves.

    With DINGPAN_TOKEN it has that token's rights, and goes through the desk's server when that runs. Without, it has
    those of this machine: everything but what a person must approve. DINGPAN_PRESET chooses the tools it lists.

    Example: DINGPAN_TOKEN=lgatk_... dingpan mcp
    """
    settings = settings_of(ctx)
    address = _address(settings, desk)
    if address:
        _carry(settings, address)
        return

    async def work(opened: "Desk") -> None:
        from agent_server.mcp_transport import stdio  # noqa: PLC0415 - imports mcp, two seconds
        from agent_server.worker import working  # noqa: PLC0415 - keeps --help fast

        local = None if settings.token else local_caller(await user_named(opened, user))
        identity = await stdio.identity_of(opened, token=settings.token, local=local)
        async with working(opened.services):
            await stdio.serve(opened, identity, preset=settings.preset)

    run(ctx, work)


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
