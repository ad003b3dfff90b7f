"""The panel driver: all symbols of a market day by day in one call. The rules of a fill are those of `fill_kernel`.

On each day: corporate actions, fills at the open, decisions, fills at the close, the account. All sells come before
all buys, each in symbol order and, within one symbol, in the order of submission.
"""

from typing import Final

import numpy as np

from core.matching.compiled import compiled
from core.matching.fill_kernel import buy, sell, worth
from core.matching.integers import DOWN, mul_div
from core.matching.model import RATE, UNLIMITED, ReasonCode
from core.matching.panel_book_kernel import (
    apply_event,
    bought_today,
    equity_at,
    give_out,
    mark,
    take_in,
    tax_of,
    used_today,
)
from core.matching.panel_choice_kernel import decide, is_decision
from core.matching.panel_layout import (
    AMOUNT,
    AT_CLOSE,
    CARRY,
    CASH,
    CHANGE_COUNT,
    ENDED,
    FILLED_SHARES,
    HELD_COUNT,
    IS_TAXED,
    KIND,
    KIND_ALL,
    KIND_PART,
    KIND_SHARES,
    KIND_TARGET,
    LIMIT,
    LOT_COUNT,
    NO_SIDE,
    ORDER_COUNT,
    ORDER_FEES,
    PART,
    POSITION,
    QUANTITY,
    QUEUE_COUNT,
    REASON,
    SHARES,
    SIDE,
    SUBMITTED,
    SYMBOL,
    TARGET,
    TOP,
    TRADE_COUNT,
    Actions,
    Book,
    Integers,
    Plan,
    Tape,
    Terms,
)
from core.matching.rules_kernel import BUY, INSUFFICIENT_CASH, NO_VOLUME, PARTIAL_VOLUME, SELL

AT_TARGET: Final = ReasonCode.AT_TARGET.number
BELOW_LOT: Final = ReasonCode.BELOW_LOT.number
SUSPENDED: Final = ReasonCode.SUSPENDED.number


@compiled
def is_gap(order: Integers, day: int, terms: Terms, is_at_close: int) -> bool:
    """Return whether an order's trading day passed before this one."""
    submitted = order[SUBMITTED]
    if submitted >= day:
        return False
    return is_at_close == 1 or day > submitted + 1 or terms.gap_after[terms.class_of[order[SYMBOL]], submitted]


@compiled
def waiting_orders(day: int, tape: Tape, terms: Terms, plan: Plan, book: Book) -> Integers:
    """Take from the queue what meets a bar today, by symbol; what was suspended ends, unless it may go on."""
    count, kept, size = 0, 0, book.account[QUEUE_COUNT]
    found = np.empty(size, np.int64)
    is_sorted, last = True, -1
    for place in range(size):
        at = book.queue[place]
        order = book.orders[at]
        if tape.closes[day, order[SYMBOL]] <= 0:
            book.queue[kept] = at
            kept += 1
        elif plan.options[CARRY] == 0 and is_gap(order, day, terms, plan.options[AT_CLOSE]):
            order[REASON] = SUSPENDED
        else:
            found[count] = at
            is_sorted = is_sorted and order[SYMBOL] >= last
            last = order[SYMBOL]
            count += 1
    book.account[QUEUE_COUNT] = kept
    found = found[:count]
    if is_sorted:
        return found
    symbols = np.empty(count, np.int64)
    for place in range(count):
        symbols[place] = book.orders[found[place], SYMBOL]
    return found[np.argsort(symbols, kind="mergesort")]


@compiled
def aim(waiting: Integers, day: int, prices: Integers, tape: Tape, terms: Terms, book: Book) -> None:
    """Turn targets, parts of the equity, into shares and into a side, before anything is filled."""
    equity = -1
    for at in waiting:
        order = book.orders[at]
        if order[KIND] != KIND_TARGET or order[QUANTITY] > 0:
            continue
        if equity < 0:
            equity = equity_at(book, tape, prices, day, terms.scale)
        budget = mul_div(equity, order[PART], RATE, DOWN)
        price = prices[day, order[SYMBOL]] * terms.scale[0]
        order[TARGET] = mul_div(budget, terms.scale[1], price, DOWN)
        position = book.holdings[order[SYMBOL], POSITION]
        if order[TARGET] == position:
            order[SIDE], order[REASON] = NO_SIDE, AT_TARGET
        else:
            order[SIDE] = BUY if order[TARGET] > position else SELL


