"""JSON Schemas in the form that OpenAI's strict mode takes, and what a model writes under them read back.

Strict mode makes the model write arguments that fit, and asks for a narrow form: every property required, no free keys,
few keywords. So an argument that may be left out becomes one that may be null, what the form cannot say moves into the
description, and the nulls that only stood for "left out" are dropped again before the arguments go anywhere.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

MEANING: Final = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const"}
)
"""Keywords the strict form is made from."""
KEPT: Final = frozenset(
    {"description", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems"}
    | {"maxItems"}
)
FORMATS: Final = frozenset(
    {"date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"},
)
TOLD: Final = {
    "default": "Default: {}.",
    "examples": "For example {}.",
    "minLength": "At least {} characters.",
    "maxLength": "At most {} characters.",
    "uniqueItems": "Without repetition.",
    "format": "Format: {}.",
}
"""What is said in the description because the form has no keyword for it."""
SILENT: Final = frozenset({"title", "$schema", "$id"})
NULL: Final = {"type": "null"}
_KINDS: Final[dict[type, str]] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


class NotStrict(ValueError):
    """A schema says something the strict form cannot: free keys, an untyped value, a union of two objects."""


def strict_form(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the strict form of the schema of an object. Raises `NotStrict`."""
    if schema.get("type") != "object" or {"anyOf", "oneOf"} & schema.keys():
        raise NotStrict("the root must be one object")
    return _form(schema)


def dropped_nulls(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments written under the strict form as `schema` itself reads them.

    A null is dropped where the argument may be left out and null says no more than that.
    """
    read: dict[str, Any] = _read(schema, dict(arguments))
    return read


def _form(schema: Mapping[str, Any]) -> dict[str, Any]:
    known = MEANING | KEPT | SILENT | TOLD.keys()
    strange = sorted(set(schema) - known - {"oneOf"})
    if strange:
        raise NotStrict(f"{strange[0]} has no strict form")
    formed = {name: value for name, value in schema.items() if name in KEPT}
    if "description" in formed or _told(schema):
        formed["description"] = " ".join(filter(None, [str(schema.get("description", "")), *_told(schema)]))
    if schema.get("format") in FORMATS:
        formed["format"] = schema["format"]
    return formed | _shape(schema)


def _shape(schema: Mapping[str, Any]) -> dict[str, Any]:
    members = schema.get("anyOf") or schema.get("oneOf")
    if members:
        _check_union(members)
        return {"anyOf": [_form(member) for member in members]}
    kind = schema.get("type")
    if kind == "object":
        return _object(schema)
    if kind == "array":
        if not isinstance(schema.get("items"), Mapping):
            raise NotStrict("a list without a type of its items has no strict form")
        return {"type": "array", "items": _form(schema["items"])}
    limits = {name: schema[name] for name in ("enum", "const") if name in schema}
    if kind is None and not limits:
        raise NotStrict("a value of any type has no strict form")
    if isinstance(kind, list) and {"object", "array"} & set(kind):
        raise NotStrict("a union by a list of types must be of plain values")
    return ({"type": kind} if kind is not None else {}) | limits


def _object(schema: Mapping[str, Any]) -> dict[str, Any]:
    if schema.get("additionalProperties") is not False:
        raise NotStrict("an object with free keys has no strict form")
    required = schema.get("required", ())
    properties = {
        name: _form(shape) if name in required else _nullable(_form(shape))
        for name, shape in schema.get("properties", {}).items()
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _check_union(members: list[Any]) -> None:
    """Let a written value tell which member it belongs to: at most one object, one list."""
    kinds = [member.get("type") for member in members if isinstance(member, Mapping)]
    if len(kinds) < len(members) or any("anyOf" in member or "oneOf" in member for member in members):
        raise NotStrict("a union within a union has no strict form")
    if any(isinstance(kind, list) for kind in kinds) or kinds.count("object") > 1 or kinds.count("array") > 1:
        raise NotStrict("a union of two objects or two lists has no strict form")


def _nullable(form: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in form:
        has_null = NULL in form["anyOf"]
        return form if has_null else form | {"anyOf": [*form["anyOf"], NULL]}
    kind = form.get("type")
    if isinstance(kind, str) and not {"enum", "const", "properties", "items"} & form.keys():
        return form | {"type": [kind, "null"]} if kind != "null" else form
    outer = {"description": form["description"]} if "description" in form else {}
    return outer | {"anyOf": [{name: value for name, value in form.items() if name != "description"}, NULL]}


def _told(schema: Mapping[str, Any]) -> list[str]:
    said = []
    for name, text in TOLD.items():
        value = schema.get(name)
        if value is None or value == "" or (name == "format" and value in FORMATS):
            continue
        shown = ", ".join(map(_shown, value)) if isinstance(value, list) else _shown(value)
        said.append(text.format(shown))
    return said


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read(schema: Mapping[str, Any], value: Any) -> Any:
    members = schema.get("anyOf") or schema.get("oneOf")
    if members:
        kind = _KINDS.get(type(value), "")
        if kind not in {"object", "array"}:
            return value
        return next((_read(member, value) for member in members if member.get("type") == kind), value)
    if isinstance(value, dict):
        return _read_object(schema, value)
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return [_read(schema["items"], item) for item in value]
    return value


def _read_object(schema: Mapping[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    properties, required = schema.get("properties", {}), schema.get("required", ())
    read: dict[str, Any] = {}
    for name, item in value.items():
        shape = properties.get(name)
        if shape is None:
            read[name] = item
        elif item is not None or name in required or _means_null(shape):
            read[name] = _read(shape, item)
    return read


def _means_null(shape: Mapping[str, Any]) -> bool:
    """Tell whether null differs from leaving the argument out: it is allowed, and the default is something else."""
    members = shape.get("anyOf") or shape.get("oneOf") or [shape]
    kinds: set[Any] = set()
    for member in members:
        kind = member.get("type")
        kinds |= set(kind) if isinstance(kind, list) else {kind}
    return "null" in kinds and shape.get("default") is not None
