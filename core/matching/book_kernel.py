"""An order against the levels of an order book: the rules of `fill_kernel`, with an amount that grows level by level.

A side of a book is a row of prices and one of quantities, best first; a price of 0 ends it. Every level taken is a
deal of its own, so its amount is rounded by itself; fees are taken on the order's whole amount.
"""

from typing import Final

import numpy as np

from core.matching import order_layout as at
from core.matching.compiled import compiled
from core.matching.integers import UP, mul_div
from core.matching.model import ReasonCode
from core.matching.order_kernel import AT_TARGET, Match, asked_buy, asked_sale, begin_day_of_order, tables_of
from core.matching.rules_kernel import (
    ABOVE_LARGEST,
    BELOW_LOT,
    BUY,
    FILLED,
    INSUFFICIENT_CASH,
    LIMIT_PRICE,
    NO_POSITION,
    PENDING,
    SELL,
    T_PLUS_ONE,
    Integers,
    amount_of,
    fees_of,
    fill,
    locked,
    sellable,
    size_sell,
    slipped,
    valid_buy,
)

NO_DEPTH: Final = ReasonCode.NO_DEPTH.number


@compiled
def offered(
    levels: Integers, side: int, limit: int, settings: Integers, ticks: Integers, down: int, up: int, out: Integers
) -> tuple[int, int]:
    """Write prices after slippage and quantities of the levels an order may take; return how many, and what ends them.

    `levels` and `out` are rows of prices and of quantities. An order goes neither beyond its own `limit` (0: none) nor
    to a price at which the exchange's limit locks its side.
    """
    count = 0
    for level in range(levels.shape[1]):
        price, quantity = levels[0, level], levels[1, level]
        if price <= 0:
            break
        if quantity <= 0:
            continue
        reason = locked(price, side, down, up)
        if reason != PENDING:
            return count, reason
        moved = slipped(price, side, settings[0], ticks, down, up) * settings[1 + side]
        if limit > 0 and (moved > limit if side == BUY else moved < limit):
            return count, LIMIT_PRICE
        out[0, count], out[1, count] = moved, quantity
        count += 1
    return count, NO_DEPTH


@compiled
def amount_there(quantity: int, levels: Integers, count: int, unit_factor: int, unit_divisor: int) -> int:
    """Return the amount of taking a quantity from the best level on; what they do not hold is priced as the last."""
    amount = 0
    for level in range(count):
        taken = quantity if level == count - 1 else min(quantity, levels[1, level])
        amount += amount_of(taken, levels[0, level], unit_factor, unit_divisor)
        quantity -= taken
        if quantity == 0:
            break
    return amount


