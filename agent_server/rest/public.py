"""What anybody may ask without a key: which release this is, its manual, and the table of what it can do."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from agent_server.desk import Desk
from agent_server.release import NAME, release
from agent_server.rest.answers import answer, envelope, json_response
from tools.exports.skill_md import document

DESCRIPTION: Final = "A trading desk that an AI agent can operate and a person keeps the keys of."
UPDATED: Final = "2026-11-20"


def router(desk: Desk) -> APIRouter:
    """Return the public routes."""
    routes = APIRouter(tags=["public"])

    @routes.get("/api/public/agent/skill-version", summary="Which release answers")
    async def skill_version(request: Request) -> Response:
        shown = {"version": release(), "name": NAME, "description": DESCRIPTION, "updatedAt": UPDATED}
        return json_response(envelope(None, request, beside=shown))

    markdown: dict[int | str, dict[str, Any]] = {200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}}

    @routes.get(
        "/api/public/agent/skill-manifest",
        summary="The manual for agents, as Markdown",
        response_class=Response,
        responses=markdown,
    )
    async def skill_manifest() -> Response:
        return Response(document(desk.registry, version=release()), media_type="text/markdown; charset=utf-8")

    @routes.get("/api/public/agent/capabilities", summary="Method, path and scope of every skill")
    async def capabilities(request: Request) -> Response:
        table: list[dict[str, Any]] = [
            {"method": skill.method, "path": skill.path, "scope": skill.scope, "skillId": skill.skill_id}
            for skill in desk.registry.skills
        ]
        return answer(table, request)

    return routes
