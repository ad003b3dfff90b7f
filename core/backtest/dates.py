"""Dates of bars as the data spells them, and as one array of moments."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.problems import BarsInvalid, ParameterInvalid

Moments = NDArray[np.datetime64]
COMPACT: Final = 8
ISO_DAY: Final = 10
DAY: Final = "datetime64[D]"
MILLISECOND: Final = "datetime64[ms]"


def spelled(text: str) -> str:
    """Return `YYYYMMDD` (and a time behind it) in ISO form; other text as it is."""
    head = text[:COMPACT]
    if len(text) >= COMPACT and head.isdigit() and (len(text) == COMPACT or not text[COMPACT].isdigit()):
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text


def moments_of(values: Sequence[Any] | NDArray[Any]) -> Moments:
    """Read a column of dates: text in both spellings, with or without a time, whole numbers YYYYMMDD, or dates.

    Days where no value has a time, else milliseconds. Raises `BarsInvalid` naming the row.
    """
    array = np.asarray(values)
    if array.dtype.kind == "M":
        if np.isnat(array).any():
            raise BarsInvalid(row=int(np.isnat(array).argmax()) + 1, when="no date", reason="The date is missing.")
        return array if array.dtype == np.dtype(DAY) else _shortest(array.astype(MILLISECOND))
    texts = array.tolist() if array.dtype.kind in "iuU" else list(values)
    try:
        return _read(texts)
    except (ValueError, TypeError):
        for row, text in enumerate(texts, 1):
            _check(row, text)
        raise


def day_of(value: str | date | int | None, *, name: str) -> np.datetime64 | None:
    """Read one bound of the run, in either spelling. Raises `ParameterInvalid`."""
    if value is None or value == "":
        return None
    try:
        iso = spelled(str(value))
        if not _is_iso(iso):
            raise ValueError(value)
        return np.datetime64(iso)
    except ValueError:
        reason = f"{value!r} is no date; write YYYYMMDD or YYYY-MM-DD."
        raise ParameterInvalid(name=name, reason=reason) from None


def numbers_of(days: Moments) -> NDArray[np.int64]:
    """Return days as the numbers YYYYMMDD."""
    whole = days.astype(DAY)
    years = whole.astype("datetime64[Y]")
    months = whole.astype("datetime64[M]")
    year = years.astype(np.int64) + 1970
    month = (months - years).astype(np.int64) + 1
    numbers: NDArray[np.int64] = year * 10_000 + month * 100 + (whole - months).astype(np.int64) + 1
    return numbers


def _read(texts: list[Any]) -> Moments:
    """Read texts at once; the shape of the first one is expected of all, others cost more."""
    first = texts[0] if texts else ""
    if isinstance(first, date) and not isinstance(first, datetime):
        return np.array(texts, dtype=DAY)
    if isinstance(first, str) and set(map(len, texts)) == {ISO_DAY} and {text[4] for text in texts} == {"-"}:
        return np.array(texts, dtype=DAY)
    iso = [spelled(str(text)) for text in texts]
    if not all(map(_is_iso, iso)):
        raise ValueError
    if max(map(len, iso), default=0) == ISO_DAY:
        return np.array(iso, dtype=DAY)
    return _shortest(np.array(iso, dtype=MILLISECOND))


def _is_iso(text: Any) -> bool:
    """Say whether text begins like a date: numpy would read `20240102` as a year."""
    return isinstance(text, str) and len(text) >= ISO_DAY and text[4] == "-" == text[7]


def _shortest(moments: Moments) -> Moments:
    days = moments.astype(DAY)
    return days if (days == moments).all() else moments


def _check(row: int, text: Any) -> None:
    try:
        iso = spelled(str(text))
        if not _is_iso(iso) or np.isnat(np.datetime64(iso)):
            raise ValueError(text)
    except ValueError:
        reason = f"{text!r} is no date; write YYYYMMDD or YYYY-MM-DD."
        raise BarsInvalid(row=row, when=str(text), reason=reason) from None
