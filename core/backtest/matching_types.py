"""Matching types beside the open and the close of bars: what an order of each bar meets after it.

An order of a bar fills on the next one. VWAP: at the amount by the volume of the next bar. Opening auction: at the
auction's price on the next day. Next tick and books: at the first trade, or in the first order book, after the bar's
end and up to the next bar's. The time of a bar with a time of day is its end.
"""

from datetime import date, time
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import CheckedBars
from core.backtest.dates import MILLISECOND
from core.backtest.fill_quotes import BookQuotes, FillQuotes
from core.backtest.model import Listing, MarketRules
from core.backtest.ports import current_ports
from core.backtest.problems import ColumnMissing, ParameterInvalid, TicksNeeded
from core.backtest.request import RunRequest
from core.backtest.terms import FillTerms
from core.backtest.tick_source import DAY, TickTable, read_ticks, ticks_of
from core.market.rules_sessions import trading_sessions
from core.matching.model import BOOK_TYPES, RATE, TICK_TYPES, UNLIMITED, AmountTooLarge, MatchingType
from core.matching.ticks import NOBODY, NOWHERE, Windows, vwap

Integers = NDArray[np.int64]
Quotes = tuple[Integers, Integers]
VWAP_PLACES: Final = 4
"""Cash is kept in 0.0001, so an average price is too."""
CONTINUOUS: Final = 9 * 3_600_000 + 30 * 60_000
"""Milliseconds of the day at which the opening auction is over, on every exchange."""
TRADES: Final = "trades with ts, price and qty"
BOOKS: Final = "order books with ts, bid_px1, bid_qty1, ask_px1 and ask_qty1"
GIVE: Final = "Give ticks=: a Parquet or CSV file, a data frame, or rows."


def ticks_for(request: RunRequest, symbol: str, bars: CheckedBars) -> TickTable | None:
    """Read the ticks that a run needs, those given or those of the port; None where it needs none.

    Raises `TicksNeeded` where there are none, or none of the kind that is needed.
    """
    kind = request.matching_type
    if kind is None:
        return None
    needed = kind in TICK_TYPES or (kind is MatchingType.VWAP and not _has_amount(bars))
    given = ticks_of(request.ticks, symbol)
    if given is None and not needed:
        return None
    what = BOOKS if kind in BOOK_TYPES else TRADES
    if kind is MatchingType.VWAP:
        what = f"bars with an amount and a volume, or {what}"
    source = current_ports().ticks
    if given is None and source is not None:
        given = source.ticks(symbol, books=kind in BOOK_TYPES, start=request.start, end=request.end)
    if given is None:
        raise TicksNeeded(matching=kind.value, needed=what, instead=GIVE)
    ticks = read_ticks(given, symbol)
    if kind in BOOK_TYPES and ticks.depth == 0:
        raise TicksNeeded(matching=kind.value, needed=what, instead=f"The ticks have: {', '.join(ticks.columns)}.")
    return ticks


def fill_quotes(
    request: RunRequest, bars: CheckedBars, terms: FillTerms, listing: Listing | None, ticks: TickTable | None
) -> FillQuotes | None:
    """Return what orders meet, or None where it is the bars' own open or close.

    Raises `TicksNeeded` when no tick lies where one is needed.
    """
    kind = request.matching_type
    if kind is None:
        return None
    windows = windows_of(bars)
    if kind in BOOK_TYPES:
        assert ticks is not None
        return _in_books(request, bars, terms, listing, ticks, windows)
    meets = None
    if kind is MatchingType.VWAP:
        price, volume = _vwap(bars) if ticks is None else ticks.trades(bars.places).vwap(windows)
    elif kind is MatchingType.OPEN_AUCTION:
        meets = _day_starts(bars)
        price, volume = _auction(bars, windows, ticks)
        price, volume = np.where(meets, price, 0), np.where(meets, volume, NOBODY)
    else:
        assert ticks is not None
        price, volume = ticks.trades(bars.places).next_last(windows)
    looked = volume if meets is None else volume[meets]
    unmet = _unmet(request, bars, ticks, looked < 0)
    marked = np.where(volume < 0, _marks(bars, price), price)
    is_waiting = meets is not None and not meets.all()
    return FillQuotes(marked, volume, meets if is_waiting else None, None, unmet, ticks.digest if ticks else "")


def windows_of(bars: CheckedBars) -> Windows:
    """Return the stretch of time of each bar, in milliseconds: from the end of the bar before, in its own day.

    The last bar of a day reaches to the day's end: the closing auction's trades come moments after its time.
    """
    times = bars.times.astype(MILLISECOND).view(np.int64)
    days = times // DAY * DAY
    is_last = np.concatenate((days[1:] > days[:-1], [True]))
    ends = np.where(is_last, days + DAY - 1, times)
    starts = np.maximum(np.concatenate((days[:1] - 1, ends[:-1])), days - 1)
    return Windows(starts=starts, ends=ends)


