"""Named bundles of scopes: shown to callers, and turned into scopes when a token is minted."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from agent_server.auth import known_caller
from agent_server.desk import Desk
from agent_server.rest.answers import envelope, json_response
from agent_server.rest.body import known_only, query_values, unknown_key
from agent_server.rest.documentation import problems
from core.access.model import Caller
from core.errors import ArgumentsInvalid
from tools.scopes import ResolvedPreset

if TYPE_CHECKING:
    from tools.registry import Registry


def router(desk: Desk) -> APIRouter:
    """Return the route of the presets."""
    routes = APIRouter(tags=["public"])

    @routes.get("/agent/scope-presets", summary="Named bundles of scopes", responses=problems(400, 401, 403))
    async def scope_presets(request: Request) -> Response:
        known_only(query_values(request), ())
        caller = await known_caller(request, desk)
        shown = preset_views(caller, desk.registry)
        return json_response(envelope(None, request, beside=shown), headers={"Cache-Control": "no-store"})

    return routes


def preset_views(caller: Caller, registry: "Registry") -> dict[str, Any]:
    """Return the presets, each with whether the caller has all of it."""
    has = granted_scopes(caller, registry)
    shown = [
        {
            "id": preset.preset_id,
            "title": preset.title,
            "titleZh": preset.title_zh,
            "scopes": list(preset.scopes),
            "skillIds": list(preset.skill_ids),
            "satisfied": has.issuperset(preset.scopes),
        }
        for preset in registry.presets
    ]
    return {"presets": shown, "defaultScopes": list(registry.default_scopes), "grantedScopes": sorted(has)}


def granted_scopes(caller: Caller, registry: "Registry") -> set[str]:
    """Return the scopes a caller has; a person in a session has all there are."""
    return {skill.scope for skill in registry.skills} if caller.all_scopes else set(caller.scopes)


def scopes_of(names: Iterable[str], registry: "Registry", *, path: str = "presets") -> set[str]:
    """Return the scopes of several presets. Raises `ArgumentsInvalid` for names that are none."""
    known = {preset.preset_id: preset for preset in registry.presets}
    chosen = list(names)
    faults = [unknown_key(name, sorted(known)) for name in chosen if name not in known]
    for fault in faults:
        fault.path, fault.got = path, fault.path
        fault.message = f"there is no preset {fault.got!r}; the presets are {', '.join(known)}"
    if faults:
        raise ArgumentsInvalid(faults)
    return {scope for name in chosen for scope in known[name].scopes}


def preset_named(name: str, registry: "Registry") -> ResolvedPreset:
    """Return one preset. Raises `ArgumentsInvalid` when there is none of that name."""
    scopes_of([name], registry, path="preset")
    return next(preset for preset in registry.presets if preset.preset_id == name)


def known_scopes(names: Iterable[str], registry: "Registry") -> set[str]:
    """Return scopes asked for by name. Raises `ArgumentsInvalid` for one that opens nothing: a misspelling."""
    known = sorted({skill.scope for skill in registry.skills})
    chosen = set(names)
    faults = []
    for name in sorted(chosen - set(known)):
        fault = unknown_key(name, known)
        fault.path, fault.message, fault.got, fault.expected = "scopes", f"no skill has the scope {name!r}", name, ""
        faults.append(fault)
    if faults:
        raise ArgumentsInvalid(faults)
    return chosen
