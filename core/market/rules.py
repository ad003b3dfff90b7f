"""The market's rules by scope and trade date: price limits, lots, ticks, settlement, costs.

A rule is never looked up by "today". Rows marked uncertain are listed and never applied; `percent` and the like let a
caller pass what it knows better. All results are exact; limits and costs are computed in integers or decimals.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.market import rules_costs_table as costs
from core.market import rules_sessions_table as sessions
from core.market import rules_table as table
from core.market.model import Board, Exchange, InstrumentKind
from core.market.rules_model import (
    Charge,
    DelistingPeriod,
    FirstDays,
    LotRule,
    Mark,
    PriceCage,
    Rounding,
    Rule,
    RuleNotKnown,
    Scope,
    Side,
    Topic,
)
from core.money import CENT, from_scaled, round_cents, to_scaled

Value = TypeVar("Value")
Ticks = TypeVar("Ticks", int, NDArray[np.int64])

BOARD_SCOPES: Final = {
    Board.MAIN: Scope.MAIN,
    Board.CHINEXT: Scope.CHINEXT,
    Board.STAR: Scope.STAR,
    Board.BSE: Scope.BSE,
}
EXCHANGE_SCOPES: Final = {Exchange.SSE: Scope.SSE, Exchange.SZSE: Scope.SZSE, Exchange.BSE: Scope.BSE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareDay:
    """What decides the limit of a share on a day.

    `list_date` and `listed_days` (trading days since listing, the listing day is 1) say whether it is new; without them
    it is not. `delisting_day` counts the trading days of its delisting period, decided on `delisting_decided`.
    `is_resumed`: first day of a resumed or renewed listing.
    """

    board: Board
    day: date
    is_st: bool = False
    list_date: date | None = None
    listed_days: int | None = None
    delisting_day: int | None = None
    delisting_decided: date | None = None
    is_resumed: bool = False


@dataclass(frozen=True, slots=True)
class LimitPercents:
    """How far a price may rise and fall from the reference price, in percent."""

    up: int
    down: int


@dataclass(frozen=True, slots=True)
class PriceLimits:
    """The lowest and the highest price allowed, both included."""

    down: Decimal
    up: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeTerms:
    """A trade whose costs are asked for: one order's whole amount. `par_value` matters for old transfer fees only."""

    exchange: Exchange
    day: date
    side: Side
    price: Decimal
    quantity: int
    kind: InstrumentKind = InstrumentKind.STOCK
    par_value: Decimal = Decimal(1)

    @property
    def amount(self) -> Decimal:
        """Price times quantity, exact."""
        return self.price * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """What a broker takes: basis points of the amount, at least `minimum`.

    `includes_exchange_fees`: handling and regulatory fees are inside it, as brokers usually do it.
    """

    bps: Decimal
    minimum: Decimal = Decimal(5)
    includes_exchange_fees: bool = True


@dataclass(frozen=True, slots=True)
class TradeCosts:
    """The costs of one order, each rounded by itself. `taxes` is the stamp duty, `fees` all else but the commission."""

    items: dict[Topic, Decimal]

    @property
    def commission(self) -> Decimal:
        """The broker's share."""
        return self.items.get(Topic.COMMISSION, Decimal(0))

    @property
    def taxes(self) -> Decimal:
        """The state's share."""
        return self.items.get(Topic.STAMP_DUTY, Decimal(0))

    @property
    def fees(self) -> Decimal:
        """The share of exchanges, clearing houses and regulators."""
        return self.total - self.commission - self.taxes

    @property
    def total(self) -> Decimal:
        """All together."""
        return sum(self.items.values(), Decimal(0))


def all_rules() -> list[Rule[object]]:
    """List every row, uncertain ones too, by topic, scope and date."""
    rows = (*table.all_tables(), *sessions.all_tables(), *costs.all_tables())
    return sorted(rows, key=lambda row: (row.topic, row.scope, row.first_date or date.min, row.mark))


def find_rule(rows: Iterable[Rule[Value]], scope: Scope, day: date) -> Rule[Value] | None:
    """Return the row in force for a scope on a day; None when there is none. Uncertain rows are passed over."""
    return next((r for r in rows if r.scope is scope and r.mark is not Mark.UNCERTAIN and r.covers(day)), None)