def _in_books(
    request: RunRequest,
    bars: CheckedBars,
    terms: FillTerms,
    listing: Listing | None,
    ticks: TickTable,
    windows: Windows,
) -> FillQuotes:
    kind, part = request.matching_type, int(terms.settings[5])
    books = ticks.books(bars.places)
    if listing is not None and request.rules is MarketRules.A_SHARE:
        books = books.chosen(_is_continuous(books.moments, listing))
    books = books.open()
    places = windows.first_after(books.moments)
    depth = {MatchingType.NEXT_TICK_BEST_OWN: 0, MatchingType.NEXT_TICK_BEST_COUNTERPARTY: 1}.get(kind, ticks.depth)  # type: ignore[arg-type]
    if kind is MatchingType.COUNTERPARTY_OFFER and part == 0:
        part = RATE
    unmet = _unmet(request, bars, ticks, places == NOWHERE)
    marks = _marks(bars, np.zeros(len(bars), dtype=np.int64))
    volume = np.zeros(len(bars), dtype=np.int64)
    return FillQuotes(marks, volume, None, BookQuotes(books, places, depth=depth, part=part), unmet, ticks.digest)


def _is_continuous(moments: Integers, listing: Listing) -> NDArray[np.bool_]:
    """Say which moments lie in the continuous sessions of the exchange, whose books can be traded with."""
    days, within = moments // DAY, moments % DAY
    inside = np.zeros(len(moments), dtype=np.bool_)
    for day in np.unique(days).tolist():
        for start, end in _sessions(listing, np.datetime64(day, "D").astype(object)):
            inside |= (days == day) & (within >= start) & (within < end)
    return inside


@lru_cache(maxsize=1024)
def _sessions(listing: Listing, day: date) -> tuple[tuple[int, int], ...]:
    parts = trading_sessions(listing.exchange, day, board=listing.board, kind=listing.kind)
    return tuple((_milliseconds(one.start), _milliseconds(one.end)) for one in parts.continuous)


def _milliseconds(moment: time) -> int:
    return (moment.hour * 3_600 + moment.minute * 60 + moment.second) * 1_000


def _has_amount(bars: CheckedBars) -> bool:
    """Return whether the bars tell their volume-weighted prices."""
    return bars.volume is not None and bool((_amounts(bars) > 0).any())


def _amounts(bars: CheckedBars) -> NDArray[np.float64]:
    column = bars.column("amount")
    values = np.zeros(len(bars)) if column is None else np.array(column, dtype=np.float64)
    return np.nan_to_num(values)


def _vwap(bars: CheckedBars) -> Quotes:
    """Return the amount by the volume of each bar, no higher than its high and no lower than its low."""
    amounts = _amounts(bars) * 10**bars.places
    if float(amounts.max()) >= UNLIMITED:
        raise AmountTooLarge(what="The amount of a bar", value=float(amounts.max()))
    assert bars.volume is not None
    price, volume = vwap(np.rint(amounts).astype(np.int64), bars.volume)
    traded, close = price > 0, bars.prices["close"]
    if 2 * int((traded & ((price > 2 * close) | (2 * price < close))).sum()) > int(traded.sum()):
        reason = (
            "vwap: amount by volume is far from the close on most bars; amounts are in the currency, volumes in shares"
        )
        raise ParameterInvalid(name="matching", reason=reason)
    low, high = bars.prices.get("low", price), bars.prices.get("high", price)
    return np.where(traded, np.clip(price, low, high), 0), volume


def _auction(bars: CheckedBars, windows: Windows, ticks: TickTable | None) -> Quotes:
    """Return the price of each day's opening auction: of its trades, or the open of the bar that holds it."""
    days = windows.ends // DAY * DAY
    if ticks is not None:
        whole_days = Windows(starts=days - 1, ends=windows.ends)
        return ticks.trades(bars.places).auction(whole_days, days + CONTINUOUS)
    if "open" not in bars.prices:
        raise ColumnMissing(column="open", purpose="the price of the opening auction", columns=", ".join(bars.prices))
    volume = np.zeros(len(bars), dtype=np.int64) if bars.volume is None else bars.volume
    if not bars.is_intraday:
        return bars.prices["open"], volume
    times = bars.times.astype(MILLISECOND).view(np.int64)
    holds = times <= days + CONTINUOUS + int(np.diff(times).min(initial=DAY))
    return np.where(holds, bars.prices["open"], 0), np.where(holds, volume, NOBODY)


def _day_starts(bars: CheckedBars) -> NDArray[np.bool_]:
    return np.concatenate(([True], bars.days[1:] > bars.days[:-1]))


def _marks(bars: CheckedBars, first: Integers) -> Integers:
    """Return the close of the bar before; for the first bar its price, or else its open or close."""
    closes = bars.prices["close"]
    begin = int(first[0]) or int(bars.prices.get("open", closes)[0])
    return np.concatenate(([begin], closes[:-1]))


def _unmet(request: RunRequest, bars: CheckedBars, ticks: TickTable | None, missed: NDArray[np.bool_]) -> int:
    """Count the bars without a price. Raises `TicksNeeded` where ticks have none for any."""
    unmet = int(missed.sum())
    if ticks is None or unmet < len(missed):
        return unmet
    kind = request.matching_type
    assert kind is not None
    instead = f"None of the {len(ticks.moments):,} given lies in one of them, in a time of trade."
    spelled = f"ticks between {bars.dt(0)} and {bars.dt(len(bars) - 1)}"
    raise TicksNeeded(matching=kind.value, needed=spelled, instead=instead)
