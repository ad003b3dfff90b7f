"""The skills as an OpenAPI 3.1 document: one operation per route, and the call that runs any skill.

The schemas are the ones that requests are validated with. Transports add the operations that are no skills.
"""

from collections.abc import Iterable
from typing import Any, Final

from core.errors import ErrorKind
from tools.names import wire_name
from tools.registry import Registry, description_of
from tools.schema import Argument, SkillSchema
from tools.skill import EVERY_FIELD, Skill
from tools.wire import camel

Json = dict[str, Any]

EXECUTE_PATH: Final = "/agent/skills/execute"
PROBLEMS: Final[dict[str, tuple[str, ErrorKind | None]]] = {
    "400": ("The request is malformed; `errors` lists every fault.", ErrorKind.INVALID),
    "401": ("The credentials are bad.", ErrorKind.UNAUTHENTICATED),
    "403": ("The caller may not do this.", ErrorKind.FORBIDDEN),
    "404": ("Absent, or another team's.", ErrorKind.NOT_FOUND),
    "409": ("An approval is needed, or another write stands in the way.", ErrorKind.CONFLICT),
    "422": ("The state of the world refuses it.", ErrorKind.NOT_POSSIBLE),
    "429": ("Too many calls; see `Retry-After`.", ErrorKind.LIMITED),
    "500": ("A defect of the desk; `incidentId` is the number to quote.", ErrorKind.INTERNAL),
    "503": ("Something outside is missing, or trading is halted.", ErrorKind.UNAVAILABLE),
}
PROBLEM_FIELDS: Final = ("code", "kind", "message", "traceId", "type", "title", "status", "detail", "instance")
IDEMPOTENCY_HEADER: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and parameters within 24 hours give the stored answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}


def document(registry: Registry, *, base_url: str, version: str) -> Json:
    """Return the whole document as JSON data."""
    paths: dict[str, Json] = {EXECUTE_PATH: {"post": _execute(registry)}}
    for (method, path), sharing in registry.routes.items():
        paths.setdefault(path, {})[method.lower()] = _operation(registry, sharing)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dingpan",
            "version": version,
            "description": "A trading desk that an agent can operate and a person keeps the keys of.",
        },
        "servers": [{"url": base_url}],
        "security": [{"bearer": []}, {"session": []}, {}],
        "tags": [{"name": tag} for tag in sorted({_tag(item) for item in registry})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "lgatk_..."},
                "session": {"type": "apiKey", "in": "cookie", "name": "dingpan_session"},
            },
            "responses": {f"Problem{status}": _problem(text) for status, (text, _) in PROBLEMS.items()},
            "schemas": {"Problem": _problem_schema()},
        },
    }


def _operation(registry: Registry, sharing: tuple[Skill, ...]) -> Json:
    """Describe a route; of skills that share one, the schemas stand side by side."""
    first = sharing[0]
    schemas = [registry.schema(item) for item in sharing]
    operation: Json = {
        "operationId": wire_name(first.skill_id),
        "summary": first.title,
        "description": "\n\n".join(description_of(item) for item in sharing),
        "tags": [_tag(first)],
        "parameters": _parameters(schemas[0]),
        "responses": _responses(
            [_envelope(item, schema) for item, schema in zip(sharing, schemas, strict=True)], status=first.status
        ),
        "x-skill-id": first.skill_id,
        "x-risk": first.tier.value,
        "x-scope": first.scope,
        "x-confirm-required": first.needs_person,
    }
    if first.method in {"POST", "PUT", "PATCH"}:
        bodies = [_body_schema(schema) for schema in schemas]
        content = {"application/json": {"schema": _one_of(bodies)}}
        operation["requestBody"] = {"required": any(body["required"] for body in bodies), "content": content}
    if first.tier.value != "green":
        operation["parameters"].append(IDEMPOTENCY_HEADER)
    return operation


def _parameters(schema: SkillSchema) -> list[Json]:
    """Return the path and query parameters; lists travel as values between commas."""
    listed = [argument for argument in schema.arguments if argument.location != "body"]
    parameters = [_parameter(argument, schema.input_schema["properties"][argument.name]) for argument in listed]
    if schema.skill.method == "DELETE" and schema.skill.needs_person:
        approval = {"type": "string", "minLength": 1, "maxLength": 200}
        parameters.append({"name": "approvalId", "in": "query", "required": False, "schema": approval})
    return parameters


