"""Reads the filters of a data read into typed comparisons. Whatever cannot be meant is refused, never guessed."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from core.catalog.model import Asset, AssetColumn, ColumnKind, ColumnRole, Scalar
from core.errors import FieldFault

MAXIMUM_VALUES: Final = 1000
LARGEST_POWER: Final = 400
"""Numbers of more digits are beyond every column, and beyond what decimal arithmetic can round."""

Given = str | int | bool | Decimal
FilterValue = Given | list[str | int | Decimal]


class Operator(StrEnum):
    """How a column is compared with the value."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    LIKE = "like"
    CONTAINS = "contains"
    IN = "in"
    NOT_IN = "not_in"
    BETWEEN = "between"

    @property
    def takes_many(self) -> bool:
        """True when the value is a list."""
        return self in {Operator.IN, Operator.NOT_IN, Operator.BETWEEN}

    @property
    def is_substring(self) -> bool:
        """True for the two spellings of "the text occurs somewhere"."""
        return self in {Operator.LIKE, Operator.CONTAINS}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSlot:
    """One slot as the caller filled it. `suffix` is empty for the first, "2" for the second."""

    column: str | None = None
    value: FilterValue | None = None
    operator: str | None = None
    suffix: str = ""

    @property
    def is_empty(self) -> bool:
        """True when nothing was given."""
        return self.column is None and self.value is None and self.operator is None

    def path(self, name: str) -> str:
        """Return the argument's name on the wire: `filterValue2`."""
        return f"filter{name}{self.suffix}"


@dataclass(frozen=True, slots=True)
class Filter:
    """A checked comparison: values have the column's type."""

    column: AssetColumn
    operator: Operator
    values: tuple[Scalar, ...]
    is_default: bool = False


class _Unusable(Exception):
    """A value that cannot be compared with its column."""

    def __init__(self, message: str, *, expected: str = "", suggestion: str = "") -> None:
        super().__init__(message)
        self.expected, self.suggestion = expected, suggestion


def read_filter(asset: Asset, slot: FilterSlot) -> Filter | list[FieldFault]:
    """Return the checked filter of a slot that is not empty, or everything that is wrong with it."""
    faults: list[FieldFault] = []
    column = _column(asset, slot, faults)
    operator = _operator(slot, faults)
    if slot.value is None or slot.value in ("", []):
        faults.append(FieldFault(slot.path("Value"), "is missing: a filter needs a column and a value"))
    if faults or column is None or operator is None or slot.value is None:
        return faults
    try:
        values = _values(column, operator, slot.value)
    except _Unusable as reason:
        got = json.dumps(slot.value, ensure_ascii=False, default=str)
        return [
            FieldFault(slot.path("Value"), str(reason), expected=reason.expected, got=got, suggestion=reason.suggestion)
        ]
    return Filter(column, operator, values, is_default=slot.operator is None)


def find_column(asset: Asset, name: str, path: str) -> AssetColumn | FieldFault:
    """Return the column called `name` in any case, or the fault that names the nearest one."""
    column = asset.column(name)
    if column is not None:
        return column
    names = [known.name for known in asset.columns]
    lowered = {known.lower(): known for known in names}
    close = get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    suggestion = lowered[close[0]] if close else ""
    message = f"{asset.asset_name} has no such column"
    return FieldFault(path, message, expected=", ".join(names), got=name, suggestion=suggestion)


def _column(asset: Asset, slot: FilterSlot, faults: list[FieldFault]) -> AssetColumn | None:
    if slot.column is None or not slot.column.strip():
        faults.append(FieldFault(slot.path("Column"), "is missing: a filter needs a column and a value"))
        return None
    found = find_column(asset, slot.column, slot.path("Column"))
    if isinstance(found, FieldFault):
        faults.append(found)
        return None
    return found


