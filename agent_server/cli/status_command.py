"""`dingpan status`: is the desk there, is its server ready, what data does it have."""

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agent_server.cli.context import FAILED, AsJson, is_set_up, print_json, run, settings_of
from agent_server.probe import READY, kernels_at, state_of

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.settings import Settings

POLL_SECONDS: Final = 0.1


def status(
    ctx: typer.Context,
    wait: Annotated[
        float | None, typer.Option(help="Wait up to so many seconds for the server; end with 1 if not ready.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing; only the exit code counts.")] = False,
    short: Annotated[bool, typer.Option("--short", help="Say in one line how the server is and its kernels.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show where the desk lives, whether its server answers, and what market data it has.

    The server is ready, starting, another desk, not a desk, or down. Its kernels are ready, or compiled in the
    background; until they are, the first backtests take longer.

    Example: dingpan status --wait 10
    """
    settings = settings_of(ctx)
    server = _wait(settings, wait or 0.0)
    kernels = kernels_at(settings.base_url) if server == READY and not quiet else ""
    if short and not quiet:
        typer.echo(f"{server}; kernels {kernels}" if kernels else server)
    elif not quiet:
        shown = {"home": str(settings.home), "address": settings.base_url, "server": server}
        shown |= {"kernels": kernels} if kernels else {}
        if is_set_up(settings):
            shown |= run(ctx, _facts)
        _print(shown, as_json=as_json)
    if wait is not None and server != READY:
        raise typer.Exit(FAILED)


def _wait(settings: "Settings", seconds: float) -> str:
    """Ask until the server is ready or the time is over; return what answered last."""
    from core.clock import SystemClock  # noqa: PLC0415 - keeps --help fast

    clock = SystemClock()
    end = clock.monotonic() + seconds
    while True:
        state = state_of(settings, settings.base_url)
        if state == READY or clock.monotonic() >= end:
            return state
        time.sleep(POLL_SECONDS)


async def _facts(desk: "Desk") -> dict[str, Any]:
    services = desk.services
    async with desk.unit_of_work(read_only=True) as uow:
        users = await services.access.users(uow, None)
    return {
        "database": services.database.url.render_as_string(hide_password=True),
        "schema": await services.database.revision(),
        "users": len(users),
        "skills": len(desk.registry),
        "market": await services.market.status(),
    }


def _print(shown: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    for name, value in shown.items():
        if name != "market":
            typer.echo(f"{name:<9} {value}")
    if "market" in shown:
        typer.echo("market")
        print_json(shown["market"])