def _parameter(argument: Argument, shape: Json) -> Json:
    kept = {name: value for name, value in shape.items() if name not in {"description", "examples"}}
    parameter: Json = {
        "name": argument.name,
        "in": argument.location,
        "required": argument.required or argument.location == "path",
        "description": argument.description,
        "schema": kept,
    }
    if argument.type == "array":
        parameter |= {"style": "form", "explode": False}
    return parameter | ({} if argument.example is None else {"example": argument.example})


def _body_schema(schema: SkillSchema) -> Json:
    """Return the body: the arguments outside the path, and the two keys that steer a call."""
    inside = [argument.name for argument in schema.arguments if argument.location == "body"]
    shapes = schema.input_schema["properties"]
    steering: Json = {"idempotencyKey": {"type": "string", "minLength": 1, "maxLength": 200}}
    if schema.skill.needs_person:
        steering["approvalId"] = {"type": "string", "minLength": 1, "maxLength": 200}
    return {
        "type": "object",
        "properties": {name: shapes[name] for name in inside} | steering,
        "required": [argument.name for argument in schema.arguments if argument.required and argument.name in inside],
        "additionalProperties": False,
    }


def _execute(registry: Registry) -> Json:
    names = [item.skill_id for item in registry]
    request = {
        "type": "object",
        "properties": {
            "skillId": {"type": "string", "enum": names},
            "params": {"type": "object", "description": "Flat keys, or pathParams, query and body; see the catalogue."},
        },
        "required": ["skillId"],
    }
    return {
        "operationId": "execute_skill",
        "summary": "Run one skill",
        "description": "Runs the skill named by `skillId` with `params`. GET /agent/skills describes every skill.",
        "tags": ["skills"],
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": _responses([_envelope_of({})]) | {"202": _responses([_envelope_of({})], status=202)["202"]},
    }


def _responses(envelopes: list[Json], *, status: int = 200) -> Json:
    done = "Done." if status == 200 else "Accepted: the work goes on."
    success = {"description": done, "content": {"application/json": {"schema": _one_of(envelopes)}}}
    return {str(status): success} | {status: {"$ref": f"#/components/responses/Problem{status}"} for status in PROBLEMS}


def _envelope(skill: Skill, schema: SkillSchema) -> Json:
    """Return the schema of a skill's answer: its result inside the envelope, unwrapped where the skill says so."""
    fields = dict(schema.output_schema["properties"])
    meta = fields.pop("meta", None)
    beside: Json = {}
    data: Json = schema.output_schema | {"properties": fields, "required": _without_meta(schema)}
    if skill.unwrap == EVERY_FIELD:
        beside = fields
    elif skill.unwrap is not None:
        unwrapped = camel(skill.unwrap)
        data = fields[unwrapped]
        beside = {name: shape for name, shape in fields.items() if name != unwrapped}
    return _envelope_of(data, beside=beside, meta=meta)


def _envelope_of(data: Json, *, beside: Json | None = None, meta: Json | None = None) -> Json:
    common: Json = {
        "success": {"const": True},
        "data": data,
        "message": {"type": "string"},
        "meta": meta or {"type": "object"},
        "traceId": {"type": "string"},
    }
    return {
        "type": "object",
        "properties": (beside or {}) | common,
        "required": ["success", "data", "message", "traceId"],
    }


def _without_meta(schema: SkillSchema) -> list[str]:
    return [name for name in schema.output_schema["required"] if name != "meta"]


def _problem(description: str) -> Json:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content}


def _problem_schema() -> Json:
    shapes: Json = {name: {"type": "string"} for name in PROBLEM_FIELDS}
    shapes |= {"success": {"const": False}, "status": {"type": "integer"}}
    shapes["kind"] = {"type": "string", "enum": [kind.value for kind in ErrorKind]}
    return {"type": "object", "properties": shapes, "required": ["success", *PROBLEM_FIELDS]}


def _one_of(schemas: Iterable[Json]) -> Json:
    distinct: list[Json] = []
    for schema in schemas:
        if schema not in distinct:
            distinct.append(schema)
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _tag(skill: Skill) -> str:
    return skill.skill_id.partition(".")[0]
