"""Accounts and holdings: what an order does to cash and shares. The rules themselves are compiled functions."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import CheckedBars
from core.backtest.corporate_actions import DividendLots, DueAction, entitlement
from core.backtest.model import Order, SizeKind
from core.backtest.terms import FillTerms
from core.matching import fill_kernel
from core.matching.integers import DOWN, HALF_UP, mul_div
from core.matching.model import AMOUNT_PLACES, RATE, UNLIMITED, ReasonCode, Side

UNIT: Final = 10**AMOUNT_PLACES
REASONS: Final = tuple(ReasonCode)
CARRIED: Final = frozenset({ReasonCode.SUSPENDED, ReasonCode.NO_VOLUME, ReasonCode.PARTIAL_VOLUME})
"""Reasons after which an order may go on to the next bar, where that was asked for."""


@dataclass(slots=True)
class Account:
    """Cash in 0.0001 of the currency, and what was paid and traded; shared by the holdings of a portfolio."""

    cash: int
    fees: int = 0
    taxes: int = 0
    traded: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingOptions:
    """How a holding treats what it is told."""

    carry_orders: bool = False
    take_rights: bool = False
    is_taxed: bool = False
    on_trade: Callable[[dict[str, Any]], object] | None = None


class Change(NamedTuple):
    """What a holding is after a bar that changed it: shares, the account's cash, the holding's own flow and cost."""

    bar: int
    position: int
    cash: int
    flow: int
    cost: int


@dataclass(slots=True)
class Holding:
    """One instrument in an account: its bars, rules, orders, shares and closed trades.

    `cost` is what the shares cost with fees, `spent` without, `income` the dividends they received: all in 0.0001 and
    relieved in proportion when shares are sold. `flow` is the cash the holding gave to the account, less what it took.
    """

    symbol: str
    bars: CheckedBars
    terms: FillTerms
    account: Account
    options: HoldingOptions = field(default_factory=HoldingOptions)
    gaps: NDArray[np.bool_] | None = None
    position: int = 0
    bought_today: int = 0
    day: int = -1
    used_at: int = -1
    used: int = 0
    cost: int = 0
    spent: int = 0
    income: int = 0
    flow: int = 0
    entry: int = -1
    queue: list[Order] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    lots: DividendLots = field(default_factory=DividendLots)
    owed: list[tuple[int, int]] = field(default_factory=list)

    @property
    def scale(self) -> tuple[int, int]:
        """Factor and divisor that turn shares times an unslipped price into 0.0001."""
        places = self.bars.places
        return 10 ** max(0, AMOUNT_PLACES - places), 10 ** max(0, places - AMOUNT_PLACES)

    def worth(self, price: int) -> int:
        """Return what the shares are worth at a price, in 0.0001."""
        return fill_kernel.worth(self.position, price, *self.scale) if self.position else 0

    def price(self, name: str, index: int) -> int:
        """Return a price of a bar as a whole number."""
        return int(self.bars.prices[name][index])

    def begin_day(self, index: int) -> None:
        """Make what was bought before this bar's day sellable."""
        day = int(self.bars.days[index])
        if day != self.day:
            self.day, self.bought_today = day, 0
        if index != self.used_at:
            self.used_at, self.used = index, 0

    def note(self, index: int) -> None:
        """Keep shares and cash as they are after a change."""
        self.changes.append(Change(index, self.position, self.account.cash, self.flow, self.cost))

    def finish(self, order: Order, reason: ReasonCode, index: int | None) -> None:
        """End an order, or let it go on where that was asked for."""
        order.reason = reason
        if reason in CARRIED and self.options.carry_orders:
            self.queue.append(order)
        elif reason is not ReasonCode.FILLED:
            self.refusals[reason.value] += 1
        if index is not None:
            order.ended = index


def settle(placed: Sequence[tuple[Holding, int]], price_name: str, equity: Callable[[], int]) -> None:
    """Settle the waiting orders of holdings at their bars: all sells, then all buys, each in the order given.

    Whether an order for a target sells or buys is decided before anything is filled.
    """
    waiting: list[tuple[Holding, int, Order]] = []
    for holding, index in placed:
        orders, holding.queue[:] = holding.queue[:], []
        if orders:
            holding.begin_day(index)
            waiting += [(holding, index, order) for order in orders if not _is_suspended(holding, index, order)]
    if any(order.size_kind is SizeKind.TARGET for _, _, order in waiting):
        total = equity()
        for holding, index, order in waiting:
            _aim(holding, order, holding.price(price_name, index), total)
    for side, act in ((Side.SELL, _sell), (Side.BUY, _buy)):
        for holding, index, order in waiting:
            if order.side is side:
                act(holding, index, order, holding.price(price_name, index))


