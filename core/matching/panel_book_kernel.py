"""Shares, cash and corporate actions of the panel driver: what a fill, an ex-date and a sale's tax do to the book."""

from typing import Final

import numpy as np

from core.matching.compiled import compiled
from core.matching.fill_kernel import worth
from core.matching.integers import DOWN, HALF_UP, UP, mul_div
from core.matching.panel_layout import (
    ACTIONS_SEEN,
    BOUGHT,
    BOUGHT_DAY,
    CASH,
    CHANGE_COUNT,
    COST,
    ENTRY,
    FEES,
    FLOW,
    HELD_COUNT,
    INCOME,
    IS_HELD,
    IS_TAXED,
    LAST_CLOSE,
    LOT_COUNT,
    NEWEST_LOT,
    OLDEST_LOT,
    POSITION,
    RATIO,
    RIGHTS_PRICE,
    SPENT,
    TAKE_RIGHTS,
    TAXES,
    TRADE_COUNT,
    TRADED,
    USED,
    USED_DAY,
    Actions,
    Book,
    Integers,
    Tape,
)
from core.matching.rules_kernel import CENT, relieved

MONEY_UNIT: Final = 10_000


@compiled
def bought_today(state: Integers, day: int) -> int:
    """Return the shares of a holding bought on a day."""
    return state[BOUGHT] if state[BOUGHT_DAY] == day else 0


@compiled
def used_today(state: Integers, day: int) -> int:
    """Return the volume of a symbol's bar that earlier orders took."""
    return state[USED] if state[USED_DAY] == day else 0


@compiled
def note_change(account: Integers, changes: Integers, state: Integers, symbol: int, day: int) -> None:
    """Write down shares, flow and cost of a holding that changed."""
    at = account[CHANGE_COUNT]
    changes[at, 0], changes[at, 1], changes[at, 2] = day, symbol, state[POSITION]
    changes[at, 3], changes[at, 4] = state[FLOW], state[COST]
    account[CHANGE_COUNT] = at + 1


@compiled
def add_lot(book: Book, symbol: int, day: int, shares: int) -> None:
    """Append shares to those whose dividends are taxed by how long they were held."""
    if shares <= 0:
        return
    at = book.account[LOT_COUNT]
    book.account[LOT_COUNT] = at + 1
    book.lots[at, 0], book.lots[at, 1] = shares, day
    book.lots[at, 2], book.lots[at, 3] = -1, book.holdings[symbol, ACTIONS_SEEN]
    if book.holdings[symbol, OLDEST_LOT] < 0:
        book.holdings[symbol, OLDEST_LOT] = at
    else:
        book.lots[book.holdings[symbol, NEWEST_LOT], 2] = at
    book.holdings[symbol, NEWEST_LOT] = at


@compiled
def rate_due(bought: int, sold: int, is_early: int, calendar: Integers) -> int:
    """Return the percentage of a dividend due at a sale, by how long the shares were held.

    Up to a month 20, up to a year 10, longer 0; of dividends taxed at payment 5 less (notices 85 of 2012, 101 of 2015).
    """
    rate = 0
    if calendar[sold, 0] <= calendar[bought, 1]:
        rate = 20
    elif calendar[sold, 0] <= calendar[bought, 2]:
        rate = 10
    return max(rate - 5, 0) if is_early else rate


@compiled
def tax_of(book: Book, actions: Actions, symbol: int, day: int, shares: int) -> int:
    """Return the tax on the dividends of the oldest `shares`, in 0.0001: summed exactly, then half up to the cent."""
    whole, rest, left = 0, 0, shares
    lot = book.holdings[symbol, OLDEST_LOT]
    start, seen = actions.first_of[symbol], book.holdings[symbol, ACTIONS_SEEN]
    while lot >= 0 and left > 0:
        taken = min(book.lots[lot, 0], left)
        for action in range(start + book.lots[lot, 3], start + seen):
            rate = rate_due(book.lots[lot, 1], day, actions.ratios[action, 4], actions.calendar)
            cash = actions.ratios[action, 0]
            part = mul_div(taken * rate, cash, RATIO, DOWN)
            whole += part
            rest += taken * rate * cash - part * RATIO  # wraps around, and is exact: less than RATIO
            if rest >= RATIO:
                whole, rest = whole + 1, rest - RATIO
        left -= taken
        lot = book.lots[lot, 2]
    return (whole + (1 if rest >= RATIO - rest else 0)) * CENT


@compiled
def take_lots(book: Book, symbol: int, shares: int) -> None:
    """Take sold shares out of the lots, oldest first."""
    left = shares
    lot = book.holdings[symbol, OLDEST_LOT]
    while lot >= 0 and left > 0:
        taken = min(book.lots[lot, 0], left)
        book.lots[lot, 0] -= taken
        left -= taken
        if book.lots[lot, 0] == 0:
            lot = book.lots[lot, 2]
            book.holdings[symbol, OLDEST_LOT] = lot


@compiled
def take_in(
    account: Integers, state: Integers, held: Integers, symbol: int, day: int, filled: int, amount: int, fees: int
) -> None:
    """Add bought shares, and pay for them."""
    if state[POSITION] == 0:
        state[ENTRY] = day
    if state[IS_HELD] == 0:
        state[IS_HELD] = 1
        held[account[HELD_COUNT]] = symbol
        account[HELD_COUNT] += 1
    state[BOUGHT] = bought_today(state, day) + filled
    state[BOUGHT_DAY] = day
    state[USED] = used_today(state, day) + filled
    state[USED_DAY] = day
    state[POSITION] += filled
    state[COST] += amount + fees
    state[SPENT] += amount
    state[FLOW] -= amount + fees
    account[CASH] -= amount + fees
    account[FEES] += fees
    account[TRADED] += amount


