"""Accounts and holdings: what an order does to cash and shares. Every rule is a compiled function below."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import CheckedBars
from core.backtest.corporate_actions import DividendLots
from core.backtest.fill_quotes import BookQuotes, FillQuotes
from core.backtest.order_tables import exact_sum, grown, terms_table
from core.backtest.terms import FillTerms
from core.matching import fill_kernel, order_kernel
from core.matching import order_layout as at
from core.matching.compiled import entry_point
from core.matching.model import AMOUNT_PLACES, UNLIMITED, ReasonCode
from core.matching.rules_kernel import BUY, SELL

Integers = NDArray[np.int64]
UNIT: Final = 10**AMOUNT_PLACES
FIRST_ROWS: Final = 256
"""Rows of a table to begin with; it doubles when it is full."""
Waiting = tuple[int, int, int, int, int, int]
"""An order that waits: its row of the table of orders from 0, side, kind, value, limit, and the bar it was given on."""


class Member(NamedTuple):
    """What an account knows of a holding: enough to tell of its orders, and no way back that would keep a run alive."""

    symbol: str
    bars: CheckedBars
    queue: list[Waiting]


class Account:
    """Cash in 0.0001 of the currency, every order and every fill; shared by the holdings of a portfolio."""

    __slots__ = ("_view", "ledger", "limits", "members", "orders", "submitted", "table")

    def __init__(self, cash: int) -> None:
        self.table = np.zeros(at.ACCOUNT_SIZE, dtype=np.int64)
        self._view = memoryview(self.table)  # type: ignore[arg-type]
        self._view[at.CASH] = cash
        self.orders = np.zeros((FIRST_ROWS, at.ORDER_SIZE), dtype=np.int64)
        self.ledger = np.zeros((FIRST_ROWS, at.LEDGER_SIZE), dtype=np.int64)
        self._note_places()
        self.submitted = 0
        self.limits: dict[int, float] = {}
        self.members: list[Member] = []

    @property
    def cash(self) -> int:
        """Cash that orders may spend."""
        return self._view[at.CASH]

    @property
    def fills(self) -> int:
        """How many rows of the ledger are written."""
        return self._view[at.FILLS]

    def add(self, cash: int) -> None:
        """Book cash that no order moved."""
        self._view[at.CASH] += cash

    def make_room(self, fills: int = 1) -> None:
        """Let the tables hold every order given, and so many fills more."""
        self.orders = grown(self.orders, self.submitted)
        self.ledger = grown(self.ledger, self.fills + fills)
        self._note_places()

    def write_waiting(self) -> None:
        """Write down the orders that have not met a bar yet."""
        self.make_room()
        for number, member in enumerate(self.members):
            for order in member.queue:
                if self.orders[order[0], at.KIND] == 0:
                    order_kernel.enter(self.orders, order[0], number, *order[1:])

    def _note_places(self) -> None:
        """Write down where the tables lie: kernels that are called for each order are told addresses."""
        self.table[at.ORDERS_AT :] = (
            self.orders.ctypes.data,
            len(self.orders),
            self.ledger.ctypes.data,
            len(self.ledger),
        )

    def lines(self) -> Integers:
        """Return the ledger's rows so far."""
        return self.ledger[: self.fills]

    def traded(self) -> int:
        """Return the value of all fills together."""
        return exact_sum(self.lines()[:, at.L_AMOUNT])

    def charges(self) -> int:
        """Return all fees and taxes paid."""
        return exact_sum(self.lines()[:, at.L_FEES]) + exact_sum(self.lines()[:, at.L_TAX])


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingOptions:
    """How a holding treats what it is told. `price` is the column at which orders fill, `quotes` what stands for it."""

    price: str = "open"
    carry_orders: bool = False
    take_rights: bool = False
    is_taxed: bool = False
    on_trade: Callable[[dict[str, Any]], object] | None = None
    quotes: FillQuotes | None = None


