"""`dingpan serve`: the desk's web server."""

import errno
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agent_server import probe
from agent_server.cli.context import FAILED, fail, settings_of

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from agent_server.kernels import Kernels
    from agent_server.starting import App
    from core.settings import Settings

SHUTDOWN_SECONDS: Final = 10
HOLDERS: Final = {
    probe.READY: "this desk's own server",
    probe.NOT_READY: "this desk's own server",
    probe.STARTING: "a desk that is starting",
    probe.STRANGER: "another desk's server",
}
ADVICE: Final = "Stop it, or choose another port with --port or DINGPAN_PORT."


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Interface to listen on; DINGPAN_HOST when left out.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; DINGPAN_PORT when left out.", min=1, max=65535)] = None,
    worker: Annotated[
        bool | None, typer.Option("--worker/--no-worker", help="Carry out runs too; DINGPAN_WORKER when left out.")
    ] = None,
) -> None:
    """Answer REST calls, show the pages and carry out runs, until stopped.

    Example: dingpan serve --port 9000
    """
    settings = settings_of(ctx)
    has_worker = settings.worker if worker is None else worker
    settings = replace(settings, host=host or settings.host, port=port or settings.port, worker=has_worker)
    with listen(settings) as listener:
        failure = serve_until_stopped(settings, listener, kernels=kernels_of(ctx, settings))
    if failure is not None:
        fail(f"The desk could not be opened: {failure}", FAILED)


def listen(settings: "Settings") -> socket.socket:
    """Take the port, or end the program saying who has it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        holder = (
            HOLDERS.get(probe.state_of(settings, probe.local_address(settings)), "another program") if taken else ""
        )
        reason = f"{holder} listens there" if taken else os.strerror(error.errno or 0)
        fail(f"Cannot listen at {settings.host}:{settings.port}: {reason}. {ADVICE}", FAILED)
    # Connections inherit it. Without it the second part of an answer waits 40 ms for the client's acknowledgement of
    # the first; asyncio itself sees to it only where it made the listener.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def kernels_of(ctx: typer.Context, settings: "Settings") -> "Kernels":
    """Return what knows about the kernels of this machine, and compiles them where the settings say so."""
    from agent_server.kernels import Kernels  # noqa: PLC0415 - keeps --help fast
    from core.clock import SystemClock  # noqa: PLC0415 - keeps --help fast

    chosen = ctx.obj.environment.get("NUMBA_CACHE_DIR", "")
    return Kernels(SystemClock(), is_wanted=settings.warm_kernels, chosen_folder=chosen)


def serve_until_stopped(
    settings: "Settings", listener: socket.socket, *, kernels: "Kernels | None" = None
) -> BaseException | None:
    """Answer at once, open the desk behind the port, and return why that failed, or None after an orderly stop."""
    import uvicorn  # noqa: PLC0415 - keeps --help fast

    from agent_server.log_output import configure  # noqa: PLC0415 - keeps --help fast
    from agent_server.starting import StartingApp  # noqa: PLC0415 - keeps --help fast

    configure(settings.log_format)
    typer.echo(f"dingpan listens at {settings.base_url} (desk: {settings.home})")
    app = StartingApp(lambda: open_app(settings, kernels), on_failure=lambda: setattr(server, "should_exit", True))
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        lifespan="on",
        ws="none",
    )

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await app.end_streams()
            await super().shutdown(sockets)

    server = Server(config)
    server.run(sockets=[listener])
    return app.failure


@asynccontextmanager
async def open_app(settings: "Settings", kernels: "Kernels | None" = None) -> AsyncIterator["App"]:
    """Import and open the desk and its application; imports run in a thread so that the port goes on answering."""
    import asyncio  # noqa: PLC0415 - keeps --help fast

    create_app, open_desk = await asyncio.to_thread(_import_everything)
    from agent_server.starting import running  # noqa: PLC0415 - keeps --help fast

    async with open_desk(settings) as desk:
        app = create_app(desk.services, desk.registry, desk.dispatcher, kernels=kernels.told if kernels else None)
        async with running(app) as started, kernels.compiling() if kernels else nullcontext():
            yield started


def _import_everything() -> "tuple[Callable[..., App], Callable[[Settings], AbstractAsyncContextManager[Desk]]]":
    from agent_server.app import create_app  # noqa: PLC0415 - FastAPI and the pages
    from agent_server.opening import import_domain, open_desk  # noqa: PLC0415 - keeps --help fast

    import_domain()
    return create_app, open_desk
