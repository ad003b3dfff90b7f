"""What ticks and order books say of each bar: the price at which an order of the bar before it meets the market.

Moments are whole numbers of one unit of time, prices whole numbers of one power of ten. An order of a bar can meet what
happens after that bar's end and up to the end of the next one: the window of the next bar.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.matching.model import UNLIMITED, AmountTooLarge, ReasonCode

Integers = NDArray[np.int64]
NOWHERE: Final = -1
NOBODY: Final = -ReasonCode.NO_VOLUME.number
"""As a volume: nothing was traded, so there is no price either (see `fill_kernel.refused`)."""
NO_LEVELS: Final = np.zeros((0, 0), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The stretch of time of each bar in which an order of the bar before can fill: after `starts`, up to `ends`."""

    starts: Integers
    ends: Integers

    def first_after(self, moments: Integers) -> Integers:
        """Return the place of the first moment in each window, `NOWHERE` where there is none. Moments ascend."""
        places = np.searchsorted(moments, self.starts, side="right")
        inside = places < len(moments)
        inside[inside] = moments[places[inside]] <= self.ends[inside]
        return np.where(inside, places, NOWHERE)

    def before(self, bounds: Integers) -> "Windows":
        """Return the windows cut to what lies before some moments."""
        return Windows(starts=self.starts, ends=np.minimum(self.ends, bounds - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trades:
    """Trades in the order of their moments: prices, shares, and amounts in price units times shares."""

    moments: Integers
    prices: Integers
    quantities: Integers
    amounts: Integers

    def next_last(self, windows: Windows) -> tuple[Integers, Integers]:
        """Return price and shares of the first trade in each window; `NOBODY` as shares where there is none."""
        places = windows.first_after(self.moments)
        return _taken(self.prices, places, 0), _taken(self.quantities, places, NOBODY)

    def auction(self, windows: Windows, ends: Integers) -> tuple[Integers, Integers]:
        """Return price and shares of what was traded at one price in each window before `ends`, the opening auction."""
        early = windows.before(ends)
        price, _ = self.next_last(early)
        return price, np.where(price > 0, self._sums(self.quantities, early), NOBODY)

    def vwap(self, windows: Windows) -> tuple[Integers, Integers]:
        """Return the volume-weighted price of each window, half up, and its shares; `NOBODY` where none traded."""
        shares = self._sums(self.quantities, windows)
        return vwap(self._sums(self.amounts, windows), shares)

    def _sums(self, values: Integers, windows: Windows) -> Integers:
        if len(values) and float(values.astype(np.float64).sum()) >= UNLIMITED:
            raise AmountTooLarge(what="The volume or amount of all ticks together", value=int(values.max()))
        sums = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(values)))
        low, high = (np.searchsorted(self.moments, bound, side="right") for bound in (windows.starts, windows.ends))
        return np.asarray(sums[np.maximum(high, low)] - sums[low], dtype=np.int64)


def vwap(amounts: Integers, shares: Integers) -> tuple[Integers, Integers]:
    """Return amounts (price units times shares) by shares, half up, and the shares; `NOBODY` where none traded."""
    traded = (shares > 0) & (amounts > 0)
    counted = np.where(traded, shares, 1)
    whole, rest = np.divmod(amounts, counted)
    prices = np.where(traded, whole + (rest >= counted - rest), 0)
    return prices, np.where(traded & (prices > 0), shares, NOBODY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Order books in the order of their moments: matrices of (book, level), best first, 0 where there is no level."""

    moments: Integers
    bid_prices: Integers = field(default_factory=lambda: NO_LEVELS, repr=False)
    bid_quantities: Integers = field(default_factory=lambda: NO_LEVELS, repr=False)
    ask_prices: Integers = field(default_factory=lambda: NO_LEVELS, repr=False)
    ask_quantities: Integers = field(default_factory=lambda: NO_LEVELS, repr=False)

    def chosen(self, which: NDArray[np.bool_]) -> "Books":
        """Return some of the books."""
        return Books(
            moments=self.moments[which],
            bid_prices=self.bid_prices[which],
            bid_quantities=self.bid_quantities[which],
            ask_prices=self.ask_prices[which],
            ask_quantities=self.ask_quantities[which],
        )

    def open(self) -> "Books":
        """Return the books somebody can trade with: one side at least, and the best bid below the best ask.

        In a call auction both best prices are the one at which it would end now; nothing can be taken from that.
        """
        bid, ask = self.bid_prices[:, 0], self.ask_prices[:, 0]
        return self.chosen(((bid > 0) | (ask > 0)) & ((bid == 0) | (ask == 0) | (bid < ask)))


def _taken(values: Integers, places: Integers, otherwise: int) -> Integers:
    if not len(values):
        return np.full(len(places), otherwise, dtype=np.int64)
    return np.where(places == NOWHERE, otherwise, values[np.maximum(places, 0)])