class Holding:
    """One instrument in an account: its bars, rules, waiting orders and shares. `state` is described in `order_layout`.

    `owed` holds (bar, cash) of dividends not paid yet, `withheld` the tax on those since the last note.
    """

    __slots__ = (
        "_columns",
        "_first",
        "_gaps",
        "_view",
        "account",
        "bars",
        "divisor",
        "factor",
        "lots",
        "number",
        "options",
        "owed",
        "places",
        "queue",
        "quotes",
        "state",
        "symbol",
        "terms",
        "withheld",
    )  # fmt: skip

    def __init__(
        self,
        symbol: str,
        bars: CheckedBars,
        terms: FillTerms,
        account: Account,
        options: HoldingOptions,
        gaps: NDArray[np.bool_] | None = None,
    ) -> None:
        self.symbol, self.bars, self.account, self.options = symbol, bars, account, options
        self.factor = 10 ** max(0, AMOUNT_PLACES - bars.places)
        self.divisor = 10 ** max(0, bars.places - AMOUNT_PLACES)
        self.queue: list[Waiting] = []
        self.number = len(account.members)
        account.members.append(Member(symbol, bars, self.queue))
        self.state = np.zeros(at.STATE_SIZE, dtype=np.int64)
        self.state[[at.TODAY, at.USED_AT, at.ENTRY]] = at.NEVER
        self.state[at.NUMBER], self.state[at.CARRIES] = self.number, options.carry_orders
        self._view = memoryview(self.state)  # type: ignore[arg-type]
        self.terms = terms_table(terms, self.factor, self.divisor)
        self.quotes = np.empty((at.QUOTE_SIZE, min(len(bars), at.HELD)), dtype=np.int64)
        self._columns: dict[int, Integers | int] = {
            at.PRICE: bars.prices[options.price] if options.quotes is None else options.quotes.price,
            at.VOLUME: (0 if bars.volume is None else bars.volume) if options.quotes is None else options.quotes.volume,
            at.DOWN: terms.down,
            at.UP: terms.up,
            at.DATE: bars.days,
            at.RULES: terms.regime,
        }
        self._gaps = terms.gap_after if gaps is None else gaps
        self._first = at.NEVER
        self.lots = DividendLots()
        self.owed: list[tuple[int, int]] = []
        self.withheld = 0
        lengths = [(table.ctypes.data, table.shape[-1]) for table in (self.terms, self.quotes)]
        self.places = np.array([account.table.ctypes.data, self.state.ctypes.data, *lengths[0], *lengths[1]])

    @property
    def position(self) -> int:
        """Shares held now."""
        return self._view[at.POSITION]

    @property
    def is_plain(self) -> bool:
        """True when an order needs nothing that is not compiled."""
        options = self.options
        is_compiled = options.quotes is None or options.quotes.is_plain
        return is_compiled and not options.is_taxed and options.on_trade is None

    @property
    def refusals(self) -> dict[str, int]:
        """How many orders ended with each reason other than filled."""
        counts = self.state[at.REFUSALS :].tolist()
        return {reason.value: count for reason, count in zip(ReasonCode, counts, strict=True) if count}

    def worth(self, price: int) -> int:
        """Return what the shares are worth at a price, in 0.0001."""
        position = self.position
        return int(fill_kernel.worth(position, price, self.factor, self.divisor)) if position else 0

    def price(self, name: str, index: int) -> int:
        """Return a price of a bar as a whole number."""
        return int(self.bars.prices[name][index])

    def load(self, index: int) -> None:
        """Have the quotes of a bar at hand, and of those around it."""
        first = index - index % at.HELD
        if first == self._first:
            return
        self._first, stop = first, min(first + at.HELD, len(self.bars))
        for name, column in self._columns.items():
            self.quotes[name, : stop - first] = column if isinstance(column, int) else column[first:stop]
        rules = self.quotes[at.RULES, : stop - first]
        rules *= 2
        if first:
            rules += self._gaps[first - 1 : stop - 1]
        else:
            rules[1:] += self._gaps[: stop - 1]

    def quote(self, name: int, index: int) -> int:
        """Return one figure of a bar's quote (see `order_layout`)."""
        self.load(index)
        return int(self.quotes[name, index % at.HELD])

    def limit(self, side: int, price: float) -> int:
        """Return an order's own limit in units of slipped prices: floored for buys, raised for sales."""
        exact = Fraction(Decimal(str(price))) * 10**self.bars.places
        exact *= int(self.terms[at.SETTINGS + 4]) // self.divisor
        whole: int = floor(exact) if side == BUY else ceil(exact)
        return min(max(whole, 1), UNLIMITED)

    def lines(self) -> Integers:
        """Return the holding's own rows of the ledger."""
        lines = self.account.lines()
        own: Integers = lines[lines[:, at.L_HOLDING] == self.number]
        return own

    def book(self, **changes: int) -> None:
        """Add to shares and money by name, for what no order moved."""
        for name, change in changes.items():
            self._view[PLACES[name]] += change

    def note(self, index: int) -> None:
        """Write shares and cash into the ledger as they are after a corporate action."""
        account = self.account
        account.make_room()
        line = account.ledger[account.fills]
        line[at.L_TAX], self.withheld = self.withheld, 0
        order_kernel.write_line(account.table, self.state, line, index, at.NEVER)

    def end_waiting(self) -> None:
        """End what still waits when the data is over."""
        self.account.write_waiting()
        for order in self.queue:
            order_kernel.finish(self.account.orders[order[0]], self.state, NO_NEXT_BAR, at.NEVER)
        self.queue.clear()


PLACES: Final = {"position": at.POSITION, "cost": at.COST, "spent": at.SPENT, "income": at.INCOME, "flow": at.FLOW}
NO_NEXT_BAR: Final = ReasonCode.NO_NEXT_BAR.number


@lru_cache(maxsize=1)
def settle_order() -> Callable[..., int]:
    """Return `order_kernel.settle_order`, called without a look at its arguments."""
    return entry_point(order_kernel.settle_order, *["int64"] * 8)


