"""Where things stand in the tables of `order_kernel`: all int64, money in 0.0001, prices in the series' own units.

One account and its table of orders and ledger of fills are shared by the holdings of a portfolio; state, terms and
quotes belong to one holding. A quote is what matching needs of one bar.
"""

from typing import Final

from core.matching.model import ReasonCode

CASH: Final = 0
FILLS: Final = 1
ORDERS_AT: Final = 2
ORDERS_ROWS: Final = 3
LEDGER_AT: Final = 4
LEDGER_ROWS: Final = 5
ACCOUNT_SIZE: Final = 6
"""An account: its cash, how many rows of the ledger are written, and where its two tables lie in the memory."""

BYTES: Final = 8
"""Of a number in a table."""

ACCOUNT_AT: Final = 0
STATE_AT: Final = 1
TERMS_AT: Final = 2
TERMS_LENGTH: Final = 3
QUOTES_AT: Final = 4
QUOTES_LENGTH: Final = 5
PLACES_SIZE: Final = 6
"""Where the tables of a holding lie in the memory, and how long those are that differ in it."""

POSITION: Final = 0
BOUGHT_TODAY: Final = 1
TODAY: Final = 2
USED_AT: Final = 3
USED: Final = 4
COST: Final = 5
SPENT: Final = 6
INCOME: Final = 7
FLOW: Final = 8
ENTRY: Final = 9
NUMBER: Final = 10
CARRIES: Final = 11
REFUSALS: Final = 12
STATE_SIZE: Final = REFUSALS + len(ReasonCode)
"""A holding: shares, those bought on the day TODAY, volume used of the bar USED_AT, what the shares cost with and
without fees and what they received, the cash they gave less what they took, the bar of the first purchase, the
holding's number, whether its orders go on to the next bar, and how many orders ended with each reason but filled."""

KIND: Final = 0
SIDE: Final = 1
VALUE: Final = 2
LIMIT: Final = 3
SUBMITTED: Final = 4
HOLDING: Final = 5
TARGET_SHARES: Final = 6
REASON: Final = 7
QUANTITY: Final = 8
FILLED_SHARES: Final = 9
AMOUNT: Final = 10
FEES: Final = 11
ENDED: Final = 12
DAY: Final = 13
DAY_SHARES: Final = 14
DAY_AMOUNT: Final = 15
DAY_FEES: Final = 16
ORDER_SIZE: Final = 17
"""An order. VALUE: shares, or billionths of cash, holding or equity. DAY_*: what it did on the last day it met."""

ALL: Final = 1
PART: Final = 2
SHARES: Final = 3
TARGET: Final = 4
"""Kinds of sizes; a row of kind 0 is not written yet."""
NO_SIDE: Final = -1
NEVER: Final = -1

PRICE: Final = 0
VOLUME: Final = 1
DOWN: Final = 2
UP: Final = 3
DATE: Final = 4
RULES: Final = 5
QUOTE_SIZE: Final = 6
HELD: Final = 8_192
"""A quote, one row of the table for all bars: the price that fills, the volume, the prices at which it is locked, the
day as YYYYMMDD, and twice the number of the rules in force, plus 1 when the exchange traded since the bar before. The
table holds one stretch of `HELD` bars: bar i stands in column i % HELD."""

SETTINGS: Final = 0
LOTS: Final = 7
REST_LOTS: Final = 11
FACTOR: Final = 15
DIVISOR: Final = 16
CHARGE_ROWS: Final = 17
TICK_ROWS: Final = 18
TABLES: Final = 19
CHARGE_SIZE: Final = 8
TICK_SIZE: Final = 2
"""Terms: settings, sizes of orders and of the rest of a partly filled one (see `fill_kernel`), factor and divisor of
an unslipped amount, then charges and price steps for each number of rules."""

L_BAR: Final = 0
L_ORDER: Final = 1
L_HOLDING: Final = 2
L_SIDE: Final = 3
L_SHARES: Final = 4
L_AMOUNT: Final = 5
L_FEES: Final = 6
L_TAX: Final = 7
L_POSITION: Final = 8
L_CASH: Final = 9
L_FLOW: Final = 10
L_COST: Final = 11
L_ENTRY: Final = 12
L_SPENT: Final = 13
L_RELIEVED: Final = 14
L_INCOME: Final = 15
LEDGER_SIZE: Final = 16
"""A row of the ledger: a fill, or what a corporate action left (L_ORDER `NEVER`). L_POSITION to L_COST are after it;
L_ENTRY to L_INCOME what a sale closed: the bar of the first purchase, what the shares cost without and with fees, and
what they received."""

NEEDS_ROOM: Final = -1
GOES_ON: Final = -2
"""What `settle_order` says in place of the position: a table is full and nothing was done; the order goes on."""
