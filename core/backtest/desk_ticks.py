"""Ticks and order books of the desk's own market, for orders that meet prices in no bar."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

from core.backtest.model import BarTable
from core.backtest.problems import TicksInvalid, TicksNeeded
from core.market.service import MarketService
from core.matching.model import BOOK_TYPES, TICK_TYPES, MatchingType

if TYPE_CHECKING:
    import pyarrow as pa

LEVELS: Final = tuple(
    f"{side}_{what}{level}" for level in range(1, 11) for side in ("bid", "ask") for what in ("px", "qty")
)
TRADES: Final[Mapping[str, tuple[str, ...]]] = {
    "level2_trades": ("ts", "price", "qty", "amount"),
    "ticks": ("ts", "price", "qty"),
    "level2_snapshots": ("ts", "last", "volume", "amount"),
}
"""Where trades are looked for: the first that has some of the instrument."""
BOOKS: Final[Mapping[str, tuple[str, ...]]] = {"level2_snapshots": ("ts", *LEVELS)}
MOST_FIGURES: Final = 20_000_000
"""What one run may read of an instrument: 160 MB."""
IMPORT: Final = "The desk has none of {symbol} on these days; its operator brings some in with `dingpan import`."
NO_AMOUNT: Final = "The desk's bars of {symbol} have none, and it has no trades of it."


async def desk_ticks(
    market: MarketService,
    symbol: str,
    *,
    books: bool,
    start: date | None = None,
    end: date | None = None,
    whole: bool = True,
) -> BarTable | None:
    """Return trades of an instrument, or its order books, between two days; None where the desk has none.

    Not `whole`: their moments alone, to know that there are some. Raises `TicksInvalid` for more than a run may read.
    """
    for name, columns in (BOOKS if books else TRADES).items():
        table = await asyncio.to_thread(_read, market, name, columns, symbol, start, end, whole=whole)
        if table is not None:
            return BarTable(columns={column: table[column].to_numpy() for column in table.column_names})
    return None


async def ticks_of(
    market: MarketService,
    tables: Mapping[str, BarTable],
    matching: MatchingType | None,
    *,
    start: date | None = None,
    end: date | None = None,
    whole: bool = True,
) -> dict[str, BarTable] | None:
    """Return the ticks that a run over the desk's bars needs, by symbol; None where it needs none. See `desk_ticks`.

    Raises `TicksNeeded` for an instrument without any, and `TicksInvalid`.
    """
    found: dict[str, BarTable] = {}
    for symbol, bars in tables.items():
        is_vwap = matching is MatchingType.VWAP and not _has_amount(bars)
        if matching is None or not (is_vwap or matching in TICK_TYPES):
            continue
        books = matching in BOOK_TYPES
        ticks = await desk_ticks(market, symbol, books=books, start=start, end=end, whole=whole)
        if ticks is None:
            needed = "bars with an amount" if is_vwap else "order books" if books else "ticks"
            instead = (NO_AMOUNT if is_vwap else IMPORT).format(symbol=symbol)
            raise TicksNeeded(matching=matching.value, needed=needed, instead=instead)
        found[symbol] = ticks
    return found or None


def _has_amount(bars: BarTable) -> bool:
    column = bars.columns.get("amount")
    return column is not None and bool((column > 0).any())


def _read(
    market: MarketService,
    name: str,
    columns: Sequence[str],
    symbol: str,
    start: date | None,
    end: date | None,
    *,
    whole: bool,
) -> "pa.Table | None":
    entry = market.store.manifest().datasets.get(name)
    if entry is None or entry.rows == 0:
        return None
    moments = market.store.table(name, columns=["ts"], symbols=[symbol], start=start, end=end)
    if moments.num_rows == 0:
        return None
    if moments.num_rows * len(columns) > MOST_FIGURES:
        reason = f"{moments.num_rows:,} rows between these days are more than a run may read; narrow start and end"
        raise TicksInvalid(where=f" of {symbol}", reason=reason)
    if not whole:
        return moments
    return market.store.table(name, columns=columns, symbols=[symbol], start=start, end=end)
