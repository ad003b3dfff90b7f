"""A person's script that calls the engine itself: `asset=`, `persist=` and the ledger reach the desk."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from agent_server.cli.context import USAGE, fail, local_caller, run, user_named
from agent_server.cli.own_file import load

if TYPE_CHECKING:
    from agent_server.desk import Desk


def run_script(ctx: typer.Context, given: str, *, names: Sequence[str], user: str | None) -> None:
    """Run a file with the desk's ports lent to every backtest in it. `names`: what a strategy is called in a file."""
    if not given.endswith(".py"):
        fail("Say over which instrument with --symbol.", USAGE)
    found = run(ctx, lambda desk: _within(desk, given, user))
    name = next((name for name in names if name in found), None)
    if name is not None and "backtest" not in Path(given).read_text(encoding="utf-8"):
        fail(f"{given} defines {name} and runs no backtest. Say over which instrument with --symbol.", USAGE)


async def _within(desk: "Desk", path: str, user: str | None) -> dict[str, Any]:
    """Run the file in a thread: the engine waits there for what the ports do on this loop. Return what it defines."""
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

    def script() -> dict[str, Any]:
        with use_ports(lent.ports()):
            return load(path, run_name="__main__")

    return await asyncio.to_thread(script)
