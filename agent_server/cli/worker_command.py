"""`dingpan worker`: carry out the desk's runs in a process of its own."""

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from agent_server.cli.context import NOT_FOUND, fail, is_set_up, refuse, settings_of
from agent_server.cli.serve_command import kernels_of
from core.errors import DeskError
from core.settings import Settings

if TYPE_CHECKING:
    from agent_server.kernels import Kernels

STOPPING = (signal.SIGINT, signal.SIGTERM)


def worker(ctx: typer.Context) -> None:
    """Carry out backtests and other runs, until stopped; any number of workers may share a desk.

    The server does that as well unless it was started with --no-worker. What a worker is at when it stops goes on in
    another one, or at the next start.

    Example: dingpan serve --no-worker & dingpan worker
    """
    settings = settings_of(ctx)
    if not is_set_up(settings):
        fail(f"There is no desk at {settings.home}. Make one with 'dingpan user add' or 'dingpan demo'.", NOT_FOUND)
    try:
        asyncio.run(_work_until_stopped(settings, kernels_of(ctx, settings)))
    except DeskError as error:
        refuse(error)


async def _work_until_stopped(settings: Settings, kernels: "Kernels") -> None:
    from agent_server.log_output import configure  # noqa: PLC0415 - keeps --help fast
    from agent_server.opening import open_desk  # noqa: PLC0415 - keeps --help fast
    from agent_server.worker import worker_of  # noqa: PLC0415 - keeps --help fast

    configure(settings.log_format)
    async with open_desk(settings) as desk:
        task = asyncio.create_task(worker_of(desk.services).work())
        loop = asyncio.get_running_loop()
        for name in STOPPING:
            loop.add_signal_handler(name, task.cancel)
        typer.echo(f"dingpan works on the runs of {settings.home}")
        with suppress(asyncio.CancelledError):
            async with kernels.compiling():
                await task
