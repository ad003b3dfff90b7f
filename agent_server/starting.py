"""The port opens at once; the desk behind it loads meanwhile.

FastAPI, the database driver and the market data take seconds to import and open. Until they are there, `/healthz` says
that the process lives and everything else is told to come back. After that this layer is one comparison.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import structlog

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
Opener = Callable[[], AbstractAsyncContextManager[App]]

ALIVE: Final = b'{"status":"alive"}'
NOT_YET: Final = (
    b'{"success":false,"code":"starting","kind":"unavailable","message":"The desk is starting. Try again in a second.",'
    b'"type":"urn:dingpan:problem:starting","title":"Not available now","status":503,'
    b'"detail":"The desk is starting. Try again in a second.","retryable":true}'
)

log = structlog.get_logger("agent_server")


class StartingApp:
    """An ASGI application that opens the real one in the background.

    `open_app` is an async context manager that yields the real application, running, and closes it. When opening
    fails, `failure` holds the reason and `on_failure` is called once.
    """

    def __init__(self, open_app: Opener, *, on_failure: Callable[[], None]) -> None:
        self.open_app, self.on_failure = open_app, on_failure
        self.app: App | None = None
        self.failure: BaseException | None = None
        self._stop = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's own start and stop."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await _answer_early(scope["path"], send)

    async def end_streams(self) -> None:
        """Have the real application end its long answers, before the server waits for its connections to close."""
        end = getattr(getattr(self.app, "state", None), "end_streams", None)
        if end is not None:
            await end()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        opening = asyncio.create_task(self._open())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._stop.set()
        await opening
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> None:
        try:
            async with self.open_app() as app:
                self.app = app
                log.info("ready")
                await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, the process must end and say why
            self.failure = error
            self.on_failure()


@asynccontextmanager
async def running(app: App) -> AsyncIterator[App]:
    """Start an application's own lifespan, yield it, and stop it at the end."""
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    life = asyncio.create_task(_lifespan(app, inbox, outbox))
    try:
        await _step("startup", inbox, outbox)
        yield app
        await _step("shutdown", inbox, outbox)
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)


async def _lifespan(app: App, inbox: asyncio.Queue[dict[str, str]], outbox: asyncio.Queue[dict[str, Any]]) -> None:
    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, inbox.get, outbox.put)


async def _step(name: str, inbox: asyncio.Queue[dict[str, str]], outbox: asyncio.Queue[dict[str, Any]]) -> None:
    await inbox.put({"type": f"lifespan.{name}"})
    message = await outbox.get()
    if message["type"] != f"lifespan.{name}.complete":
        raise RuntimeError(message.get("message") or f"the application failed at {name}")


async def _answer_early(path: str, send: Send) -> None:
    is_health = path == "/healthz"
    body = ALIVE if is_health else NOT_YET
    kind = b"application/json" if is_health else b"application/problem+json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    if not is_health:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": 200 if is_health else 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