def _operator(slot: FilterSlot, faults: list[FieldFault]) -> Operator | None:
    """Return the operator; `eq` when none is given."""
    if slot.operator is None:
        return Operator.EQ
    known = [member.value for member in Operator]
    word = slot.operator.strip().lower()
    if word in known:
        return Operator(word)
    symbols = {"=": "eq", "==": "eq", "!=": "ne", "<>": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
    close = get_close_matches(word, known, n=1)
    suggestion = symbols.get(word) or (close[0] if close else "")
    faults.append(
        FieldFault(
            slot.path("Op"), "no such operator", expected=", ".join(known), got=slot.operator, suggestion=suggestion
        )
    )
    return None


def _values(column: AssetColumn, operator: Operator, value: FilterValue) -> tuple[Scalar, ...]:
    if operator.is_substring:
        return (_substring(column, operator, value),)
    if column.kind is ColumnKind.BOOLEAN and operator not in {Operator.EQ, Operator.NE}:
        raise _Unusable(f"{column.name} is true or false; {operator} needs another column", expected="eq or ne")
    if not operator.takes_many:
        if isinstance(value, list):
            raise _Unusable(f"{operator} takes one value; for a list use the operator in", suggestion="in")
        return (_one(column, value),)
    given = _listed(value)
    if not 1 <= len(given) <= MAXIMUM_VALUES:
        raise _Unusable(f"{operator} takes 1 to {MAXIMUM_VALUES} values, not {len(given)}")
    if operator is Operator.BETWEEN:
        return _ends(column, given)
    return tuple(dict.fromkeys(_one(column, item) for item in given))


def _ends(column: AssetColumn, given: Sequence[Given]) -> tuple[Scalar, ...]:
    if len(given) != 2:
        raise _Unusable(f"between takes exactly two values, not {len(given)}", expected="low,high")
    if isinstance(given[0], str) is not isinstance(given[1], str):
        raise _Unusable("between takes two values of one type", expected="two texts or two numbers")
    low, high = (_one(column, item) for item in given)
    if (low > high) if isinstance(low, str) and isinstance(high, str) else (float(low) > float(high)):
        raise _Unusable("the first value of between is above the second", suggestion=f"{given[1]},{given[0]}")
    return low, high


def _listed(value: FilterValue) -> Sequence[Given]:
    """Split a comma list or a JSON list; a list stays as it is."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        return [value]
    if not value.strip().startswith("["):
        return [item.strip() for item in value.split(",") if item.strip()]
    try:
        items = json.loads(value, parse_float=Decimal)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits
        message = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        raise _Unusable(f"starts like a JSON list and is none: {message}", expected='["000878","600519"]') from error
    if not isinstance(items, list) or not all(isinstance(item, str | int | Decimal) for item in items):
        raise _Unusable("must be a list of texts or numbers", expected='["000878","600519"]')
    return items


def _substring(column: AssetColumn, operator: Operator, value: FilterValue) -> str:
    if column.kind is not ColumnKind.TEXT:
        raise _Unusable(f"{operator} needs a text column; {column.name} holds {column.kind} values", suggestion="eq")
    if not isinstance(value, str):
        raise _Unusable(f"{operator} takes one text", expected=f'"{value}"')
    if operator is Operator.LIKE and "%" in value:
        raise _Unusable("like finds a text anywhere and knows no wildcards", suggestion=value.replace("%", ""))
    return value


def _one(column: AssetColumn, value: Given) -> Scalar:
    """Convert one value to the column's type."""
    if column.kind is ColumnKind.BOOLEAN:
        return _boolean(column, value)
    if isinstance(value, bool):
        raise _Unusable(f"{column.name} holds {column.kind} values", expected=column.kind.value)
    if column.kind.is_numeric:
        return _number(column, value)
    if column.role is ColumnRole.CODE:
        return _code(column, value)
    if column.role is ColumnRole.DAY:
        return _day(column, value)
    if not isinstance(value, str):
        raise _Unusable(f"{column.name} holds text: put the value in quotes", suggestion=f'"{value}"')
    return value


def _boolean(column: AssetColumn, value: Given) -> bool:
    known = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in known:
        return known[value.strip().lower()]
    raise _Unusable(f"{column.name} is true or false", expected="true or false")


def _number(column: AssetColumn, value: Given) -> int | float:
    try:
        number = Decimal(value.strip() if isinstance(value, str) else str(value))
    except InvalidOperation as error:
        raise _Unusable(f"{column.name} holds numbers", expected="a number") from error
    if not number.is_finite() or number.adjusted() > LARGEST_POWER:
        raise _Unusable(f"{column.name} holds finite numbers", expected="a finite number")
    if column.kind is ColumnKind.INTEGER and number == number.to_integral_value() and abs(number) < 2**63:
        return int(number)
    converted = float(number)
    if not math.isfinite(converted):
        raise _Unusable(f"{column.name} holds no number that large", expected="a number")
    return converted


def _code(column: AssetColumn, value: Given) -> str:
    """Check a stock code: text, bare, with its leading zeros."""
    text = value.strip() if isinstance(value, str) else str(value)
    full = text.zfill(column.width)
    if not isinstance(value, str):
        raise _Unusable(f'{column.name} holds text: write "{full}", in quotes', suggestion=full)
    if re.fullmatch(r"\d+", text) and len(text) < column.width:
        raise _Unusable(f'{text} has lost its leading zeros: write "{full}"', suggestion=full)
    if "," in text:
        raise _Unusable("holds several codes; for a list use the operator in", suggestion="in")
    dressed = re.fullmatch(r"(?:(?:sh|sz|bj|hk)\.?)?(\d{4,6})(?:\.[a-z]{2,4})?", text, re.IGNORECASE)
    if dressed and text != dressed[1]:
        bare = dressed[1].zfill(column.width)
        raise _Unusable(f'{column.name} holds bare codes: write "{bare}"', suggestion=bare)
    return text.upper()


def _day(column: AssetColumn, value: Given) -> str:
    """Check a day and return it as YYYYMMDD; YYYY-MM-DD means the same day."""
    if not isinstance(value, str):
        raise _Unusable(f'{column.name} holds text: write "{value}", in quotes', suggestion=str(value))
    text = value.strip()
    for pattern, shape in ((r"\d{8}", "%Y%m%d"), (r"\d{4}-\d{2}-\d{2}", "%Y-%m-%d")):
        if re.fullmatch(pattern, text):
            try:
                return datetime.strptime(text, shape).strftime("%Y%m%d")  # noqa: DTZ007 - a day has no zone
            except ValueError:
                break
    raise _Unusable(f"{column.name} holds days", expected="YYYYMMDD, such as 20241231")
