"""The outermost layer around every request: host check, trace id, security headers, one log line, one measurement.

A plain ASGI layer, so that it costs microseconds. The trace id is always the desk's own: one from outside could be made
to look like somebody else's.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_server.errors import HostNotAllowed, problem
from core.clock import Clock
from core.ids import IdSource, new_id
from core.settings import LOOPBACK, Settings

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)
HOST: Final = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
Observe = Callable[[str, str, int, float], None]
"""Called with method, route template, status and seconds."""

log = structlog.get_logger("agent_server")


class Edge:
    """See the module."""

    def __init__(self, app: ASGIApp, *, settings: Settings, clock: Clock, ids: IdSource, observe: Observe) -> None:
        self.app, self.clock, self.ids, self.observe = app, clock, ids, observe
        self.hosts = allowed_hosts(settings)
        self.headers = (
            HEADERS if settings.is_loopback else (*HEADERS, ("Strict-Transport-Security", "max-age=31536000"))
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = self.clock.monotonic()
        scope["trace_id"] = trace_id = new_id(self.ids, "trc")
        status = 500

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])  # the MCP library sends a member of HTTPStatus, which logs as its name
                self._mark(message, trace_id)
            await send(message)

        host = Headers(scope=scope).get("host", "")
        try:
            if host_name(host) in self.hosts:
                await self.app(scope, receive, send_marked)
            else:
                await problem(HostNotAllowed(host=host[:200]), Request(scope))(scope, receive, send_marked)
        finally:
            self._report(scope, status, self.clock.monotonic() - started)

    def _mark(self, message: Message, trace_id: str) -> None:
        headers = MutableHeaders(scope=message)
        headers["X-Trace-Id"] = trace_id
        for name, value in self.headers:
            headers.setdefault(name, value)

    def _report(self, scope: Scope, status: int, seconds: float) -> None:
        template = getattr(scope.get("route"), "path", "unmatched")
        self.observe(scope["method"], template, status, seconds)
        if scope["path"] not in QUIET:
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                milliseconds=round(seconds * 1000, 1),
                trace_id=scope["trace_id"],
            )


def host_name(host: str) -> str:
    """Return the name in a Host header, without its port and in lower case; empty for what is no host."""
    match = HOST.fullmatch(host.lower())
    return match[1].strip("[]") if match else ""


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Return the names a request may address this desk by: its public address, its own interface, this machine."""
    named = {urlsplit(settings.base_url).hostname or "", settings.host}
    return LOOPBACK | (named - {""})
