"""`dingpan backtest warm-up`: compile the engine's kernels now, so that no backtest has to wait for that."""

import json
import os
import sys
import threading
from typing import Annotated, Final

import typer

from agent_server.cli.context import FAILED, AsJson, fail, refuse
from core.errors import DeskError

LOWEST: Final = 19
COLD: Final = (
    "Not all of the engine is compiled on this machine: a first run takes up to a minute longer. "
    "'dingpan backtest warm-up' does it all at once, and so does a running server."
)


def warm_up(
    background: Annotated[
        bool, typer.Option("--background", hidden=True, help="Lowest priority; end when standard input closes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compile what backtests, panels and sweeps need, once for each release, machine and Python; a minute or two.

    The server does that by itself after its start (/readyz says how far it is) unless DINGPAN_WARM_KERNELS=false. It is
    kept beside the program, or in NUMBA_CACHE_DIR. Repeating it changes nothing.

    Example: dingpan backtest warm-up
    """
    if background:
        os.nice(LOWEST)
        threading.Thread(target=_end_with_parent, daemon=True).start()
    from core.backtest.warm_up import warm_up as compile_all  # noqa: PLC0415 - keeps --help fast

    try:
        has_compiled = compile_all(_tell_program if as_json else _tell_person)
    except DeskError as error:
        refuse(error)
    except OSError as error:
        fail(f"The kernels cannot be kept: {error}.", FAILED)
    if not as_json:
        typer.echo("The kernels are ready." if has_compiled else "The kernels were ready.")


def warn_when_cold(ctx: typer.Context) -> None:
    """Tell a person at a terminal why a first run takes long."""
    if not sys.stderr.isatty():
        return
    from core.backtest.kernel_stamp import is_ready, kernel_folder  # noqa: PLC0415 - keeps --help fast

    folder = kernel_folder(ctx.obj.environment.get("NUMBA_CACHE_DIR", ""))
    if folder is None or not is_ready(folder):
        typer.echo(COLD, err=True)


def _tell_program(done: int, total: int, step: str) -> None:
    """Write one line of JSON; the step is empty at the end."""
    from core.backtest.warm_up import WAITING  # noqa: PLC0415 - keeps --help fast

    told = {"done": done, "total": total, "step": step, "waiting": step == WAITING}
    typer.echo(json.dumps(told))


def _tell_person(done: int, total: int, step: str) -> None:
    if step:
        typer.echo(f"{done}/{total} {step} ...", err=True)


def _end_with_parent() -> None:
    """End at once when whoever started this process is gone: it holds the other end of standard input."""
    os.read(sys.stdin.fileno(), 1)  # below Python's buffers, whose lock would break the orderly end of the process
    os._exit(1)
