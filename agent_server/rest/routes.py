"""One route per skill, made from its `http=`; the same dispatcher and answers as `POST /agent/skills/execute`.

A route that several asset classes share is one route that picks the skill by `asset_class`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from agent_server.auth import caller_of
from agent_server.desk import Desk
from agent_server.rest.body import body_limit, query_values, read_object
from agent_server.rest.plain_route import PlainRoute
from agent_server.rest.skills import run
from tools.envelope import APPROVAL_KEYS, IDEMPOTENCY_KEYS, Params, read_params
from tools.skill import Skill

STEERING: Final = frozenset({*APPROVAL_KEYS, *IDEMPOTENCY_KEYS})
ASSET_CLASS: Final = ("asset_class", "assetClass")
FIRST_CLASS: Final = "stock"


def generated_routes(desk: Desk) -> list[BaseRoute]:
    """Return the routes of all skills; fixed paths come before those with parameters."""
    ordered = sorted(desk.registry.routes.items(), key=lambda item: _precedence(item[0][1]))
    return [_route(desk, path, method, skills=skills) for (method, path), skills in ordered]


def _precedence(path: str) -> list[tuple[bool, str]]:
    return [(part.startswith("{"), part) for part in path.split("/")]


def _route(desk: Desk, path: str, method: str, *, skills: tuple[Skill, ...]) -> PlainRoute:
    async def endpoint(request: Request) -> Response:
        caller = await caller_of(request, desk)
        params = await read_parameters(request, limit=body_limit(caller))
        skill = pick(skills, params.flat)
        return await run(request, desk, caller=caller, skill_id=skill.skill_id, params=params)

    return PlainRoute(path, endpoint, methods=[method], name=skills[0].skill_id)


async def read_parameters(request: Request, *, limit: int) -> Params:
    """Return the parameters of the path, the query and the body as one flat set.

    `approvalId` and `idempotencyKey` may stand in the query or the body: this address has no `params`.
    """
    query, body = query_values(request), await read_object(request, limit=limit)
    steering = {name: source[name] for source in (query, body) for name in source if name in STEERING}
    subtrees = {
        "pathParams": dict(request.path_params),
        "query": _without_steering(query),
        "body": _without_steering(body),
    }
    return read_params(steering | subtrees)


def pick(skills: Sequence[Skill], params: Mapping[str, Any]) -> Skill:
    """Return the skill of the asset class that is asked for; that of stocks when none is, or one the desk has not.

    The skill itself refuses a class it is not for, in the words that `POST /agent/skills/execute` gives too.
    """
    classes = {skill.asset_class: skill for skill in skills}
    asked = next((params[name] for name in ASSET_CLASS if params.get(name) is not None), FIRST_CLASS)
    return classes.get(asked if isinstance(asked, str) else FIRST_CLASS) or classes.get(FIRST_CLASS) or skills[0]


def _without_steering(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in STEERING}