def require_rule(rows: Collection[Rule[Value]], scope: Scope, day: date, *, topic: Topic) -> Value:
    """Return the value in force for a scope on a day. Raises `RuleNotKnown`."""
    found = find_rule(rows, scope, day)
    if found is None:
        starts = [row.first_date for row in rows if row.scope is scope and row.mark is not Mark.UNCERTAIN]
        first = min((start for start in starts if start and start > day), default=None)
        raise RuleNotKnown(topic=topic.value, scope=scope.value, day=day, first=first)
    return found.value


def limit_percents(share: ShareDay) -> LimitPercents | None:
    """Return how far a share may move on a day, in percent of its reference price; None is without limit.

    On a first day under the 44 % rule the reference price is the issue price.
    """
    if share.board is Board.HK_MAIN or _is_without_limit(share):
        return None
    first_days = _first_days(share)
    if first_days is not None:
        return _percents(first_days.up_percent, first_days.down_percent)
    is_special = share.is_st and share.board is Board.MAIN and share.delisting_day is None
    found = find_rule(table.PRICE_LIMITS, Scope.MAIN_ST, share.day) if is_special else None
    found = found or find_rule(table.PRICE_LIMITS, BOARD_SCOPES[share.board], share.day)
    return _percents(found.value, found.value) if found else None


def price_limits(share: ShareDay, reference: Decimal, *, percents: LimitPercents | None = None) -> PriceLimits | None:
    """Return the prices between which a share may trade; None is without limit.

    `reference` is the exchange's reference price, in whole cents. `percents` overrides the rule, for what a feed or a
    caller knows better. Raises `MoneyInvalid` for parts of a cent.
    """
    allowed = percents or limit_percents(share)
    if allowed is None:
        return None
    down, up = limit_ticks(to_scaled(reference, 2), allowed, rounding=limit_rounding(share.board))
    return PriceLimits(from_scaled(down, 2), from_scaled(up, 2))


def limit_rounding(board: Board) -> Rounding:
    """Return how the exchange of a board rounds its limits: Beijing inwards, the others half up."""
    scope = Scope.BSE if board is Board.BSE else Scope.SSE
    return next(row.value for row in table.LIMIT_ROUNDING if row.scope is scope)


def limit_ticks(reference: Ticks, percents: LimitPercents, *, rounding: Rounding) -> tuple[Ticks, Ticks]:
    """Return the lower and upper limit in ticks, for one reference price or an array of them.

    `up = reference * (100 + p) / 100`, `down = reference * (100 - p) / 100`, rounded half up or inwards, at least one
    tick away from the reference price, never below one tick.
    """
    high, low = reference * (100 + percents.up), reference * (100 - percents.down)
    if rounding is Rounding.INWARDS:
        up, down = high // 100, -(-low // 100)
    else:
        up, down = (high + 50) // 100, (low + 50) // 100
    if isinstance(reference, int):
        return max(min(down, reference - 1), 1), max(up, reference + 1)
    return np.maximum(np.minimum(down, reference - 1), 1), np.maximum(up, reference + 1)


def opening_auction_band(share: ShareDay, issue_price: Decimal) -> PriceLimits | None:
    """Return the bounds of the opening auction on a listing day; None where none are set."""
    first_days = _first_days(share)
    if first_days is None or first_days.auction_low is None or first_days.auction_high is None:
        return None
    band = LimitPercents(first_days.auction_high - 100, 100 - first_days.auction_low)
    return price_limits(share, issue_price, percents=band)


def delisting_period(decided: date, *, by_price: bool = False) -> DelistingPeriod:
    """Return the length of a delisting period by the day of its decision. Raises `RuleNotKnown`.

    `by_price`: the share goes because it closed below 1 CNY for too long; since 2020-12-31 it gets no period.
    """
    special = find_rule(table.DELISTING, Scope.DELISTED_BY_PRICE, decided) if by_price else None
    return special.value if special else require_rule(table.DELISTING, Scope.DELISTING, decided, topic=Topic.DELISTING)


