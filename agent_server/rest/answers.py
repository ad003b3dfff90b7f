"""The envelope of success."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from agent_server.errors import trace_of
from agent_server.json_text import encode
from tools.wire import to_wire


def envelope(
    data: Any, request: Request, *, meta: dict[str, Any] | None = None, beside: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the body of a success; `data` is already in wire form."""
    body = {"success": True, "data": data, "message": "OK", "traceId": trace_of(request)}
    if beside:
        body = {**beside, **({} if data is None else {"data": data}), "success": True, "message": "OK"}
        body["traceId"] = trace_of(request)
    return body | ({"meta": meta} if meta else {})


def answer(data: Any, request: Request, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer a success that belongs to one caller: never kept by a cache unless `headers` say otherwise."""
    shown = {"Cache-Control": "no-store"} | (headers or {})
    return json_response(envelope(to_wire(data), request), status=status, headers=shown)


def json_response(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with a JSON body as it stands."""
    return Response(encode(body), status, headers=headers, media_type="application/json")
