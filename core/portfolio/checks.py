"""What one fact must satisfy by itself, before it meets the rest of the ledger. Nothing here reads or writes."""

from collections.abc import Callable, Iterator
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
            exchange = instrument.exchange.name
            yield MarketClosed(exchange=exchange, day=fact.trade_date.isoformat(), symbol=instrument.symbol)


def _listing_faults(fact: Fact, instrument: Instrument) -> Iterator[DeskError]:
    day, first, last = fact.trade_date, instrument.list_date, instrument.delist_date
    if (first is not None and day < first) or (last is not None and day >= last):
        days = {"list_date": first and first.isoformat(), "delist_date": last and last.isoformat()}
        yield NotListed(symbol=instrument.symbol, day=day.isoformat(), **days)


def _figure_faults(fact: Fact) -> Iterator[DeskError]:
    if fact.kind in NEEDS_QUANTITY and not 0 < fact.quantity <= MAX_QUANTITY:
        yield FigureInvalid(field="quantity", expected="a whole number of shares above zero", got=str(fact.quantity))
    if fact.price is not None and not _is_within(fact.price, MAX_PRICE):
        yield FigureInvalid(field="price", expected="a finite price from zero up", got=str(fact.price))
    elif fact.kind in TRADES and not fact.price:
        yield FigureInvalid(field="price", expected="a price above zero", got=str(fact.price))
    for name in ("amount", "fees", "tax"):
        amount: Decimal = getattr(fact, name)
        if not _is_within(amount, MAX_AMOUNT) or amount != round_cents(amount):
            yield FigureInvalid(field=name, expected="a finite amount from zero up, in whole cents", got=str(amount))
    if fact.fx_rate is not None and not (_is_within(fact.fx_rate, MAX_PRICE) and fact.fx_rate):
        yield FigureInvalid(field="fx_rate", expected="a finite rate above zero", got=str(fact.fx_rate))


def _is_within(figure: Decimal, limit: Decimal) -> bool:
    return figure.is_finite() and 0 <= figure <= limit
