"""Eastmoney: quotes, the list of A shares and daily bars.

Wire (JSON over HTTPS, no key): numbered fields. f2 last, f5 volume, f6 amount, f12 code, f13 market, f14 name, f15
high, f16 low, f17 open, f18 pre-close, f26 listing day as YYYYMMDD, f100 industry, f124 moment in epoch seconds. With
`fltt=2` prices come scaled; what did not trade shows "-". Volume is in lots of 100 on the mainland and in shares in
Hong Kong. Bars are lines "day,open,close,high,low,volume,amount". A page of the list holds at most 100 rows whatever is
asked for.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from core.clock import CHINA, Clock
from core.market.model import Adjustment, BarSeries, Exchange, Instrument, InstrumentKind, Quote
from core.market.providers import bars as wire_bars
from core.market.providers.codes import board_of, eastmoney_secid, eastmoney_symbol, share_lot
from core.market.providers.figures import (
    Malformed,
    WireQuote,
    count,
    day,
    name_of,
    number,
    price,
    reading,
    text,
    to_quote,
)
from core.market.providers.wire import Wire, json_object
from core.market.sources import SourceLacks

LIST_URLS: Final = tuple(f"https://{host}push2.eastmoney.com/api/qt/clist/get" for host in ("", "82.", "33."))
QUOTE_URLS: Final = tuple(f"https://{host}push2.eastmoney.com/api/qt/ulist.np/get" for host in ("", "82.", "33."))
BAR_URLS: Final = tuple(f"https://{host}push2his.eastmoney.com/api/qt/stock/kline/get" for host in ("", "7.", "33."))
HEADERS: Final = {"Referer": "https://quote.eastmoney.com/"}
PAGE_MARK: Final = "bd1d9ddb04089700cf9c27f6f7426281"
"""The constant that the provider's own public page sends as `ut`; it identifies no one."""
QUOTE_FIELDS: Final = "f2,f5,f6,f12,f13,f14,f15,f16,f17,f18,f124"
LIST_FIELDS: Final = f"{QUOTE_FIELDS},f26,f100"
A_SHARES: Final = "m:0 t:6,m:0 t:80,m:1 t:2,m:1 t:23,m:0 t:81 s:2048"
QUOTES_PER_CALL: Final = 100
ROWS_PER_PAGE: Final = 100
MOST_PAGES: Final = 200
ADJUSTMENTS: Final = {Adjustment.RAW: "0", Adjustment.FORWARD: "1", Adjustment.BACKWARD: "2"}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Row = Mapping[str, Any]


