"""Results in wire form: camel case keys, decimals as plain text, days and moments as ISO text.

Keys of dataclasses are names and change their case; keys of plain dictionaries are data and stay as they are.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Final


def camel(name: str) -> str:
    """Return `filter_value_2` as `filterValue2`; a name in camel case already stays as it is."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def to_wire(value: Any) -> Any:
    """Return `value` as plain JSON types.

    A dataclass field with the metadata `{"omit_none": True}` is left out when None. Raises `TypeError` for a type that
    has no wire form (arrays and their scalars among them) and `ValueError` for numbers that are not finite and moments
    without a zone: both are mistakes of a skill.
    """
    convert = _CONVERTERS.get(type(value))
    return convert(value) if convert is not None else _convert_other(value)


def plain_decimal(value: Decimal) -> str:
    """Write a decimal without exponent; zero has no sign."""
    if not value.is_finite():
        raise ValueError(f"{value} has no wire form")
    return format(value or abs(value), "f")


def _same(value: Any) -> Any:
    return value


def _float(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} has no wire form")
    return value


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"the moment {value.isoformat()} has no zone")
    return value.isoformat()


def _list(value: Any) -> list[Any]:
    return [to_wire(item) for item in value]


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {_key(key): to_wire(item) for key, item in value.items()}


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        key = key.value
    if not isinstance(key, str):
        raise TypeError(f"a key of type {type(key).__name__} has no wire form")
    return key


def _convert_other(value: Any) -> Any:
    if isinstance(value, Enum):
        return to_wire(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        written: dict[str, Any] = {}
        for attribute, name, omits_none in _plan(type(value)):
            item = getattr(value, attribute)
            if item is not None or not omits_none:
                written[name] = to_wire(item)
        return written
    if isinstance(value, Mapping):
        return _mapping(value)
    raise TypeError(f"{type(value).__module__}.{type(value).__name__} has no wire form")


@cache
def _plan(kind: type) -> tuple[tuple[str, str, bool], ...]:
    """Return attribute, wire name and whether None is left out, for each field of a dataclass."""
    return tuple((item.name, camel(item.name), bool(item.metadata.get("omit_none"))) for item in fields(kind))


_CONVERTERS: Final[dict[type, Callable[[Any], Any]]] = {
    str: _same,
    int: _same,
    bool: _same,
    type(None): _same,
    float: _float,
    Decimal: plain_decimal,
    date: date.isoformat,
    datetime: _moment,
    list: _list,
    tuple: _list,
    frozenset: lambda value: _list(sorted(value)),
    dict: _mapping,
}


def exceeds(value: Any, limit: int) -> bool:
    """Return whether the JSON of a value in wire form is longer than about `limit` characters.

    It stops counting once it knows; escapes and the bytes of Chinese text count as single characters.
    """
    left = limit
    waiting = [value]
    while waiting and left >= 0:
        item = waiting.pop()
        kind = type(item)
        if kind is str:
            left -= len(item) + 3
        elif kind is dict:
            left -= 2 + sum(map(len, item)) + 4 * len(item)
            waiting.extend(item.values())
        elif kind is list:
            left -= 2 + len(item)
            waiting.extend(item)
        else:
            left -= 6
    return left < 0
