"""The application: every route of the desk on one FastAPI app, inside one outer layer.

`create_app` only puts parts together; the services it is given are open already and their schema is current.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent_server.chat import routes as chat_routes
from agent_server.chat.desk_chat import DeskChat
from agent_server.desk import Desk
from agent_server.edge import Edge
from agent_server.errors import from_framework, problem, trace_of
from agent_server.mcp_transport.door import McpDoor
from agent_server.notices import keep_sending
from agent_server.rest import approvals, halt, health, openapi, presets, public, routes, sessions, skills, users
from agent_server.web import pages
from agent_server.worker import working
from core.errors import DeskError

if TYPE_CHECKING:
    from core.bootstrap import Services
    from core.llm.model import ModelClient
    from tools.dispatcher import Dispatcher
    from tools.registry import Registry

FLUSH_SECONDS: Final = 15.0

log = structlog.get_logger("agent_server")


def create_app(
    services: "Services",
    registry: "Registry",
    dispatcher: "Dispatcher",
    *,
    model: "ModelClient | None" = None,
    kernels: Callable[[], str] | None = None,
) -> FastAPI:
    """Return the application of a desk. The caller opens and closes the services; `model` answers in the chat.

    `kernels` tells how far the engine's kernels are compiled.

    Raises `SettingInvalid` when the settings name a model that cannot be used.
    """
    desk = Desk(services, registry, dispatcher)
    metrics, mcp, chat = health.Metrics(), McpDoor(desk), DeskChat(desk, model)
    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, lifespan=_lifespan(desk, mcp, chat), redirect_slashes=False
    )
    app.state.chat, app.state.end_streams = chat, chat.end_streams
    app.router.routes.extend([*skills.skill_routes(desk), *mcp.routes()])
    groups = [
        sessions.router(desk),
        approvals.router(desk),
        halt.router(desk),
        users.router(desk),
        public.router(desk),
        presets.router(desk),
        health.router(desk, metrics, kernels),
        chat_routes.router(desk, chat),
    ]
    site = pages.Site(desk)
    for group in (*groups, openapi.router(desk, groups), site.router()):
        app.include_router(group)
    app.router.routes.extend(routes.generated_routes(desk))
    pages.mount_static(app)
    _handle_errors(app, site)
    app.add_middleware(
        Edge, settings=services.settings, clock=services.clock, ids=services.ids, observe=metrics.observe
    )
    return app


def _handle_errors(app: FastAPI, site: pages.Site) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        known = error if isinstance(error, DeskError) else from_framework(_http(error), request)
        return site.refusal(request, known) or problem(known, request)

    async def broken(request: Request, error: Exception) -> Response:
        log.error("request failed", trace_id=trace_of(request), kind=type(error).__name__)
        return problem(DeskError(), request)

    app.add_exception_handler(DeskError, refused)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(Exception, broken)


def _http(error: Exception) -> HTTPException:
    return error if isinstance(error, HTTPException) else HTTPException(400, "The request cannot be read.")


def _lifespan(desk: Desk, mcp: McpDoor, chat: DeskChat) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Put things straight at start; while running make every skill's contract, send notices, and write last uses."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with desk.unit_of_work() as uow:
            lost = await desk.services.access.recover(uow)
            await uow.commit()
        if lost:
            log.warning("calls whose outcome is unknown", count=lost)
        going_on = [asyncio.create_task(work(desk)) for work in (_keep_flushing, keep_sending)]
        compiling = asyncio.create_task(asyncio.to_thread(desk.registry.compile_all))
        try:
            async with working(desk.services), mcp.running(), chat.running():
                yield
        finally:
            await compiling
            for task in going_on:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await flush(desk)

    return lifespan


async def _keep_flushing(desk: Desk) -> None:
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        try:
            await flush(desk)
        except DeskError as error:
            log.warning("last uses were not written", code=error.code)


async def flush(desk: Desk) -> None:
    """Write when tokens and sessions were last used."""
    async with desk.unit_of_work() as uow:
        await desk.services.access.flush_last_used(uow)
        await uow.commit()
