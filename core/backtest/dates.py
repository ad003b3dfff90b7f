"""Dates of bars as the data spells them, and as one array of moments."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.problems import BarsInvalid, ParameterInvalid
from core.matching import column_kernel

Moments = NDArray[np.datetime64]
COMPACT: Final = 8
ISO_DAY: Final = 10
ISO_SECOND: Final = 19
HEAD: Final = 1_000
"""Moments looked at first, where all might be asked for a time of day."""
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
    quick = _plain_days(values)
    if quick is not None:
        return quick
    array = np.asarray(values)
    if array.dtype.kind == "M":
        if np.isnat(array).any():
            raise BarsInvalid(row=int(np.isnat(array).argmax()) + 1, when="no date", reason="The date is missing.")
        return array if array.dtype == np.dtype(DAY) else _shortest(array.astype(MILLISECOND, copy=False))
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
    numbers = np.empty(len(days), dtype=np.int64)
    is_whole = days.dtype == np.dtype(DAY)
    moments = np.ascontiguousarray(days if is_whole else days.astype(MILLISECOND, copy=False)).view(np.int64)
    column_kernel.day_numbers(moments, 1 if is_whole else column_kernel.DAY_MILLISECONDS, numbers)
    return numbers


def texts_of(moments: Moments) -> list[str]:
    """Spell moments: days as `2024-01-05`, minutes as `2024-01-05 09:31:00`."""
    if not len(moments):
        return []
    is_whole = moments.dtype == np.dtype(DAY)
    exact = np.ascontiguousarray(moments if is_whole else moments.astype(MILLISECOND, copy=False))
    letters = np.empty((len(exact), (ISO_DAY if is_whole else ISO_SECOND) + 1), dtype=np.uint8)
    column_kernel.spell(exact.view(np.int64), numbers_of(exact), letters)
    return letters.tobytes()[:-1].decode("ascii").split("\n")


def _read(texts: list[Any]) -> Moments:
    """Read texts at once; the shape of the first one is expected of all, others cost more."""
    first = texts[0] if texts else ""
    if isinstance(first, date) and not isinstance(first, datetime):
        return np.array(texts, dtype=DAY)
    iso = [spelled(str(text)) for text in texts]
    if not all(map(_is_iso, iso)):
        raise ValueError
    if max(map(len, iso), default=0) == ISO_DAY:
        return np.array(iso, dtype=DAY)
    return _shortest(np.array(iso, dtype=MILLISECOND))


def _plain_days(values: object) -> Moments | None:
    """Read a list of texts that are all days of one spelling at once; None where one of them is anything else."""
    if not isinstance(values, list) or not values or not isinstance(values[0], str):
        return None
    width = len(values[0])
    try:
        text = "".join(values)
    except TypeError:
        return None
    if width not in {COMPACT, ISO_DAY} or set(map(len, values)) != {width}:
        return None
    letters = np.frombuffer(text.encode(errors="replace"), dtype=np.uint8)
    days = np.empty(len(values), dtype=np.int64)
    fits = letters.size == width * len(values) and column_kernel.read_days(letters, width, days)
    return days.view(DAY) if fits else None


def _is_iso(text: Any) -> bool:
    """Say whether text begins like a date: numpy would read `20240102` as a year."""
    return isinstance(text, str) and len(text) >= ISO_DAY and text[4] == "-" == text[7]


def _shortest(moments: Moments) -> Moments:
    head = moments[:HEAD]
    if (head.astype(DAY) != head).any():
        return moments
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
