"""What the panel driver orders at the end of a day: given orders, or the best of a rank chosen by a bounded heap."""

from typing import Final

import numpy as np

from core.matching.compiled import compiled
from core.matching.model import ReasonCode
from core.matching.panel_layout import (
    DESCENDING,
    ENDED,
    EVERY,
    FIRST,
    HELD_COUNT,
    KIND,
    KIND_TARGET,
    LEAST_DAYS,
    LIMIT,
    NO_SIDE,
    NO_ST,
    ORDER_COUNT,
    PART,
    PLACE,
    POSITION,
    QUEUE_COUNT,
    REASON,
    REBALANCE,
    SHARES,
    SIDE,
    SUBMITTED,
    SYMBOL,
    TOP,
    WARMUP,
    WEIGHT,
    Book,
    Floats,
    Integers,
    Plan,
    Tape,
)

PENDING: Final = ReasonCode.PENDING.number


@compiled
def is_after(value: float, place: int, other: float, other_place: int) -> bool:
    """Return whether a rank comes after another: by value, of equals by the place of the symbol."""
    return value > other or (value == other and place > other_place)


@compiled
def sift_down(values: Floats, places: Integers, size: int, value: float, place: int) -> None:
    """Put a rank in place of the last one of the heap."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and is_after(values[child + 1], places[child + 1], values[child], places[child]):
            child += 1
        if not is_after(values[child], places[child], value, place):
            break
        values[at], places[at] = values[child], places[child]
        at = child
    values[at], places[at] = value, place


@compiled
def sift_up(values: Floats, places: Integers, size: int, value: float, place: int) -> None:
    """Add a rank to a heap of `size`."""
    at = size
    while at > 0:
        parent = (at - 1) // 2
        if not is_after(value, place, values[parent], places[parent]):
            break
        values[at], places[at] = values[parent], places[parent]
        at = parent
    values[at], places[at] = value, place


@compiled
def is_allowed(day: int, symbol: int, plan: Plan) -> bool:
    """Return whether a symbol passes the filters on a day."""
    if plan.allowed.shape[0] > 0 and not plan.allowed[day, symbol]:
        return False
    if plan.options[NO_ST] and plan.is_st.shape[0] > 0 and plan.is_st[day, symbol]:
        return False
    return day - plan.first_bar[symbol] >= plan.options[LEAST_DAYS]


@compiled
def choose(day: int, tape: Tape, plan: Plan) -> Integers:
    """Return the first `TOP` symbols by the rank of the day, in symbol order. A rank that is no number is none."""
    top, rank, closes = plan.options[TOP], plan.rank[day], tape.closes[day]
    values, places = np.empty(top, np.float64), np.empty(top, np.int64)
    sign = -1.0 if plan.options[DESCENDING] else 1.0
    count, worst = 0, np.inf
    for symbol in range(rank.size):
        value = rank[symbol] * sign
        if not value < worst or value == -np.inf or closes[symbol] <= 0 or not is_allowed(day, symbol, plan):
            continue
        if count < top:
            sift_up(values, places, count, value, symbol)
            count += 1
        else:
            sift_down(values, places, count, value, symbol)
        if count == top:
            worst = values[0]
    return np.sort(places[:count])


@compiled
def add_order(
    account: Integers,
    orders: Integers,
    queue: Integers,
    day: int,
    symbol: int,
    side: int,
    kind: int,
    shares: int,
    part: int,
    limit: int,
    place: int,
) -> None:
    """Append an order to the book and to the queue."""
    at = account[ORDER_COUNT]
    order = orders[at]
    order[SYMBOL], order[SUBMITTED], order[SIDE], order[KIND] = symbol, day, side, kind
    order[SHARES], order[PART], order[LIMIT], order[PLACE] = shares, part, limit, place
    order[REASON], order[ENDED] = PENDING, -1
    account[ORDER_COUNT] = at + 1
    queue[account[QUEUE_COUNT]] = at
    account[QUEUE_COUNT] += 1


@compiled
def order_given(day: int, plan: Plan, book: Book) -> None:
    """Submit the orders that were given for a day."""
    account, orders, queue = book.account, book.orders, book.queue
    for row in range(plan.starts[day], plan.starts[day + 1]):
        given = plan.orders[row]
        add_order(account, orders, queue, day, given[0], given[1], given[2], given[3], given[4], given[5], row)


@compiled
def order_chosen(day: int, tape: Tape, plan: Plan, book: Book) -> None:
    """Submit targets in symbol order: the weight for what is chosen, nothing for what is held and is not."""
    account, orders, queue, holdings = book.account, book.orders, book.queue, book.holdings
    chosen = choose(day, tape, plan)
    held = np.sort(book.held[: account[HELD_COUNT]])
    weight, is_rebalanced = plan.options[WEIGHT], plan.options[REBALANCE]
    one, other = 0, 0
    while one < chosen.size or other < held.size:
        if other == held.size or (one < chosen.size and chosen[one] < held[other]):
            add_order(account, orders, queue, day, chosen[one], NO_SIDE, KIND_TARGET, 0, weight, 0, -1)
            one += 1
            continue
        symbol, is_chosen = held[other], one < chosen.size and chosen[one] == held[other]
        is_empty = holdings[symbol, POSITION] == 0
        if is_chosen and (is_rebalanced or is_empty):
            add_order(account, orders, queue, day, symbol, NO_SIDE, KIND_TARGET, 0, weight, 0, -1)
        elif not is_chosen and not is_empty:
            add_order(account, orders, queue, day, symbol, NO_SIDE, KIND_TARGET, 0, 0, 0, -1)
        one += 1 if is_chosen else 0
        other += 1


@compiled
def is_decision(day: int, options: Integers) -> bool:
    """Return whether a rank is looked at on a day."""
    since = day - options[FIRST]
    return options[TOP] > 0 and since >= 0 and since % options[EVERY] == 0 and day >= options[WARMUP]


@compiled
def decide(day: int, tape: Tape, plan: Plan, book: Book) -> None:
    """Submit the orders of a day, out of what was known at its close."""
    if day >= plan.options[WARMUP]:
        order_given(day, plan, book)
    if is_decision(day, plan.options):
        order_chosen(day, tape, plan, book)
