"""The slow reference for orders that meet averages, auctions, ticks and order books: plain Python, from the rule book.

Moments are (day, second of the day). An order of a day fills on the next day, so what it meets is the first thing that
happens on that day. A book can be traded with in the continuous sessions, when its best bid is below its best ask.
"""

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from math import floor

from tests.support.slow_engine import (
    SlowAsset,
    SlowBar,
    SlowEngine,
    SlowHolding,
    SlowOptions,
    SlowOrder,
    charges_of,
    limits_of,
    lots_of,
    ticks_of,
)
from tests.support.slow_rules import UNIT, SlowCharge, SlowLots, half_up, slow_fees, slow_slipped, slow_stepped

F = Fraction
Level = tuple[Fraction, int]
AUCTION_OVER = 9 * 3600 + 30 * 60
NOON, AFTERNOON, CLOSING = 11 * 3600 + 30 * 60, 13 * 3600, 14 * 3600 + 57 * 60
BOOKS = {"next_tick_best_own", "next_tick_best_counterparty", "counterparty_offer"}


@dataclass(frozen=True)
class SlowTrade:
    second: int
    price: Fraction
    shares: int


@dataclass(frozen=True)
class SlowBook:
    second: int
    bids: list[Level]
    asks: list[Level]

    def is_open(self, rules: str | None, symbol: str, day: date) -> bool:
        if rules == "a_share":
            has_closing_auction = not symbol.endswith(".SH") or day >= date(2018, 8, 20)
            end = CLOSING if has_closing_auction else 15 * 3600
            if not (AUCTION_OVER <= self.second < NOON or AFTERNOON <= self.second < end):
                return False
        if not self.bids and not self.asks:
            return False
        return not self.bids or not self.asks or self.bids[0][0] < self.asks[0][0]


@dataclass(frozen=True)
class SlowMatching:
    kind: str
    slippage: str = "price_ratio"
    steps: int = 0
    by_trades: bool = False


@dataclass
class SlowTicks:
    """What happened to one asset, by day. `amounts` are those of the bars."""

    trades: dict[date, list[SlowTrade]] = field(default_factory=dict)
    books: dict[date, list[SlowBook]] = field(default_factory=dict)
    amounts: dict[date, Fraction] = field(default_factory=dict)


