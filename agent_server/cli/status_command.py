"""`dingpan status`: is the desk there, is its server ready, what data does it have."""

import json
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agent_server.cli.context import FAILED, AsJson, is_set_up, print_json, run, settings_of

if TYPE_CHECKING:
    from agent_server.desk import Desk

POLL_SECONDS: Final = 0.1
REQUEST_SECONDS: Final = 3.0


def status(
    ctx: typer.Context,
    wait: Annotated[
        float | None, typer.Option(help="Wait up to so many seconds for the server; end with 1 if not ready.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing; only the exit code counts.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show where the desk lives, whether its server answers, and what market data it has.

    Example: dingpan status --wait 10
    """
    settings = settings_of(ctx)
    readiness = _wait(settings.base_url, wait or 0.0)
    is_ready = readiness.get("status") == "ready"
    if not quiet:
        shown = {"home": str(settings.home), "address": settings.base_url, "server": readiness.get("status", "down")}
        if is_set_up(settings):
            shown |= run(ctx, _facts)
        _print(shown, as_json=as_json)
    if wait is not None and not is_ready:
        raise typer.Exit(FAILED)


def _wait(base_url: str, seconds: float) -> dict[str, Any]:
    """Ask until the server is ready or the time is over; return its last answer, empty when it is down."""
    from core.clock import SystemClock  # noqa: PLC0415 - keeps --help fast

    clock = SystemClock()
    end = clock.monotonic() + seconds
    while True:
        answer = _ask(base_url)
        if answer.get("status") == "ready" or clock.monotonic() >= end:
            return answer
        time.sleep(POLL_SECONDS)


def _ask(base_url: str) -> dict[str, Any]:
    from urllib.error import HTTPError, URLError  # noqa: PLC0415 - keeps --help fast
    from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415 - keeps --help fast

    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"{base_url}/readyz", timeout=REQUEST_SECONDS) as response:
            return dict(json.load(response))
    except HTTPError as error:
        return {"status": "starting" if error.code == 503 else "not a desk"}
    except (URLError, OSError, ValueError):
        return {}


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
