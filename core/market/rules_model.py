"""What a dated market rule is made of."""

from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from core.errors import NotPossible

Value_co = TypeVar("Value_co", covariant=True)


class RuleNotKnown(NotPossible):
    """No rule of the table covers a scope and a day."""

    code = "rule_not_known"
    template = "No rule on {topic} for {scope} on {day} is recorded{since}."

    def __init__(self, *, first: date | None = None, **data: object) -> None:
        """`first` is the day from which one is."""
        super().__init__(**data, since=f"; the first begins on {first}" if first else "")


class Topic(StrEnum):
    """What a rule is about."""

    PRICE_LIMIT = "price_limit"
    LIMIT_ROUNDING = "limit_rounding"
    FIRST_DAYS = "first_days"
    DELISTING = "delisting"
    LOT = "lot"
    LARGEST_ORDER = "largest_order"
    TICK = "tick"
    PRICE_CAGE = "price_cage"
    SETTLEMENT = "settlement"
    OPENING_AUCTION = "opening_auction"
    CONTINUOUS = "continuous"
    CLOSING_AUCTION = "closing_auction"
    AFTER_HOURS = "after_hours"
    CIRCUIT_BREAKER = "circuit_breaker"
    DIVIDEND_TAX = "dividend_tax"
    STAMP_DUTY = "stamp_duty"
    TRANSFER_FEE = "transfer_fee"
    HANDLING_FEE = "handling_fee"
    REGULATORY_FEE = "regulatory_fee"
    COMMISSION = "commission"
    SFC_LEVY = "sfc_levy"
    FRC_LEVY = "frc_levy"
    TRADING_FEE = "trading_fee"
    TRADING_TARIFF = "trading_tariff"
    SETTLEMENT_FEE = "settlement_fee"


class Scope(StrEnum):
    """What a rule covers. One scope has at most one rule of a topic on a day."""

    MAIN = "main"
    MAIN_ST = "main_st"
    MAIN_UNREFORMED = "main_unreformed"
    CHINEXT = "chinext"
    STAR = "star"
    BSE = "bse"
    MAINLAND = "mainland"
    DELISTING = "delisting"
    DELISTED_BY_PRICE = "delisted_by_price"
    RESUMED = "resumed"
    SSE = "sse"
    SZSE = "szse"
    SSE_B = "sse_b"
    SZSE_B = "szse_b"
    FUND = "fund"
    SAME_DAY_FUND = "same_day_fund"
    SSE_FUND = "sse_fund"
    STOCK_CONNECT = "stock_connect"
    HK = "hk"
    HK_FUND = "hk_fund"


class Mark(StrEnum):
    """How well a rule is known: on real data, from a text seen, from memory, or not enough to be applied."""

    VERIFIED = "V"
    DOCUMENTED = "D"
    RECALLED = "d"
    UNCERTAIN = "U"


class Rounding(StrEnum):
    """How an amount that falls between two steps is brought to one."""

    HALF_UP = "half_up"
    INWARDS = "inwards"
    UP_TO_DOLLAR = "up_to_dollar"


class Side(StrEnum):
    """The side of a trade."""

    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Generic[Value_co]):
    """One row of the table: `value` holds for `scope` from `first_date` to `last_date`, both included.

    None means as far back, or on, as is known. `source` says where the rule is written.
    """

    topic: Topic
    scope: Scope
    first_date: date | None
    last_date: date | None
    value: Value_co
    source: str
    mark: Mark

    def covers(self, day: date) -> bool:
        """Say whether the rule is in force on `day`."""
        return (self.first_date is None or self.first_date <= day) and (self.last_date is None or day <= self.last_date)


@dataclass(frozen=True, slots=True)
class FirstDays:
    """The limits of a share's first `days` trading days, by its listing date. None is no limit, in percent.

    `auction_low`, `auction_high`: bounds of the opening auction in percent of the issue price, where there are any.
    """

    days: int
    up_percent: int | None = None
    down_percent: int | None = None
    auction_low: int | None = None
    auction_high: int | None = None


@dataclass(frozen=True, slots=True)
class DelistingPeriod:
    """The trading days before a share is removed, and how many of its first ones know no limit."""

    days: int
    days_without_limit: int


@dataclass(frozen=True, slots=True)
class LotSteps:
    """The sizes of orders without their upper bound; see `LotRule`."""

    minimum: int
    step: int
    odd_remainder: str


@dataclass(frozen=True, slots=True)
class LargestOrder:
    """The most shares of one limit order and of one market order."""

    limit: int
    market: int


@dataclass(frozen=True, slots=True)
class LotRule:
    """How large an order may be: `minimum`, then steps of `step`, up to `largest` (market orders `largest_market`).

    `odd_remainder`: a sale may add the position's remainder below a step (`whole`), or only sell a position smaller
    than the minimum in one order (`position`).
    """

    minimum: int
    step: int
    odd_remainder: str
    largest: int
    largest_market: int


@dataclass(frozen=True, slots=True)
class PriceCage:
    """How far a limit order may stand from the reference order, in percent, or in ticks where that is wider."""

    buy_percent: int
    sell_percent: int
    ticks: int


@dataclass(frozen=True, slots=True)
class TickTable:
    """Price steps: `(up to and including this price, step)`, ascending; the last entry has no bound."""

    bands: tuple[tuple[Decimal | None, Decimal], ...]

    def step(self, price: Decimal) -> Decimal:
        """Return the step for a price. A price on a bound belongs below it."""
        return next(step for bound, step in self.bands if bound is None or price <= bound)


@dataclass(frozen=True, slots=True)
class Charge:
    """A cost of a trade: `rate` of its amount (of its par value when `on_par`), between `minimum` and `maximum`, plus
    `fixed`. `inside_commission`: brokers normally include it in their commission.
    """

    rate: Decimal
    sides: frozenset[Side] = frozenset(Side)
    rounding: Rounding = Rounding.HALF_UP
    minimum: Decimal = Decimal(0)
    maximum: Decimal | None = None
    fixed: Decimal = Decimal(0)
    on_par: bool = False
    inside_commission: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A part of the trading day, in China's time: from `start` to `end`."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Auction:
    """A call auction: its time, and until when its orders may be cancelled (None: never)."""

    start: time
    end: time
    cancel_until: time | None = None


@dataclass(frozen=True, slots=True)
class DividendTax:
    """What an individual pays on a cash dividend, as shares of it, by how long the shares were held when sold.

    Up to a month, up to a year, longer. `at_payment` is withheld when the dividend is paid, as a part of that.
    """

    month: Decimal
    year: Decimal
    longer: Decimal
    at_payment: Decimal