@compiled
def give_out(
    account: Integers,
    state: Integers,
    trade: Integers,
    symbol: int,
    day: int,
    filled: int,
    amount: int,
    fees: int,
    tax: int,
) -> None:
    """Take sold shares away, receive their proceeds, and write down the trade that it closes."""
    held = state[POSITION]
    cost, spent = relieved(state[COST], filled, held), relieved(state[SPENT], filled, held)
    income = relieved(state[INCOME], filled, held)
    trade[0], trade[1], trade[2], trade[3] = symbol, state[ENTRY], day, filled
    trade[4], trade[5], trade[6], trade[7] = spent, amount, amount - fees - tax - cost + income, cost
    account[TRADE_COUNT] += 1
    state[USED] = used_today(state, day) + filled
    state[USED_DAY] = day
    state[POSITION] -= filled
    state[COST] -= cost
    state[SPENT] -= spent
    state[INCOME] -= income
    state[FLOW] += amount - fees - tax
    account[CASH] += amount - fees - tax
    account[FEES] += fees
    account[TAXES] += tax
    account[TRADED] += amount


@compiled
def apply_event(book: Book, actions: Actions, event: int, day: int, options: Integers) -> None:
    """Book an ex-date, or the payment that it brought, before anything trades."""
    symbol, action = actions.events[event, 0], actions.events[event, 1]
    holdings, account = book.holdings, book.account
    if actions.events[event, 2] == 1:
        account[CASH] += actions.owed[action]
        holdings[symbol, FLOW] += actions.owed[action]
        if actions.owed[action] != 0:
            note_change(account, book.changes, holdings[symbol], symbol, day)
        actions.owed[action] = 0
        return
    held = holdings[symbol, POSITION]
    holdings[symbol, ACTIONS_SEEN] += 1
    if held == 0:
        return
    ratios = actions.ratios[action]
    cash = mul_div(held, ratios[0], RATIO // 100, HALF_UP) * CENT
    actions.owed[action] = cash
    holdings[symbol, INCOME] += cash
    if cash and options[IS_TAXED] and ratios[4]:
        withheld = mul_div(held * 5, ratios[0], RATIO, HALF_UP) * CENT
        account[CASH] -= withheld
        account[TAXES] += withheld
        holdings[symbol, FLOW] -= withheld
        holdings[symbol, INCOME] -= withheld
    more = mul_div(held, ratios[1], RATIO, DOWN)
    if options[TAKE_RIGHTS]:
        more += take_rights(book, symbol, mul_div(held, ratios[2], RATIO, DOWN), ratios[3])
    if options[IS_TAXED]:
        add_lot(book, symbol, day, more)
    holdings[symbol, POSITION] += more
    note_change(account, book.changes, holdings[symbol], symbol, day)


@compiled
def take_rights(book: Book, symbol: int, rights: int, price: int) -> int:
    """Pay for rights as far as the cash goes; return the shares taken."""
    if rights == 0:
        return 0
    taken = rights
    if price > 0:
        taken = min(rights, mul_div(max(book.account[CASH], 0), RIGHTS_PRICE, price * MONEY_UNIT, DOWN))
    paid = mul_div(taken, price * MONEY_UNIT, RIGHTS_PRICE, UP)
    book.account[CASH] -= paid
    book.holdings[symbol, FLOW] -= paid
    book.holdings[symbol, COST] += paid
    book.holdings[symbol, SPENT] += paid
    return taken


@compiled
def gathered(row: Integers, symbols: Integers) -> Integers:
    """Return the cells of some symbols: asked for in one short loop, the memory brings many at a time."""
    out = np.empty(symbols.size, np.int64)
    for place in range(symbols.size):
        out[place] = row[symbols[place]]
    return out


@compiled
def equity_at(book: Book, tape: Tape, prices: Integers, day: int, scale: Integers) -> int:
    """Return cash and holdings at the day's prices, at the last close of those without a bar."""
    account, holdings, held = book.account, book.holdings, book.held
    held, factor, divisor = held[: account[HELD_COUNT]], scale[0], scale[1]
    today, closes = gathered(prices[day], held), gathered(tape.closes[day], held)
    total = account[CASH]
    for place in range(held.size):
        symbol = held[place]
        price = today[place] if closes[place] > 0 else holdings[symbol, LAST_CLOSE]
        if holdings[symbol, POSITION] > 0:
            total += worth(holdings[symbol, POSITION], price, factor, divisor)
    return total


@compiled
def mark(
    account: Integers, holdings: Integers, held: Integers, closes: Integers, totals: Integers, factor: int, divisor: int
) -> None:
    """Write down the account at the end of a day, and forget what is no longer held."""
    equity, kept = account[CASH], 0
    today = gathered(closes, held[: account[HELD_COUNT]])
    for place in range(account[HELD_COUNT]):
        symbol = held[place]
        position = holdings[symbol, POSITION]
        if position == 0:
            holdings[symbol, IS_HELD] = 0
            continue
        if today[place] > 0:
            holdings[symbol, LAST_CLOSE] = today[place]
        equity += worth(position, holdings[symbol, LAST_CLOSE], factor, divisor)
        held[kept] = symbol
        kept += 1
    account[HELD_COUNT] = kept
    totals[0], totals[1], totals[2] = equity, account[CASH], kept
