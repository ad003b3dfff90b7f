"""Sina: quotes as GBK text. The server refuses callers without its own pages as `Referer`.

Wire of the mainland: 0 name, 1 open, 2 pre-close, 3 last, 4 high, 5 low, 8 volume in shares, 9 amount, 30 day, 31 time.
Hong Kong: 0 English name, 1 name, 2 open, 3 pre-close, 4 high, 5 low, 6 last, 11 amount, 12 volume in shares, 17 day,
18 time. What did not trade shows 0.000.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from core.clock import Clock
from core.market.model import Quote
from core.market.providers.codes import sina_code
from core.market.providers.figures import WireQuote, moment, number, price, reading, to_quote
from core.market.providers.quote_lines import assignments, at
from core.market.providers.wire import Wire

URL: Final = "https://hq.sinajs.cn/list="
HEADERS: Final = {"Referer": "https://finance.sina.com.cn/"}
CODES_PER_CALL: Final = 100


class Sina:
    """Adapter of the quote port."""

    name = "sina"

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self._wire = wire
        self._clock = clock

    async def quotes(self, symbols: Sequence[str]) -> list[Quote]:
        """Return the quotes of those symbols that Sina knows, asked for in groups of 100."""
        wanted = {code: symbol for symbol in symbols if (code := sina_code(symbol))}
        codes = list(wanted)
        found: list[Quote] = []
        for start in range(0, len(codes), CODES_PER_CALL):
            asked = ",".join(codes[start : start + CODES_PER_CALL])
            body = await self._wire.get(self.name, [URL + asked], headers=HEADERS)
            with reading(self.name):
                lines = assignments(body, separator=",")
                found += [
                    quote
                    for code, fields in lines.items()
                    if fields and code in wanted and (quote := self._quote(wanted[code], fields))
                ]
        return found

    def _quote(self, symbol: str, fields: list[str]) -> Quote | None:
        wire = _hong_kong(symbol, fields) if symbol.endswith(".HK") else _mainland(symbol, fields)
        return to_quote(wire, now=self._clock.now(), source=self.name)


def _mainland(symbol: str, fields: list[str]) -> WireQuote:
    return WireQuote(
        symbol=symbol,
        name=at(fields, 0, symbol),
        open=_price(fields, 1, symbol),
        reference=_price(fields, 2, symbol),
        last=_price(fields, 3, symbol),
        high=_price(fields, 4, symbol),
        low=_price(fields, 5, symbol),
        volume=_figure(fields, 8, symbol),
        amount=_figure(fields, 9, symbol),
        unit=1,
        at=_moment(fields, 30, symbol),
    )


def _hong_kong(symbol: str, fields: list[str]) -> WireQuote:
    return WireQuote(
        symbol=symbol,
        name=at(fields, 1, symbol),
        open=_price(fields, 2, symbol),
        reference=_price(fields, 3, symbol),
        high=_price(fields, 4, symbol),
        low=_price(fields, 5, symbol),
        last=_price(fields, 6, symbol),
        amount=_figure(fields, 11, symbol),
        volume=_figure(fields, 12, symbol),
        unit=1,
        at=_moment(fields, 17, symbol),
    )


def _price(fields: list[str], place: int, symbol: str) -> Decimal | None:
    return price(at(fields, place, symbol), f"{symbol}: field {place}")


def _figure(fields: list[str], place: int, symbol: str) -> Decimal:
    return number(at(fields, place, symbol), f"{symbol}: field {place}") or Decimal(0)


def _moment(fields: list[str], place: int, symbol: str) -> datetime:
    """Read day and time from two fields; Hong Kong writes the day with slashes and may leave out the seconds."""
    written = f"{at(fields, place, symbol)} {at(fields, place + 1, symbol)}".replace("/", "-")
    form = "%Y-%m-%d %H:%M:%S" if written.count(":") == 2 else "%Y-%m-%d %H:%M"
    return moment(written, form, f"{symbol}: field {place}")
