"""An order from its bar to the books, in one compiled call: sizes, the rules of `fill_kernel`, shares, cash, ledger.

The tables are described in `order_layout`. Every rule stays in `rules_kernel` and `fill_kernel`; here is what a size
means and what a fill does to a holding.
"""

from typing import Final

from core.matching import fill_kernel
from core.matching import order_layout as at
from core.matching.borrowed import column_at, table_at
from core.matching.compiled import compiled
from core.matching.integers import DOWN, mul_div
from core.matching.model import RATE, UNLIMITED, ReasonCode
from core.matching.rules_kernel import (
    BELOW_LOT,
    BUY,
    FILLED,
    INSUFFICIENT_CASH,
    NO_VOLUME,
    PARTIAL_VOLUME,
    SELL,
    Integers,
    relieved,
    target_shares,
)

AT_TARGET: Final = ReasonCode.AT_TARGET.number
SUSPENDED: Final = ReasonCode.SUSPENDED.number
CARRIED: Final = 1 << SUSPENDED | 1 << NO_VOLUME | 1 << PARTIAL_VOLUME | 1 << ReasonCode.NO_DEPTH.number
"""Reasons after which an order may go on, where that was asked for: one bit each."""
Match = tuple[int, int, int, int, int]
"""Reason, quantity of the order, shares filled, amount, fees."""


@compiled
def enter(
    orders: Integers, row: int, holding: int, side: int, kind: int, value: int, limit: int, submitted: int
) -> None:
    """Write an order down as it was given."""
    order = orders[row]
    order[at.KIND], order[at.SIDE], order[at.VALUE], order[at.LIMIT] = kind, side, value, limit
    order[at.SUBMITTED], order[at.HOLDING] = submitted, holding
    order[at.ENDED], order[at.DAY] = at.NEVER, at.NEVER


@compiled
def begin_bar(state: Integers, day: int, index: int) -> None:
    """Make what was bought before this bar's day sellable, and the bar's volume unused."""
    if state[at.TODAY] != day:
        state[at.TODAY], state[at.BOUGHT_TODAY] = day, 0
    if state[at.USED_AT] != index:
        state[at.USED_AT], state[at.USED] = index, 0


@compiled
def finish(order: Integers, state: Integers, reason: int, index: int) -> int:
    """End an order at a bar (`NEVER`: at none); return 1 when it goes on to the next bar instead."""
    order[at.REASON] = reason
    if index != at.NEVER:
        order[at.ENDED] = index
    if state[at.CARRIES] and CARRIED >> reason & 1:
        return 1
    if reason != FILLED:
        state[at.REFUSALS + reason] += 1
    return 0


@compiled
def missed_its_day(order: Integers, state: Integers, quotes: Integers, index: int) -> bool:
    """Say whether the exchange traded between the bar before and this one, and end the order: it was suspended.

    Orders that go on from bar to bar wait instead.
    """
    given = order[at.SUBMITTED]
    if state[at.CARRIES] or given < 0 or given >= index or quotes[at.RULES, index % at.HELD] % 2 == 0:
        return False
    finish(order, state, SUSPENDED, at.NEVER)
    return True


@compiled
def aim(order: Integers, state: Integers, terms: Integers, price: int, equity: int) -> None:
    """Turn a target part of the equity into shares, and into a side; end it when nothing is to do."""
    if order[at.KIND] != at.TARGET or order[at.QUANTITY] > 0:
        return
    target = target_shares(equity, order[at.VALUE], price, terms[at.FACTOR], terms[at.DIVISOR])
    order[at.TARGET_SHARES] = target
    if target == state[at.POSITION]:
        finish(order, state, AT_TARGET, at.NEVER)
        order[at.SIDE] = at.NO_SIDE
    else:
        order[at.SIDE] = BUY if target > state[at.POSITION] else SELL


