"""The market as the rest of the desk asks for it: instruments, prices, bars, events and days.

Everything is read from the market folder. What depends on it is kept in memory and made anew when a commit changed
the folder. Prices of today come from a live source where the desk has one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

from core.clock import CHINA, Clock, china_today
from core.errors import Invalid
from core.market.bar_store import MarketStore
from core.market.fallback import Sourced
from core.market.instruments import SecurityMaster
from core.market.manifest import Manifest
from core.market.model import (
    Adjustment,
    BarSeries,
    CorporateAction,
    Exchange,
    Frequency,
    Instrument,
    InstrumentKind,
    Provenance,
    Quote,
    TradingDay,
)
from core.market.service_bars import decimal_of
from core.market.service_live import NOTHING, LiveAnswer, LivePrices, SourcedQuotes
from core.market.service_master import build_master
from core.market.service_quotes import QuoteBook, last_session
from core.market.service_series import Series, SeriesRequest, read_series
from core.market.trading_calendar import TradingCalendars

BAR_DATASETS: Final = frozenset({"daily", "index_daily", "hk_daily", "minute"})
COMPLETE_AT: Final = {Exchange.HKEX: time(16, 10)}
MAINLAND_COMPLETE_AT: Final = time(15, 30)


class RangeInvalid(Invalid):
    """A range of days that ends before it begins."""

    template = "start {start} is after end {end}."


@dataclass(frozen=True, slots=True)
class _Generation:
    """What is in memory of one state of the market folder."""

    manifest: Manifest
    master: SecurityMaster
    book: QuoteBook


@dataclass(slots=True)
class MarketService:
    """See the module. `live` answers for today's prices; without it, and on the simulated market, stored bars do."""

    store: MarketStore
    clock: Clock
    calendars: TradingCalendars = field(default_factory=TradingCalendars.load)
    live: SourcedQuotes | None = None
    _kept: _Generation | None = field(default=None, init=False)
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _prices: LivePrices | None = field(default=None, init=False)

    @property
    def is_simulated(self) -> bool:
        """True when the market folder holds the simulated market."""
        return self.store.manifest().is_simulated

    async def instrument(self, code: str, *, kind: InstrumentKind | None = None, day: date | None = None) -> Instrument:
        """Find the instrument a code means, in any usual spelling.

        A bare code that a share and an index have in common means the share, unless `kind` is given. Raises
        `InstrumentNotFound`, and `CodeZerosLost` for a code without its leading zeros.
        """
        return (await self._current()).master.resolve(code, kind=kind, day=day)

    async def restore_code(self, code: str) -> Instrument:
        """Find the instrument of a code from a file whose leading zeros may be lost. Raises `InstrumentNotFound`."""
        return (await self._current()).master.restore(code)

    async def search(self, text: str, *, limit: int = 20) -> list[Instrument]:
        """Find instruments by code, name or former name; the closest first."""
        master = (await self._current()).master
        return await asyncio.to_thread(master.search, text, limit=limit)

    async def name_on(self, symbol: str, day: date) -> str:
        """Return the name an instrument had on `day`."""
        return (await self._current()).master.name_on(symbol, day)

    async def is_st_on(self, symbol: str, day: date) -> bool:
        """Say whether a share carried an ST mark on `day`: by its spells, or by the flag of its last bar."""
        master = (await self._current()).master
        if master.is_st_on(symbol, day):
            return True
        sql = "SELECT is_st FROM daily WHERE symbol IN (?, ?) AND trade_date <= ? ORDER BY trade_date DESC LIMIT 1"
        current, former = master.current_symbol(symbol), master.symbol_on(symbol, day)
        rows = await asyncio.to_thread(self.store.query, sql, [current, former, day])
        return bool(rows.num_rows and rows["is_st"][0].as_py())

    async def quotes(self, symbols: Sequence[str], *, as_of: date | None = None) -> dict[str, Quote]:
        """Return the last price of each symbol at or before `as_of` (today); symbols without one are absent.

        Today's prices come from the live source where there is one; what it does not know, or all when it fails, from
        the stored bars.
        """
        return dict((await self.quotes_sourced(symbols, as_of=as_of)).value)

    async def quotes_sourced(
        self, symbols: Sequence[str], *, as_of: date | None = None
    ) -> Sourced[Mapping[str, Quote]]:
        """Return what `quotes` does, with its provenance: which sources, which of them failed, what is remembered."""
        today = china_today(self.clock)
        prices = self._live_prices() if as_of in {None, today} else None
        live = await prices.get(symbols) if prices else NOTHING
        rest = [symbol for symbol in symbols if symbol not in live.quotes]
        stored = await self._stored_quotes(rest, as_of or today)
        found = {**live.quotes, **stored}
        source = self._quote_provenance(found, live, rest)
        ended = (await self._current()).book.warnings(stored, as_of or today) if stored else []
        return Sourced(found, replace(source, warnings=(*source.warnings, *ended)))

    async def bars(
        self,
        symbol: str,
        *,
        start: date | None = None,
        end: date | None = None,
        frequency: Frequency = Frequency.DAY,
        adjustment: Adjustment = Adjustment.RAW,
    ) -> BarSeries:
        """Return bars of `start` .. `end`, both included, oldest first.

        Forward and backward prices are made from raw ones; forward prices are equal to raw ones on the newest stored
        day. Minutes are raw only. Raises `AdjustmentUnavailable` and `RangeInvalid`.
        """
        _check_range(start, end)
        master = (await self._current()).master
        request = SeriesRequest(symbol, start, end, frequency, adjustment)
        found = await asyncio.to_thread(read_series, self.store, master, request)
        return BarSeries(
            symbol=symbol,
            frequency=frequency,
            adjustment=found.adjustment,
            times=found.times,
            columns=found.columns,
            provenance=self._series_provenance(found, symbol),
        )

    async def actions(
        self, symbols: Sequence[str], *, start: date | None = None, end: date | None = None
    ) -> list[CorporateAction]:
        """Return the corporate actions with an ex-date in `start` .. `end`, by ex-date, then symbol."""
        master = (await self._current()).master
        wanted = sorted({each for symbol in symbols for each in master.all_symbols(symbol)})
        table = await asyncio.to_thread(self.store.table, "actions", symbols=wanted, start=start, end=end)
        found = [_action(row, master.current_symbol(row["symbol"])) for row in table.to_pylist()]
        return sorted(found, key=lambda action: (action.ex_date, action.symbol))

    async def calendar(self, exchange: Exchange, start: date, end: date) -> list[TradingDay]:
        """Describe every day of `start` .. `end`, open or closed. Raises `CalendarEnds` beyond the known days."""
        _check_range(start, end)
        calendar = self.calendars.of(exchange)
        days = range(start.toordinal(), end.toordinal() + 1)
        return [calendar.describe(date.fromordinal(ordinal), exchange) for ordinal in days]

    def is_trading_day(self, exchange: Exchange, day: date) -> bool:
        """Say whether an exchange trades on `day`. Raises `CalendarEnds` beyond the known days."""
        return self.calendars.of(exchange).is_trading_day(day)

    def next_trading_day(self, exchange: Exchange, day: date) -> date:
        """Return the first trading day after `day`."""
        return self.calendars.of(exchange).next(day)

    def previous_trading_day(self, exchange: Exchange, day: date) -> date:
        """Return the last trading day before `day`."""
        return self.calendars.of(exchange).previous(day)

    def provenance(
        self,
        dataset: str,
        *,
        as_of: date | datetime | None = None,
        adjustment: Adjustment | None = None,
        currency: str | None = None,
    ) -> Provenance:
        """Say where figures of a dataset come from, and warn when they are old or a calendar is about to end.

        The name of a simulated dataset says so. `as_of` defaults to the dataset's last day.
        """
        entry = self.store.manifest().datasets.get(dataset)
        simulated = entry is not None and entry.simulated
        newest = as_of or (entry.last_date if entry else None)
        return Provenance(
            dataset=f"simulated_{dataset}" if simulated else dataset,
            as_of=newest.isoformat() if newest else None,
            simulated=simulated,
            adjustment=adjustment,
            currency=currency,
            warnings=tuple(self._warnings(dataset)),
        )

    async def close(self) -> None:
        """Give up live prices that are still being fetched."""
        if self._prices is not None:
            await self._prices.close()

    async def status(self) -> dict[str, Any]:
        """Describe the market folder: datasets with rows and days, calendars, warnings."""
        manifest = self.store.manifest()
        warnings = [warning for name in sorted(BAR_DATASETS & set(manifest.datasets)) for warning in self._stale(name)]
        return {
            "generation": manifest.generation,
            "committed_at": manifest.committed_at,
            "simulated": manifest.is_simulated,
            "instruments": len((await self._current()).master.by_symbol),
            "live_source": self.live.name if self.live and not manifest.is_simulated else None,
            "datasets": {
                name: {"rows": e.rows, "first_day": e.first_date, "last_day": e.last_date, "simulated": e.simulated}
                for name, e in sorted(manifest.datasets.items())
            },
            "calendars_end": {"shanghai": self.calendars.shanghai.last, "hongkong": self.calendars.hongkong.last},
            "warnings": warnings + self._general_warnings(),
        }

    async def _current(self) -> _Generation:
        """Return what is in memory of the folder's present state, loading it when a commit changed the folder."""
        kept = self._kept
        if kept is not None and kept.manifest is self.store.manifest():
            return kept
        async with self._loading:
            if self._kept is None or self._kept.manifest is not self.store.manifest():
                self._kept = await asyncio.to_thread(self._load)
            return self._kept

    def _load(self) -> _Generation:
        manifest = self.store.manifest()
        master = build_master(self.store)
        book = QuoteBook(self.store, manifest, master, self.calendars)
        book.load()
        return _Generation(manifest, master, book)

    async def _stored_quotes(self, symbols: Sequence[str], day: date) -> dict[str, Quote]:
        if not symbols:
            return {}
        book = (await self._current()).book
        return book.get(symbols, day) if book.is_warm(symbols, day) else await asyncio.to_thread(book.get, symbols, day)

    def _live_prices(self) -> LivePrices | None:
        """Return the live prices; None on the simulated market, with which real prices are never mixed."""
        if self.live is None or self.is_simulated:
            return None
        if self._prices is None:
            self._prices = LivePrices(self.live, self.clock)
        return self._prices

    def _quote_provenance(self, found: Mapping[str, Quote], live: LiveAnswer, rest: Sequence[str]) -> Provenance:
        """Name the stored dataset where bars answered, the live sources where they did."""
        dataset = "hk_daily" if all(symbol.endswith(".HK") for symbol in rest or found) else "daily"
        newest = max((quote.trade_date for quote in found.values()), default=None)
        currencies = {quote.currency for quote in found.values()}
        currency = currencies.pop() if len(currencies) == 1 else None
        source = self.provenance(dataset, as_of=newest, adjustment=Adjustment.RAW, currency=currency)
        calendars = tuple(self.calendars.warnings(china_today(self.clock)))
        stale = tuple(self._stale(dataset)) if rest else ()
        as_of_day = source.as_of if found else None
        source = replace(source, as_of=as_of_day, warnings=(*live.warnings, *stale, *calendars))
        if not live.quotes:
            return source
        sources = ", ".join(sorted({quote.source for quote in live.quotes.values()}))
        latest = max(quote.at for quote in live.quotes.values()).isoformat()
        named = f"live quotes ({sources})"
        return replace(source, dataset=f"{named}, {source.dataset}" if rest else named, as_of=latest)

    def _series_provenance(self, series: Series, symbol: str) -> Provenance:
        currency = Exchange(symbol.partition(".")[2]).currency
        source = self.provenance(series.dataset, as_of=series.newest, adjustment=series.adjustment, currency=currency)
        if series.newest is not None:
            return replace(source, warnings=(*source.warnings, *series.warnings))
        return replace(
            source, as_of=None, warnings=(*source.warnings, f"No bars of {symbol} are stored for these days.")
        )

    def _warnings(self, dataset: str) -> list[str]:
        stale = self._stale(dataset) if dataset in BAR_DATASETS else []
        return stale + self._general_warnings()

    def _general_warnings(self) -> list[str]:
        prices = self._live_prices()
        return [*(prices.warnings() if prices else ()), *self.calendars.warnings(china_today(self.clock))]

    def _stale(self, dataset: str) -> list[str]:
        """Warn when the newest bar is older than the last finished trading day. Simulated days never age."""
        entry = self.store.manifest().datasets.get(dataset)
        if entry is None or entry.last_date is None or entry.simulated:
            return []
        exchange = Exchange.HKEX if dataset == "hk_daily" else Exchange.SSE
        expected = self.last_finished_day(exchange)
        if expected is None or entry.last_date >= expected:
            return []
        return [f"The newest bar in {dataset} is of {entry.last_date}; the last finished trading day is {expected}."]

    def last_finished_day(self, exchange: Exchange) -> date | None:
        """Return the newest trading day whose bars are whole by now; None where the calendar knows none."""
        now = self.clock.now().astimezone(CHINA)
        finished = now.time() >= COMPLETE_AT.get(exchange, MAINLAND_COMPLETE_AT)
        day = now.date() if finished else date.fromordinal(now.date().toordinal() - 1)
        return last_session(self.calendars, exchange, day)


def _check_range(start: date | None, end: date | None) -> None:
    if start is not None and end is not None and start > end:
        raise RangeInvalid(start=start, end=end)


def _action(row: Mapping[str, Any], symbol: str) -> CorporateAction:
    amounts = ("cash_per_share", "bonus_per_share", "rights_per_share", "rights_price")
    return CorporateAction(
        symbol=symbol,
        ex_date=row["ex_date"],
        pay_date=row["pay_date"],
        **{name: decimal_of(row[name]) or Decimal(0) for name in amounts},
    )
