"""Ticks and order books as callers give them, checked and turned into whole numbers.

Columns are named as in the desk's own data. Trades: `ts`, `price`, `qty`, and `amount` where there is one. Snapshots:
`ts`, `last`, `volume` and `amount` counted up over the day, `bid_px1`, `bid_qty1`, `ask_px1`, `ask_qty1` and so on.
Minute bars serve as trades at their close: `bar_end`, `close`, `volume`, `amount`. Times are those of the exchange.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import LARGEST, PLACES, floats_of, table_of
from core.backtest.dates import MILLISECOND, moments_of
from core.backtest.model import BarTable
from core.backtest.problems import BarsInvalid, ColumnMissing, TicksInvalid
from core.matching import column_kernel
from core.matching.model import UNLIMITED, AmountTooLarge
from core.matching.ticks import Books, Trades

if TYPE_CHECKING:
    import pyarrow as pa

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
TIMES: Final = ("ts", "time", "datetime", "bar_end", "trade_time")
PRICES: Final = ("price", "last", "close")
QUANTITIES: Final = ("qty", "quantity", "volume")
CUMULATIVE: Final = "last"
"""Beside this price, volume and amount are counted up over the day."""
LEVELS: Final = 10
SIDES: Final = ("bid_px", "bid_qty", "ask_px", "ask_qty")
DAY: Final = 86_400_000
"""Milliseconds."""


@dataclass(frozen=True, eq=False)
class TickTable:
    """Ticks of one instrument in the order of their moments, which are milliseconds."""

    moments: Integers = field(repr=False)
    columns: Mapping[str, Floats] = field(repr=False)

    @cached_property
    def price(self) -> str:
        """The column of prices. Raises `ColumnMissing`."""
        return self._one(PRICES, "the price of a tick")

    @cached_property
    def depth(self) -> int:
        """How many levels of the book there are; 0 where there is no book."""
        names = (tuple(f"{side}{level}" for side in SIDES) for level in range(1, LEVELS + 1))
        return next((level for level, four in enumerate(names) if not set(four) <= self.columns.keys()), LEVELS)

    @cached_property
    def places(self) -> int:
        """The power of ten that holds every price. Raises `TicksInvalid`."""
        names = [name for name in self.columns if name in PRICES or name.startswith(("bid_px", "ask_px"))]
        values = np.concatenate([self.columns[name] for name in names] or [np.zeros(0)])
        out = np.empty(len(values), dtype=np.int64)
        fitting = (places for places in PLACES if column_kernel.whole_numbers(values, float(10**places), out))
        found = next(fitting, None)
        if found is None:
            raise TicksInvalid(where="", reason="a price has more than 8 places, or too many digits")
        return found

    @cached_property
    def digest(self) -> str:
        """The sha256 of all that is read."""
        digest = hashlib.sha256(np.ascontiguousarray(self.moments).data)
        for name in sorted(self.columns):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self.columns[name]).data)
        return digest.hexdigest()

    def trades(self, places: int) -> Trades:
        """Return what was traded; rows without a price or a quantity are none. Raises `ColumnMissing`."""
        prices = self._whole(self.price, places)
        quantities = self._counted(self._one(QUANTITIES, "the shares of a tick"), 1)
        has_amount = "amount" in self.columns
        if has_amount:
            amounts = self._counted("amount", 10**places)
        elif float(prices.max(initial=0)) * float(quantities.max(initial=0)) < UNLIMITED:
            amounts = prices * quantities
        else:
            raise AmountTooLarge(what="The amount of a tick", value=int(quantities.max()))
        traded = (prices > 0) & (quantities > 0)
        return Trades(
            moments=self.moments[traded],
            prices=prices[traded],
            quantities=quantities[traded],
            amounts=amounts[traded],
        )

    def books(self, places: int) -> Books:
        """Return the order books of snapshots."""

        def side(name: str, *, is_price: bool) -> Integers:
            columns = (f"{name}{level}" for level in range(1, self.depth + 1))
            return np.stack([self._whole(one, places if is_price else 0) for one in columns], axis=1)

        return Books(
            moments=self.moments,
            bid_prices=side("bid_px", is_price=True),
            bid_quantities=side("bid_qty", is_price=False),
            ask_prices=side("ask_px", is_price=True),
            ask_quantities=side("ask_qty", is_price=False),
        )

    def _one(self, names: Sequence[str], purpose: str) -> str:
        found = next((name for name in names if name in self.columns), None)
        if found is None:
            raise ColumnMissing(column=names[0], purpose=f"{purpose}; ticks", columns=", ".join(self.columns))
        return found

    def _whole(self, name: str, places: int) -> Integers:
        return np.asarray(np.rint(self.columns[name] * 10**places), dtype=np.int64)

    def _counted(self, name: str, scale: int) -> Integers:
        """Return shares or amounts of each tick; what is counted up over the day is taken apart."""
        values = self.columns[name] * scale
        if float(values.max(initial=0)) >= UNLIMITED:
            raise AmountTooLarge(what=f"{name} of a tick", value=float(values.max()))
        whole = np.asarray(np.rint(values), dtype=np.int64)
        if self.price != CUMULATIVE or not len(whole):
            return whole
        steps = np.diff(whole, prepend=0)
        first = np.diff(self.moments // DAY, prepend=-1) != 0
        steps[first] = whole[first]
        if (steps < 0).any():
            raise TicksInvalid(where=self._where(int((steps < 0).argmax())), reason=f"{name} is less than just before")
        return steps

    def _where(self, place: int) -> str:
        return f" at {np.datetime64(int(self.moments[place]), 'ms')}"


def read_ticks(given: object, symbol: str) -> TickTable:
    """Read ticks of an instrument: a Parquet or CSV file, a data frame, columns by name, rows, or a table of a source.

    Of a table with a column `symbol` the rows of `symbol` are taken. Raises `TicksInvalid`, `ColumnMissing`.
    """
    columns = _columns(given, symbol)
    name = next((name for name in TIMES if name in columns), None)
    if name is None:
        raise ColumnMissing(column=TIMES[0], purpose="the moment of a tick", columns=", ".join(columns))
    moments = _moments(columns.pop(name))
    numbers = {name: _floats(name, column) for name, column in columns.items() if _is_read(name)}
    for column in numbers.values():
        if len(column) != len(moments):
            raise TicksInvalid(where="", reason="columns differ in length")
    if (np.diff(moments) < 0).any():
        order = np.argsort(moments, kind="stable")
        moments, numbers = moments[order], {name: column[order] for name, column in numbers.items()}
    return TickTable(moments, numbers)


def ticks_of(given: object, symbol: str) -> object:
    """Return the ticks of one instrument where they are given by symbol, None where it is not among them.

    A mapping with a column of times is that of one instrument.
    """
    if isinstance(given, Mapping) and not set(TIMES) & set(given):
        return given.get(symbol)
    return given


def _columns(given: object, symbol: str) -> dict[str, Any]:
    """Return the columns of one instrument by name."""
    table = _table(given, symbol)
    if table.rows is not None:
        names = dict.fromkeys(name for row in table.rows[:1] for name in row)
        columns = {name: [row.get(name) for row in table.rows] for name in names}
    else:
        columns = dict(table.columns)
    if "symbol" not in columns:
        return columns
    symbols = np.asarray(columns["symbol"], dtype=object)
    wanted = symbols == symbol
    if not symbol and len(set(symbols)) > 1:
        raise TicksInvalid(where="", reason="they are of several symbols; say which instrument the bars are of")
    if symbol and not wanted.any():
        raise TicksInvalid(where=f" of {symbol}", reason="no row has this symbol")
    if not symbol:
        return columns
    return {name: _chosen(column, wanted) for name, column in columns.items()}


def _chosen(column: Any, wanted: NDArray[np.bool_]) -> Any:
    if isinstance(column, np.ndarray):
        return column[wanted]
    return [value for value, taken in zip(column, wanted.tolist(), strict=True) if taken]


def _table(given: object, symbol: str) -> BarTable:
    if isinstance(given, str | Path):
        given = _file(Path(given), symbol)
    if hasattr(given, "columns") and hasattr(given, "to_numpy"):
        return BarTable(columns={str(name): given[name].to_numpy() for name in given.columns})  # type: ignore[index]
    if hasattr(given, "column_names"):
        names = given.column_names
        return BarTable(columns={name: given[name].to_numpy() for name in names})  # type: ignore[index]
    try:
        return table_of(given)
    except TypeError:
        reason = "give a Parquet or CSV file, a data frame, columns by name, or rows of dictionaries"
        raise TicksInvalid(where=f" {given!r}", reason=reason) from None


def _file(path: Path, symbol: str) -> "pa.Table":
    """Read a file; of a Parquet file the rows of the symbol alone."""
    import pyarrow as pa  # noqa: PLC0415 - heavy; only files need it
    import pyarrow.csv  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        if path.suffix.lower() == ".csv":
            return pyarrow.csv.read_csv(path)
        by_symbol = symbol and "symbol" in pq.read_schema(path).names
        return pq.read_table(path, filters=[("symbol", "==", symbol)] if by_symbol else None)
    except (OSError, pa.ArrowException) as error:
        raise TicksInvalid(where=f" in {path}", reason=str(error).partition("\n")[0]) from None


def _moments(values: Any) -> Integers:
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    try:
        return np.asarray(moments_of(values).astype(MILLISECOND), dtype=MILLISECOND).view(np.int64)
    except BarsInvalid as error:
        raise TicksInvalid(where=f" in row {error.data['row']}", reason=str(error.data["reason"])) from None


def _is_read(name: str) -> bool:
    return name in {*PRICES, *QUANTITIES, "amount"} or name.startswith(SIDES)


def _floats(name: str, column: Any) -> Floats:
    """Return a column as floats, 0 where there is nothing. Raises `TicksInvalid` naming the row."""
    try:
        values = np.array(floats_of(column), dtype=np.float64)
    except (TypeError, ValueError):
        raise TicksInvalid(where=f" in column {name}", reason="there is something that is no number") from None
    values[np.isnan(values)] = 0.0
    bad = (values < 0) | (values >= LARGEST)
    if bad.any():
        place = int(bad.argmax())
        raise TicksInvalid(where=f" in row {place + 1}", reason=f"{name} is {values[place]:g}")
    return values