@compiled
def begin_day_of_order(order: Integers, day: int) -> None:
    """Start the order's day: fees are taken on its whole amount of a day."""
    if order[at.DAY] != day:
        order[at.DAY], order[at.DAY_SHARES], order[at.DAY_AMOUNT], order[at.DAY_FEES] = day, 0, 0, 0


@compiled
def tables_of(terms: Integers, rules: int) -> tuple[Integers, Integers]:
    """Return the charges and price steps of a number of rules."""
    charge_rows, tick_rows = terms[at.CHARGE_ROWS], terms[at.TICK_ROWS]
    start = at.TABLES + rules * (charge_rows * at.CHARGE_SIZE + tick_rows * at.TICK_SIZE)
    middle = start + charge_rows * at.CHARGE_SIZE
    address = terms.ctypes.data
    charges = table_at(address + at.BYTES * start, charge_rows, at.CHARGE_SIZE)
    return charges, table_at(address + at.BYTES * middle, tick_rows, at.TICK_SIZE)


@compiled
def asked_buy(account: Integers, order: Integers, state: Integers) -> tuple[int, int, int]:
    """Return shares wanted at the most, cash allowed, and whether it is that number or nothing."""
    cash, kind = account[at.CASH], order[at.KIND]
    wanted, budget, is_fixed = UNLIMITED, cash, 0
    if order[at.QUANTITY] > 0:
        wanted = order[at.QUANTITY] - order[at.FILLED_SHARES]
    elif kind == at.SHARES:
        wanted, is_fixed = order[at.VALUE], 1
    elif kind == at.PART:
        budget = mul_div(cash, order[at.VALUE], RATE, DOWN)
    elif kind == at.TARGET:
        wanted = order[at.TARGET_SHARES] - state[at.POSITION]
    return wanted, budget, is_fixed


