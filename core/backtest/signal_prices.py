"""Prices as signals see them: comparable over ex-dates, while orders meet the raw ones.

A raw price falls with bonus shares and dividends although nobody lost anything. Times the adjustment factor of its
day it can be compared with those of other days; an indicator is then told in the prices of its own bar. A factor rests
on ex-dates up to its day alone, so nothing of the future reaches a signal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import CheckedBars
from core.backtest.problems import BarsInvalid

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
LARGEST_SUM: Final = 2**62
FINER: Final = (6, 4, 2, 0)
"""Decimal places that adjusted prices have more than raw ones, as many as their sums leave room for."""
SPARE: Final = 2
"""Of these places the last two hold what rounding left, and are not shown."""


@dataclass(frozen=True, slots=True)
class SignalPrices:
    """Columns of whole numbers, `scale` to one unit of the first bar's currency; `ratio` is the factor since then."""

    columns: Mapping[str, Integers]
    scale: int
    ratio: Floats | None
    decimals: int

    def told(self, values: Floats) -> Floats:
        """Return prices per bar (any number of rows of them) in the prices of that bar."""
        return values if self.ratio is None else np.round(values / self.ratio, self.decimals)


def signal_prices(bars: CheckedBars) -> SignalPrices:
    """Return what indicators are computed of. Raises `BarsInvalid` for a factor that is missing or not positive."""
    factors = _factors(bars)
    if factors is None:
        return SignalPrices(bars.prices, 10**bars.places, None, bars.places)
    ratio = factors / factors[0]
    largest = max(int(values.max()) for values in bars.prices.values()) * float(ratio.max()) * len(bars)
    finer = next((places for places in FINER if largest * 10**places < LARGEST_SUM), 0)
    columns = {name: np.rint(values * ratio * 10**finer).astype(np.int64) for name, values in bars.prices.items()}
    places = bars.places + finer
    return SignalPrices(columns, 10**places, ratio, places - SPARE)


def _factors(bars: CheckedBars) -> Floats | None:
    """Return the factor of each bar; None where no bar has one or it never changes."""
    column: Any = bars.column(bars.factor_column)
    if column is None or all(value is None for value in column):
        return None
    factors = np.asarray(column, dtype=np.float64)
    good = np.isfinite(factors) & (factors > 0)
    if not good.all():
        place = int(np.argmin(good))
        reason = (
            f"{bars.factor_column} is {column[place]}; a signal needs the adjustment factor of every bar, or of none."
        )
        raise BarsInvalid(row=bars.row_offset + place + 1, when=bars.dt(place), reason=reason)
    return None if (factors == factors[0]).all() else factors
