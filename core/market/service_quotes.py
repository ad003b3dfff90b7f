"""The last bar of each instrument at or before a day; those of the newest day stay in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from core.market.bar_store import MarketStore
from core.market.instruments import SecurityMaster
from core.market.manifest import Manifest
from core.market.model import Exchange, Quote
from core.market.service_bars import quote_of
from core.market.trading_calendar import TradingCalendars

DATASETS: Final = ("daily", "index_daily", "hk_daily")
REMEMBERED: Final = 50_000
LONGEST_SILENCE: Final = 30
"""Trading days without a bar after which a share is no longer taken for suspended, unless a stored spell says so."""
LAST_BARS: Final = """
    SELECT symbol, trade_date, open, high, low, close, volume, amount, source,
           coalesce(pre_close, lag(close) OVER (PARTITION BY symbol ORDER BY trade_date)) AS pre_close
    FROM {dataset} {where}
    QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY trade_date DESC) = 1"""

Row = Mapping[str, Any]


@dataclass(slots=True)
class QuoteBook:
    """Quotes from the stored bars of one generation of the market folder. Figures are read once and kept."""

    store: MarketStore
    manifest: Manifest
    master: SecurityMaster
    calendars: TradingCalendars
    newest: Mapping[str, Row] = field(default_factory=dict)
    remembered: dict[tuple[str, date], Quote | None] = field(default_factory=dict)
    halts: Mapping[str, Sequence[tuple[date, date | None]]] = field(default_factory=dict)

    def load(self) -> None:
        """Read the last bar of every instrument, and the days on which shares are known to be suspended."""
        rows = [row for dataset in DATASETS for row in self._query(dataset, "", [])]
        self.newest = self._by_current_symbol(rows)
        halts: dict[str, list[tuple[date, date | None]]] = {}
        for row in self.store.table("suspensions", columns=["symbol", "first_date", "last_date"]).to_pylist():
            spell = (row["first_date"], row["last_date"])
            halts.setdefault(self.master.current_symbol(row["symbol"]), []).append(spell)
        self.halts = halts

    def get(self, symbols: Sequence[str], day: date) -> dict[str, Quote]:
        """Return the quotes by the symbols given, present or former; those without a bar by that day are left out."""
        wanted = dict.fromkeys(symbols)
        unknown = [symbol for symbol in wanted if (symbol, day) not in self.remembered]
        if unknown:
            self._remember(unknown, day)
        found = ((symbol, self.remembered.get((symbol, day))) for symbol in wanted)
        return {symbol: quote for symbol, quote in found if quote is not None}

    def is_warm(self, symbols: Sequence[str], day: date) -> bool:
        """Say whether `get` needs no file."""
        return all((symbol, day) in self.remembered or self._is_newest(symbol, day) for symbol in symbols)

    def _remember(self, symbols: Sequence[str], day: date) -> None:
        if len(self.remembered) + len(symbols) > REMEMBERED:
            self.remembered = {}
        older = [symbol for symbol in symbols if not self._is_newest(symbol, day)]
        rows = {symbol: self.newest.get(self.master.current_symbol(symbol)) for symbol in symbols} | (
            self._read(older, day) if older else {}
        )
        fresh = {(symbol, day): self._quote(symbol, row, day) if row else None for symbol, row in rows.items()}
        self.remembered = self.remembered | fresh

    def _is_newest(self, symbol: str, day: date) -> bool:
        row = self.newest.get(self.master.current_symbol(symbol))
        return row is None or row["trade_date"] <= day

    def _read(self, symbols: Sequence[str], day: date) -> dict[str, Row | None]:
        wanted = sorted({each for symbol in symbols for each in self.master.all_symbols(symbol)})
        where = f"WHERE symbol IN ({', '.join('?' * len(wanted))}) AND trade_date <= ?"
        rows = [row for dataset in DATASETS for row in self._query(dataset, where, [*wanted, day])]
        found = self._by_current_symbol(rows)
        return {symbol: found.get(self.master.current_symbol(symbol)) for symbol in symbols}

    def _query(self, dataset: str, where: str, values: list[object]) -> list[dict[str, Any]]:
        rows = self.store.query(LAST_BARS.format(dataset=dataset, where=where), values).to_pylist()
        return [row | {"dataset": dataset} for row in rows]

    def _by_current_symbol(self, rows: Sequence[dict[str, Any]]) -> dict[str, Row]:
        """Keep the newest bar of each instrument, whatever its symbol was then."""
        ordered = sorted(rows, key=lambda row: row["trade_date"])
        return {self.master.current_symbol(row["symbol"]): row for row in ordered}

    def _quote(self, symbol: str, row: Row, day: date) -> Quote:
        current = self.master.current_symbol(symbol)
        expected = self._expected(current, row["dataset"], day)
        last: date = row["trade_date"]
        is_suspended = expected is not None and last < expected and not self._has_ended(current, last, expected)
        name = self.master.name_on(current, day)
        return quote_of(row, symbol=current, name=name, is_suspended=is_suspended)

    def warnings(self, quotes: Mapping[str, Quote], day: date) -> list[str]:
        """Say of each quote from stored bars that is older than its dataset and not suspended where its data end."""
        found = {quote.symbol: quote.trade_date for quote in quotes.values() if not quote.is_suspended}
        ended = {
            symbol: last
            for symbol, last in found.items()
            if symbol in self.newest
            and (expected := self._expected(symbol, self.newest[symbol]["dataset"], day)) is not None
            and last < expected
        }
        return [
            f"The stored data of {symbol} end on {last}: its price is of that day." for symbol, last in ended.items()
        ]

    def _expected(self, symbol: str, dataset: str, day: date) -> date | None:
        """Return the day whose bar a quote of `day` should be: the last session, as far as the dataset goes."""
        newest = self.manifest.datasets[dataset].last_date
        session = last_session(self.calendars, Exchange(symbol.partition(".")[2]), day)
        return None if newest is None or session is None else min(newest, session)

    def _has_ended(self, symbol: str, last: date, expected: date) -> bool:
        """Say whether the bars of a symbol end on `last`, long ago, and no stored suspension says why."""
        newest = self.newest.get(symbol)
        if newest is None or newest["trade_date"] > last:
            return False
        if any(first <= expected and (end is None or expected <= end) for first, end in self.halts.get(symbol, ())):
            return False
        calendar = self.calendars.of(Exchange(symbol.partition(".")[2]))
        return last < calendar.first or calendar.count(last, expected) - 1 > LONGEST_SILENCE


def last_session(calendars: TradingCalendars, exchange: Exchange, day: date) -> date | None:
    """Return the last known trading day at or before `day`; None before the first."""
    calendar = calendars.of(exchange)
    day = min(day, calendar.last)
    if day < calendar.first:
        return None
    return day if calendar.is_trading_day(day) else calendar.previous(day)
