"""A person's script that calls the engine itself: `asset=`, `persist=` and the ledger reach the desk."""

import asyncio
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agent_server.cli.context import NOT_FOUND, USAGE, fail, local_caller, run, user_named

if TYPE_CHECKING:
    from agent_server.desk import Desk


def run_script(ctx: typer.Context, given: str, *, user: str | None) -> None:
    """Run a file with the desk's ports lent to every backtest in it."""
    if not given.endswith(".py"):
        fail("Say over which instrument with --symbol.", USAGE)
    if not Path(given).is_file():
        fail(f"There is no file {given}.", NOT_FOUND)
    run(ctx, lambda desk: _within(desk, given, user))


async def _within(desk: "Desk", path: str, user: str | None) -> None:
    """Run the file in a thread: the engine waits there for what the ports do on this loop."""
    from core.backtest.desk_ports import DeskPorts  # noqa: PLC0415 - keeps --help fast
    from core.backtest.ports import use_ports  # noqa: PLC0415 - keeps --help fast

    services = desk.services
    lent = DeskPorts(
        loop=asyncio.get_running_loop(),
        database=services.database,
        market=services.market,
        catalog=services.catalog,
        portfolio=services.portfolio,
        caller=local_caller(await user_named(desk, user)),
        results=services.backtest,
    )

    def script() -> None:
        with use_ports(lent.ports()):
            runpy.run_path(path, run_name="__main__")

    await asyncio.to_thread(script)
