"""Bars checked before the run and turned into whole numbers of the series' own power of ten."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.dates import Moments, day_of, moments_of, numbers_of, texts_of
from core.backtest.model import BarTable
from core.backtest.problems import BarsInvalid, BarsMissing, ColumnMissing, TooManyBars
from core.matching import column_kernel

Integers = NDArray[np.int64]
SECONDS: Final = 19
"""Characters of a moment to the second."""
PRICES: Final = ("open", "high", "low", "close")
FIELDS: Final = (*PRICES, "volume")
FACTOR: Final = "adj_factor"
PLACES: Final = (2, 3, 4, 6, 8)
"""Powers of ten tried for the prices of a series, finest last."""
LARGEST: Final = 2**53
"""Beyond it a float no longer holds every whole number."""


@dataclass(frozen=True, slots=True)
class CheckedBars:
    """The columns of one instrument. Prices are int64 in units of 10**-places; a missing column is absent.

    `times` are days or milliseconds, `days` numbers YYYYMMDD. `row_offset` is how many rows of the data lie before
    the first bar; `factor_column` names the adjustment factors, if the data have some.
    """

    times: Moments
    days: Integers
    places: int
    prices: Mapping[str, Integers] = field(repr=False)
    volume: Integers | None = field(repr=False)
    spelled_dates: Any = field(repr=False)
    table: BarTable = field(repr=False)
    row_offset: int = 0
    factor_column: str = FACTOR

    def __len__(self) -> int:
        return len(self.times)

    @property
    def is_intraday(self) -> bool:
        """True when bars carry a time of day."""
        return bool(self.times.dtype != np.dtype("datetime64[D]"))

    def dt(self, index: int) -> str:
        """Return the date of a bar as the data spells it."""
        value = self.spelled_dates[index + self.row_offset]
        if isinstance(value, np.datetime64):
            return str(value)[:SECONDS].replace("T", " ")
        return value if isinstance(value, str) else str(value)

    def dts(self, start: int, stop: int) -> list[str]:
        """Return a stretch of dates as the data spells them."""
        part = self.spelled_dates[start + self.row_offset : stop + self.row_offset]
        if isinstance(part, np.ndarray) and part.dtype.kind == "M":
            return texts_of(part)
        values = part.tolist() if isinstance(part, np.ndarray) else part
        if isinstance(values, list) and set(map(type, values)) == {str}:
            return values
        return [value if isinstance(value, str) else str(value) for value in values]

    def dts_at(self, places: Integers) -> list[str]:
        """Return the dates of some bars as the data spells them."""
        if isinstance(self.spelled_dates, np.ndarray) and self.spelled_dates.dtype.kind == "M":
            return texts_of(self.spelled_dates[places + self.row_offset]) if len(places) else []
        return [self.dt(place) for place in places.tolist()]

    def column(self, name: str) -> Any | None:
        """Return a further column of the data, cut to the bars; None when there is none."""
        table = self.table
        stretch = slice(self.row_offset, self.row_offset + len(self))
        if table.rows is not None:
            if name not in table.rows[0]:
                return None
            return _values(table.rows[stretch], name)
        return table.columns[name][stretch] if name in table.columns else None


def table_of(given: object) -> BarTable:
    """Read what `bars=` was given: rows of dictionaries, columns by name, or a table of a source."""
    if isinstance(given, BarTable):
        return given
    if isinstance(given, Mapping):
        return BarTable(columns=given)
    if hasattr(given, "column_names"):
        return BarTable(columns={name: given[name].to_numpy() for name in given.column_names})  # type: ignore[index]
    return BarTable(rows=list(given))  # type: ignore[call-overload]


def check_bars(
    table: BarTable,
    *,
    date_column: str,
    price_columns: Mapping[str, str] | None = None,
    start: str | None = None,
    end: str | None = None,
    max_bars: int = 1_000_000,
    least_places: int = 2,
) -> CheckedBars:
    """Check dates and prices, cut to the closed interval `start` .. `end`, and turn the columns into whole numbers.

    Raises `BarsInvalid` naming the row for unparsable, unsorted or double dates, prices that are missing, not positive
    or finer than 1e-8, and a high below the low; `ColumnMissing`, `BarsMissing`, `TooManyBars`.
    """
    names = {name: name for name in FIELDS} | dict(price_columns or {})
    dates = _take(table, date_column, purpose="the date")
    times = moments_of(dates)
    _check_order(times, dates)
    inside = _between(times, start, end)
    if inside.start >= inside.stop:
        raise BarsMissing(between=f" from {start} to {end}" if start or end else "")
    if inside.stop - inside.start > max_bars:
        raise TooManyBars(count=inside.stop - inside.start, largest=max_bars)
    floats = {name: _floats(table, names[name], inside, dates) for name in FIELDS if _has(table, names[name])}
    if "close" not in floats:
        raise ColumnMissing(column=names["close"], purpose="the close", columns=", ".join(_columns(table)))
    volume = floats.pop("volume", None)
    places, prices = _prices(floats, inside, dates, least_places)
    times = times[inside]
    return CheckedBars(
        times=times,
        days=numbers_of(times),
        places=places,
        prices=prices,
        volume=None if volume is None else _volume(volume, inside, dates),
        spelled_dates=dates,
        table=table,
        row_offset=inside.start,
        factor_column=names.get(FACTOR, FACTOR),
    )


def _columns(table: BarTable) -> list[str]:
    if table.rows is None:
        return list(table.columns)
    return list(table.rows[0]) if len(table.rows) else []


def _has(table: BarTable, name: str) -> bool:
    return name in _columns(table)


def _take(table: BarTable, name: str, *, purpose: str) -> Any:
    """Return a whole column of the data."""
    if table.rows is not None and not len(table.rows):
        raise BarsMissing(between="")
    if not _has(table, name):
        raise ColumnMissing(column=name, purpose=purpose, columns=", ".join(_columns(table)))
    if table.rows is None:
        return table.columns[name]
    return _values(table.rows, name)


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    try:
        return list(map(itemgetter(name), rows))
    except KeyError:
        return [row.get(name) for row in rows]


def _between(times: Moments, start: str | None, end: str | None) -> slice:
    """Return the stretch of rows in the closed interval; an end without a time includes its whole day."""
    first, last = day_of(start, name="start"), day_of(end, name="end")
    days = times.astype("datetime64[D]") if last is not None and last.dtype == np.dtype("datetime64[D]") else times
    low = 0 if first is None else int(np.searchsorted(times, first.astype(times.dtype)))
    high = len(times) if last is None else int(np.searchsorted(days, last.astype(days.dtype), side="right"))
    return slice(low, max(high, low))


def _check_order(times: Moments, dates: Any) -> None:
    """Refuse dates that repeat or go back."""
    numbers = times.astype(np.int64)
    steps = numbers[1:] <= numbers[:-1]
    if steps.any():
        row = int(steps.argmax()) + 1
        reason = (
            "The date is there twice." if numbers[row] == numbers[row - 1] else "Dates must ascend; this goes back."
        )
        raise BarsInvalid(row=row + 1, when=str(dates[row]), reason=reason)


def _floats(table: BarTable, name: str, inside: slice, dates: Any) -> NDArray[np.float64]:
    """Return a column as floats; what is no number is an error that names the row."""
    column = _take(table, name, purpose="a price or volume")[inside]
    try:
        values = floats_of(column)
    except (TypeError, ValueError):
        for place, value in enumerate(column):
            if not _is_number(value):
                raise _invalid(place, inside, dates, f"{name} is {value!r}, not a number.") from None
        raise
    if not np.isfinite(values).all():
        place = int(np.argmin(np.isfinite(values)))
        raise _invalid(place, inside, dates, f"{name} is {_shown(column[place])}.")
    return values


def floats_of(column: Any) -> NDArray[np.float64]:
    """Return a column as floats, None as NaN. Lists are packed, which takes half of the time numpy needs for them."""
    if isinstance(column, list):
        try:
            return np.frombuffer(struct.pack(f"{len(column)}d", *column))
        except (struct.error, OverflowError):
            pass
    return np.ascontiguousarray(column, dtype=np.float64)


def _shown(value: object) -> str:
    return "missing" if value is None else f"{value}"


def _is_number(value: object) -> bool:
    try:
        return bool(np.isfinite(float(value)))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _prices(
    floats: Mapping[str, NDArray[np.float64]], inside: slice, dates: Any, least_places: int
) -> tuple[int, dict[str, Integers]]:
    """Find the power of ten that holds every price, and turn them into whole numbers of it."""
    for name, values in floats.items():
        if values.min() <= 0:
            place = int((values <= 0).argmax())
            raise _invalid(place, inside, dates, f"{name} is {values[place]:g}; prices must be positive.")
    if "high" in floats and "low" in floats and (floats["high"] < floats["low"]).any():
        place = int((floats["high"] < floats["low"]).argmax())
        raise _invalid(place, inside, dates, f"high {floats['high'][place]:g} is below low {floats['low'][place]:g}.")
    for places in PLACES:
        if places >= least_places:
            whole = {name: np.empty(len(values), dtype=np.int64) for name, values in floats.items()}
            if all(column_kernel.whole_numbers(floats[name], float(10**places), whole[name]) for name in floats):
                return places, whole
    for name, values in floats.items():
        scaled = np.rint(values * 10 ** PLACES[-1])
        fits = (scaled / 10 ** PLACES[-1] == values) & (scaled < LARGEST)
        if not fits.all():
            place = int(np.argmin(fits))
            reason = f"{name} is {float(values[place])!r}: it cannot be kept exactly; round prices to 8 places or less."
            raise _invalid(place, inside, dates, reason)
    reason = "prices of this series need more digits together than can be kept; round them to fewer places."
    raise _invalid(0, inside, dates, reason)


def _volume(values: NDArray[np.float64], inside: slice, dates: Any) -> Integers:
    """Return volumes in whole shares; a part of a share is dropped."""
    bad = (values < 0) | (values >= LARGEST)
    if bad.any():
        place = int(bad.argmax())
        raise _invalid(place, inside, dates, f"volume is {values[place]:g}.")
    return values.astype(np.int64)


def _invalid(place: int, inside: slice, dates: Any, reason: str) -> BarsInvalid:
    row = inside.start + place
    return BarsInvalid(row=row + 1, when=str(dates[row]), reason=reason)