def _is_suspended(holding: Holding, index: int, order: Order) -> bool:
    """End or carry orders whose trading day passed without a bar."""
    gaps = holding.terms.gap_after if holding.gaps is None else holding.gaps
    if holding.options.carry_orders or order.submitted >= index or not gaps[order.submitted]:
        return False
    holding.finish(order, ReasonCode.SUSPENDED, None)
    return True


def _aim(holding: Holding, order: Order, price: int, equity: int) -> None:
    """Turn a target part of the equity into shares, and into a side."""
    if order.size_kind is not SizeKind.TARGET or order.quantity:
        return
    factor, divisor = holding.scale
    budget = mul_div(equity, order.part, RATE, DOWN)
    order.target = mul_div(budget, divisor, price * factor, DOWN)
    if order.target == holding.position:
        holding.finish(order, ReasonCode.AT_TARGET, None)
        order.side = None
    else:
        order.side = Side.BUY if order.target > holding.position else Side.SELL


def _buy(holding: Holding, index: int, order: Order, price: int) -> None:
    """Fill a buy at a price."""
    terms = holding.terms
    wanted, budget, is_fixed = _wanted_buy(holding, order)
    if wanted <= 0:
        holding.finish(order, ReasonCode.AT_TARGET, index)
        return
    reason, quantity, filled, amount, fees = fill_kernel.buy(
        price,
        _volume(holding, index),
        holding.used,
        wanted,
        is_fixed,
        int(order.quantity > 0),
        budget,
        _limit(holding, order),
        *_done_that_day(order, holding.day),
        terms.settings,
        terms.lots,
        terms.rest_lots,
        *_rules_of_the_day(terms, index),
    )
    order.quantity = order.quantity or quantity
    if filled:
        _take_in(holding, index, filled, amount, fees)
        _book(holding, order, filled, amount, fees)
    holding.finish(order, REASONS[reason], index)


def _sell(holding: Holding, index: int, order: Order, price: int) -> None:
    """Fill a sale at a price; its round trip is a closed trade."""
    account, terms = holding.account, holding.terms
    wanted = _wanted_sale(holding, order)
    if wanted <= 0 and holding.position > 0:
        is_target = order.size_kind is SizeKind.TARGET
        holding.finish(order, ReasonCode.AT_TARGET if is_target else ReasonCode.BELOW_LOT, index)
        return
    reason, quantity, filled, amount, fees = fill_kernel.sell(
        price,
        _volume(holding, index),
        holding.used,
        wanted,
        int(order.quantity > 0),
        account.cash,
        holding.position,
        holding.bought_today,
        _limit(holding, order),
        *_done_that_day(order, holding.day),
        terms.settings,
        terms.lots,
        *_rules_of_the_day(terms, index),
    )
    order.quantity = order.quantity or quantity
    if filled:
        tax = holding.lots.tax_of(filled, _date(holding, index)) if holding.options.is_taxed else 0
        if account.cash + amount - fees - tax < 0:
            holding.finish(order, ReasonCode.INSUFFICIENT_CASH, index)
            return
        _give_out(holding, index, filled, amount, fees, tax)
        _book(holding, order, filled, amount, fees)
    holding.finish(order, REASONS[reason], index)


def _take_in(holding: Holding, index: int, filled: int, amount: int, fees: int) -> None:
    """Add bought shares, and pay for them."""
    if holding.position == 0:
        holding.entry = index
    holding.position += filled
    holding.bought_today += filled
    holding.cost += amount + fees
    holding.spent += amount
    holding.account.cash -= amount + fees
    holding.flow -= amount + fees
    if holding.options.is_taxed:
        holding.lots.bought(filled, _date(holding, index))


def _give_out(holding: Holding, index: int, filled: int, amount: int, fees: int, tax: int) -> None:
    """Take sold shares away, and receive their proceeds."""
    if holding.options.is_taxed:
        holding.lots.sold(filled, _date(holding, index))
    proceeds = amount - fees - tax
    holding.account.cash += proceeds
    holding.flow += proceeds
    holding.account.taxes += tax
    _close(holding, index, filled, amount, fees + tax)


def _wanted_buy(holding: Holding, order: Order) -> tuple[int, int, int]:
    """Return shares wanted at the most, cash allowed, and whether it is that number or nothing."""
    cash = holding.account.cash
    if order.quantity:
        return order.quantity - order.filled, cash, 0
    if order.size_kind is SizeKind.SHARES:
        return order.shares, cash, 1
    if order.size_kind is SizeKind.PART:
        return UNLIMITED, mul_div(cash, order.part, RATE, DOWN), 0
    if order.size_kind is SizeKind.TARGET:
        return order.target - holding.position, cash, 0
    return UNLIMITED, cash, 0


