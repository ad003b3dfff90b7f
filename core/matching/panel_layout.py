"""What the kernels of the panel driver work on: arrays grouped by purpose, and the places of their columns.

Money is whole numbers of 0.0001, prices whole numbers of one power of ten for the whole panel, parts billionths. A day
is a row of the panel, a symbol a column.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

CASH: Final = 0
FEES: Final = 1
TAXES: Final = 2
TRADED: Final = 3
ORDER_COUNT: Final = 4
QUEUE_COUNT: Final = 5
TRADE_COUNT: Final = 6
CHANGE_COUNT: Final = 7
HELD_COUNT: Final = 8
LOT_COUNT: Final = 9
ACCOUNT_SIZE: Final = 10

POSITION: Final = 0
BOUGHT: Final = 1
BOUGHT_DAY: Final = 2
USED: Final = 3
USED_DAY: Final = 4
COST: Final = 5
SPENT: Final = 6
INCOME: Final = 7
FLOW: Final = 8
ENTRY: Final = 9
LAST_CLOSE: Final = 10
IS_HELD: Final = 11
OLDEST_LOT: Final = 12
NEWEST_LOT: Final = 13
ACTIONS_SEEN: Final = 14
HOLDING_SIZE: Final = 15

SYMBOL: Final = 0
SUBMITTED: Final = 1
SIDE: Final = 2
KIND: Final = 3
SHARES: Final = 4
PART: Final = 5
LIMIT: Final = 6
TARGET: Final = 7
REASON: Final = 8
QUANTITY: Final = 9
FILLED_SHARES: Final = 10
AMOUNT: Final = 11
ORDER_FEES: Final = 12
ENDED: Final = 13
PLACE: Final = 14
ORDER_SIZE: Final = 15

KIND_ALL: Final = 0
KIND_PART: Final = 1
KIND_SHARES: Final = 2
KIND_TARGET: Final = 3
NO_SIDE: Final = -1

TRADE_SIZE: Final = 8
"""Symbol, entry day, exit day, shares, spent, received, profit, cost."""
CHANGE_SIZE: Final = 5
"""Day, symbol, shares, flow, cost."""
LOT_SIZE: Final = 4
"""Shares, day bought, next lot (-1: none), actions of the symbol seen before."""
CURVE_SIZE: Final = 3
"""Equity, cash, count of holdings."""

CARRY: Final = 0
TAKE_RIGHTS: Final = 1
IS_TAXED: Final = 2
AT_CLOSE: Final = 3
WARMUP: Final = 4
EVERY: Final = 5
FIRST: Final = 6
TOP: Final = 7
WEIGHT: Final = 8
DESCENDING: Final = 9
REBALANCE: Final = 10
NO_ST: Final = 11
LEAST_DAYS: Final = 12
OPTION_SIZE: Final = 13

RATIO: Final = 10**15
"""Dividends, bonus and rights of one share are whole numbers of 1e-15."""
RIGHTS_PRICE: Final = 10**8
"""Prices of rights are whole numbers of 1e-8."""


class Tape(NamedTuple):
    """The market, read-only: a close of 0 is no bar. `down` and `up` have one row where no day has limits."""

    opens: Integers
    closes: Integers
    volumes: Integers
    down: Integers
    up: Integers


class Terms(NamedTuple):
    """The rules as `fill_kernel` takes them, one row for each class of symbols alike.

    `charges` and `ticks` are of (class, regime), `regime_of` and `gap_after` of (class, day), `class_of` of (symbol).
    `scale` turns shares times an unslipped price into money: factor, divisor.
    """

    settings: Integers
    lots: Integers
    rest_lots: Integers
    charges: Integers
    ticks: Integers
    class_of: Integers
    regime_of: Integers
    gap_after: Flags
    scale: Integers


class Actions(NamedTuple):
    """Corporate actions. Events of a day are those of `starts[day] : starts[day + 1]`, in symbol order.

    An event is (symbol, number of the action, 0 for its effect or 1 for its payment). Actions are numbered by symbol,
    then in time, those of a symbol from `first_of[symbol]`. `ratios` are cash, bonus and rights of one share in 1e-15,
    price of rights in 1e-8, and 1 where the dividend is taxed at payment. `owed` is what payments will bring.
    `calendar` has for each day its number, and the last day still within a month and within a year of it.
    """

    starts: Integers
    events: Integers
    first_of: Integers
    ratios: Integers
    owed: Integers
    calendar: Integers


class Plan(NamedTuple):
    """What is to be ordered: orders by day (`starts`), or the rank to choose from.

    `orders` are (symbol, side, kind, shares, part, limit). `rank`, `allowed` and `is_st` are of (day, symbol), or
    empty; `first_bar` is each symbol's first day with a bar.
    """

    options: Integers
    starts: Integers
    orders: Integers
    rank: Floats
    allowed: Flags
    is_st: Flags
    first_bar: Integers


class Book(NamedTuple):
    """The account and what happened to it; rows beyond the counts in `account` are empty."""

    account: Integers
    holdings: Integers
    held: Integers
    orders: Integers
    queue: Integers
    trades: Integers
    changes: Integers
    lots: Integers
    curve: Integers