@compiled
def finish(order: Integers, at: int, reason: int, day: int, plan: Plan, book: Book) -> None:
    """End an order, or let it go on where that was asked for."""
    order[REASON], order[ENDED] = reason, day
    if plan.options[CARRY] and reason in (NO_VOLUME, PARTIAL_VOLUME):
        book.queue[book.account[QUEUE_COUNT]] = at
        book.account[QUEUE_COUNT] += 1


@compiled
def book_order(order: Integers, filled: int, amount: int, fees: int) -> None:
    """Count a fill in its order."""
    order[FILLED_SHARES] += filled
    order[AMOUNT] += amount
    order[ORDER_FEES] += fees


@compiled
def wanted_buy(order: Integers, cash: int, position: int) -> tuple[int, int, int]:
    """Return shares wanted at the most, cash allowed, and whether it is that number or nothing."""
    if order[QUANTITY] > 0:
        return order[QUANTITY] - order[FILLED_SHARES], cash, 0
    if order[KIND] == KIND_SHARES:
        return order[SHARES], cash, 1
    if order[KIND] == KIND_PART:
        return UNLIMITED, mul_div(cash, order[PART], RATE, DOWN), 0
    if order[KIND] == KIND_TARGET:
        return order[TARGET] - position, cash, 0
    return UNLIMITED, cash, 0


@compiled
def wanted_sale(order: Integers, position: int) -> int:
    """Return the shares that are to be sold."""
    if order[QUANTITY] > 0:
        return order[QUANTITY] - order[FILLED_SHARES]
    if order[KIND] == KIND_ALL:
        return position
    if order[KIND] == KIND_SHARES:
        return order[SHARES]
    if order[KIND] == KIND_PART:
        return mul_div(position, order[PART], RATE, DOWN)
    return position - order[TARGET]


@compiled
def settle_buy(at: int, day: int, prices: Integers, tape: Tape, terms: Terms, plan: Plan, book: Book) -> None:
    """Fill a buy at the day's price."""
    order = book.orders[at]
    symbol = order[SYMBOL]
    kind, row = terms.class_of[symbol], min(day, tape.up.shape[0] - 1)
    regime = terms.regime_of[kind, day]
    wanted, budget, is_fixed = wanted_buy(order, book.account[CASH], book.holdings[symbol, POSITION])
    if wanted <= 0:
        finish(order, at, AT_TARGET, day, plan, book)
        return
    reason, quantity, filled, amount, fees = buy(
        prices[day, symbol],
        tape.volumes[day, symbol],
        used_today(book, symbol, day),
        wanted,
        is_fixed,
        1 if order[QUANTITY] > 0 else 0,
        budget,
        order[LIMIT],
        0,
        0,
        0,
        terms.settings[kind],
        terms.lots[kind],
        terms.rest_lots[kind],
        terms.charges[kind, regime],
        terms.ticks[kind, regime],
        tape.down[row, symbol],
        tape.up[row, symbol],
    )
    if order[QUANTITY] == 0:
        order[QUANTITY] = quantity
    if filled > 0:
        take_in(book, symbol, day, filled, amount, fees, plan.options)
        book_order(order, filled, amount, fees)
    finish(order, at, reason, day, plan, book)


