"""The market's answers as callers see them: bounded, with their provenance, saying what was left out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np

from core.clock import CHINA, china_today
from core.errors import Invalid
from core.market.model import (
    Adjustment,
    BarSeries,
    Exchange,
    Frequency,
    Instrument,
    InstrumentKind,
    Provenance,
    Quote,
    TradingDay,
)
from core.market.service import MarketService
from core.market.service_bars import decimal_of

MOST_QUOTES: Final = 50
MOST_BARS: Final = 1000
MOST_FOUND: Final = 100
MOST_DAYS: Final = 800
CALENDAR_DAYS: Final = 30
ADJUSTED_PLACES: Final = 4


class TooMuchAsked(Invalid):
    """More was asked for than one answer holds."""

    template = "{argument} asks for {given}; one answer holds {least} to {most}."


class NoSuchPage(Invalid):
    """A page before the first or after the last."""

    template = "There is no page {page}; there are pages 1 to {pages}."


class DayInFuture(Invalid):
    """A price of a day that has not come."""

    template = "{argument} {day} lies in the future; today is {today}."


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentList:
    """Instruments found, the closest first. `is_cut`: there may be more than the limit."""

    instruments: list[Instrument]
    is_cut: bool
    meta: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteList:
    """Last prices. `without_price` names instruments that are known and have no price by that day."""

    quotes: list[Quote]
    without_price: list[str]
    meta: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar. `time` is the day, or the moment in China at which the bar ends. Volume in shares."""

    time: date | datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    pre_close: Decimal | None
    volume: int | None
    amount: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BarPage:
    """Bars of one instrument, oldest first: one page, or the newest that fit when no page was asked for."""

    symbol: str
    name: str
    frequency: Frequency
    adjustment: Adjustment
    bars: list[Bar]
    total: int
    page: int | None
    pages: int
    is_cut: bool
    meta: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDays:
    """The days of an exchange's calendar; `trading_days` counts the open ones of the whole range."""

    exchange: Exchange
    start: date
    end: date
    trading_days: int
    days: list[TradingDay]
    meta: Provenance


async def find_instruments(market: MarketService, text: str, *, limit: int) -> InstrumentList:
    """Search the security master. Raises `TooMuchAsked`."""
    _check_size("limit", limit, MOST_FOUND)
    found = await market.search(text, limit=limit + 1)
    meta = market.provenance("instruments")
    return InstrumentList(instruments=found[:limit], is_cut=len(found) > limit, meta=meta)


async def quote_list(market: MarketService, codes: Sequence[str], *, as_of: date | None) -> QuoteList:
    """Return last prices in the order of the codes. Raises the errors of `MarketService.instrument`."""
    _check_size("symbols", len(codes), MOST_QUOTES)
    today = china_today(market.clock)
    if as_of is not None and as_of > today:
        raise DayInFuture(argument="as_of", day=as_of, today=today)
    symbols = list(dict.fromkeys([(await market.instrument(code)).symbol for code in codes]))
    answer = await market.quotes_sourced(symbols, as_of=as_of)
    found = answer.value
    quotes = [found[symbol] for symbol in symbols if symbol in found]
    return QuoteList(quotes=quotes, without_price=[s for s in symbols if s not in found], meta=answer.provenance)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarsWanted:
    """What bars are asked for. Without `page` the newest `size` bars; pages are counted from the oldest bar, from 1."""

    code: str
    kind: InstrumentKind | None = None
    start: date | None = None
    end: date | None = None
    frequency: Frequency = Frequency.DAY
    adjustment: Adjustment = Adjustment.RAW
    page: int | None = None
    size: int = MOST_BARS


async def bar_page(market: MarketService, wanted: BarsWanted) -> BarPage:
    """Return a page of bars, or the newest, and say what was left out. Raises `TooMuchAsked`."""
    _check_size("size", wanted.size, MOST_BARS)
    instrument = await market.instrument(wanted.code, kind=wanted.kind)
    series = await market.bars(
        instrument.symbol,
        start=wanted.start,
        end=wanted.end,
        frequency=wanted.frequency,
        adjustment=wanted.adjustment,
    )
    total = len(series)
    pages = -(-total // wanted.size)
    if wanted.page is not None:
        _check_page(wanted.page, max(pages, 1))
    first = total - wanted.size if wanted.page is None else (wanted.page - 1) * wanted.size
    shown = slice(max(first, 0), max(first, 0) + wanted.size if wanted.page else total)
    bars = _bars_of(series, shown)
    return BarPage(
        symbol=instrument.symbol,
        name=instrument.name,
        frequency=series.frequency,
        adjustment=series.adjustment,
        bars=bars,
        total=total,
        page=wanted.page,
        pages=pages,
        is_cut=len(bars) < total,
        meta=_with_cut(series.provenance, shown=len(bars), total=total, wanted=wanted),
    )


async def calendar_days(
    market: MarketService, exchange: Exchange, *, start: date | None, end: date | None, open_only: bool
) -> CalendarDays:
    """Describe the days of a range: 30 days from today unless said otherwise. Raises `TooMuchAsked`."""
    first = start or china_today(market.clock)
    last = end or first + timedelta(days=CALENDAR_DAYS)
    _check_size("start .. end", max((last - first).days + 1, 1), MOST_DAYS)
    days = await market.calendar(exchange, first, last)
    opened = [day for day in days if day.is_open]
    calendar = market.calendars.of(exchange)
    warnings = tuple(market.calendars.warnings(china_today(market.clock)))
    meta = Provenance(dataset="trading_calendar", as_of=calendar.last.isoformat(), simulated=False, warnings=warnings)
    shown = opened if open_only else days
    return CalendarDays(exchange=exchange, start=first, end=last, trading_days=len(opened), days=shown, meta=meta)


def _check_size(argument: str, given: int, most: int) -> None:
    if not 1 <= given <= most:
        raise TooMuchAsked(argument=argument, given=given, least=1, most=most)


def _check_page(page: int, pages: int) -> None:
    if not 1 <= page <= pages:
        raise NoSuchPage(page=page, pages=pages)


def _with_cut(source: Provenance, *, shown: int, total: int, wanted: BarsWanted) -> Provenance:
    if wanted.page is not None or shown == total:
        return source
    said = f"Only the newest {shown} of {total} bars are shown; give page=1 and on for all, from the oldest."
    return replace(source, warnings=(*source.warnings, said))


def _bars_of(series: BarSeries, shown: slice) -> list[Bar]:
    """Make bars of the columns; adjusted prices are rounded to four places."""
    places = None if series.adjustment in {Adjustment.RAW, Adjustment.SPLIT_ONLY} else ADJUSTED_PLACES
    count = len(series)
    absent = np.full(count, np.nan)
    columns = {
        name: series.columns.get(name, absent)[shown].tolist()
        for name in ("open", "high", "low", "close", "pre_close", "volume", "amount")
    }
    rows = zip(series.times[shown].tolist(), *columns.values(), strict=True)
    return [_bar(row, places) for row in rows]


def _bar(row: tuple[Any, ...], places: int | None) -> Bar:
    time, *prices, volume, amount = row
    if isinstance(time, datetime):
        time = time.replace(tzinfo=CHINA)
    opened, high, low, close, pre_close = (decimal_of(p if places is None else round(p, places)) for p in prices)
    nothing = Decimal(0)
    return Bar(
        time=time,
        open=opened or nothing,
        high=high or nothing,
        low=low or nothing,
        close=close or nothing,
        pre_close=pre_close,
        volume=int(volume) if volume == volume else None,  # noqa: PLR0124 - NaN is what differs from itself
        amount=decimal_of(amount),
    )
