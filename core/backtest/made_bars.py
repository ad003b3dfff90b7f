"""Bars made in blocks out of checked columns, as fast as the interpreter makes anything: no Python runs for a bar."""

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import PRICES, CheckedBars
from core.backtest.model import Bar

SHARED: Final = 65_536
"""Most prices that are kept as floats for all bars to share."""
SPELLED: Final = 256
"""Dates that are spelled at once."""
STRETCHES: Final = 64
"""Stretches of dates that are kept: as many bars as the history holds."""
FIGURES: Final = slice(1, 6)
"""Prices and volume in a bar."""


class _Quick(tuple[Any, ...]):
    """Comes before `Bar` so that bars are made by the tuple's own maker; a named tuple's is written in Python."""

    __slots__ = ()


class MadeBar(_Quick, Bar):
    """A bar as the engine makes them: of an iterable."""

    __slots__ = ()
    __new__ = tuple.__new__  # type: ignore[assignment]

    def __reduce__(self) -> tuple[type[Bar], tuple[Any, ...]]:
        """Copy and pickle as the plain kind."""
        return Bar, tuple(self)


class ColumnBar(MadeBar):
    """A bar of a table of columns. Its first place holds the number of its row and its last one the table: `dt` and
    `raw` are made of them when somebody looks, for most strategies never do. Only code in C that asks no class for its
    items, as `json` does, sees what is there; `_asdict()` is what to give it.
    """

    __slots__ = ()

    @property
    def dt(self) -> str:
        """The date as the data spells it."""
        table: TableRows = tuple.__getitem__(self, -1)
        return table.dt(tuple.__getitem__(self, 0))

    @property
    def raw(self) -> "RawRow":
        """The data's own row."""
        table: TableRows = tuple.__getitem__(self, -1)
        return RawRow(table.columns, tuple.__getitem__(self, 0) + table.offset)

    def __getitem__(self, key: Any) -> Any:
        return (self.dt, *tuple.__getitem__(self, FIGURES), self.raw)[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self[:])

    def __repr__(self) -> str:
        return repr(Bar(*self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ColumnBar):
            return self[:] == other
        is_same_table = tuple.__getitem__(self, -1) is tuple.__getitem__(other, -1)
        return tuple.__eq__(self, other) if is_same_table else self[:] == other[:]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(tuple.__getitem__(self, FIGURES))

    def __reduce__(self) -> tuple[type[Bar], tuple[Any, ...]]:
        """Copy and pickle as the plain kind, with a plain row."""
        return Bar, (*self[:-1], dict(self.raw))


MadeBar.__name__ = MadeBar.__qualname__ = ColumnBar.__name__ = ColumnBar.__qualname__ = "Bar"


class RawRow(Mapping[str, Any]):
    """A row of a table of columns as a read-only mapping."""

    __slots__ = ("_columns", "_row")

    def __init__(self, columns: Mapping[str, Any], row: int) -> None:
        self._columns, self._row = columns, row

    def __getitem__(self, name: str) -> Any:
        value = self._columns[name][self._row]
        return value.item() if isinstance(value, np.generic) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """Copy and pickle as a dictionary, without the other rows."""
        return dict, (dict(self),)


class TableRows:
    """What the bars of a table of columns look up: the columns, and dates spelled a few hundred at a time."""

    __slots__ = ("_bars", "_spelled", "columns", "offset")

    def __init__(self, bars: CheckedBars) -> None:
        self._bars, self.columns, self.offset = bars, bars.table.columns, bars.row_offset
        self._spelled: dict[int, list[str]] = {}

    def dt(self, index: int) -> str:
        """Return the date of a bar as the data spells it."""
        texts = self._spelled.get(index // SPELLED)
        return self._spell(index) if texts is None else texts[index % SPELLED]

    def _spell(self, index: int) -> str:
        if len(self._spelled) >= STRETCHES:
            del self._spelled[next(iter(self._spelled))]
        start = index - index % SPELLED
        texts = self._spelled[index // SPELLED] = self._bars.dts(start, min(start + SPELLED, len(self._bars)))
        return texts[index - start]


class BarMaker:
    """Makes the bars of one instrument, stretch by stretch."""

    __slots__ = ("_bars", "_floats", "_lowest", "_table")

    def __init__(self, bars: CheckedBars) -> None:
        self._bars, self._table = bars, TableRows(bars)
        self._lowest, self._floats = _shared_floats(bars)

    def build(self, start: int, stop: int) -> Iterator[Bar]:
        """Make the bars of a stretch."""
        bars, prices = self._bars, [self._prices(name, start, stop) for name in PRICES]
        volume = repeat(None) if bars.volume is None else bars.volume[start:stop].tolist()
        if bars.table.rows is None:
            rows = range(start, min(stop, len(bars)))
            return map(ColumnBar, zip(rows, *prices, volume, repeat(self._table), strict=False))
        raw = bars.table.rows[start + bars.row_offset : stop + bars.row_offset]
        return map(MadeBar, zip(bars.dts(start, stop), *prices, volume, raw, strict=False))

    def _prices(self, name: str, start: int, stop: int) -> Any:
        if name not in self._bars.prices:
            return repeat(None)
        whole = self._bars.prices[name][start:stop]
        if self._floats is None:
            return (whole / 10**self._bars.places).tolist()
        return self._floats[whole - self._lowest].tolist()


def _shared_floats(bars: CheckedBars) -> tuple[int, NDArray[np.object_] | None]:
    """Return the lowest price and every price from it on as a float, where that is less than a float for each bar."""
    lowest = min(int(column.min()) for column in bars.prices.values())
    highest = max(int(column.max()) for column in bars.prices.values())
    if highest - lowest >= min(SHARED, 2 * len(bars)):
        return lowest, None
    return lowest, (np.arange(lowest, highest + 1) / 10**bars.places).astype(object)
