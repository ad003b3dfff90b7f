"""What is wrong with arguments, in words a caller can act on: every fault, its place, and the likely remedy."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pydantic import ValidationError

from core.errors import FieldFault
from tools.suggestions import closest

GOT_LENGTH: Final = 80
"""A refused value is quoted up to this many characters."""
MOST_FAULTS: Final = 50
"""Of more faults than these the rest is not named: a caller who sends thousands means something else."""

_OPENING: Final = re.compile(r"^(Value error, |(?:[A-Z]\w+ )+should )")


@dataclass(frozen=True, slots=True)
class Misplaced:
    """Stands in for the value of a key that cannot be used, until all faults are collected."""

    value: Any
    message: str
    suggestion: str = ""


def respell(given: Mapping[str, Any], spellings: Mapping[str, str]) -> dict[str, Any]:
    """Return `given` under argument names. Unknown keys and second, different values are marked as misplaced."""
    known: dict[str, Any] = {}
    wrong: dict[str, Any] = {}
    for key, value in given.items():
        name = spellings.get(key)
        if name is None and len(wrong) >= MOST_FAULTS:
            continue
        if name is None:
            suggestion = next(iter(closest(key, spellings.keys() | spellings.values())), "")
            wrong[key] = Misplaced(value, "is not an argument of this skill", spellings.get(suggestion, suggestion))
        elif name in known and known[name] != value:
            wrong[key] = Misplaced(value, f"is the argument {name} once more, with another value")
        else:
            known[name] = value
    return known | {key if key not in known else f"{key} (again)": value for key, value in wrong.items()}


def faults_of(error: ValidationError, *, schema: Mapping[str, Any], secrets: frozenset[str]) -> list[FieldFault]:
    """Translate each line of a validation error; values of secret arguments are not quoted."""
    faults = [_fault(line, schema, secrets) for line in error.errors(include_url=False)[:MOST_FAULTS]]
    return _merge(faults)


def _merge(faults: list[FieldFault]) -> list[FieldFault]:
    """Say once, not per type, that a value is none of several types."""
    merged: dict[str, FieldFault] = {}
    for fault in faults:
        known = merged.get(fault.path)
        if known is not None and known.message != fault.message:
            message = f"must be {fault.expected}" if fault.expected else f"{known.message}; {fault.message}"
            fault = FieldFault(fault.path, message, expected=fault.expected, got=known.got)  # noqa: PLW2901
        merged[fault.path] = fault
    return list(merged.values())


def _fault(line: Any, schema: Mapping[str, Any], secrets: frozenset[str]) -> FieldFault:
    path, expected = _locate(line["loc"], schema)
    hidden = bool(line["loc"]) and line["loc"][0] in secrets
    got = line["input"]
    if isinstance(got, Misplaced):
        shown = "" if hidden else quote(got.value)
        place = ".".join(map(str, line["loc"])).removesuffix(" (again)")
        return FieldFault(place, got.message, expected="", got=shown, suggestion=got.suggestion)
    if line["type"] == "missing":
        return FieldFault(path, "is required", expected=expected, got="nothing")
    return FieldFault(
        path,
        _message(line),
        expected=expected,
        got="(hidden)" if hidden else quote(got),
        suggestion=_suggest(line, got),
    )


def _message(line: Any) -> str:
    return _OPENING.sub(lambda match: "" if match[1].startswith("Value") else "must ", line["msg"])


def _suggest(line: Any, got: Any) -> str:
    """Suggest one of the allowed words for a word that is none of them."""
    if line["type"] not in {"enum", "literal_error"} or not isinstance(got, str):
        return ""
    allowed = re.findall(r"'([^']*)'", line["ctx"]["expected"])
    return next(iter(closest(got, allowed)), "")


def _locate(location: Sequence[int | str], schema: Mapping[str, Any]) -> tuple[str, str]:
    """Return the path in the caller's words and what the schema expects there; names of inner branches are left out."""
    path: list[str] = []
    here = schema
    for step in location:
        here = _object_or_list(here)
        if isinstance(step, int) and "items" in here:
            path.append(str(step))
            here = here["items"]
        elif isinstance(step, str) and step in here.get("properties", {}):
            path.append(step)
            here = here["properties"][step]
        elif isinstance(step, str) and isinstance(here.get("additionalProperties"), dict) and step != "[key]":
            path.append(step)
            here = here["additionalProperties"]
    return ".".join(path), describe(here)


def _object_or_list(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = (
        branch for branch in schema.get("anyOf", ()) if branch.keys() & {"properties", "items", "additionalProperties"}
    )
    return next(inner, schema)


def describe(schema: Mapping[str, Any]) -> str:
    """Say in a few words what a schema accepts: `integer, at least 1`."""
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        branches = [branch for branch in schema["anyOf"] if branch.get("type") != "null"]
        if [branch.get("type") for branch in branches] == ["number", "string"]:  # how pydantic writes a decimal
            return describe(branches[0]).replace("number", "decimal number")
        return " or ".join(dict.fromkeys(describe(branch) for branch in branches))
    if "const" in schema:
        return str(schema["const"])
    words = [{"date": "day YYYY-MM-DD", "date-time": "moment"}.get(schema.get("format", ""), schema.get("type", ""))]
    words += [f"{text} {schema[key]}" for key, text in _LIMITS.items() if key in schema]
    return ", ".join(filter(None, words)).replace("string", "text").replace("array", "list").replace(".0", "")


_LIMITS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "minLength": "characters at least",
    "maxLength": "characters at most",
    "minItems": "items at least",
    "maxItems": "items at most",
    "pattern": "of the form",
}


def quote(value: Any) -> str:
    """Quote a refused value as JSON would write it, shortened."""
    if isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, bool):
        text = str(value).lower()
    elif value is None:
        text = "null"
    elif isinstance(value, int | float | Decimal):
        text = str(value)
    else:
        text = "list" if isinstance(value, list | tuple) else "object" if isinstance(value, Mapping) else str(value)
    return text if len(text) <= GOT_LENGTH else text[: GOT_LENGTH - 1] + "…"