@compiled
def match_buy(
    account: Integers, order: Integers, state: Integers, terms: Integers, quotes: Integers, index: int
) -> Match:
    """Hold a buy against its bar; nothing is booked."""
    wanted, budget, is_fixed = asked_buy(account, order, state)
    if wanted <= 0:
        return AT_TARGET, 0, 0, 0, 0
    charges, ticks = tables_of(terms, quotes[at.RULES, index % at.HELD] // 2)
    return fill_kernel.buy(
        quotes[at.PRICE, index % at.HELD],
        quotes[at.VOLUME, index % at.HELD],
        state[at.USED],
        wanted,
        is_fixed,
        int(order[at.QUANTITY] > 0),
        budget,
        order[at.LIMIT],
        order[at.DAY_SHARES],
        order[at.DAY_AMOUNT],
        order[at.DAY_FEES],
        terms[at.SETTINGS : at.LOTS],
        terms[at.LOTS : at.REST_LOTS],
        terms[at.REST_LOTS : at.FACTOR],
        charges,
        ticks,
        quotes[at.DOWN, index % at.HELD],
        quotes[at.UP, index % at.HELD],
    )


@compiled
def asked_sale(order: Integers, state: Integers) -> int:
    """Return the shares that are to be sold."""
    kind, position = order[at.KIND], state[at.POSITION]
    if order[at.QUANTITY] > 0:
        return order[at.QUANTITY] - order[at.FILLED_SHARES]
    if kind == at.ALL:
        return position
    if kind == at.SHARES:
        return order[at.VALUE]
    if kind == at.PART:
        return mul_div(position, order[at.VALUE], RATE, DOWN)
    return position - order[at.TARGET_SHARES]


@compiled
def match_sale(
    account: Integers, order: Integers, state: Integers, terms: Integers, quotes: Integers, index: int
) -> Match:
    """Hold a sale against its bar; nothing is booked."""
    position, wanted = state[at.POSITION], asked_sale(order, state)
    if wanted <= 0 and position > 0:
        return AT_TARGET if order[at.KIND] == at.TARGET else BELOW_LOT, 0, 0, 0, 0
    charges, ticks = tables_of(terms, quotes[at.RULES, index % at.HELD] // 2)
    return fill_kernel.sell(
        quotes[at.PRICE, index % at.HELD],
        quotes[at.VOLUME, index % at.HELD],
        state[at.USED],
        wanted,
        int(order[at.QUANTITY] > 0),
        account[at.CASH],
        position,
        state[at.BOUGHT_TODAY],
        order[at.LIMIT],
        order[at.DAY_SHARES],
        order[at.DAY_AMOUNT],
        order[at.DAY_FEES],
        terms[at.SETTINGS : at.LOTS],
        terms[at.LOTS : at.REST_LOTS],
        charges,
        ticks,
        quotes[at.DOWN, index % at.HELD],
        quotes[at.UP, index % at.HELD],
    )


@compiled
def sale_quantity(
    account: Integers, orders: Integers, state: Integers, terms: Integers, quotes: Integers, index: int, row: int
) -> int:
    """Return how many shares a sale would fill: the tax on their dividends is asked for before it does."""
    begin_day_of_order(orders[row], state[at.TODAY])
    return match_sale(account, orders[row], state, terms, quotes, index)[2]


@compiled
def take_in(account: Integers, state: Integers, index: int, filled: int, amount: int, fees: int) -> None:
    """Add bought shares, and pay for them."""
    if state[at.POSITION] == 0:
        state[at.ENTRY] = index
    state[at.POSITION] += filled
    state[at.BOUGHT_TODAY] += filled
    state[at.COST] += amount + fees
    state[at.SPENT] += amount
    state[at.FLOW] -= amount + fees
    account[at.CASH] -= amount + fees


@compiled
def give_out(account: Integers, state: Integers, line: Integers, filled: int, amount: int, fees: int, tax: int) -> None:
    """Take sold shares away, receive their proceeds, and write down what they had cost: all in proportion."""
    held = state[at.POSITION]
    cost, spent = relieved(state[at.COST], filled, held), relieved(state[at.SPENT], filled, held)
    income = relieved(state[at.INCOME], filled, held)
    line[at.L_ENTRY], line[at.L_SPENT], line[at.L_RELIEVED], line[at.L_INCOME] = state[at.ENTRY], spent, cost, income
    state[at.POSITION] -= filled
    state[at.COST] -= cost
    state[at.SPENT] -= spent
    state[at.INCOME] -= income
    state[at.FLOW] += amount - fees - tax
    account[at.CASH] += amount - fees - tax


@compiled
def write_line(account: Integers, state: Integers, line: Integers, index: int, row: int) -> None:
    """Write the account and the holding as they are into a row of the ledger."""
    line[at.L_BAR], line[at.L_ORDER], line[at.L_HOLDING] = index, row, state[at.NUMBER]
    line[at.L_POSITION], line[at.L_CASH] = state[at.POSITION], account[at.CASH]
    line[at.L_FLOW], line[at.L_COST] = state[at.FLOW], state[at.COST]
    account[at.FILLS] += 1


@compiled
def book(
    account: Integers,
    order: Integers,
    ledger: Integers,
    state: Integers,
    index: int,
    row: int,
    tax: int,
    matched: Match,
) -> int:
    """Book what an order was matched with; return 1 when it goes on to the next bar."""
    reason, quantity, filled, amount, fees = matched
    line = ledger[account[at.FILLS]]
    if order[at.QUANTITY] == 0:
        order[at.QUANTITY] = quantity
    if filled > 0:
        if order[at.SIDE] == BUY:
            take_in(account, state, index, filled, amount, fees)
        elif account[at.CASH] + amount - fees - tax < 0:
            return finish(order, state, INSUFFICIENT_CASH, index)
        else:
            give_out(account, state, line, filled, amount, fees, tax)
        line[at.L_SIDE], line[at.L_SHARES], line[at.L_AMOUNT] = order[at.SIDE], filled, amount
        line[at.L_FEES], line[at.L_TAX] = fees, tax
        write_line(account, state, line, index, row)
        order[at.FILLED_SHARES] += filled
        order[at.AMOUNT] += amount
        order[at.FEES] += fees
        order[at.DAY_SHARES] += filled
        order[at.DAY_AMOUNT] += amount
        order[at.DAY_FEES] += fees
        state[at.USED] += filled
    return finish(order, state, reason, index)


@compiled
def fill_order(
    account: Integers,
    orders: Integers,
    ledger: Integers,
    state: Integers,
    terms: Integers,
    quotes: Integers,
    index: int,
    row: int,
    tax: int,
) -> int:
    """Fill an order as far as the rules let it, and book it; return 1 when it goes on to the next bar.

    `tax` is what a sale pays on dividends beside its fees; what the cash cannot pay is refused.
    """
    order = orders[row]
    begin_day_of_order(order, state[at.TODAY])
    matched = (
        match_buy(account, order, state, terms, quotes, index)
        if order[at.SIDE] == BUY
        else match_sale(account, order, state, terms, quotes, index)
    )
    return book(account, order, ledger, state, index, row, tax, matched)


@compiled
def settle_order(
    places_at: int, index: int, row: int, side: int, kind: int, value: int, limit: int, submitted: int
) -> int:
    """Settle the only order that waits for a bar; return the shares held after it, `GOES_ON` or `NEEDS_ROOM`.

    `places_at` is the address of where the holding's tables lie.
    """
    places = column_at(places_at, at.PLACES_SIZE)
    account = column_at(places[at.ACCOUNT_AT], at.ACCOUNT_SIZE)
    if row >= account[at.ORDERS_ROWS] or account[at.FILLS] >= account[at.LEDGER_ROWS]:
        return at.NEEDS_ROOM
    orders = table_at(account[at.ORDERS_AT], account[at.ORDERS_ROWS], at.ORDER_SIZE)
    ledger = table_at(account[at.LEDGER_AT], account[at.LEDGER_ROWS], at.LEDGER_SIZE)
    state, terms = (
        column_at(places[at.STATE_AT], at.STATE_SIZE),
        column_at(places[at.TERMS_AT], places[at.TERMS_LENGTH]),
    )
    quotes = table_at(places[at.QUOTES_AT], at.QUOTE_SIZE, places[at.QUOTES_LENGTH])
    order = orders[row]
    if order[at.KIND] == 0:
        enter(orders, row, state[at.NUMBER], side, kind, value, limit, submitted)
    begin_bar(state, quotes[at.DATE, index % at.HELD], index)
    if missed_its_day(order, state, quotes, index):
        return state[at.POSITION]
    if kind == at.TARGET:
        equity = account[at.CASH] + fill_kernel.worth(
            state[at.POSITION], quotes[at.PRICE, index % at.HELD], terms[at.FACTOR], terms[at.DIVISOR]
        )
        aim(order, state, terms, quotes[at.PRICE, index % at.HELD], equity)
        if order[at.SIDE] == at.NO_SIDE:
            return state[at.POSITION]
    if fill_order(account, orders, ledger, state, terms, quotes, index, row, 0):
        return at.GOES_ON
    return state[at.POSITION]


@compiled
def account_columns(
    ledger: Integers, closes: Integers, factor: int, divisor: int, cash: int, columns: Integers
) -> None:
    """Rebuild an account of one holding bar by bar from its ledger: rows of `columns` are shares, cash and equity."""
    position, place, size = 0, 0, ledger.shape[0]
    for bar in range(closes.size):
        while place < size and ledger[place, at.L_BAR] <= bar:
            position, cash = ledger[place, at.L_POSITION], ledger[place, at.L_CASH]
            place += 1
        columns[0, bar], columns[1, bar] = position, cash
        columns[2, bar] = cash + (fill_kernel.worth(position, closes[bar], factor, divisor) if position > 0 else 0)
