"""JSON in and out, strictly: what is ambiguous or cannot be stored is refused, and numbers keep every digit.

Reading goes beyond the grammar: `NaN`, `Infinity`, a key given twice, half a surrogate pair and the NUL character are
faults, because what lies behind would each read them differently. Numbers with a fraction become `Decimal`.
"""

import json
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Final

from core.errors import Invalid

MOST_DIGITS: Final = 60
"""Longer numbers name no price, quantity or identifier; refusing them keeps arithmetic on them out of reach."""


class JsonInvalid(Invalid):
    """The text is no JSON, or JSON that two readers could understand differently."""

    code = "body_invalid"
    template = "The body is not usable JSON: {reason}"


def decode(text: bytes) -> Any:
    """Read one JSON value. Raises `JsonInvalid` with the place or the reason."""
    try:
        value = json.loads(
            text.decode("utf-8"),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
        if b"\\u" in text:
            _check_text(value)
    except UnicodeDecodeError as error:
        raise JsonInvalid(reason=f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise JsonInvalid(reason=f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise JsonInvalid(reason="it is nested too deeply") from error
    return value


def encode(value: Any) -> bytes:
    """Write a value already in wire form as compact UTF-8. Raises `ValueError` for numbers that are not finite."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def checked(value: Any) -> Any:
    """Return JSON that another library has read, as `decode` would have: the same faults, numbers with their digits."""
    try:
        return _checked(value)
    except RecursionError as error:
        raise JsonInvalid(reason="it is nested too deeply") from error


def storable(text: str) -> bool:
    """Tell whether a text can be written to any database and answered again: no NUL, no half surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _decimal(text: str) -> Decimal:
    if len(text) > MOST_DIGITS:
        raise JsonInvalid(reason=f"the number {text[:20]}... is too long")
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise JsonInvalid(reason=f"the number {text} is out of range") from error
    if abs(value.adjusted()) > MOST_DIGITS:
        raise JsonInvalid(reason=f"the number {text} is out of range")
    return value


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise JsonInvalid(reason=f"the number {text[:20]}... is too long")
    return int(text)


def _constant(text: str) -> Any:
    raise JsonInvalid(reason=f"{text} is not a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise JsonInvalid(reason=f"the key {twice[:40]!r} is given twice")
    return found


def _check_text(value: Any) -> None:
    """Raise for texts that escapes can smuggle in and that nothing can store."""
    if isinstance(value, str) and not storable(value):
        raise JsonInvalid(reason="a text holds the NUL character or half a surrogate pair")
    if isinstance(value, dict):
        for name, item in value.items():
            _check_text(name)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


def _checked(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        _check_text(value)
        return value
    if isinstance(value, dict):
        return {_checked(str(name)): _checked(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_checked(item) for item in value]
    if isinstance(value, int):
        return _checked_integer(value)
    if isinstance(value, float | Decimal):
        return _decimal(str(value)) if isfinite(value) else _constant(str(value))
    raise JsonInvalid(reason=f"{type(value).__name__} is no JSON")


def _checked_integer(value: int) -> int:
    if abs(value) >= 10**MOST_DIGITS:
        raise JsonInvalid(reason=f"a number is longer than {MOST_DIGITS} digits")
    return value