class Eastmoney:
    """Adapter of the quote, instrument and bar ports."""

    name = "eastmoney"

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self._wire = wire
        self._clock = clock

    async def quotes(self, symbols: Sequence[str]) -> list[Quote]:
        """Return the quotes of those symbols that Eastmoney knows, asked for in groups of 100."""
        wanted = {secid: symbol for symbol in symbols if (secid := eastmoney_secid(symbol))}
        secids = list(wanted)
        found: list[Quote] = []
        for start in range(0, len(secids), QUOTES_PER_CALL):
            asked = ",".join(secids[start : start + QUOTES_PER_CALL])
            params = {"fltt": "2", "invt": "2", "fields": QUOTE_FIELDS, "secids": asked}
            body = await self._wire.get(self.name, QUOTE_URLS, params=params, headers=HEADERS)
            with reading(self.name):
                rows, _ = _rows(body)
                found += [quote for row in rows if (quote := self._quote(row)) and quote.symbol in wanted.values()]
        return found

    async def whole_market(self) -> list[Quote]:
        """Return the quotes of every A share."""
        rows = await self._list()
        with reading(self.name):
            return [quote for row in rows if (quote := self._quote(row))]

    async def instruments(self) -> list[Instrument]:
        """Return every A share with its listing day and industry."""
        rows = await self._list()
        with reading(self.name):
            return [instrument for row in rows if (instrument := _instrument(row))]

    async def bars(self, symbol: str, *, start: date, end: date, adjustment: Adjustment) -> BarSeries:
        """Return daily bars, raw or as Eastmoney adjusts them. Raises `SourceLacks` for unknown symbols."""
        secid, mode = eastmoney_secid(symbol), ADJUSTMENTS.get(adjustment)
        if secid is None or mode is None:
            raise SourceLacks(source=self.name, reason=f"{adjustment} bars of {symbol}")
        params = {
            "secid": secid,
            "klt": "101",
            "fqt": mode,
            "beg": f"{start:%Y%m%d}",
            "end": f"{end:%Y%m%d}",
            "fields1": "f1,f2,f3,f4,f5,f6",
            "fields2": "f51,f52,f53,f54,f55,f56,f57",
        }
        body = await self._wire.get(self.name, BAR_URLS, params=params, headers=HEADERS)
        with reading(self.name):
            data = json_object(body).get("data")
            if data is None:
                raise SourceLacks(source=self.name, reason=f"bars of {symbol}")
            read = [bar for line in _lines(data, symbol) if start <= (bar := _bar(line, symbol)).day <= end]
            return wire_bars.to_series(
                read, symbol=symbol, adjustment=adjustment, unit=share_lot(symbol), source=self.name
            )

    async def _list(self) -> list[Row]:
        """Fetch all pages of A shares, ordered by code so that pages do not shift under the reader."""
        rows: dict[str, Row] = {}
        total = 1
        for page in range(1, MOST_PAGES + 1):
            params = {"pn": str(page), "pz": str(ROWS_PER_PAGE), "po": "0", "np": "1", "fltt": "2", "invt": "2"}
            params |= {"fid": "f12", "fs": A_SHARES, "fields": LIST_FIELDS, "ut": PAGE_MARK}
            body = await self._wire.get(self.name, LIST_URLS, params=params, headers=HEADERS)
            with reading(self.name):
                sent, total_here = _rows(body)
                if not sent:
                    break
                total = total_here
                rows |= {text(row, "f12"): row for row in sent}
                if len(rows) >= total:
                    return list(rows.values())
        with reading(self.name):
            raise Malformed(f"the list says {total} instruments and holds {len(rows)}")

    def _quote(self, row: Row) -> Quote | None:
        symbol = eastmoney_symbol(str(row.get("f13")), text(row, "f12"))
        if symbol is None or row.get("f2") == row.get("f18") == "-":
            return None
        wire = WireQuote(
            symbol=symbol,
            name=text(row, "f14"),
            last=price(row.get("f2"), f"{symbol}: f2"),
            open=price(row.get("f17"), f"{symbol}: f17"),
            high=price(row.get("f15"), f"{symbol}: f15"),
            low=price(row.get("f16"), f"{symbol}: f16"),
            reference=price(row.get("f18"), f"{symbol}: f18"),
            volume=number(row.get("f5"), f"{symbol}: f5") or Decimal(0),
            amount=number(row.get("f6"), f"{symbol}: f6") or Decimal(0),
            unit=share_lot(symbol),
            at=_moment(row, symbol),
        )
        return to_quote(wire, now=self._clock.now(), source=self.name)


def _rows(body: bytes) -> tuple[list[Row], int]:
    """Return the rows of an answer and how many there are in all. No data at all means no rows."""
    data = json_object(body).get("data")
    if data is None:
        return [], 0
    rows = data.get("diff") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Malformed("data.diff is no list of rows")
    total = count(data.get("total"), "data.total")
    return rows, len(rows) if total is None else total


def _moment(row: Row, symbol: str) -> datetime:
    seconds = count(row.get("f124"), f"{symbol}: f124")
    if not seconds or seconds > 2**33:
        raise Malformed(f"{symbol}: f124 is no moment: {row.get('f124')!r}")
    return (EPOCH + timedelta(seconds=seconds)).astimezone(CHINA)


def _instrument(row: Row) -> Instrument | None:
    symbol = eastmoney_symbol(str(row.get("f13")), text(row, "f12"))
    board = board_of(symbol) if symbol else None
    if symbol is None or board is None:
        return None
    listed = count(row.get("f26"), f"{symbol}: f26")
    industry = row.get("f100")
    exchange = Exchange(symbol.rpartition(".")[2])
    return Instrument(
        symbol=symbol,
        name=name_of(text(row, "f14")),
        exchange=exchange,
        board=board,
        kind=InstrumentKind.STOCK,
        currency=exchange.currency,
        list_date=day(str(listed), f"{symbol}: f26") if listed else None,
        industry=industry if isinstance(industry, str) and industry not in {"", "-"} else None,
    )


def _lines(data: object, symbol: str) -> list[str]:
    lines = data.get("klines") if isinstance(data, dict) else None
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise Malformed(f"{symbol}: data.klines is no list of lines")
    return lines


def _bar(line: str, symbol: str) -> wire_bars.WireBar:
    parts = line.split(",")
    if len(parts) < 7:
        raise Malformed(f"{symbol}: a bar of {len(parts)} fields where 7 are due: {line!r}")
    opened, close, high, low, volume, amount = parts[1:7]
    return wire_bars.WireBar(
        day=day(parts[0], f"{symbol}: day"),
        open=opened,
        close=close,
        high=high,
        low=low,
        volume=volume,
        amount=amount,
    )
