"""Reading requests: JSON objects, forms and query parameters, each fault named."""

import difflib
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from agent_server.errors import BodyTooLarge, TransportRefusal
from agent_server.json_text import decode, storable
from core.access.model import Caller, CallerKind
from core.errors import ArgumentsInvalid, FieldFault

MOST_BYTES: Final = 10 * 1024 * 1024
SMALL_BYTES: Final = 64 * 1024
"""Enough for every form and every call without a file; all that is read from callers who are not known."""
MOST_LENGTH_DIGITS: Final = 15
MOST_FIELDS: Final = 100
MOST_FAULTS: Final = 50
"""Of more unknown keys only these many are named: looking for what was meant takes time."""
FORM: Final = "application/x-www-form-urlencoded"


class ContentTypeInvalid(TransportRefusal):
    """The body is of a kind this address does not read."""

    code = "content_type_invalid"
    template = "Send the body as {wanted}; {got!r} is not read here."


async def read_bytes(request: Request, limit: int) -> bytes:
    """Return the body. Raises `BodyTooLarge` as soon as it is known to be, before the rest is read."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and (len(declared) > MOST_LENGTH_DIGITS or int(declared) > limit):
        raise BodyTooLarge(limit_bytes=limit)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit_bytes=limit)
        chunks.append(chunk)
    return b"".join(chunks)


def body_limit(caller: Caller) -> int:
    """Return how many bytes are read from a caller: files only from those whose calls are counted by name."""
    return SMALL_BYTES if caller.kind is CallerKind.ANONYMOUS else MOST_BYTES


async def read_object(request: Request, *, limit: int = SMALL_BYTES) -> dict[str, Any]:
    """Return the body as a JSON object; an empty body is an empty object."""
    raw = await read_bytes(request, limit)
    if not raw:
        return {}
    kind = media_type(request)
    if kind != "application/json":
        raise ContentTypeInvalid(wanted="application/json", got=kind)
    value = decode(raw)
    if not isinstance(value, dict):
        raise ArgumentsInvalid([FieldFault("", "the body must be a JSON object", expected="object", got=_kind(value))])
    return value


async def read_fields(request: Request) -> dict[str, Any]:
    """Return a form's fields, or the members of a JSON object: the pages and scripts share some addresses."""
    if is_form(request):
        return await read_form(request)
    return await read_object(request)


async def read_form(request: Request) -> dict[str, Any]:
    """Return a form's fields as texts; a field given more than once is a list."""
    raw = await read_bytes(request, SMALL_BYTES)
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise ArgumentsInvalid([FieldFault("", "the form cannot be read", expected=FORM)]) from error
    return _collect(pairs)


def is_form(request: Request) -> bool:
    """Tell whether the body is what a page's form sends."""
    return media_type(request) == FORM


def media_type(request: Request) -> str:
    """Return the content type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def query_values(request: Request) -> dict[str, Any]:
    """Return the query parameters as texts; one given more than once is a list. Raises for bytes that are no text."""
    raw = request.scope.get("query_string", b"")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise ArgumentsInvalid([FieldFault("query", "the query string cannot be read")]) from error
    return _collect(pairs)


def known_only(values: Mapping[str, Any], allowed: Iterable[str], *, required: Iterable[str] = ()) -> None:
    """Raise `ArgumentsInvalid` with every key that is not allowed, what was meant, and every one that is missing."""
    known = list(allowed)
    unknown = islice((name for name in values if name not in known), MOST_FAULTS)
    faults = [unknown_key(name, known) for name in unknown]
    faults += [FieldFault(name, "this is needed", expected="a value") for name in required if name not in values]
    if faults:
        raise ArgumentsInvalid(faults)


def unknown_key(name: str, known: list[str]) -> FieldFault:
    """Return the fault of a key nobody reads, with the likeliest meant one."""
    near = difflib.get_close_matches(name, known, n=1)
    expected = "one of " + ", ".join(known) if known else "nothing"
    return FieldFault(name, "there is no such parameter", expected=expected, suggestion=near[0] if near else "")


def text_field(values: Mapping[str, Any], name: str, default: str = "") -> str:
    """Return a field that must be text."""
    value = values.get(name, default)
    if not isinstance(value, str):
        raise ArgumentsInvalid([FieldFault(name, "this must be one text", expected="text", got=_kind(value))])
    return value


def flag(values: Mapping[str, Any], name: str) -> bool:
    """Return a query flag that is `true` or `false`; false when left out."""
    value = values.get(name, "false")
    if value not in {"true", "false"}:
        raise ArgumentsInvalid([FieldFault(name, "this is true or false", expected="true or false", got=str(value))])
    return bool(value == "true")


def whole_number(values: Mapping[str, Any], name: str, *, default: int, low: int, high: int) -> int:
    """Return a whole number between `low` and `high`, from text or JSON."""
    value = values.get(name, default)
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else value
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        expected = f"a whole number from {low} to {high}"
        raise ArgumentsInvalid([FieldFault(name, f"this must be {expected}", expected=expected, got=str(value)[:40])])
    return number


def _collect(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    collected: dict[str, list[str]] = {}
    for name, value in pairs:
        if not storable(name + value):
            raise ArgumentsInvalid([FieldFault(name.replace("\0", "?"), "this text cannot be stored", expected="text")])
        collected.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in collected.items()}


def _kind(value: Any) -> str:
    names = {dict: "object", list: "list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "number")
