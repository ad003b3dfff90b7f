"""From the figures of a wire to ours: one place that knows what a dash, a zero or a lot means."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from core.clock import CHINA
from core.market.model import Exchange, Quote
from core.market.providers.codes import is_index
from core.market.sources import SourceAnswerInvalid
from core.money import CENT

ABSENT: Final = frozenset({"", "-", "--", "None"})
LOT: Final = 100
LARGEST_PLACE: Final = 15
SMALLEST_PLACE: Final = -12
CLOSES: Final = {Exchange.HKEX: time(16)}
MAINLAND_CLOSE: Final = time(15)
CONTINUOUS_TRADING: Final = time(9, 30)
HIGHEST_AVERAGE_OF_INDEX: Final = Decimal(300)
"""A mean share price above this over a whole index says that the volume was counted in lots."""
AGREEMENT: Final = 3
"""Amount over volume may leave the day's range by this factor before the two count as contradicting each other.

Rounding to lots moves it by little, a wrong unit by a hundred.
"""
SPACE_AT_HAN: Final = re.compile(r"(?<=[\u4e00-\u9fff])\s+|\s+(?=[\u4e00-\u9fff])")


class Malformed(ValueError):
    """Something in an answer is not what it should be; the text says what and where."""


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Turn what is malformed inside the block into `SourceAnswerInvalid` of that source."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise SourceAnswerInvalid(source=source, reason=f"byte {error.start} is not {error.encoding}") from error
    except Malformed as error:
        raise SourceAnswerInvalid(source=source, reason=str(error)) from error


def number(value: object, what: str) -> Decimal | None:
    """Read a finite number; None for the wire's ways of saying "none". Never a float: its digits are not the wire's."""
    if value is None or (isinstance(value, str) and value.strip() in ABSENT):
        return None
    if isinstance(value, bool | float) or not isinstance(value, str | int | Decimal):
        raise Malformed(f"{what} is no number: {value!r}")
    try:
        read = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation as error:
        raise Malformed(f"{what} is no number: {value!r}") from error
    if not read.is_finite() or (read and not SMALLEST_PLACE <= read.adjusted() < LARGEST_PLACE):
        raise Malformed(f"{what} is out of range: {value!r}")
    return read


def price(value: object, what: str) -> Decimal | None:
    """Read a price, with two places or as many more as it needs. Zero is the wire's way of saying "none"."""
    read = number(value, what)
    if read is None or read == 0:
        return None
    if read < 0:
        raise Malformed(f"{what} is negative: {value!r}")
    cents = read.quantize(CENT)
    return cents if cents == read else read.normalize()


def count(value: object, what: str) -> int | None:
    """Read a whole number that is not negative."""
    read = number(value, what)
    if read is None:
        return None
    if read < 0 or read != read.to_integral_value():
        raise Malformed(f"{what} is no count: {value!r}")
    return int(read)


def text(row: Mapping[str, Any], key: str) -> str:
    """Return the text under `key`, which must be there and not be empty."""
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise Malformed(f"{key} is missing")
    return value.strip()


def name_of(value: str) -> str:
    """Write a name as the exchanges mean it: full-width letters narrow, no padding inside (`万 科Ａ` is `万科A`)."""
    return SPACE_AT_HAN.sub("", unicodedata.normalize("NFKC", value).strip())


def moment(value: str, form: str, what: str) -> datetime:
    """Read a China time written as `form`."""
    try:
        return datetime.strptime(value.strip(), form).replace(tzinfo=CHINA)
    except ValueError as error:
        raise Malformed(f"{what} is no time: {value!r}") from error


def day(value: str, what: str) -> date:
    """Read a day written `YYYY-MM-DD` or `YYYYMMDD`."""
    form = "%Y-%m-%d" if "-" in value else "%Y%m%d"
    return moment(value, form, what).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The lowest and highest price of a day or bar."""

    low: Decimal
    high: Decimal

    def agrees(self, average: Decimal) -> bool:
        """Tell whether an average price can come from this range."""
        return self.low / AGREEMENT <= average <= self.high * AGREEMENT


def shares(
    volume: Decimal | None, amount: Decimal | None, *, unit: int, bounds: Bounds | None, what: str
) -> int | None:
    """Turn a reported volume into shares.

    Providers count some boards in lots and others in shares, and change it without notice. So where the amount is
    known, the average price `amount / shares` decides: it must lie in the range of the day. `unit` is tried first.
    """
    if volume is None:
        return None
    if volume < 0:
        raise Malformed(f"{what} is negative: {volume}")
    if not volume or not amount or bounds is None:
        return int(volume * unit)
    for tried in (unit, 1 if unit > 1 else LOT):
        if bounds.agrees(amount / (volume * tried)):
            return int(volume * tried)
    raise Malformed(f"{what} {volume} and amount {amount} contradict prices of {bounds.low} to {bounds.high}")


def index_shares(volume: Decimal | None, amount: Decimal | None) -> int | None:
    """Turn the volume of an index into shares: no price bounds it, so the mean share price has to be believable."""
    if volume is None:
        return None
    is_lots = bool(volume and amount and amount / volume > HIGHEST_AVERAGE_OF_INDEX)
    return int(volume * (LOT if is_lots else 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class WireQuote:
    """One quote as an adapter read it; `unit` is the number of shares that one unit of `volume` should be."""

    symbol: str
    name: str
    last: Decimal | None
    reference: Decimal | None
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    volume: Decimal | None
    amount: Decimal | None
    unit: int
    at: datetime


def to_quote(wire: WireQuote, *, now: datetime, source: str) -> Quote | None:
    """Turn a wire quote into ours; None where there is neither a price nor a reference (delisted, not listed yet).

    An instrument that did not trade keeps its reference price as its last price. It counts as suspended once continuous
    trading of the day has begun. The moment is cut at the close, as providers go on stamping after it.
    """
    last = wire.last or wire.reference
    if last is None:
        return None
    exchange = Exchange(wire.symbol.rpartition(".")[2])
    if wire.high is not None and wire.low is not None and wire.high < wire.low:
        raise Malformed(f"{wire.symbol}: high {wire.high} is below low {wire.low}")
    has_traded = wire.last is not None and bool(wire.volume)
    local = now.astimezone(CHINA)
    begun = wire.at.date() < local.date() or local.time() >= CONTINUOUS_TRADING
    close = datetime.combine(wire.at.date(), CLOSES.get(exchange, MAINLAND_CLOSE), tzinfo=CHINA)
    return Quote(
        symbol=wire.symbol,
        name=name_of(wire.name),
        last_price=last,
        reference_price=wire.reference,
        open=wire.open,
        high=wire.high,
        low=wire.low,
        volume=_quoted_shares(wire),
        amount=wire.amount,
        trade_date=wire.at.date(),
        at=min(wire.at, close),
        currency=exchange.currency,
        is_suspended=begun and not has_traded,
        source=source,
    )


def _quoted_shares(wire: WireQuote) -> int | None:
    if is_index(wire.symbol):
        return index_shares(wire.volume, wire.amount)
    bounds = Bounds(low=wire.low, high=wire.high) if wire.low is not None and wire.high is not None else None
    return shares(wire.volume, wire.amount, unit=wire.unit, bounds=bounds, what=f"{wire.symbol}: volume")
