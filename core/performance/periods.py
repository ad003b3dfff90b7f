"""Returns by calendar year and month."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from core.performance.curve import Curve
from core.performance.figures import IntArray

MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class YearRow:
    """One line of the table: `months[0]` is January; None where the curve has no bar in the month."""

    year: int
    months: tuple[float | None, ...]
    total: float | None


def yearly_table(curve: Curve) -> tuple[YearRow, ...]:
    """Return the returns of each calendar year and month, oldest first.

    A period's return is its last equity / the last equity before it - 1; for the first one, before it is the initial
    cash. The totals chain to the total return. A period that begins with nothing left has no return.
    """
    daily = curve.daily
    years = dict(_returns(daily, daily.days // 10_000))
    months = dict(_returns(daily, daily.days // 100))
    return tuple(
        YearRow(year, tuple(months.get(year * 100 + month) for month in range(1, MONTHS + 1)), total)
        for year, total in years.items()
    )


def _returns(curve: Curve, keys: IntArray) -> list[tuple[int, float | None]]:
    if not len(curve):
        return []
    ends = np.flatnonzero(np.append(keys[1:] != keys[:-1], True))
    last = curve.equity[ends].tolist()
    before = [curve.initial, *last[:-1]]
    return [
        (key, end / start - 1.0 if start > 0 else None)
        for key, end, start in zip(keys[ends].tolist(), last, before, strict=True)
    ]
