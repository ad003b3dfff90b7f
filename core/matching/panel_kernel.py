"""The panel driver: all symbols of a market day by day in one call. The rules of a fill are those of `fill_kernel`.

On each day: corporate actions, fills at the open, decisions, fills at the close, the account. All sells come before
all buys, each in symbol order and, within one symbol, in the order of submission.
"""

from typing import Final

import numpy as np

from core.matching.borrowed import borrowed
from core.matching.compiled import compiled
from core.matching.fill_kernel import worth
from core.matching.model import ReasonCode
from core.matching.panel_book_kernel import (
    add_lot,
    apply_event,
    equity_at,
    gathered,
    give_out,
    mark,
    note_change,
    take_in,
    take_lots,
    tax_of,
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
    KIND_TARGET,
    LOT_COUNT,
    NO_SIDE,
    ORDER_COUNT,
    ORDER_FEES,
    PART,
    POSITION,
    QUANTITY,
    QUEUE_COUNT,
    REASON,
    SIDE,
    SUBMITTED,
    SYMBOL,
    TARGET,
    TOP,
    TRADE_COUNT,
    Actions,
    Book,
    Flags,
    Integers,
    Plan,
    Tape,
    Terms,
)
from core.matching.panel_order_kernel import AT_TARGET, match_buy, match_sale
from core.matching.rules_kernel import BUY, INSUFFICIENT_CASH, NO_VOLUME, PARTIAL_VOLUME, SELL, target_shares

SUSPENDED: Final = ReasonCode.SUSPENDED.number


@compiled
def is_gap(submitted: int, day: int, gap_after: Flags, is_at_close: int) -> bool:
    """Return whether the trading day of an order submitted on a day passed before this one."""
    if submitted >= day:
        return False
    return is_at_close == 1 or day > submitted + 1 or gap_after[submitted]


@compiled
def waiting_orders(day: int, tape: Tape, terms: Terms, plan: Plan, book: Book) -> Integers:
    """Take from the queue what meets a bar today, by symbol; what was suspended ends, unless it may go on."""
    account, orders, queue, closes = book.account, book.orders, book.queue, tape.closes[day]
    may_go_on, is_at_close = plan.options[CARRY], plan.options[AT_CLOSE]
    count, kept, size = 0, 0, account[QUEUE_COUNT]
    found, symbols = np.empty(size, np.int64), np.empty(size, np.int64)
    is_sorted, last = True, -1
    for place in range(size):
        at = queue[place]
        symbol, submitted = orders[at, SYMBOL], orders[at, SUBMITTED]
        if closes[symbol] <= 0:
            queue[kept] = at
            kept += 1
        elif may_go_on == 0 and is_gap(submitted, day, terms.gap_after[terms.class_of[symbol]], is_at_close):
            orders[at, REASON] = SUSPENDED
        else:
            found[count], symbols[count] = at, symbol
            is_sorted = is_sorted and symbol >= last
            last = symbol
            count += 1
    account[QUEUE_COUNT] = kept
    if is_sorted:
        return found[:count]
    return found[np.argsort(symbols[:count], kind="mergesort")]


@compiled
def aim(waiting: Integers, day: int, prices: Integers, tape: Tape, terms: Terms, book: Book) -> None:
    """Turn targets, parts of the equity, into shares and into a side, before anything is filled."""
    orders, holdings, today = book.orders, book.holdings, prices[day]
    factor, divisor, equity = terms.scale[0], terms.scale[1], -1
    for at in waiting:
        order = orders[at]
        if order[KIND] != KIND_TARGET or order[QUANTITY] > 0:
            continue
        if equity < 0:
            equity = equity_at(book, tape, prices, day, terms.scale)
        target = target_shares(equity, order[PART], today[order[SYMBOL]], factor, divisor)
        position = holdings[order[SYMBOL], POSITION]
        order[TARGET] = target
        if target == position:
            order[SIDE], order[REASON] = NO_SIDE, AT_TARGET
        else:
            order[SIDE] = BUY if target > position else SELL


@compiled
def finish(order: Integers, at: int, reason: int, day: int, may_go_on: int, account: Integers, queue: Integers) -> None:
    """End an order, or let it go on where that was asked for."""
    order[REASON], order[ENDED] = reason, day
    if may_go_on and reason in (NO_VOLUME, PARTIAL_VOLUME):
        queue[account[QUEUE_COUNT]] = at
        account[QUEUE_COUNT] += 1