@compiled
def affordable_there(
    budget: int, quantity: int, levels: Integers, count: int, settings: Integers, lots: Integers, charges: Integers
) -> int:
    """Return the largest valid quantity up to `quantity` whose amount and fees fit into `budget`."""
    if budget <= 0:
        return 0
    bound = min(quantity, mul_div(budget + 1, settings[4], levels[0, 0], UP) // settings[3] + 1)
    highest = valid_buy(bound, lots)
    if highest == 0:
        return 0
    low, high = -1, (highest - lots[0]) // lots[1]
    while low < high:
        middle = (low + high + 1) // 2
        shares = lots[0] + middle * lots[1]
        amount = amount_there(shares, levels, count, settings[3], settings[4])
        if amount + fees_of(charges, amount, shares, BUY) <= budget:
            low = middle
        else:
            high = middle - 1
    return lots[0] + low * lots[1] if low >= 0 else 0


@compiled
def match_buy(
    account: Integers, order: Integers, state: Integers, terms: Integers, quotes: Integers, index: int, book: Integers
) -> Match:
    """Hold a buy against the asks; nothing is booked."""
    wanted, budget, is_fixed = asked_buy(account, order, state)
    if wanted <= 0:
        return AT_TARGET, 0, 0, 0, 0
    charges, ticks = tables_of(terms, quotes[at.RULES, index % at.HELD] // 2)
    settings, lots = terms[at.SETTINGS : at.LOTS], terms[at.LOTS : at.REST_LOTS]
    levels = np.empty_like(book)
    down, up = quotes[at.DOWN, index % at.HELD], quotes[at.UP, index % at.HELD]
    count, end = offered(book, BUY, order[at.LIMIT], settings, ticks, down, up, levels)
    if count == 0:
        return end, 0, 0, 0, 0
    sizes = terms[at.REST_LOTS : at.FACTOR] if order[at.QUANTITY] > 0 else lots
    valid = valid_buy(wanted, sizes)
    if valid == 0:
        return BELOW_LOT, 0, 0, 0, 0
    quantity = affordable_there(budget, valid, levels, count, settings, sizes, charges)
    if quantity == 0 or (is_fixed and quantity < valid):
        return INSUFFICIENT_CASH, 0, 0, 0, 0
    standing = ABOVE_LARGEST if quantity == valid and wanted > sizes[3] else FILLED
    filled, reason = fill(quantity, standing, levels[1, :count].sum(), lots[1])
    while filled > 0:
        amount = amount_there(filled, levels, count, settings[3], settings[4])
        whole, shares = order[at.DAY_AMOUNT] + amount, order[at.DAY_SHARES] + filled
        fees = fees_of(charges, whole, shares, BUY) - order[at.DAY_FEES]
        if amount + fees <= budget:
            return reason, quantity, filled, amount, fees
        filled -= lots[1]
        reason = INSUFFICIENT_CASH
    return reason, quantity, 0, 0, 0


@compiled
def match_sale(
    account: Integers, order: Integers, state: Integers, terms: Integers, quotes: Integers, index: int, book: Integers
) -> Match:
    """Hold a sale against the bids; nothing is booked."""
    position, wanted = state[at.POSITION], asked_sale(order, state)
    if position <= 0:
        return NO_POSITION, 0, 0, 0, 0
    if wanted <= 0:
        return AT_TARGET if order[at.KIND] == at.TARGET else BELOW_LOT, 0, 0, 0, 0
    charges, ticks = tables_of(terms, quotes[at.RULES, index % at.HELD] // 2)
    settings, lots = terms[at.SETTINGS : at.LOTS], terms[at.LOTS : at.REST_LOTS]
    levels = np.empty_like(book)
    down, up = quotes[at.DOWN, index % at.HELD], quotes[at.UP, index % at.HELD]
    count, end = offered(book, SELL, order[at.LIMIT], settings, ticks, down, up, levels)
    if count == 0:
        return end, 0, 0, 0, 0
    if order[at.QUANTITY] > 0:
        free = sellable(position, state[at.BOUGHT_TODAY], settings[6])
        quantity, standing = min(wanted, free), T_PLUS_ONE if wanted > free else FILLED
    else:
        quantity, standing = size_sell(wanted, position, state[at.BOUGHT_TODAY], settings[6], lots)
    if quantity == 0:
        return standing, 0, 0, 0, 0
    filled, reason = fill(quantity, standing, levels[1, :count].sum(), lots[1])
    if filled == 0:
        return reason, quantity, 0, 0, 0
    amount = amount_there(filled, levels, count, settings[3], settings[4])
    whole, shares = order[at.DAY_AMOUNT] + amount, order[at.DAY_SHARES] + filled
    fees = fees_of(charges, whole, shares, SELL) - order[at.DAY_FEES]
    if account[at.CASH] + amount < fees:
        return INSUFFICIENT_CASH, quantity, 0, 0, 0
    return reason, quantity, filled, amount, fees


@compiled
def match(
    account: Integers,
    orders: Integers,
    state: Integers,
    terms: Integers,
    quotes: Integers,
    index: int,
    row: int,
    book: Integers,
) -> Match:
    """Hold an order against one side of a book, rows of prices and of quantities; `order_kernel.book` books it."""
    order = orders[row]
    begin_day_of_order(order, state[at.TODAY])
    if order[at.SIDE] == BUY:
        return match_buy(account, order, state, terms, quotes, index, book)
    return match_sale(account, order, state, terms, quotes, index, book)