def lot_rule(board: Board | None, day: date, *, kind: InstrumentKind = InstrumentKind.STOCK) -> LotRule:
    """Return the order sizes of a mainland board or of funds. Raises `RuleNotKnown`; Hong Kong lots are per issuer."""
    scope = Scope.FUND if kind is InstrumentKind.FUND else BOARD_SCOPES.get(board, Scope.HK) if board else Scope.HK
    steps = require_rule(table.LOTS, scope, day, topic=Topic.LOT)
    most = require_rule(table.LARGEST_ORDERS, scope, day, topic=Topic.LARGEST_ORDER)
    return LotRule(steps.minimum, steps.step, steps.odd_remainder, largest=most.limit, largest_market=most.market)


def is_valid_quantity(rule: LotRule, quantity: int, *, side: Side, position: int = 0) -> bool:
    """Say whether an order may have this size. `position` is what the seller holds."""
    if not 0 < quantity <= rule.largest or (side is Side.SELL and quantity > position):
        return False
    if quantity >= rule.minimum and (quantity - rule.minimum) % rule.step == 0:
        return True
    if side is Side.BUY:
        return False
    remainder = position % rule.step if rule.odd_remainder == "whole" else position
    if rule.odd_remainder == "whole":
        return remainder > 0 and quantity % rule.step == remainder
    return position < rule.minimum and quantity == position


def tick_size(
    exchange: Exchange,
    day: date,
    *,
    kind: InstrumentKind = InstrumentKind.STOCK,
    price: Decimal = Decimal(1),
    is_b_share: bool = False,
) -> Decimal:
    """Return the price step. In Hong Kong it depends on `price`."""
    if exchange is Exchange.HKEX:
        scope = Scope.HK
    elif is_b_share:
        scope = Scope.SSE_B if exchange is Exchange.SSE else Scope.SZSE_B
    else:
        scope = Scope.FUND if kind is InstrumentKind.FUND else Scope.MAINLAND
    return require_rule(table.TICKS, scope, day, topic=Topic.TICK).step(price)


def price_cage(board: Board, day: date) -> PriceCage | None:
    """Return how far a limit order may stand from the best price during continuous trading; None is no cage."""
    found = find_rule(table.CAGES, BOARD_SCOPES.get(board, Scope.HK), day)
    return found.value if found else None


def is_t_plus_one(
    exchange: Exchange,
    day: date,
    *,
    kind: InstrumentKind = InstrumentKind.STOCK,
    is_same_day_fund: bool = False,
) -> bool:
    """Say whether what is bought on `day` can only be sold on a later day.

    `is_same_day_fund`: a bond, gold, money, commodity or cross-border fund.
    """
    if exchange is Exchange.HKEX:
        scope = Scope.HK
    elif kind is InstrumentKind.FUND:
        scope = Scope.SAME_DAY_FUND if is_same_day_fund else Scope.FUND
    else:
        scope = Scope.MAINLAND
    return require_rule(table.SETTLEMENT, scope, day, topic=Topic.SETTLEMENT)


def stamp_duty(trade: TradeTerms) -> Decimal:
    """Return the stamp duty of a trade, in its currency. Raises `RuleNotKnown`."""
    return _charged(_charge(costs.STAMP_DUTY, Topic.STAMP_DUTY, trade, _tax_scope(trade)), trade)


def transfer_fee(trade: TradeTerms) -> Decimal:
    """Return the transfer fee of a mainland trade. Raises `RuleNotKnown`."""
    return _charged(_charge(costs.TRANSFER_FEE, Topic.TRANSFER_FEE, trade, _transfer_scope(trade)), trade)


def handling_fee(trade: TradeTerms) -> Decimal:
    """Return the exchange's handling fee of a mainland trade in shares. Raises `RuleNotKnown`."""
    return _charged(_charge(costs.HANDLING_FEE, Topic.HANDLING_FEE, trade, EXCHANGE_SCOPES[trade.exchange]), trade)


