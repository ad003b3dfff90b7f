"""Adjustment factors of raw bars, worked out where files bring none, and kept consistent where they come from several.

The exchange's reference price of a day already contains its ex-right and ex-dividend effects. So the factor grows, from
one bar to the next, by previous close / reference price; where the two agree to half a cent nothing happened.
"""

from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.market.importers.keys import CENT

JUMP: Final = 0.001
"""A step between two factors that misses the prices by more than this comes from two files with different levels."""
PLACES: Final = 8


def with_factors(table: pa.Table) -> pa.Table:
    """Return daily bars, sorted by symbol and day, in which every factor that can be known is there.

    A symbol whose factors are whole and in step with its prices keeps them. Others are chained from their first known
    factor, or from 1. Where reference prices are missing the chain breaks, and factors without one of their own part
    stay null. Days missing from the files cannot be told from events.
    """
    factors = _reals(table, "adj_factor")
    close, reference = _reals(table, "close"), _reals(table, "pre_close")
    starts = _starts(table)
    steps, linked = _steps(close, reference, starts)
    doubtful = ~np.isfinite(factors)
    with np.errstate(divide="ignore", invalid="ignore"):
        actual = np.diff(np.log(factors), prepend=np.nan)
        doubtful |= linked & (np.abs(actual - steps) > JUMP)
    if not doubtful.any():
        return table
    ends = np.append(starts[1:], len(factors))
    for place in np.unique(np.searchsorted(starts, np.flatnonzero(doubtful), side="right") - 1).tolist():
        rows = slice(int(starts[place]), int(ends[place]))
        factors[rows] = chain(factors[rows], steps[rows], linked[rows])
    column = pa.chunked_array([pa.array(factors, pa.float64(), from_pandas=True)])
    return table.set_column(table.column_names.index("adj_factor"), "adj_factor", column)


def chain(factors: NDArray[np.float64], steps: NDArray[np.float64], linked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return one symbol's factors: in each linked stretch they grow by `steps` (logarithms) from the first known."""
    chained = np.full(len(factors), np.nan)
    borders = [0, *(np.flatnonzero(~linked[1:]) + 1).tolist(), len(factors)]
    for first, end in pairwise(borders):
        growth = np.cumsum(np.where(linked[first:end], steps[first:end], 0.0))
        known = np.flatnonzero(np.isfinite(factors[first:end]))
        if len(known):
            anchor, level = int(known[0]), float(factors[first + known[0]])
        elif first == 0:
            anchor, level = 0, 1.0
        else:
            continue
        chained[first:end] = np.round(level * np.exp(growth - growth[anchor]), PLACES)
    return chained


def _steps(
    close: NDArray[np.float64], reference: NDArray[np.float64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the logarithm of each bar's step from the bar before, and where there is one."""
    before = np.roll(close, 1)
    linked = np.isfinite(reference) & (reference > 0) & (before > 0)
    linked[starts] = False
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = linked & (np.abs(before - reference) > CENT)
        steps = np.where(moved, np.log(before / reference), 0.0)
    return steps, linked


def _starts(table: pa.Table) -> NDArray[np.int64]:
    """Return the first row of each symbol."""
    symbols = table["symbol"].combine_chunks()
    changes = pc.not_equal(symbols.slice(1), symbols.slice(0, max(len(symbols) - 1, 0)))
    found: NDArray[np.int64] = np.flatnonzero(changes.to_numpy(zero_copy_only=False)) + 1
    return np.concatenate([np.zeros(min(1, len(symbols)), dtype=np.int64), found])


def _reals(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a column as floats of our own, NaN where null."""
    values: NDArray[np.float64] = pc.fill_null(table[name], float("nan")).to_numpy().copy()
    return values
