"""Tencent: quotes as GBK text, daily bars as JSON.

Wire of a quote, split by "~": 1 name, 2 code, 3 last, 4 pre-close, 5 open, 6 volume, 30 moment, 33 high, 34 low, 35
"last/volume/amount" on the mainland, 37 amount in units of 10,000 CNY (in HKD for Hong Kong). Volume is in lots of 100,
but in shares on the STAR board and in Hong Kong. Bars are lists "day, open, close, high, low, volume", with a mapping
after them on ex-dates, and carry no amount.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from core.clock import Clock
from core.market.model import Adjustment, BarSeries, Quote
from core.market.providers import bars as wire_bars
from core.market.providers.codes import is_star, share_lot, tencent_code
from core.market.providers.figures import Malformed, WireQuote, day, moment, number, price, reading, to_quote
from core.market.providers.quote_lines import assignments, at
from core.market.providers.wire import Wire, json_object
from core.market.sources import SourceLacks

QUOTE_URL: Final = "https://qt.gtimg.cn/q="
BAR_URL: Final = "https://web.ifzq.gtimg.cn/appstock/app/fqkline/get"
HONG_KONG_BAR_URL: Final = "https://web.ifzq.gtimg.cn/appstock/app/hkfqkline/get"
CODES_PER_CALL: Final = 60
BARS_PER_CALL: Final = 640
YEARS_PER_CALL: Final = 2
ADJUSTMENTS: Final = {Adjustment.RAW: "", Adjustment.FORWARD: "qfq", Adjustment.BACKWARD: "hfq"}
TEN_THOUSAND: Final = 10_000
NOT_ADJUSTED: Final = "tencent sent unadjusted bars: it knows no dividend or split of this instrument"


class Tencent:
    """Adapter of the quote and bar ports."""

    name = "tencent"

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self._wire = wire
        self._clock = clock

    async def quotes(self, symbols: Sequence[str]) -> list[Quote]:
        """Return the quotes of those symbols that Tencent knows, asked for in groups of 60."""
        wanted = {code: symbol for symbol in symbols if (code := tencent_code(symbol))}
        codes = list(wanted)
        found: list[Quote] = []
        for start in range(0, len(codes), CODES_PER_CALL):
            asked = ",".join(codes[start : start + CODES_PER_CALL])
            body = await self._wire.get(self.name, [QUOTE_URL + asked])
            with reading(self.name):
                lines = assignments(body, separator="~")
                found += [
                    quote
                    for code, fields in lines.items()
                    if fields and code in wanted and (quote := self._quote(wanted[code], fields))
                ]
        return found

    async def bars(self, symbol: str, *, start: date, end: date, adjustment: Adjustment) -> BarSeries:
        """Return daily bars, raw or as Tencent adjusts them, fetched in spans of two years.

        Raises `SourceLacks` for unknown symbols.
        """
        code, mode = tencent_code(symbol), ADJUSTMENTS.get(adjustment)
        if code is None or mode is None:
            raise SourceLacks(source=self.name, reason=f"{adjustment} bars of {symbol}")
        read: list[wire_bars.WireBar] = []
        is_adjusted = True
        url = HONG_KONG_BAR_URL if symbol.endswith(".HK") else BAR_URL
        for first, last in _spans(start, end):
            params = {"param": f"{code},day,{first},{last},{BARS_PER_CALL},{mode}"}
            body = await self._wire.get(self.name, [url], params=params)
            with reading(self.name):
                rows, is_adjusted_here = self._rows(body, code, mode)
                is_adjusted = is_adjusted and is_adjusted_here
                read += [bar for row in rows if first <= (bar := _bar(row, symbol)).day <= last]
        with reading(self.name):
            unit = 1 if is_star(symbol) else share_lot(symbol)
            warnings = () if is_adjusted else (NOT_ADJUSTED,)
            return wire_bars.to_series(
                read, symbol=symbol, adjustment=adjustment, unit=unit, source=self.name, warnings=warnings
            )

    def _rows(self, body: bytes, code: str, mode: str) -> tuple[list[list[Any]], bool]:
        """Return the bars of an answer, and whether they are adjusted as asked for."""
        answer = json_object(body)
        data = answer.get("data")
        if answer.get("code") != 0:
            raise SourceLacks(source=self.name, reason=f"bars of {code}: {str(answer.get('msg'))[:60]}")
        series = data.get(code) if isinstance(data, dict) else None
        if not isinstance(series, dict):
            raise SourceLacks(source=self.name, reason=f"bars of {code}")
        key = f"{mode}day" if f"{mode}day" in series else "day"
        rows = series.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise Malformed(f"{code}: {key} is no list of bars")
        return rows, key == f"{mode}day" or not rows

    def _quote(self, symbol: str, fields: list[str]) -> Quote | None:
        is_hong_kong = symbol.endswith(".HK")
        wire = WireQuote(
            symbol=symbol,
            name=at(fields, 1, symbol),
            last=_price(fields, 3, symbol),
            reference=_price(fields, 4, symbol),
            open=_price(fields, 5, symbol),
            high=_price(fields, 33, symbol),
            low=_price(fields, 34, symbol),
            volume=number(at(fields, 6, symbol), f"{symbol}: field 6") or Decimal(0),
            amount=_amount(fields, symbol, is_hong_kong=is_hong_kong),
            unit=1 if is_star(symbol) else share_lot(symbol),
            at=_moment(at(fields, 30, symbol), symbol),
        )
        if at(fields, 2, symbol) != symbol.partition(".")[0]:
            raise Malformed(f"{symbol}: the line is about {fields[2]!r}")
        return to_quote(wire, now=self._clock.now(), source=self.name)


def _price(fields: list[str], place: int, symbol: str) -> Decimal | None:
    return price(at(fields, place, symbol), f"{symbol}: field {place}")


def _amount(fields: list[str], symbol: str, *, is_hong_kong: bool) -> Decimal:
    """Return the amount: exact from field 35 on the mainland, else field 37 in its unit."""
    exact = at(fields, 35, symbol).split("/")
    if len(exact) == 3:
        return number(exact[2], f"{symbol}: field 35") or Decimal(0)
    rounded = number(at(fields, 37, symbol), f"{symbol}: field 37") or Decimal(0)
    return rounded if is_hong_kong else rounded * TEN_THOUSAND


def _moment(written: str, symbol: str) -> datetime:
    """Read `20261120150003` (mainland) or `2026/11/20 16:08:01` (Hong Kong)."""
    form = "%Y%m%d%H%M%S" if written.isdigit() else "%Y-%m-%d %H:%M:%S"
    return moment(written.replace("/", "-"), form, f"{symbol}: field 30")


def _spans(start: date, end: date) -> Iterator[tuple[date, date]]:
    """Cut a range at year ends into spans that one answer can hold."""
    for year in range(start.year, end.year + 1, YEARS_PER_CALL):
        yield max(start, date(year, 1, 1)), min(end, date(year + YEARS_PER_CALL - 1, 12, 31))


def _bar(row: list[Any], symbol: str) -> wire_bars.WireBar:
    if len(row) < 6 or not isinstance(row[0], str):
        raise Malformed(f"{symbol}: a bar of {len(row)} fields where 6 are due")
    opened, close, high, low, volume = row[1:6]
    return wire_bars.WireBar(
        day=day(row[0], f"{symbol}: day"), open=opened, close=close, high=high, low=low, volume=volume
    )