@compiled
def book_order(order: Integers, filled: int, amount: int, fees: int) -> None:
    """Count a fill in its order."""
    order[FILLED_SHARES] += filled
    order[AMOUNT] += amount
    order[ORDER_FEES] += fees


@compiled
def quotes_of(waiting: Integers, day: int, prices: Integers, tape: Tape, book: Book) -> Integers:
    """Return price, volume, and the prices at which the cell is locked, for each order."""
    orders, row = book.orders, min(day, tape.up.shape[0] - 1)
    symbols = np.empty(waiting.size, np.int64)
    for place in range(waiting.size):
        symbols[place] = orders[waiting[place], SYMBOL]
    out = np.empty((waiting.size, 4), np.int64)
    out[:, 0], out[:, 1] = gathered(prices, symbols), gathered(tape.volumes[day], symbols)
    out[:, 2], out[:, 3] = gathered(tape.down[row], symbols), gathered(tape.up[row], symbols)
    return out


@compiled
def settle_sales(
    waiting: Integers, day: int, quotes: Integers, terms: Terms, plan: Plan, actions: Actions, book: Book
) -> None:
    """Fill the sales among the waiting orders."""
    account, holdings, orders, queue, changes = book.account, book.holdings, book.orders, book.queue, book.changes
    class_of = terms.class_of
    settings, lots, charges, ticks = terms.settings, terms.lots, terms.charges, terms.ticks
    may_go_on, is_taxed = plan.options[CARRY], plan.options[IS_TAXED]
    for place in range(waiting.size):
        at = waiting[place]
        order = orders[at]
        if order[SIDE] != SELL:
            continue
        symbol = order[SYMBOL]
        state, kind = holdings[symbol], class_of[symbol]
        regime = terms.regime_of[kind, day]
        reason, quantity, filled, amount, fees = match_sale(
            order, state, account[CASH], day, quotes[place, 0], quotes[place, 1], settings[kind], lots[kind],
            charges[kind, regime], ticks[kind, regime], quotes[place, 2], quotes[place, 3],
        )  # fmt: skip
        if order[QUANTITY] == 0:
            order[QUANTITY] = quantity
        if filled > 0:
            tax = tax_of(book, actions, symbol, day, filled) if is_taxed else 0
            if account[CASH] + amount - fees - tax < 0:
                reason = INSUFFICIENT_CASH
            else:
                if is_taxed:
                    take_lots(book, symbol, filled)
                give_out(account, state, book.trades[account[TRADE_COUNT]], symbol, day, filled, amount, fees, tax)
                note_change(account, changes, state, symbol, day)
                book_order(order, filled, amount, fees)
        finish(order, at, reason, day, may_go_on, account, queue)


@compiled
def settle_buys(waiting: Integers, day: int, quotes: Integers, terms: Terms, plan: Plan, book: Book) -> None:
    """Fill the buys among the waiting orders."""
    account, holdings, orders, queue, changes = book.account, book.holdings, book.orders, book.queue, book.changes
    held, class_of = book.held, terms.class_of
    settings, lots, rest_lots = terms.settings, terms.lots, terms.rest_lots
    charges, ticks, regime_of = terms.charges, terms.ticks, terms.regime_of
    may_go_on, is_taxed = plan.options[CARRY], plan.options[IS_TAXED]
    for place in range(waiting.size):
        at = waiting[place]
        order = orders[at]
        if order[SIDE] != BUY:
            continue
        symbol = order[SYMBOL]
        state, kind = holdings[symbol], class_of[symbol]
        regime = regime_of[kind, day]
        reason, quantity, filled, amount, fees = match_buy(
            order, state, account[CASH], day, quotes[place, 0], quotes[place, 1], settings[kind], lots[kind],
            rest_lots[kind], charges[kind, regime], ticks[kind, regime], quotes[place, 2], quotes[place, 3],
        )  # fmt: skip
        if order[QUANTITY] == 0:
            order[QUANTITY] = quantity
        if filled > 0:
            take_in(account, state, held, symbol, day, filled, amount, fees)
            if is_taxed:
                add_lot(book, symbol, day, filled)
            note_change(account, changes, state, symbol, day)
            book_order(order, filled, amount, fees)
        finish(order, at, reason, day, may_go_on, account, queue)


