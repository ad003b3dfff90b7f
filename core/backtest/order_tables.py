"""The tables of `order_layout` as arrays: made, grown, added up."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.terms import FillTerms
from core.matching import order_layout as at
from core.matching.model import UNLIMITED

Integers = NDArray[np.int64]
LOW_BITS: Final = 32


def grown(table: Integers, rows: int) -> Integers:
    """Return a table with room for so many rows: the same, or one at least twice as long."""
    if rows <= len(table):
        return table
    grown = np.zeros((max(2 * len(table), rows), table.shape[1]), dtype=np.int64)
    grown[: len(table)] = table
    return grown


def exact_sum(column: Integers) -> int:
    """Add up without an overflow: the parts of the numbers apart."""
    high, low = int((column >> LOW_BITS).sum()), int((column & (2**LOW_BITS - 1)).sum())
    return (high << LOW_BITS) + low


def terms_table(terms: FillTerms, factor: int, divisor: int) -> Integers:
    """Put the rules into one row; tables of fewer rows than others are filled up with rows that mean nothing."""
    charge_rows, tick_rows = max(map(len, terms.charges)), max(map(len, terms.ticks))
    parts = [terms.settings, terms.lots, terms.rest_lots, np.array([factor, divisor, charge_rows, tick_rows])]
    for charges, ticks in zip(terms.charges, terms.ticks, strict=True):
        parts += [charges.ravel(), np.zeros(at.CHARGE_SIZE * (charge_rows - len(charges)), dtype=np.int64)]
        parts += [ticks.ravel(), np.array([UNLIMITED, 1] * (tick_rows - len(ticks)), dtype=np.int64)]
    return np.concatenate(parts)
