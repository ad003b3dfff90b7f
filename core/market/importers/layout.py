"""What a vendor's table of bars looks like, and how it becomes ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.market.importers import cells
from core.market.importers.codes import is_index, parse_code, symbols_in_name
from core.market.importers.model import ROW, FileContent, FileRefused, Part, Told
from core.market.importers.text import Frame
from core.market.model import Adjustment

LOT = 100
"""Shares in a lot, the unit of volume of several vendors."""
Columns = dict[str, pa.ChunkedArray]


@dataclass(frozen=True, slots=True)
class Reading:
    """A frame on its way: the numbers read so far, for a layout's own `finish`."""

    frame: Frame
    columns: Columns
    faults: dict[str, NDArray[np.bool_]]

    def real(self, name: str) -> NDArray[np.float64]:
        """Return a column of the frame as numbers, NaN where there is none."""
        values: NDArray[np.float64] = pc.fill_null(cells.reals(self.frame.column(name))[0], float("nan")).to_numpy()
        return values


@dataclass(frozen=True, slots=True)
class BarLayout:
    """A table of daily bars with a header.

    `required` are the header names by which it is recognised; the layout with the most of them wins. `columns` maps our
    names to the vendor's; a vendor's column that is absent stays null. `known` are columns left out on purpose, others
    are reported. Volumes are multiplied by `volume_unit`, amounts by `amount_unit`. `adjustment` returns what the file
    states, or None when it states nothing. `finish` corrects what is peculiar to the vendor.
    """

    name: str
    source: str
    required: frozenset[str]
    columns: Mapping[str, str]
    known: frozenset[str] = frozenset()
    day: tuple[str, ...] = ("date",)
    symbol: tuple[str, ...] = ()
    volume_unit: int = 1
    amount_unit: int = 1
    adjustment: Callable[[Frame], Adjustment | None] = field(default=lambda _: Adjustment.RAW)
    finish: Callable[[Reading], None] = field(default=lambda _: None)
    suspended: Callable[[Reading], NDArray[np.bool_]] | None = None
    notes: tuple[str, ...] = ()

    def matches(self, header: tuple[str, ...]) -> bool:
        """Tell whether a header is this layout's."""
        return self.required <= set(header) and any(name in header for name in self.day)

    def read(self, frame: Frame, path: Path, told: Told) -> FileContent:
        """Turn the frame into bars in our units. Raises `FileRefused`."""
        reading = Reading(frame, {}, {})
        self._read_numbers(reading)
        self._read_days(reading)
        reading.columns["symbol"] = self._symbols(frame, path, told)
        reading.columns["source"] = constant(self.source, len(frame.numbers))
        self.finish(reading)
        suspended = self.suspended(reading) if self.suspended else None
        known = {*self.columns.values(), *self.known, *self.day, *self.symbol}
        part = Part(
            dataset=_dataset_of(reading.columns["symbol"]),
            table=pa.table({**reading.columns, ROW: pa.array(frame.numbers)}),
            adjustment=self.adjustment(frame),
            faults=reading.faults,
            suspended=suspended,
            has_prices=True,
        )
        return FileContent(
            layout=self.name,
            parts=(part,),
            rows_read=len(frame.numbers) + len(frame.torn),
            torn=frame.torn,
            text_of=frame.text_of,
            unknown_columns=tuple(name for name in dict.fromkeys(frame.header) if name not in known),
            notes=self.notes,
        )

    def _read_numbers(self, reading: Reading) -> None:
        """Read every numeric column and bring it to shares and currency units."""
        for ours, theirs in self.columns.items():
            if not reading.frame.has(theirs):
                continue
            if ours == "name":
                reading.columns[ours] = reading.frame.column(theirs)
                continue
            numbers, unreadable = cells.reals(reading.frame.column(theirs))
            if ours == "volume":
                numbers = pc.round(pc.multiply(numbers, float(self.volume_unit)))
            elif ours == "amount":
                numbers = pc.round(pc.multiply(numbers, float(self.amount_unit)), 4)
            reading.columns[ours] = numbers
            if unreadable.any():
                reading.faults[f"{theirs} is not a number"] = unreadable

    def _read_days(self, reading: Reading) -> None:
        """Read the day column."""
        name = next(name for name in self.day if reading.frame.has(name))
        days = cells.days(reading.frame.column(name))
        reading.columns["trade_date"] = days
        if days.null_count:
            reading.faults[f"{name or 'the first column'} is not a day"] = cells.mask(pc.is_null(days))

    def _symbols(self, frame: Frame, path: Path, told: Told) -> pa.ChunkedArray:
        """Return the symbol of each row; codes that cannot be read stay as they are, for a later look at the master."""
        name = next((name for name in self.symbol if frame.has(name)), None)
        if name is None:
            return constant(symbol_of_file(path, told, frame.title), len(frame.numbers))
        if told.symbol is not None:
            return constant(told.symbol, len(frame.numbers))
        prefer_index = "index" in path.name.lower()
        return cells.texts(frame.column(name), lambda text: parse_code(text, prefer_index=prefer_index) or text.strip())


def symbol_of_file(path: Path, told: Told, title: str = "") -> str:
    """Return the one symbol of a file that names none in its rows. Raises `FileRefused`."""
    if told.symbol is not None:
        return told.symbol
    if found := parse_code(title.split(maxsplit=1)[0]) if title.split() else None:
        return found
    candidates = symbols_in_name(path)
    if len(candidates) == 1:
        return candidates[0]
    seen = f"its name spells {' and '.join(candidates)}" if candidates else "its name spells no code either"
    raise FileRefused(reason=f"no column names the instrument and {seen}; say --symbol 600519.SH")


def constant(value: str, length: int) -> pa.ChunkedArray:
    """Return a column of one text repeated."""
    return pa.chunked_array([pa.repeat(pa.scalar(value, pa.string()), length)])


def _dataset_of(symbols: pa.ChunkedArray) -> str:
    """Return where raw bars of these symbols belong. Raises `FileRefused` when it is more than one place."""
    places = {
        "hk_daily" if symbol.endswith(".HK") else "index_daily" if is_index(symbol) else "daily"
        for symbol in pc.unique(symbols).to_pylist()
        if symbol and "." in symbol
    }
    if len(places) > 1:
        raise FileRefused(reason=f"the file mixes {' and '.join(sorted(places))}; split it by kind of instrument")
    return places.pop() if places else "daily"