@compiled
def settle(day: int, prices: Integers, tape: Tape, terms: Terms, plan: Plan, actions: Actions, book: Book) -> None:
    """Settle what waits: all sells, then all buys."""
    waiting = waiting_orders(day, tape, terms, plan, book)
    aim(waiting, day, prices, tape, terms, book)
    quotes = quotes_of(waiting, day, prices[day], tape, book)
    settle_sales(waiting, day, quotes, terms, plan, actions, book)
    settle_buys(waiting, day, quotes, terms, plan, book)


@compiled
def has_room(account: Integers, room: Integers, added: int, events: int) -> bool:
    """Return whether the book's arrays hold all that a day can bring."""
    waiting = account[QUEUE_COUNT] + added
    return (
        account[ORDER_COUNT] + added <= room[0]
        and waiting <= room[1]
        and account[TRADE_COUNT] + waiting <= room[2]
        and account[CHANGE_COUNT] + waiting + events <= room[3]
        and account[LOT_COUNT] + waiting + events <= room[4]
    )


@compiled
def borrowed_market(tape: Tape, terms: Terms) -> tuple[Tape, Terms]:
    """Return the same arrays, whose references are not counted."""
    return (
        Tape(
            borrowed(tape.opens), borrowed(tape.closes), borrowed(tape.volumes), borrowed(tape.down), borrowed(tape.up)
        ),
        Terms(
            borrowed(terms.settings),
            borrowed(terms.lots),
            borrowed(terms.rest_lots),
            borrowed(terms.charges),
            borrowed(terms.ticks),
            borrowed(terms.class_of),
            borrowed(terms.regime_of),
            borrowed(terms.gap_after),
            borrowed(terms.scale),
        ),
    )


@compiled
def borrowed_run(plan: Plan, actions: Actions, book: Book) -> tuple[Plan, Actions, Book]:
    """Return the same arrays, whose references are not counted."""
    return (
        Plan(
            borrowed(plan.options),
            borrowed(plan.starts),
            borrowed(plan.orders),
            borrowed(plan.rank),
            borrowed(plan.allowed),
            borrowed(plan.is_st),
            borrowed(plan.first_bar),
        ),
        Actions(
            borrowed(actions.starts),
            borrowed(actions.events),
            borrowed(actions.first_of),
            borrowed(actions.ratios),
            borrowed(actions.owed),
            borrowed(actions.calendar),
        ),
        Book(
            borrowed(book.account),
            borrowed(book.holdings),
            borrowed(book.held),
            borrowed(book.orders),
            borrowed(book.queue),
            borrowed(book.trades),
            borrowed(book.changes),
            borrowed(book.lots),
            borrowed(book.curve),
        ),
    )


@compiled
def run_days(first: int, stop: int, tape: Tape, terms: Terms, plan: Plan, actions: Actions, book: Book) -> int:
    """Run the days `first` .. `stop` - 1; return the next day, before `stop` where the book has no room for it."""
    tape, terms = borrowed_market(tape, terms)
    plan, actions, book = borrowed_run(plan, actions, book)
    account, holdings, held, curve, options = book.account, book.holdings, book.held, book.curve, plan.options
    opens, closes, starts, due = tape.opens, tape.closes, plan.starts, actions.starts
    factor, divisor = terms.scale[0], terms.scale[1]
    room = np.array(
        [book.orders.shape[0], book.queue.shape[0], book.trades.shape[0], book.changes.shape[0], book.lots.shape[0]]
    )
    for day in range(first, stop):
        added = starts[day + 1] - starts[day]
        if is_decision(day, options):
            added += options[TOP] + account[HELD_COUNT]
        if not has_room(account, room, added, due[day + 1] - due[day]):
            return day
        for event in range(due[day], due[day + 1]):
            apply_event(book, actions, event, day, options)
        if options[AT_CLOSE] == 0 and account[QUEUE_COUNT] > 0:
            settle(day, opens, tape, terms, plan, actions, book)
        if added > 0:
            decide(day, tape, plan, book)
        if options[AT_CLOSE] == 1 and account[QUEUE_COUNT] > 0:
            settle(day, closes, tape, terms, plan, actions, book)
        mark(account, holdings, held, closes[day], curve[day], factor, divisor)
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
