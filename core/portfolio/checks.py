"""What one fact must satisfy by itself, before it meets the rest of the ledger. Nothing here reads or writes."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from core.errors import DeskError
from core.market.model import Exchange, Instrument, InstrumentKind
from core.market.rules import is_t_plus_one
from core.money import round_cents
from core.portfolio.model import TRADES, Fact, FactKind
from core.portfolio.refusals import FigureInvalid, FutureDate, MarketClosed, NotListed

MAX_QUANTITY: Final = 10**12
MAX_PRICE: Final = Decimal(10**8)
MAX_AMOUNT: Final = Decimal(10**14)
A_QUANTITY: Final = f"a whole number of shares above zero, at most {MAX_QUANTITY}"
A_PRICE: Final = f"a finite price from zero up, at most {MAX_PRICE}"
AN_AMOUNT: Final = f"a finite amount from zero up, in whole cents, at most {MAX_AMOUNT}"
A_RATE: Final = f"a finite rate above zero, at most {MAX_PRICE}"
SAME_DAY_WORDS: Final = (
    *("债", "金", "货币", "日利", "添益", "原油", "豆粕", "有色期货", "能源化工"),
    *("恒生", "H股", "港股", "纳指", "标普", "日经", "德国", "法国", "中概"),
)
"""Words in the names of exchange-traded funds that settle the same day: bond, gold, money, commodity, cross-border."""
NEEDS_QUANTITY: Final = TRADES | {
    FactKind.OPENING,
    FactKind.BONUS,
    FactKind.RIGHTS,
    FactKind.TRANSFER_IN,
    FactKind.TRANSFER_OUT,
}
PRICED_AT_COST: Final = frozenset({FactKind.OPENING, FactKind.TRANSFER_IN})
"""Facts whose price callers give as the cost per share."""


def settles_next_day(instrument: Instrument, day: date) -> bool:
    """True when shares bought on a day cannot be sold that day (T+1), by the rules in force on `day`.

    A shares and most exchange-traded funds; Hong Kong shares and bond, gold, money, commodity and cross-border funds
    may be sold the same day.
    """
    is_fund = instrument.kind is InstrumentKind.FUND
    is_same_day_fund = is_fund and any(word in instrument.name for word in SAME_DAY_WORDS)
    return is_t_plus_one(instrument.exchange, day, kind=instrument.kind, is_same_day_fund=is_same_day_fund)


def find_faults(
    fact: Fact, instrument: Instrument | None, *, today: date, is_trading_day: Callable[[Exchange, date], bool]
) -> Iterator[DeskError]:
    """Yield every reason why `fact` cannot be, as errors that are not raised yet."""
    yield from _figure_faults(fact)
    if fact.trade_date > today:
        yield FutureDate(day=fact.trade_date.isoformat(), today=today.isoformat())
    elif instrument is not None and fact.kind in TRADES:
        yield from _listing_faults(fact, instrument)
        if not is_trading_day(instrument.exchange, fact.trade_date):
            exchange = instrument.exchange.value
            yield MarketClosed(exchange=exchange, day=fact.trade_date.isoformat(), symbol=instrument.symbol)


def _listing_faults(fact: Fact, instrument: Instrument) -> Iterator[DeskError]:
    day, first, last = fact.trade_date, instrument.list_date, instrument.delist_date
    if (first is not None and day < first) or (last is not None and day >= last):
        known = (f"{word} {known}" for word, known in (("listed", first), ("delisted", last)) if known is not None)
        yield NotListed(symbol=instrument.symbol, day=day.isoformat(), listing=", ".join(known))


def check_rates(rates: Mapping[str, Decimal]) -> None:
    """Raise `FigureInvalid` for the first exchange rate that is none."""
    for currency, rate in rates.items():
        if not _is_rate(rate):
            raise FigureInvalid(field=f"fx_rates.{currency}", expected=A_RATE, got=str(rate))


def _figure_faults(fact: Fact) -> Iterator[DeskError]:
    if fact.kind in NEEDS_QUANTITY and not 0 < fact.quantity <= MAX_QUANTITY:
        yield FigureInvalid(field="qty", expected=A_QUANTITY, got=str(fact.quantity))
    price_name = "cost" if fact.kind in PRICED_AT_COST else "price"
    if fact.price is not None and not _is_within(fact.price, MAX_PRICE):
        yield FigureInvalid(field=price_name, expected=A_PRICE, got=str(fact.price))
    elif fact.kind in TRADES and not fact.price:
        yield FigureInvalid(field="price", expected="a price above zero", got=str(fact.price))
    if fact.price and fact.amount.is_finite() and fact.amount > MAX_AMOUNT:
        yield FigureInvalid(field="qty", expected=f"so few that they cost at most {MAX_AMOUNT}", got=str(fact.quantity))
    elif not _is_amount(fact.amount):
        yield FigureInvalid(field="amount", expected=AN_AMOUNT, got=str(fact.amount))
    for name, charge in (("fees", fact.fees), ("tax", fact.tax)):
        if not _is_amount(charge):
            yield FigureInvalid(field=name, expected=AN_AMOUNT, got=str(charge))
    if fact.fx_rate is not None and not _is_rate(fact.fx_rate):
        yield FigureInvalid(field="fx_rate", expected=A_RATE, got=str(fact.fx_rate))


def _is_amount(amount: Decimal) -> bool:
    return _is_within(amount, MAX_AMOUNT) and amount == round_cents(amount)


def _is_rate(rate: Decimal) -> bool:
    return _is_within(rate, MAX_PRICE) and rate > 0


def _is_within(figure: Decimal, limit: Decimal) -> bool:
    return figure.is_finite() and 0 <= figure <= limit
