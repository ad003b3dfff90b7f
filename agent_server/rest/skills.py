"""The catalogue of skills, and the one address that runs any of them."""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from agent_server.auth import caller_of
from agent_server.desk import Desk
from agent_server.errors import trace_of
from agent_server.json_text import encode
from agent_server.rest.answers import envelope, json_response
from agent_server.rest.body import body_limit, flag, known_only, query_values, read_object, text_field
from agent_server.rest.documentation import parameter, problems
from agent_server.rest.plain_route import PlainRoute
from agent_server.rest.presets import preset_named
from core.access.model import Caller
from core.errors import ArgumentsInvalid, FieldFault
from tools.context import SkillCall, SkillResult, Surface
from tools.envelope import Params, read_execute
from tools.errors import SkillNotFound
from tools.skill import Skill

CATALOGUE_QUERY: Final = ("granted", "skillId", "q", "preset")
IDEMPOTENCY_HEADER: Final = "idempotency-key"
LONGEST_KEY: Final = 200
CATALOGUE: Final[dict[str, Any]] = {
    "summary": "List the skills, with what the caller may run",
    "operationId": "catalogue",
    "tags": ["skills"],
    "parameters": [
        parameter("granted", {"type": "boolean"}, "Only those the caller may run."),
        parameter("skillId", {"type": "string"}, "One skill, by either spelling of its id."),
        parameter("q", {"type": "string"}, "Search words, English or Chinese."),
        parameter("preset", {"type": "string"}, "Only those a preset opens."),
    ],
    "responses": {"200": {"description": "The entries"}, "304": {"description": "Unchanged since the ETag"}}
    | {str(status): body for status, body in problems(400, 401).items()},
}


def skill_routes(desk: Desk) -> list[BaseRoute]:
    """Return the two routes, without FastAPI's layer: parameters are read and documented by the registry's models."""

    async def catalogue(request: Request) -> Response:
        values = query_values(request)
        known_only(values, CATALOGUE_QUERY)
        caller = await caller_of(request, desk)
        entries = [desk.registry.catalogue_entry(skill, caller) for skill in chosen(desk, values)]
        if flag(values, "granted"):
            entries = [entry for entry in entries if entry["granted"]]
        return tagged(entries, request)

    async def execute(request: Request) -> Response:
        caller = await caller_of(request, desk)
        asked = read_execute(await read_object(request, limit=body_limit(caller)))
        return await run(request, desk, caller=caller, skill_id=asked.skill_id, params=asked.params)

    return [
        PlainRoute("/agent/skills/execute", execute, methods=["POST"]),
        PlainRoute("/agent/skills", catalogue, methods=["GET"]),
    ]


def chosen(desk: Desk, values: dict[str, Any]) -> Iterable[Skill]:
    """Return the skills a catalogue query asks for: one, those of a preset, those a search finds, or all."""
    skill_id, words, preset = (text_field(values, name) for name in ("skillId", "q", "preset"))
    if skill_id:
        return [one_skill(desk, skill_id)]
    found: Iterable[Skill] = desk.registry.search(words) if words else desk.registry.skills
    if not preset:
        return found
    wanted = preset_named(preset, desk.registry).skill_ids
    return [skill for skill in found if skill.skill_id in wanted]


def one_skill(desk: Desk, skill_id: str) -> Skill:
    """Return the skill of that name. Raises `SkillNotFound` with what may have been meant."""
    skill = desk.registry.find(skill_id)
    if skill is None:
        raise SkillNotFound(skill_id=skill_id, did_you_mean=desk.registry.suggest(skill_id))
    return skill


def tagged(entries: list[dict[str, Any]], request: Request) -> Response:
    """Answer the catalogue under an ETag, or 304 when the client has this one already."""
    tag = f'"{hashlib.sha256(encode(entries)).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return json_response(envelope(entries, request, meta={"total": len(entries)}), headers=headers)


async def run(request: Request, desk: Desk, *, caller: Caller, skill_id: str, params: Params) -> Response:
    """Run one skill through the dispatcher and answer its result."""
    call = SkillCall(
        skill_id=skill_id,
        params=params.flat,
        caller=caller,
        surface=Surface.REST,
        trace_id=trace_of(request),
        approval_id=params.approval_id,
        idempotency_key=idempotency_key(request, params),
    )
    result = await desk.dispatcher.run(call)
    skill = desk.registry.find(result.skill_id)
    return result_response(result, request, status=skill.status if skill is not None else 200)


def result_response(result: SkillResult, request: Request, *, status: int = 200) -> Response:
    """Answer a finished call in the envelope."""
    headers = {"Cache-Control": "no-store"} | ({"Idempotency-Replayed": "true"} if result.replayed else {})
    body = envelope(result.data, request, meta=result.meta, beside=result.beside)
    return json_response(body, status=status, headers=headers)


def idempotency_key(request: Request, params: Params) -> str | None:
    """Return the key of `params.idempotencyKey` or the header; two that differ are a fault."""
    header = request.headers.get(IDEMPOTENCY_HEADER)
    if header is None or header == params.idempotency_key:
        return params.idempotency_key
    if params.idempotency_key is not None:
        raise ArgumentsInvalid([FieldFault("Idempotency-Key", "differs from params.idempotencyKey")])
    if not 0 < len(header) <= LONGEST_KEY or not header.isprintable():
        expected = f"1 to {LONGEST_KEY} printable characters"
        raise ArgumentsInvalid([FieldFault("Idempotency-Key", f"must have {expected}", expected=expected)])
    return header
