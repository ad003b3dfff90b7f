"""What a trial of a sweep is given and what it comes to: all whole numbers as in `order_layout`, sums in floats."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FINAL: Final = 0
FEES: Final = 1
TRADED: Final = 2
TRADES: Final = 3
WINS: Final = 4
GAINS: Final = 5
LOSSES: Final = 6
HELD: Final = 7
COUNTS: Final = 8
"""Final equity, fees, value of all fills, trades, those that won, what they won and lost, bars at whose end held."""

RETURNS: Final = 0
SQUARES: Final = 1
DOWNSIDE: Final = 2
DRAWDOWN: Final = 3
LEVELS: Final = 4
SUMS: Final = 5
"""Sums of the daily returns, of their squares, of the squares of negative ones; the deepest fall from a high; the sum
of the daily equity."""

CASH: Final = 0
POSITION: Final = 1
BOUGHT: Final = 2
BOUGHT_DAY: Final = 3
COST: Final = 4
INCOME: Final = 5
STATE: Final = 6
"""An account: cash, shares, those bought on a day and that day, what the shares cost, and what they received."""

TURN_BAR: Final = 0
TURN_CASH: Final = 1
TURN_POSITION: Final = 2
TURNS: Final = 3
"""Rows of the notes of a trial: a bar, and the cash and the shares at its end and until the next note."""


class Series(NamedTuple):
    """One instrument as trials need it.

    `levels` are the closes as floats. `paid` and `received`: what a share costs and brings at each bar, in units of
    slipped prices, 0 where nobody fills; `caps` how many can be filled. `days` are numbers that change with the day,
    `ends` the last bar of each day, and `places` how many days have ended before a bar. An event is (bar, action, 0 for
    its effect or 1 for its payment), `ratios` are cash and bonus of one share in 1e-15.
    """

    closes: Integers
    levels: Floats
    paid: Integers
    received: Integers
    caps: Integers
    gap_after: Flags
    regime: Integers
    days: Integers
    ends: Integers
    places: Integers
    events: Integers
    ratios: Integers


class Rules(NamedTuple):
    """The rules as `fill_kernel` takes them; `charges` by regime.

    `options`: initial cash, part of the cash in billionths (0: all), first bar of decisions, whether orders fill at the
    close, factor and divisor of the scale, the highest close.
    """

    settings: Integers
    lots: Integers
    charges: Integers
    options: Integers