def _wanted_sale(holding: Holding, order: Order) -> int:
    if order.quantity:
        return order.quantity - order.filled
    if order.size_kind is SizeKind.ALL:
        return holding.position
    if order.size_kind is SizeKind.SHARES:
        return order.shares
    if order.size_kind is SizeKind.PART:
        return mul_div(holding.position, order.part, RATE, DOWN)
    return holding.position - order.target


def _done_that_day(order: Order, day: int) -> tuple[int, int, int]:
    """Return shares, amount and fees of the order's day so far: fees are taken on its whole amount of a day."""
    if order.day != day:
        order.day, order.day_quantity, order.day_amount, order.day_fees = day, 0, 0, 0
    return order.day_quantity, order.day_amount, order.day_fees


def _rules_of_the_day(terms: FillTerms, index: int) -> tuple[Any, ...]:
    """Return fees, price steps, and the prices at which the bar is locked."""
    regime = terms.regime[index]
    return terms.charges[regime], terms.ticks[regime], int(terms.down[index]), int(terms.up[index])


def _book(holding: Holding, order: Order, filled: int, amount: int, fees: int) -> None:
    """Count a fill in the order, the account and the bar's volume."""
    order.filled += filled
    order.amount += amount
    order.fees += fees
    order.day_quantity += filled
    order.day_amount += amount
    order.day_fees += fees
    holding.used += filled
    holding.account.fees += fees
    holding.account.traded += amount


def _close(holding: Holding, index: int, filled: int, amount: int, charges: int) -> None:
    """Relieve cost and income in proportion, and write down the trade."""
    held = holding.position
    cost, spent, income = (
        value if filled == held else mul_div(value, filled, held, HALF_UP)
        for value in (holding.cost, holding.spent, holding.income)
    )
    pnl = amount - charges - cost + income
    trade = {
        "entry_dt": holding.bars.dt(holding.entry),
        "exit_dt": holding.bars.dt(index),
        "qty": filled,
        "entry_px": spent / UNIT / filled,
        "exit_px": amount / UNIT / filled,
        "pnl": pnl / UNIT,
        "return_bps": pnl / cost * 10_000 if cost else 0.0,
    }
    holding.position -= filled
    holding.cost, holding.spent, holding.income = holding.cost - cost, holding.spent - spent, holding.income - income
    holding.trades.append(trade)
    if holding.options.on_trade is not None:
        holding.options.on_trade(dict(trade))


def _limit(holding: Holding, order: Order) -> int:
    """Return the order's own limit in units of slipped prices: floored for buys, raised for sales; 0 for none."""
    if order.limit_price is None:
        return 0
    exact = Fraction(Decimal(str(order.limit_price))) * 10**holding.bars.places
    exact *= int(holding.terms.settings[4]) // holding.scale[1]
    whole: int = floor(exact) if order.side is Side.BUY else ceil(exact)
    return min(max(whole, 1), UNLIMITED)


def _volume(holding: Holding, index: int) -> int:
    return 0 if holding.bars.volume is None else int(holding.bars.volume[index])


def _date(holding: Holding, index: int) -> date:
    day: date = holding.bars.times[index].astype("datetime64[D]").item()
    return day


def apply_action(holding: Holding, due: DueAction) -> None:
    """Book what an ex-date gives to the shares held at the close before."""
    held, action = holding.position, due.action
    if held == 0:
        return
    holding.begin_day(due.index)
    given = entitlement(action, held)
    if given.cash:
        holding.income += given.cash
        if due.pay_index is not None:
            holding.owed.append((due.pay_index, given.cash))
        if holding.options.is_taxed:
            withheld = holding.lots.received(action.cash_per_share, action.ex_date)
            holding.account.cash -= withheld
            holding.flow -= withheld
            holding.account.taxes += withheld
            holding.income -= withheld
    rights = _take_rights(holding, given.rights, given.rights_price) if holding.options.take_rights else 0
    if holding.options.is_taxed:
        holding.lots.bought(given.bonus + rights, _date(holding, due.index))
    holding.position += given.bonus + rights


def pay_owed(holding: Holding, index: int) -> None:
    """Book the cash that is due at a bar."""
    paid = sum(cash for due, cash in holding.owed if due <= index)
    holding.account.cash += paid
    holding.flow += paid
    holding.owed[:] = [(due, cash) for due, cash in holding.owed if due > index]


def _take_rights(holding: Holding, rights: int, price: Decimal) -> int:
    """Pay for rights as far as the cash goes; return the shares taken."""
    if rights == 0:
        return 0
    each = Fraction(price) * UNIT
    taken = rights if each == 0 else min(rights, floor(Fraction(max(holding.account.cash, 0)) / each))
    paid = ceil(each * taken)
    holding.account.cash -= paid
    holding.flow -= paid
    holding.cost += paid
    holding.spent += paid
    return taken
