"""Columns of text turned into numbers, days and symbols, without stopping at the cell that is none."""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

BLANKS: Final = ("", "None", "none", "nan", "NaN", "NULL", "null", "NA", "N/A", "-", "--")
"""Texts by which vendors say that there is no value."""
_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DAY: Final = re.compile(r"(\d{4})([-/.]?)(\d{1,2})\2(\d{1,2})(?:[ T]0{1,2}:00(?::00(?:\.0+)?)?)?(?:\+08:00)?")
_MOMENT: Final = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?")


def reals(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, NDArray[np.bool_]]:
    """Return the column as float64 (null where blank or unreadable) and a mask of unreadable cells."""
    trimmed = pc.utf8_trim_whitespace(column)
    numeric = pc.match_substring_regex(trimmed, _NUMBER)
    blank = pc.is_in(trimmed, value_set=pa.array(BLANKS))
    numbers = pc.cast(pc.if_else(numeric, trimmed, pa.scalar(None, pa.string())), pa.float64())
    return numbers, mask(pc.invert(pc.or_(numeric, blank)))


def days(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the column as days; null where it is not a day."""
    return _by_distinct(column, parse_day, pa.date32())


def texts(column: pa.ChunkedArray, parse: Callable[[str], str | None]) -> pa.ChunkedArray:
    """Return the column after `parse` of each distinct text."""
    return _by_distinct(column, parse, pa.string())


def moments(column: pa.ChunkedArray, day: date) -> pa.ChunkedArray:
    """Return times of a day as moments, in milliseconds; null where it is not a time."""

    def parse(text: str) -> datetime | None:
        found = _MOMENT.fullmatch(text.strip())
        if found is None or int(found[1]) > 23 or int(found[2]) > 59 or int(found[3]) > 59:
            return None
        micros = int((found[4] or "").ljust(6, "0"))
        return datetime(day.year, day.month, day.day, int(found[1]), int(found[2]), int(found[3]), micros)  # noqa: DTZ001 - naive China time

    return _by_distinct(column, parse, pa.timestamp("ms"))


def parse_day(text: str) -> date | None:
    """Read `2023-06-30`, `20230630`, `2023/6/30`, also with a midnight after it; None when it is no day."""
    found = _DAY.fullmatch(text.strip())
    if found is None or (not found[2] and len(found[3]) + len(found[4]) != 4):
        return None
    try:
        return date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        return None


def mask(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return a boolean column as a mask; null is False."""
    flags: NDArray[np.bool_] = pc.fill_null(column, False).to_numpy(zero_copy_only=False)
    return flags.astype(bool)


def _by_distinct(column: pa.ChunkedArray, parse: Callable[[str], object], kind: pa.DataType) -> pa.ChunkedArray:
    """Parse each distinct text once: files repeat days and codes."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    parsed = pa.array([parse(text) for text in encoded.dictionary.to_pylist()], type=kind)
    return pa.chunked_array([parsed.take(encoded.indices)])