def regulatory_fee(trade: TradeTerms) -> Decimal:
    """Return the regulator's fee of a mainland trade in shares. Raises `RuleNotKnown`."""
    return _charged(_charge(costs.REGULATORY_FEE, Topic.REGULATORY_FEE, trade, Scope.MAINLAND), trade)


def hk_fees(trade: TradeTerms) -> dict[Topic, Decimal]:
    """Return levies and fees of a Hong Kong trade, without stamp duty and commission; those in force on its day."""
    scopes = {Topic.SETTLEMENT_FEE: Scope.HK_FUND if trade.kind is InstrumentKind.FUND else Scope.HK}
    topics = dict.fromkeys(row.topic for row in costs.HK_FEES)
    found = {
        topic: find_rule((r for r in costs.HK_FEES if r.topic is topic), scopes.get(topic, Scope.HK), trade.day)
        for topic in topics
    }
    return {topic: _charged(row.value, trade) for topic, row in found.items() if row is not None}


def trade_costs(trade: TradeTerms, commission: Commission) -> TradeCosts:
    """Return what an order costs, each item rounded half up to the cent (Hong Kong stamp duty up to the dollar).

    Items that are zero are listed too. Fees that brokers include in the commission appear only when
    `commission.includes_exchange_fees` is False. Raises `RuleNotKnown` for days before the recorded rules.
    """
    taken = round_cents(max(trade.amount * commission.bps / 10_000, commission.minimum))
    items = {Topic.COMMISSION: taken, Topic.STAMP_DUTY: stamp_duty(trade)}
    if trade.exchange is Exchange.HKEX:
        return TradeCosts(items | hk_fees(trade))
    scope = _transfer_scope(trade)
    transfer = _charge(costs.TRANSFER_FEE, Topic.TRANSFER_FEE, trade, scope)
    if not (transfer.inside_commission and commission.includes_exchange_fees):
        items[Topic.TRANSFER_FEE] = _charged(transfer, trade)
    if not commission.includes_exchange_fees and trade.kind is InstrumentKind.STOCK:
        items |= {Topic.HANDLING_FEE: handling_fee(trade), Topic.REGULATORY_FEE: regulatory_fee(trade)}
    return TradeCosts(items)


def _percents(up: int | None, down: int | None) -> LimitPercents | None:
    return LimitPercents(up, down) if up is not None and down is not None else None


def _is_without_limit(share: ShareDay) -> bool:
    if share.is_resumed:
        return True
    if share.delisting_day is None:
        return False
    period = delisting_period(share.delisting_decided or share.day)
    return share.delisting_day <= period.days_without_limit


def _first_days(share: ShareDay) -> FirstDays | None:
    """Return the rule on a share's first days when `share.day` is one of them."""
    if share.list_date is None or share.listed_days is None or share.board not in BOARD_SCOPES:
        return None
    found = find_rule(table.FIRST_DAYS, BOARD_SCOPES[share.board], share.list_date)
    return found.value if found and share.listed_days <= found.value.days else None


def _tax_scope(trade: TradeTerms) -> Scope:
    is_fund = trade.kind is InstrumentKind.FUND
    if trade.exchange is Exchange.HKEX:
        return Scope.HK_FUND if is_fund else Scope.HK
    return Scope.FUND if is_fund else Scope.MAINLAND


def _transfer_scope(trade: TradeTerms) -> Scope:
    return Scope.FUND if trade.kind is InstrumentKind.FUND else EXCHANGE_SCOPES[trade.exchange]


def _charge(rows: Collection[Rule[Charge]], topic: Topic, trade: TradeTerms, scope: Scope) -> Charge:
    return require_rule(rows, scope, trade.day, topic=topic)


def _charged(charge: Charge, trade: TradeTerms) -> Decimal:
    if trade.side not in charge.sides:
        return Decimal("0.00")
    base = trade.par_value * trade.quantity if charge.on_par else trade.amount
    exact = max(base * charge.rate, charge.minimum) + charge.fixed
    exact = exact if charge.maximum is None else min(exact, charge.maximum)
    if charge.rounding is Rounding.UP_TO_DOLLAR:
        return exact.to_integral_value(rounding=ROUND_CEILING).quantize(CENT)
    return round_cents(exact)
