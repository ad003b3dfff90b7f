"""Keys of rows as integers, and whether two rows say the same."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

CENT: Final = 0.00501
TOLERANCES: Final[Mapping[str, tuple[float, float]]] = {
    **dict.fromkeys(("open", "high", "low", "close"), (CENT, 0.0)),
    "volume": (100.0, 0.001),
    "amount": (1000.0, 0.001),
}
"""How far two vendors' statements of one figure may lie apart and still agree, absolutely or in proportion: half a cent
of rounding in prices, a lot or a thousandth in volume, a thousand or a thousandth in amount."""


def key_codes(tables: Sequence[pa.Table], key: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return an integer per row, for each table: equal for equal keys, and in the order of the keys; nulls last."""
    codes = np.zeros(sum(table.num_rows for table in tables), dtype=np.int64)
    width = 1
    for name in key:
        column = pa.chunked_array(
            [chunk for table in tables for chunk in table[name].chunks], type=tables[0][name].type
        )
        ranks, count = _ranks(column)
        if width * count >= 2**62:
            codes, width = _dense(codes)
        codes = codes * count + ranks
        width *= count
    ends = np.cumsum([table.num_rows for table in tables])
    return np.split(codes, ends[:-1])


def same_rows(
    table: pa.Table, left: NDArray[np.int64], right: NDArray[np.int64], columns: Sequence[str]
) -> NDArray[np.bool_]:
    """Tell for pairs of rows whether they agree; a null agrees with everything."""
    agree = np.ones(len(left), dtype=bool)
    for name in columns:
        if name in table.column_names and len(left):
            one, other = table[name].take(pa.array(left)), table[name].take(pa.array(right))
            blank = pc.or_(pc.is_null(one), pc.is_null(other))
            agree &= pc.or_(blank, pc.fill_null(_same(name, one, other), False)).to_numpy()
    return agree


def ordinals(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the rows of each key 0, 1, 2 in their order."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(codes) else np.empty(0, dtype=np.int64)
    lengths = np.diff(np.r_[starts, len(codes)])
    numbers = np.empty(len(codes), dtype=np.int64)
    numbers[order] = np.arange(len(codes)) - np.repeat(starts, lengths)
    return numbers


def _same(name: str, one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    """Compare two columns, figures within their tolerance."""
    if name in TOLERANCES or pa.types.is_floating(one.type):
        absolute, relative = TOLERANCES.get(name, (1e-9, 1e-9))
        gap = pc.abs(pc.subtract(one, other)).cast(pa.float64())
        scale = pc.abs(other).cast(pa.float64())
        return pc.or_(pc.less_equal(gap, absolute), pc.less_equal(gap, pc.multiply(scale, relative)))
    return pc.equal(one, other)


def _ranks(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], int]:
    """Return each value's rank in sorted order, and the number of ranks with one for null."""
    if pa.types.is_string(column.type):
        encoded: Any = pc.dictionary_encode(column).unify_dictionaries()
        words = next((chunk.dictionary for chunk in encoded.chunks), pa.array([], pa.string())).to_pylist()
        rank_of = np.empty(len(words) + 1, dtype=np.int64)
        rank_of[np.array(sorted(range(len(words)), key=words.__getitem__), dtype=np.int64)] = np.arange(len(words))
        rank_of[-1] = len(words)
        indices = [pc.fill_null(chunk.indices, -1).to_numpy() for chunk in encoded.chunks]
        places = np.concatenate(indices) if indices else np.empty(0, dtype=np.int64)
        return rank_of[places], len(words) + 1
    whole = column.cast(pa.int32()).cast(pa.int64()) if pa.types.is_date(column.type) else column.cast(pa.int64())
    lowest, highest = pc.min_max(whole).as_py().values()
    if lowest is None:
        return np.zeros(len(column), dtype=np.int64), 1
    ranks = pc.fill_null(pc.subtract(whole, lowest), highest - lowest + 1)
    return ranks.to_numpy().astype(np.int64), highest - lowest + 2


def _dense(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Renumber codes without gaps, keeping their order."""
    distinct, dense = np.unique(codes, return_inverse=True)
    return dense.astype(np.int64), len(distinct)
