"""Kinds of error to HTTP statuses, and the one body every failure has.

Kinds are mapped, never classes. What the framework itself refuses (no such route, wrong method) comes through here too,
so that a caller parses one shape.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent_server.json_text import encode
from core.errors import DeskError, ErrorKind, Invalid, NotFound
from tools.wire import camel, to_wire

STATUS: Final[Mapping[ErrorKind, int]] = {
    ErrorKind.INVALID: 400,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.NOT_POSSIBLE: 422,
    ErrorKind.LIMITED: 429,
    ErrorKind.INTERNAL: 500,
    ErrorKind.UNAVAILABLE: 503,
}
TITLES: Final[Mapping[ErrorKind, str]] = {
    ErrorKind.INVALID: "The request is not valid",
    ErrorKind.UNAUTHENTICATED: "Not signed in",
    ErrorKind.FORBIDDEN: "Not allowed",
    ErrorKind.NOT_FOUND: "Not found",
    ErrorKind.CONFLICT: "Something stands in the way",
    ErrorKind.NOT_POSSIBLE: "Not possible now",
    ErrorKind.LIMITED: "Too many calls",
    ErrorKind.INTERNAL: "Something failed inside the desk",
    ErrorKind.UNAVAILABLE: "Not available now",
}
CODE_TITLES: Final[Mapping[str, str]] = {"approval_required": "Human approval required"}
MEDIA_TYPE: Final = "application/problem+json"


class RouteNotFound(NotFound):
    """No such address."""

    code = "route_not_found"
    template = "There is nothing at {path}. GET /agent/skills lists what the desk can do; /openapi.json every address."


class TransportRefusal(Invalid):
    """Refused before any skill is looked for; carries its own HTTP status."""

    status: ClassVar[int] = 400


class MethodNotAllowed(TransportRefusal):
    """The address exists, the method does not."""

    code = "method_not_allowed"
    template = "{path} does not answer {method}."
    status = 405


class BodyTooLarge(TransportRefusal):
    """More than the desk reads."""

    code = "body_too_large"
    template = "The body is larger than {limit_bytes} bytes."
    shown = ("limit_bytes",)
    status = 413


class HostNotAllowed(TransportRefusal):
    """The request names a host this desk does not answer for, as DNS rebinding does."""

    code = "host_not_allowed"
    template = "This desk does not answer for the host {host!r}. Its operator sets the address in DINGPAN_PUBLIC_URL."
    status = 421


class RequestRefused(TransportRefusal):
    """The framework could not read the request."""

    code = "request_refused"
    template = "{reason}"


def status_of(error: DeskError) -> int:
    """Return the HTTP status of an error."""
    return error.status if isinstance(error, TransportRefusal) else STATUS[error.kind]


def problem_body(error: DeskError, *, trace_id: str, instance: str) -> dict[str, Any]:
    """Return the body of a failure: RFC 9457 fields, the desk's own, and the error's extras in camel case."""
    status = status_of(error)
    body = {
        "success": False,
        "code": error.code,
        "kind": error.kind.value,
        "message": error.message,
        "traceId": trace_id,
        "type": f"urn:dingpan:problem:{error.code}",
        "title": CODE_TITLES.get(error.code, TITLES[error.kind]),
        "status": status,
        "detail": error.message,
        "instance": instance,
    }
    extras = {camel(name): to_wire(value) for name, value in error.extras().items()}
    return body | {name: value for name, value in extras.items() if name not in body}


def problem(error: DeskError, request: Request) -> Response:
    """Answer a failure."""
    body = problem_body(error, trace_id=trace_of(request), instance=request.scope["path"])
    return Response(encode(body), status_of(error), headers=_headers(error), media_type=MEDIA_TYPE)


def trace_of(request: Request) -> str:
    """Return the id under which this request is logged; made by `agent_server.edge`."""
    trace_id: str = request.scope.get("trace_id", "")
    return trace_id


def from_framework(error: HTTPException, request: Request) -> DeskError:
    """Translate what the framework refuses by itself."""
    path: str = request.scope["path"]
    if error.status_code == 404:
        return RouteNotFound(path=path)
    if error.status_code == 405:
        return MethodNotAllowed(path=path, method=request.method)
    return RequestRefused(reason=str(error.detail))


def _headers(error: DeskError) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if error.kind is ErrorKind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="dingpan"'
    approval_id = error.data.get("approval_id")
    if error.code == "approval_required" and approval_id:
        headers["Location"] = f"/agent/approvals/{approval_id}"
    wait = error.data.get("retry_after_seconds")
    if isinstance(wait, int | float | Decimal):
        headers["Retry-After"] = str(max(1, -int(-wait // 1)))
    return headers
