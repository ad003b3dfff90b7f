"""The prices that orders meet, bar by bar, where they are not the bars' own opens or closes."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.matching.model import RATE, UNLIMITED
from core.matching.rules_kernel import BUY
from core.matching.ticks import NOWHERE, Books

Integers = NDArray[np.int64]
Match = tuple[int, int, int, int, int]


class BookQuotes:
    """The book that the orders of each bar meet. What one order takes the next of the same bar does not find.

    `places` are rows of `books` by bar, `NOWHERE` where there is none. `depth`: how many levels are walked through; 0
    stands for the best price of the trader's own side. `part`: the part of each quantity in billionths, 0 for any.
    """

    __slots__ = ("_index", "_left", "books", "depth", "part", "places")

    def __init__(self, books: Books, places: Integers, *, depth: int, part: int) -> None:
        self.books, self.places, self.depth, self.part = books, places, depth, part
        self._index, self._left = NOWHERE, dict[int, Integers]()

    def levels(self, index: int, side: int) -> Integers:
        """Return what is left for a side at a bar: a row of prices and one of quantities, best first."""
        if index != self._index:
            self._index, self._left = index, {}
        if side not in self._left:
            self._left[side] = self._read(int(self.places[index]), side)
        return self._left[side]

    def match(
        self, side: int, account: Integers, orders: Integers, state: Integers, terms: Integers, quotes: Integers,
        index: int, row: int,
    ) -> Match:  # fmt: skip
        """Hold an order against the book of its bar; the tables are those of `order_kernel`."""
        from core.matching import book_kernel  # noqa: PLC0415 - only runs against books need it

        return book_kernel.match(account, orders, state, terms, quotes, index, row, self.levels(index, side))

    def take(self, side: int, shares: int) -> None:
        """Take from the levels what an order filled."""
        quantities = self._left[side][1]
        for level in range(len(quantities)):
            taken = min(shares, int(quantities[level]))
            quantities[level] -= taken
            shares -= taken

    def _read(self, place: int, side: int) -> Integers:
        books, count = self.books, max(self.depth, 1)
        if place == NOWHERE:
            return np.zeros((2, 1), dtype=np.int64)
        asks = (side == BUY) == (self.depth > 0)
        prices, quantities = (
            (books.ask_prices, books.ask_quantities) if asks else (books.bid_prices, books.bid_quantities)
        )
        left = np.stack((prices[place, :count], quantities[place, :count]))
        if self.part == 0:
            left[1] = UNLIMITED
        else:
            left[1] = left[1] // RATE * self.part + left[1] % RATE * self.part // RATE
        return left


@dataclass(frozen=True, slots=True)
class FillQuotes:
    """What orders meet at each bar: a price and a volume, below 0 where nobody traded; or the book of `books`.

    A price stands everywhere, for orders of a part of the equity are sized by it: where nothing can fill, and with
    books, it is the close of the bar before. `meets` says at which bars orders are looked at; None: at all.
    """

    price: Integers = field(repr=False)
    volume: Integers = field(repr=False)
    meets: NDArray[np.bool_] | None = field(default=None, repr=False)
    books: BookQuotes | None = None
    unmet: int = 0
    """Bars at which no order can fill, for want of a tick."""
    digest: str = ""
    """Of the ticks."""

    @property
    def is_plain(self) -> bool:
        """True when an order needs nothing that is not compiled."""
        return self.books is None and self.meets is None

    def is_met(self, index: int) -> bool:
        """Return whether orders are looked at on a bar, or wait for a later one."""
        return self.meets is None or bool(self.meets[index])
