"""The JSON Schema of a skill's result, from its return annotation: what `tools.wire.to_wire` makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from tools.skill import SkillDeclarationError
from tools.wire import camel

Schema = dict[str, Any]

_PLAIN: Final[dict[Any, Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    float: {"type": "number"},
    Decimal: {"type": "string", "format": "decimal"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
    NoneType: {"type": "null"},
    object: {},
    Any: {},
}


def output_schema(result: Any) -> Schema:
    """Return the schema of a dataclass, with an object at its root.

    Raises `SkillDeclarationError` for a result that is no dataclass, contains itself, or holds a type without a wire
    form.
    """
    if not (isinstance(result, type) and is_dataclass(result)):
        raise SkillDeclarationError(f"the result must be a dataclass, not {result!r}")
    return _schema(result, ())


def _schema(annotation: Any, above: tuple[type, ...]) -> Schema:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _schema(arguments[0], above)
    if annotation in _PLAIN:
        return dict(_PLAIN[annotation])
    if origin in {Union, UnionType}:
        return _union([_schema(member, above) for member in arguments])
    if origin is Literal:
        return {"type": "string", "enum": [str(choice) for choice in arguments]}
    if origin is not None or annotation in {dict, list, tuple, Mapping}:
        return _container(origin or annotation, arguments, above)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {"type": "string", "enum": [member.value for member in annotation]}
    if isinstance(annotation, type) and is_dataclass(annotation) and annotation not in above:
        return _object(annotation, (*above, annotation))
    raise SkillDeclarationError(f"{annotation!r} has no place in a result")


def _object(kind: type, above: tuple[type, ...]) -> Schema:
    hints = get_type_hints(kind, include_extras=True)
    properties = {camel(item.name): _schema(hints[item.name], above) for item in fields(kind)}
    required = [camel(item.name) for item in fields(kind) if not item.metadata.get("omit_none")]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _container(origin: Any, arguments: tuple[Any, ...], above: tuple[type, ...]) -> Schema:
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], above) if arguments else True}
    if isinstance(origin, type) and issubclass(origin, Sequence | frozenset):
        items = [item for item in arguments if item is not Ellipsis]
        return {"type": "array", "items": _union([_schema(item, above) for item in items]) if items else {}}
    raise SkillDeclarationError(f"{origin!r} has no place in a result")


def _union(members: list[Schema]) -> Schema:
    """Join alternatives; `X | None` of plain types becomes a list of types, which is shorter for a model to read."""
    distinct = [member for place, member in enumerate(members) if member not in members[:place]]
    if len(distinct) == 1:
        return distinct[0]
    if len(distinct) == 2 and distinct[1] == {"type": "null"} and isinstance(distinct[0].get("type"), str):
        nullable = distinct[0] | {"type": [distinct[0]["type"], "null"]}
        return nullable | ({"enum": [*nullable["enum"], None]} if "enum" in nullable else {})
    return {"anyOf": distinct}