class SlowTickEngine(SlowEngine):
    def __init__(
        self,
        assets: list[SlowAsset],
        options: SlowOptions,
        open_days: list[date],
        *,
        matching: SlowMatching,
        ticks: dict[str, SlowTicks],
    ) -> None:
        super().__init__(assets, options, open_days)
        self.matching, self.ticks = matching, ticks
        self.left: dict[tuple[str, date, str], list[Level]] = {}

    def met(self, holding: SlowHolding, day: date) -> tuple[Fraction, int] | None:
        """The price and the volume that orders meet on a day, where it is one price for all."""
        ticks, bar, kind = self.ticks[holding.asset.symbol], holding.asset.by_day[day], self.matching.kind
        trades = ticks.trades.get(day, [])
        if kind == "vwap" and self.matching.by_trades:
            shares = sum(one.shares for one in trades)
            return (
                (half_up(sum((one.price * one.shares for one in trades), F(0)) / shares, UNIT), shares)
                if shares
                else None
            )
        if kind == "vwap":
            amount = ticks.amounts.get(day, F(0))
            if amount == 0 or bar.volume == 0:
                return None
            price = half_up(amount / bar.volume, UNIT)
            return min(max(price, min(bar.open, bar.close)), max(bar.open, bar.close)), bar.volume
        if kind == "open_auction":
            trades = [one for one in trades if one.second < AUCTION_OVER]
            return (trades[0].price, sum(one.shares for one in trades)) if trades else None
        return (trades[0].price, trades[0].shares) if trades else None

    def price(self, holding: SlowHolding, day: date, at: str) -> Fraction:
        found = None if self.matching.kind in BOOKS else self.met(holding, day)
        if found is not None:
            return found[0]
        days = [bar.day for bar in holding.asset.bars]
        place = days.index(day)
        return holding.asset.bars[place - 1].close if place else holding.asset.bars[0].open

    def volume(self, holding: SlowHolding, day: date) -> int | None:
        found = self.met(holding, day)
        return None if found is None else found[1]

    def moved(self, price: Fraction, side: str, day: date, limits: tuple[Fraction, Fraction] | None) -> Fraction:
        rules, ticks = self.options.rules, ticks_of(day, self.options)
        if self.matching.slippage == "limit_price":
            return price if limits is None else limits[1] if side == "buy" else limits[0]
        if self.matching.slippage == "tick_size":
            return slow_stepped(price, side, self.matching.steps, ticks=ticks, limits=limits)
        if rules is None or self.matching.kind != "vwap":
            return super().moved(price, side, day, limits)
        return slow_slipped(price, side, self.options.slippage, ticks=ticks, limits=limits, unit=UNIT)

    def try_to(
        self, holding: SlowHolding, order: SlowOrder, *, day: date, price: Fraction, side: str, bar: SlowBar
    ) -> str:
        if self.matching.kind not in BOOKS:
            return super().try_to(holding, order, day=day, price=price, side=side, bar=bar)
        wanted, budget = self.wanted(holding, order, side)
        if wanted <= 0 and (side == "buy" or holding.position > 0):
            return "at_target" if side == "buy" or order.kind == "target" else "below_lot"
        if side == "sell" and holding.position == 0:
            return "no_position"
        offers, reason = self.offers(holding, order, day, side, limits_of(holding.asset, bar, self.options))
        if not offers:
            return reason
        lots, is_rest = lots_of(holding.asset, self.options), order.quantity > 0
        charges = charges_of(holding.asset, day, self.options)
        if side == "buy":
            quantity, reason = self.size_walk(
                order,
                wanted,
                budget,
                offers,
                SlowLots(lots.step, lots.step, "any", 10**15) if is_rest else lots,
                charges,
            )
        else:
            quantity, reason = self.size_sell(holding, wanted, day, lots, is_rest)
        if quantity == 0:
            return reason
        order.quantity = order.quantity or quantity
        there, filled = sum(shares for _, shares in offers), quantity
        if quantity > there:
            filled, reason = there // lots.step * lots.step, "partial_volume"
        if filled == 0:
            return reason
        amount = walk(filled, offers)
        fees = slow_fees(charges, amount, filled, side)
        before = order.filled
        reason = self.book(holding, order, day=day, side=side, filled=filled, amount=amount, fees=fees, reason=reason)
        self.take_from_book(holding, day, side, order.filled - before)
        return reason

    def offers(
        self, holding: SlowHolding, order: SlowOrder, day: date, side: str, limits: tuple[Fraction, Fraction] | None
    ) -> tuple[list[Level], str]:
        """The levels an order may take with what they cost after slippage, and why it may take no more."""
        found: list[Level] = []
        for price, shares in self.levels(holding, day, side):
            if shares == 0:
                continue
            if limits is not None and (price >= limits[1] if side == "buy" else price <= limits[0]):
                return found, "limit_up" if side == "buy" else "limit_down"
            paid = self.moved(price, side, day, limits)
            if order.limit is not None and (paid > order.limit if side == "buy" else paid < order.limit):
                return found, "limit_price"
            found.append((paid, shares))
        return found, "no_depth"

    def size_walk(
        self,
        order: SlowOrder,
        wanted: int,
        budget: Fraction,
        offers: list[Level],
        lots: SlowLots,
        charges: list[SlowCharge],
    ) -> tuple[int, str]:
        """Go down from what the best price alone would let the budget buy."""
        valid = lots.largest_buy(min(wanted, lots.largest))
        if valid == 0:
            return 0, "below_lot"
        quantity = lots.largest_buy(min(valid, floor(budget / offers[0][0]) + lots.step))
        while quantity:
            amount = walk(quantity, offers)
            if amount + slow_fees(charges, amount, quantity, "buy") <= budget:
                break
            quantity = lots.largest_buy(quantity - 1)
        is_fixed = isinstance(order.size, int) and order.kind == "buy" and not order.quantity
        if quantity == 0 or (is_fixed and quantity < valid):
            return 0, "insufficient_cash"
        return quantity, "above_largest" if wanted > lots.largest and quantity == valid else "filled"

    def levels(self, holding: SlowHolding, day: date, side: str) -> list[Level]:
        """What is left on the side of the book that an order meets, best first."""
        key = (holding.asset.symbol, day, side)
        if key not in self.left:
            books = self.ticks[holding.asset.symbol].books.get(day, [])
            first = next((book for book in books if book.is_open(self.options.rules, *key[:2])), None)
            self.left[key] = [] if first is None else self.shown(first, side)
        return self.left[key]

    def shown(self, book: SlowBook, side: str) -> list[Level]:
        kind, part = self.matching.kind, self.options.volume_part
        levels = book.asks if (side == "buy") != (kind == "next_tick_best_own") else book.bids
        if kind == "counterparty_offer":
            return [(price, floor(shares * (part or 1))) for price, shares in levels]
        return [(price, 10**15 if part is None else floor(shares * part)) for price, shares in levels[:1]]

    def take_from_book(self, holding: SlowHolding, day: date, side: str, shares: int) -> None:
        rest: list[Level] = []
        for price, there in self.levels(holding, day, side):
            taken = min(there, shares)
            shares -= taken
            rest.append((price, there - taken))
        self.left[holding.asset.symbol, day, side] = rest


def walk(quantity: int, offers: list[Level]) -> Fraction:
    """The cost of a quantity: every level by itself, the last one for whatever they do not hold."""
    amount = F(0)
    for place, (price, shares) in enumerate(offers):
        taken = quantity if place == len(offers) - 1 else min(quantity, shares)
        amount += half_up(taken * price, UNIT)
        quantity -= taken
    return amount
