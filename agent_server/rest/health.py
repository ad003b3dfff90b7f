"""Is it alive, is it ready, how busy is it: for whoever runs the desk."""

import hmac
from collections.abc import Callable
from typing import Final

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from agent_server.auth import address, bearer
from agent_server.desk import Desk
from agent_server.probe import NOT_READY, READY, mark_of
from agent_server.rest.answers import json_response
from core.errors import DeskError, Forbidden
from core.settings import LOOPBACK, Settings
from core.storage.migrations import HEAD_REVISION

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods counted by name; anybody can invent others, and each would stay in memory."""


class OperatorRequired(Forbidden):
    """The figures of the desk are for whoever runs it."""

    code = "operator_required"
    template = "Ask from the desk's own machine, or with the token of DINGPAN_METRICS_TOKEN."


class Metrics:
    """Counts and times requests. Routes are counted by their template, so that ids do not become labels."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["method", "route"]
        self.requests = Counter(
            "dingpan_requests_total", "Requests answered.", [*labels, "status"], registry=self.registry
        )
        self.seconds = Histogram("dingpan_request_seconds", "Time to answer a request.", labels, registry=self.registry)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        method = method if method in METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """Return all figures in Prometheus' format."""
        return generate_latest(self.registry)


def router(desk: Desk, metrics: Metrics, kernels: Callable[[], str] | None = None) -> APIRouter:
    """Return the routes for the operator. A desk whose `kernels` are still compiled is ready, its backtests wait."""
    routes = APIRouter(tags=["health"])
    mark = mark_of(desk.services.settings)

    @routes.get("/healthz", summary="The process answers")
    async def healthz() -> Response:
        return json_response({"status": "alive"})

    @routes.get("/readyz", summary="Database, migrations and market data are usable")
    async def readyz() -> Response:
        checks = await check(desk)
        is_ready = all(value == "ok" for value in checks.values())
        if kernels is not None:
            checks["kernels"] = kernels()
        body = {"status": READY if is_ready else NOT_READY, "checks": checks, "desk": mark}
        return json_response(body, status=200 if is_ready else 503, headers={"Cache-Control": "no-store"})

    @routes.get("/metrics", include_in_schema=False)
    async def show_metrics(request: Request) -> Response:
        require_operator(request, desk.services.settings)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes


async def check(desk: Desk) -> dict[str, str]:
    """Return what was looked at: `ok`, or why not."""
    checks: dict[str, str] = {}
    try:
        found = await desk.services.database.revision()
        checks["database"] = "ok"
        checks["migrations"] = "ok" if found == HEAD_REVISION else f"at {found}, this release needs {HEAD_REVISION}"
    except DeskError as error:
        checks["database"] = error.code
    try:
        desk.services.market_store.manifest()
        checks["market"] = "ok"
    except DeskError as error:
        checks["market"] = error.code
    except OSError:
        checks["market"] = "unreadable"
    return checks


def require_operator(request: Request, settings: Settings) -> None:
    """Raise unless the request carries the operator's token, or comes from this machine to a desk only it can reach."""
    if settings.metrics_token:
        given = bearer(request) or ""
        if not hmac.compare_digest(given.encode(), settings.metrics_token.encode()):
            raise OperatorRequired
    elif not settings.is_loopback or address(request) not in LOOPBACK:
        raise OperatorRequired
