"""Fills out of ticks and order-book snapshots, and the slippage models.

Prices and quantities are whole numbers. A book side is a row of level prices and a row of level quantities, best
first; a level without a price (0) ends it. Moments are whole numbers of one unit, ascending.
"""

from typing import Final

import numpy as np

from core.matching.compiled import compiled
from core.matching.integers import DOWN, HALF_UP, UP, mul_div
from core.matching.model import RATE, ReasonCode, Slippage
from core.matching.rules_kernel import BUY, Integers, slipped, slipped_to_limit

NOTHING: Final = -1
NO_SLIPPAGE: Final = 0
BY_RATIO: Final = 1
BY_TICKS: Final = 2
TO_LIMIT: Final = 3
FILLED: Final = ReasonCode.FILLED.number
PARTIAL_VOLUME: Final = ReasonCode.PARTIAL_VOLUME.number
LIMIT_PRICE: Final = ReasonCode.LIMIT_PRICE.number
NO_DEPTH: Final = ReasonCode.NO_DEPTH.number
SLIPPAGE_NUMBERS: Final = {
    Slippage.NONE: NO_SLIPPAGE,
    Slippage.PRICE_RATIO: BY_RATIO,
    Slippage.TICK_SIZE: BY_TICKS,
    Slippage.LIMIT_PRICE: TO_LIMIT,
}


@compiled
def with_slippage(price: int, side: int, model: int, size: int, ticks: Integers, down: int, up: int) -> int:
    """Move a price against the trader: by `size` billionths, by `size` price steps, or to the exchange's limit.

    To the limit: where the day has none the price stays.
    """
    if model == BY_RATIO:
        return slipped(price, side, size, ticks, down, up)
    if model == BY_TICKS:
        return slipped(price, side, -size, ticks, down, up)
    if model == TO_LIMIT:
        return slipped_to_limit(price, side, down, up)
    return price


@compiled
def next_after(moments: Integers, moment: int) -> int:
    """Return the place of the first tick after a moment; `NOTHING` when there is none."""
    place = int(np.searchsorted(moments, moment + 1))
    return place if place < moments.size else NOTHING


@compiled
def next_last(moments: Integers, last: Integers, moment: int) -> int:
    """Next tick, last price: the price of the first trade after a moment; 0 when there is none."""
    for place in range(np.searchsorted(moments, moment + 1), moments.size):
        if last[place] > 0:
            return last[place]
    return 0


@compiled
def best_of(bid: int, ask: int, side: int, is_own: int) -> int:
    """Return the best price of the own side (the bid for a buyer) or of the counterparty; 0 when nobody is there."""
    if side == BUY:
        return bid if is_own else ask
    return ask if is_own else bid


@compiled
def walk_book(prices: Integers, quantities: Integers, side: int, wanted: int, limit: int) -> tuple[int, int, int]:
    """Take from the counterparty's levels, best first: reason, quantity, amount in price units times shares.

    `limit` is the order's own limit (0: none): levels beyond it are left alone. What the shown levels do not hold is
    not filled.
    """
    left, amount = wanted, 0
    for level in range(prices.size):
        price = prices[level]
        if price <= 0 or left == 0:
            break
        if limit > 0 and ((side == BUY and price > limit) or (side != BUY and price < limit)):
            if left == wanted:
                return LIMIT_PRICE, 0, 0
            break
        taken = min(left, quantities[level])
        amount += taken * price
        left -= taken
    filled = wanted - left
    if filled == 0:
        return NO_DEPTH, 0, 0
    return FILLED if left == 0 else PARTIAL_VOLUME, filled, amount


@compiled
def vwap(prices: Integers, quantities: Integers, side: int) -> int:
    """Return the volume-weighted price of trades, to the whole unit away from the trader; 0 when none traded."""
    amount, volume = 0, 0
    for place in range(prices.size):
        amount += prices[place] * quantities[place]
        volume += quantities[place]
    if volume == 0:
        return 0
    return mul_div(amount, 1, volume, UP if side == BUY else DOWN)


@compiled
def vwap_of_bar(amount: int, volume: int, unit_factor: int, unit_divisor: int) -> int:
    """Return a bar's volume-weighted price out of its amount (0.0001) and volume, half up; 0 when none traded."""
    if volume <= 0 or amount <= 0:
        return 0
    return mul_div(amount, unit_divisor, volume * unit_factor, HALF_UP)


@compiled
def auction_price(prices: Integers, quantities: Integers, moments: Integers, start: int, end: int) -> int:
    """Return the one price of an opening auction: of the first trade at `start` .. `end`; 0 when there was none."""
    for place in range(np.searchsorted(moments, start), moments.size):
        if moments[place] > end:
            return 0
        if quantities[place] > 0 and prices[place] > 0:
            return prices[place]
    return 0


@compiled
def rate_of(amount: int, quantity: int, price: int) -> int:
    """Return how far an average price lies from a price, in billionths of it, without sign."""
    fair = quantity * price
    return mul_div(abs(amount - fair), RATE, fair, HALF_UP) if fair > 0 else 0