def settle(placed: Sequence[tuple[Holding, int]], equity: Callable[[], int]) -> None:
    """Settle the waiting orders of holdings at their bars: all sells, then all buys, each in the order given.

    Whether an order for a target sells or buys is decided before anything is filled.
    """
    account = placed[0][0].account
    account.write_waiting()
    waiting: list[tuple[Holding, int, Waiting]] = []
    for holding, index in placed:
        if holding.options.quotes is not None and not holding.options.quotes.is_met(index):
            continue
        orders, holding.queue[:] = holding.queue[:], []
        if orders:
            order_kernel.begin_bar(holding.state, holding.quote(at.DATE, index), index)
            waiting += [(holding, index, order) for order in orders if not _missed_its_day(holding, index, order[0])]
    account.make_room(len(waiting))
    if any(order[2] == at.TARGET for _, _, order in waiting):
        total = equity()
        for holding, index, order in waiting:
            price = holding.quote(at.PRICE, index)
            order_kernel.aim(account.orders[order[0]], holding.state, holding.terms, price, total)
    for side in (SELL, BUY):
        for holding, index, order in waiting:
            if account.orders[order[0], at.SIDE] == side and _fill(holding, index, order[0], is_sale=side == SELL):
                holding.queue.append(order)


def _missed_its_day(holding: Holding, index: int, row: int) -> bool:
    return order_kernel.missed_its_day(holding.account.orders[row], holding.state, holding.quotes, index)


def _fill(holding: Holding, index: int, row: int, *, is_sale: bool) -> bool:
    """Fill one order, with what is not compiled: the tax on dividends, and telling the caller of a trade.

    Return True when it goes on to the next bar.
    """
    quotes = holding.options.quotes
    if quotes is not None and quotes.books is not None:
        return _fill_from(quotes.books, holding, index, row, side=SELL if is_sale else BUY)
    account, tax = holding.account, 0
    tables = (holding.state, holding.terms, holding.quotes, index, row)
    if holding.options.is_taxed and is_sale:
        shares = order_kernel.sale_quantity(account.table, account.orders, *tables)
        tax = holding.lots.tax_of(shares, date_at(holding, index)) if shares else 0
    before = account.fills
    goes_on = order_kernel.fill_order(account.table, account.orders, account.ledger, *tables, tax)
    if account.fills > before:
        _filled(holding, account.ledger[before : before + 1])
    return bool(goes_on)


def _fill_from(books: BookQuotes, holding: Holding, index: int, row: int, *, side: int) -> bool:
    """Fill one order out of an order book. Return True when it goes on to the next bar."""
    account, state, tax = holding.account, holding.state, 0
    matched = books.match(side, account.table, account.orders, state, holding.terms, holding.quotes, index, row)
    if holding.options.is_taxed and side == SELL and matched[2]:
        tax = holding.lots.tax_of(matched[2], date_at(holding, index))
    before = account.fills
    goes_on = order_kernel.book(account.table, account.orders[row], account.ledger, state, index, row, tax, matched)
    if account.fills > before:
        books.take(side, matched[2])
        _filled(holding, account.ledger[before : before + 1])
    return bool(goes_on)


def _filled(holding: Holding, line: Integers) -> None:
    """Take note of a fill."""
    shares, index, is_sale = int(line[0, at.L_SHARES]), int(line[0, at.L_BAR]), line[0, at.L_SIDE] == SELL
    if holding.options.is_taxed:
        book = holding.lots.sold if is_sale else holding.lots.bought
        book(shares, date_at(holding, index))
    if is_sale and holding.options.on_trade is not None:
        holding.options.on_trade(trades_of(line, holding.bars)[0])


def trades_of(lines: Integers, bars: CheckedBars) -> list[dict[str, Any]]:
    """Return the closed trades in rows of a holding's ledger: prices before fees, profit after all of them."""
    sales = lines[lines[:, at.L_SIDE] == SELL]
    entries, exits = bars.dts_at(sales[:, at.L_ENTRY]), bars.dts_at(sales[:, at.L_BAR])
    names = (at.L_SHARES, at.L_AMOUNT, at.L_FEES, at.L_TAX, at.L_SPENT, at.L_RELIEVED, at.L_INCOME)
    rows = zip(entries, exits, *(sales[:, name].tolist() for name in names), strict=True)
    return [
        {
            "entry_dt": entry,
            "exit_dt": left,
            "qty": shares,
            "entry_px": spent / UNIT / shares,
            "exit_px": amount / UNIT / shares,
            "pnl": (pnl := amount - fees - tax - cost + income) / UNIT,
            "return_bps": pnl / cost * 10_000 if cost else 0.0,
        }
        for entry, left, shares, amount, fees, tax, spent, cost, income in rows
    ]


def date_at(holding: Holding, index: int) -> date:
    """Return the day of a bar."""
    day: date = holding.bars.times[index].astype("datetime64[D]").item()
    return day
