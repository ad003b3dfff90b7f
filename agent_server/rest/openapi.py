"""The OpenAPI document: skills from the registry, everything else from its own routes, in one."""

from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import Response

from agent_server.desk import Desk
from agent_server.json_text import encode
from agent_server.release import NAME, release
from agent_server.rest.public import DESCRIPTION
from agent_server.rest.skills import CATALOGUE
from tools.exports.openapi import document


def router(desk: Desk, routers: list[APIRouter]) -> APIRouter:
    """Return the route of the document; it is made on the first request and kept."""
    routes = APIRouter()
    made: list[bytes] = []

    @routes.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        if not made:
            made.append(encode(whole_document(desk, routers)))
        return Response(made[0], media_type="application/json")

    return routes


def whole_document(desk: Desk, routers: list[APIRouter]) -> dict[str, Any]:
    """Return the document of the skills with the other routes merged in. A skill's operation is never replaced."""
    merged = document(desk.registry, base_url=desk.services.settings.base_url, version=release())
    merged["paths"]["/agent/skills"] = {"get": CATALOGUE}
    plain = [route for group in routers for route in group.routes if isinstance(route, APIRoute)]
    others = get_openapi(title=NAME, version=release(), description=DESCRIPTION, routes=plain)
    for path, operations in others.get("paths", {}).items():
        for method, operation in operations.items():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]  # the framework's guess: these routes check their input themselves
            merged["paths"].setdefault(path, {}).setdefault(method, operation)
    return merged