@compiled
def settle_sale(
    at: int, day: int, prices: Integers, tape: Tape, terms: Terms, plan: Plan, actions: Actions, book: Book
) -> None:
    """Fill a sale at the day's price."""
    order = book.orders[at]
    symbol = order[SYMBOL]
    kind, row = terms.class_of[symbol], min(day, tape.up.shape[0] - 1)
    regime, position = terms.regime_of[kind, day], book.holdings[symbol, POSITION]
    wanted = wanted_sale(order, position)
    if wanted <= 0 and position > 0:
        finish(order, at, AT_TARGET if order[KIND] == KIND_TARGET else BELOW_LOT, day, plan, book)
        return
    reason, quantity, filled, amount, fees = sell(
        prices[day, symbol],
        tape.volumes[day, symbol],
        used_today(book, symbol, day),
        wanted,
        1 if order[QUANTITY] > 0 else 0,
        book.account[CASH],
        position,
        bought_today(book, symbol, day),
        order[LIMIT],
        0,
        0,
        0,
        terms.settings[kind],
        terms.lots[kind],
        terms.charges[kind, regime],
        terms.ticks[kind, regime],
        tape.down[row, symbol],
        tape.up[row, symbol],
    )
    if order[QUANTITY] == 0:
        order[QUANTITY] = quantity
    if filled > 0:
        tax = tax_of(book, actions, symbol, day, filled) if plan.options[IS_TAXED] else 0
        if book.account[CASH] + amount - fees - tax < 0:
            finish(order, at, INSUFFICIENT_CASH, day, plan, book)
            return
        give_out(book, symbol, day, filled, amount, fees, tax, plan.options)
        book_order(order, filled, amount, fees)
    finish(order, at, reason, day, plan, book)


@compiled
def settle(day: int, prices: Integers, tape: Tape, terms: Terms, plan: Plan, actions: Actions, book: Book) -> None:
    """Settle what waits: all sells, then all buys."""
    if book.account[QUEUE_COUNT] == 0:
        return
    waiting = waiting_orders(day, tape, terms, plan, book)
    aim(waiting, day, prices, tape, terms, book)
    for at in waiting:
        if book.orders[at, SIDE] == SELL:
            settle_sale(at, day, prices, tape, terms, plan, actions, book)
    for at in waiting:
        if book.orders[at, SIDE] == BUY:
            settle_buy(at, day, prices, tape, terms, plan, book)


@compiled
def has_room(day: int, plan: Plan, actions: Actions, book: Book) -> bool:
    """Return whether the book's arrays hold all that a day can bring."""
    account, events = book.account, actions.starts[day + 1] - actions.starts[day]
    added = plan.starts[day + 1] - plan.starts[day]
    if is_decision(day, plan):
        added += plan.options[TOP] + account[HELD_COUNT]
    waiting = account[QUEUE_COUNT] + added
    return (
        account[ORDER_COUNT] + added <= book.orders.shape[0]
        and waiting <= book.queue.shape[0]
        and account[TRADE_COUNT] + waiting <= book.trades.shape[0]
        and account[CHANGE_COUNT] + waiting + events <= book.changes.shape[0]
        and (plan.options[IS_TAXED] == 0 or account[LOT_COUNT] + waiting + events <= book.lots.shape[0])
    )


@compiled
def run_days(first: int, stop: int, tape: Tape, terms: Terms, plan: Plan, actions: Actions, book: Book) -> int:
    """Run the days `first` .. `stop` - 1; return the next day, before `stop` where the book has no room for it."""
    for day in range(first, stop):
        if not has_room(day, plan, actions, book):
            return day
        for event in range(actions.starts[day], actions.starts[day + 1]):
            apply_event(book, actions, event, day, plan.options)
        if plan.options[AT_CLOSE] == 0:
            settle(day, tape.opens, tape, terms, plan, actions, book)
        decide(day, tape, plan, book)
        if plan.options[AT_CLOSE] == 1:
            settle(day, tape.closes, tape, terms, plan, actions, book)
        mark(book, tape, day, terms.scale)
    return stop


@compiled
def worth_between(changes: Integers, closes: Integers, symbol: int, scale: Integers, out: Integers) -> None:
    """Write the worth of one symbol's holding on every day, out of the changes of that symbol in time."""
    position, last, row = 0, 0, 0
    for day in range(closes.shape[0]):
        while row < changes.shape[0] and changes[row, 0] <= day:
            position = changes[row, 2]
            row += 1
        if closes[day, symbol] > 0:
            last = closes[day, symbol]
        out[day] = worth(position, last, scale[0], scale[1]) if position > 0 else 0
