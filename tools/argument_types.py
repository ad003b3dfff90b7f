"""What a JSON value must look like to become an argument of a given Python type.

Values arrive from JSON bodies, from query strings (where everything is text) and from models, so text is read where it
can mean one thing only: `"5"` is an integer, `"20261120"` a day. What would hide a mistake is refused: a number where
text is expected loses its leading zeros, `true` is not 1, and no number is infinite.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import is_dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

INTEGER_LIMIT: Final = 2**63
"""Integers lie strictly inside plus and minus this: what both databases can hold."""
DECIMAL_DIGITS: Final = 40
"""Most significant digits of a decimal, and the largest power of ten either way."""


class Unreadable(ValueError):
    """A value that is not of the wanted type; pydantic collects it among the faults."""


_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})|(\d{4})(\d{2})(\d{2})", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_SEQUENCES: Final = (list, tuple, set, frozenset, Sequence)


def read_text(value: Any) -> Any:
    """Refuse numbers, which have lost their leading zeros, and characters no database keeps."""
    if isinstance(value, str):
        if "\x00" in value or not (value.isascii() or _is_encodable(value)):
            raise Unreadable("must not hold the character NUL or half of a surrogate pair")
        return value
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        raise Unreadable(f'must be text: write "{value}" in quotes; codes keep their leading zeros')
    return value


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_integer(value: Any) -> int:
    """Read an integer from a number without fraction or from digits; `true` and `false` are no numbers."""
    if (isinstance(value, str) and _INTEGER.fullmatch(value)) or (
        isinstance(value, Decimal | float) and _is_whole(value)
    ):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unreadable("must be an integer")
    number: int = value
    if not -INTEGER_LIMIT < number < INTEGER_LIMIT:
        raise Unreadable("must fit into 64 bits")
    return number


def _is_whole(value: Decimal | float) -> bool:
    return math.isfinite(value) and -INTEGER_LIMIT < value < INTEGER_LIMIT and value == int(value)


def read_decimal(value: Any) -> Decimal:
    """Read a finite decimal from text or a JSON number; a binary float counts as its shortest decimal text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise Unreadable("must be a decimal number, as text or as a number")
    text = repr(value) if isinstance(value, float) else str(value)
    if not _NUMBER.fullmatch(text):
        raise Unreadable('must be a finite decimal number such as "12.50"')
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise Unreadable('must be a finite decimal number such as "12.50"') from error
    if len(number.as_tuple().digits) > DECIMAL_DIGITS or abs(number.adjusted()) > DECIMAL_DIGITS:
        raise Unreadable(f"must have at most {DECIMAL_DIGITS} digits")
    return number


def read_float(value: Any) -> float:
    """Read a finite binary float, for ratios; money is never one."""
    return float(read_decimal(value))


def read_boolean(value: Any) -> bool:
    """Read `true` or `false`, also as text; not 0, 1, yes or no."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise Unreadable("must be true or false")


def read_day(value: Any) -> date:
    """Read a day from `YYYY-MM-DD` or `YYYYMMDD` text."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    match = _DAY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        quoted = f': write "{value}" in quotes' if isinstance(value, int) and not isinstance(value, bool) else ""
        raise Unreadable(f"must be a day as text, YYYY-MM-DD or YYYYMMDD{quoted}")
    year, month, day = (int(part) for part in match.groups() if part is not None)
    try:
        return date(year, month, day)
    except ValueError as error:
        raise Unreadable(f"must be a day that exists ({error})") from error


def read_moment(value: Any) -> datetime:
    """Read a moment from ISO 8601 text with a zone."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise Unreadable("must be a moment as ISO 8601 text") from error
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise Unreadable("must be a moment as ISO 8601 text with a zone, such as 2026-11-20T15:30:00+08:00")
    return value


def split_list(value: Any) -> Any:
    """Read text where a list of plain values is expected as values between commas, as query strings carry them."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")] if value.strip() else []
    return value


READERS: Final[dict[Any, Callable[[Any], Any]]] = {
    str: read_text,
    int: read_integer,
    Decimal: read_decimal,
    float: read_float,
    bool: read_boolean,
    date: read_day,
    datetime: read_moment,
}


def tighten(annotation: Any, *, nested: Callable[[Any], Any]) -> Any:
    """Return the annotation with the readers of this module in place; `nested` turns a dataclass into its model."""
    if get_origin(annotation) is Annotated:
        base, *metadata = get_args(annotation)
        return _tighten(base, list(_constraints(metadata)), nested)
    return _tighten(annotation, [], nested)


def describing(annotation: Any) -> FieldInfo | None:
    """Return the first `Field(...)` among an annotation's metadata, looking into an optional type."""
    if get_origin(annotation) is Annotated:
        base, *metadata = get_args(annotation)
        own = next((item for item in metadata if isinstance(item, FieldInfo)), None)
        return own or describing(base)
    return next(filter(None, (describing(member) for member in _members(annotation))), None)


def markers(annotation: Any, kind: type) -> bool:
    """Return whether the annotation carries a marker of this kind, also inside an optional type."""
    if get_origin(annotation) is Annotated:
        base, *metadata = get_args(annotation)
        return any(isinstance(item, kind) or item is kind for item in metadata) or markers(base, kind)
    return any(markers(member, kind) for member in _members(annotation))


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in {Union, UnionType} else ()


def _constraints(metadata: Iterable[Any]) -> Iterable[Any]:
    """Yield the limits in the metadata. Descriptions stay behind: they describe the argument, not the type."""
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from item.metadata
        else:
            yield item


def _tighten(base: Any, constraints: list[Any], nested: Callable[[Any], Any]) -> Any:
    if get_origin(base) is Annotated:
        inner, *metadata = get_args(base)
        return _tighten(inner, [*_constraints(metadata), *constraints], nested)
    if members := _members(base):
        # the limits go to the members: beside None they would be lost from the JSON Schema
        read = [NoneType if member is NoneType else _tighten(member, constraints, nested) for member in members]
        return Union[tuple(read)]  # noqa: UP007 - made at run time
    return _annotated(_narrow(base, nested), [*constraints, *_reader(base)])


def _reader(base: Any) -> list[Any]:
    if base in READERS:
        return [BeforeValidator(READERS[base])]
    if get_origin(base) in _SEQUENCES and all(_is_plain(item) for item in get_args(base)):
        return [BeforeValidator(split_list)]
    return []


def _narrow(base: Any, nested: Callable[[Any], Any]) -> Any:
    """Apply the readers to what is inside a list, a mapping or a dataclass."""
    if isinstance(base, type) and is_dataclass(base):
        return nested(base)
    origin, arguments = get_origin(base), get_args(base)
    if origin in {None, Literal}:
        return base
    return origin[tuple(item if item is Ellipsis else _tighten(item, [], nested) for item in arguments)]


def _is_plain(item: Any) -> bool:
    base = get_args(item)[0] if get_origin(item) is Annotated else item
    return base is Ellipsis or base in READERS or get_origin(base) is Literal or _is_enum(base)


def _is_enum(base: Any) -> bool:
    return isinstance(base, type) and issubclass(base, Enum)


def _annotated(base: Any, metadata: list[Any]) -> Any:
    return Annotated[(base, *metadata)] if metadata else base
