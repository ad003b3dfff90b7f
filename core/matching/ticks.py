"""An order against ticks and order-book snapshots, by matching type and slippage model."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.matching import tick_kernel as kernel
from core.matching.model import UNLIMITED, MatchingType, ReasonCode, Side, Slippage
from core.matching.rules_kernel import BUY, SELL, locked

Integers = NDArray[np.int64]
NO_LEVELS: Final = np.zeros((0, 0), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class TickMarket:
    """Ticks or snapshots of one instrument, ascending in time; prices in whole units of one power of ten.

    `moments` are whole numbers of one unit of time, `last` the last prices (0: none), `volume` what each tick traded.
    Book sides are matrices of (tick, level), best first, 0 where there is no level; without them level 1 is unknown.
    """

    moments: Integers
    last: Integers
    volume: Integers
    bid_prices: Integers = field(default_factory=lambda: NO_LEVELS)
    bid_quantities: Integers = field(default_factory=lambda: NO_LEVELS)
    ask_prices: Integers = field(default_factory=lambda: NO_LEVELS)
    ask_quantities: Integers = field(default_factory=lambda: NO_LEVELS)

    @property
    def has_depth(self) -> bool:
        """True when the book is known."""
        return self.bid_prices.size > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TickOrder:
    """What is to be matched after `moment`. `limit` is the order's own limit (0: none).

    `slippage_size`: billionths of the price, or a number of price steps. `until` ends the window of a VWAP or an
    auction. `down`, `up` are the exchange's limits of the day.
    """

    side: Side
    quantity: int
    moment: int
    matching: MatchingType
    limit: int = 0
    slippage: Slippage = Slippage.NONE
    slippage_size: int = 0
    until: int = UNLIMITED
    tick: int = 1
    down: int = 0
    up: int = UNLIMITED


@dataclass(frozen=True, slots=True)
class TickMatch:
    """How an order ended: shares filled and their amount in price units times shares."""

    reason: ReasonCode
    filled: int = 0
    amount: int = 0

    @property
    def price(self) -> float | None:
        """The average price, in price units; None when nothing was filled."""
        return self.amount / self.filled if self.filled else None


def match(market: TickMarket, order: TickOrder) -> TickMatch:
    """Match an order with the first tick after its moment (or the window, for VWAP and auction).

    Refuses a buy at the upper limit and a sale at the lower one, judged at the price that fills. Daily and minute bars
    are matched by the drivers, not here: `next_bar_open` and `current_bar_close` are refused with `ValueError`.
    """
    side = BUY if order.side is Side.BUY else SELL
    if order.matching is MatchingType.COUNTERPARTY_OFFER and market.has_depth:
        return _offer(market, order, side)
    price = _price(market, order, side)
    if price <= 0:
        has_book = order.matching in {MatchingType.NEXT_TICK_BEST_OWN, MatchingType.NEXT_TICK_BEST_COUNTERPARTY}
        return TickMatch(ReasonCode.NO_DEPTH if has_book else ReasonCode.NO_NEXT_BAR)
    refused = ReasonCode.of(locked(price, side, order.down, order.up))
    if refused is not ReasonCode.PENDING:
        return TickMatch(refused)
    paid = _slipped(price, order, side)
    if order.limit and (paid > order.limit if side == BUY else paid < order.limit):
        return TickMatch(ReasonCode.LIMIT_PRICE)
    return TickMatch(ReasonCode.FILLED, order.quantity, order.quantity * paid)


def _price(market: TickMarket, order: TickOrder, side: int) -> int:
    """Return the price of the matching type before slippage; 0 when there is none."""
    matching = order.matching
    if matching is MatchingType.OPEN_AUCTION:
        return kernel.auction_price(market.last, market.volume, market.moments, order.moment, order.until)
    if matching is MatchingType.VWAP:
        low, high = np.searchsorted(market.moments, [order.moment + 1, order.until + 1])
        return kernel.vwap(market.last[low:high], market.volume[low:high], side)
    if matching in {MatchingType.NEXT_BAR_OPEN, MatchingType.CURRENT_BAR_CLOSE}:
        raise ValueError(f"{matching} is matched with bars, not with ticks")
    place = kernel.next_after(market.moments, order.moment)
    if place < 0:
        return 0
    if matching is MatchingType.NEXT_TICK_LAST or not market.has_depth:
        return kernel.next_last(market.moments, market.last, order.moment)
    bid, ask = int(market.bid_prices[place, 0]), int(market.ask_prices[place, 0])
    return kernel.best_of(bid, ask, side, int(matching is MatchingType.NEXT_TICK_BEST_OWN))


def _offer(market: TickMarket, order: TickOrder, side: int) -> TickMatch:
    """Walk through the counterparty's levels of the next snapshot."""
    place = kernel.next_after(market.moments, order.moment)
    if place < 0:
        return TickMatch(ReasonCode.NO_NEXT_BAR)
    prices = market.ask_prices if side == BUY else market.bid_prices
    quantities = market.ask_quantities if side == BUY else market.bid_quantities
    best = int(prices[place, 0])
    refused = ReasonCode.of(locked(best, side, order.down, order.up)) if best > 0 else ReasonCode.PENDING
    if refused is not ReasonCode.PENDING:
        return TickMatch(refused)
    reason, filled, amount = kernel.walk_book(prices[place], quantities[place], side, order.quantity, order.limit)
    return TickMatch(ReasonCode.of(reason), filled, amount)


def _slipped(price: int, order: TickOrder, side: int) -> int:
    """Move the price by the order's slippage model."""
    ticks = np.array([[UNLIMITED, order.tick]], dtype=np.int64)
    model = kernel.SLIPPAGE_NUMBERS[order.slippage]
    return kernel.with_slippage(price, side, model, order.slippage_size, ticks, order.down, order.up)
