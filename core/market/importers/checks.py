"""What a row must satisfy to be stored, as masks over whole columns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.market.datasets import Dataset
from core.market.importers.codes import lost_zeros, restore_zeros
from core.market.importers.keys import key_codes, same_rows
from core.market.importers.model import ROW, Part, Rejection
from core.market.model import Adjustment

Mask = NDArray[np.bool_]
PRICES: Final = ("open", "high", "low", "close")
ROUNDING: Final = 1e-6
"""How far floats may miss an order that holds between the decimals they came from."""


@dataclass(slots=True)
class Judged:
    """The rows of a part after judgement. Each row went to exactly one place."""

    table: pa.Table
    rejected: list[Rejection] = field(default_factory=list)
    suspended: pa.Table | None = None
    merged: int = 0
    codes_restored: int = 0


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges parts of files. `known` are the symbols of the security master; `renamed` maps old codes to new ones."""

    known: Collection[str]
    renamed: Mapping[str, str]
    today: date

    def judge(self, part: Part, shape: Dataset) -> Judged:
        """Sort the rows of a part into good ones, suspended days, repetitions and rejects (without their text)."""
        table, restored = self._with_symbols(part.table)
        reasons = _Reasons(table.num_rows)
        for reason, bad in part.faults.items():
            reasons.add(reason, bad)
        self._check_symbols(table, reasons)
        self._check_key(table, shape, reasons)
        suspended = self._suspended(part, table, reasons)
        if part.has_prices:
            _check_prices(part, table, reasons, exempt=suspended)
        if part.dataset == "hk_daily":
            reasons.add("no volume: a holiday, or a gap the vendor filled", suspended)
            suspended = np.zeros_like(suspended)
        good = ~reasons.any & ~suspended
        merged, differing = repetitions(table.filter(pa.array(good)), shape)
        positions = np.flatnonzero(good)
        reasons.add_at("the same key twice in the file with different values", positions[differing])
        good[positions[merged | differing]] = False
        idle = suspended & ~reasons.any
        return Judged(
            table=table.filter(pa.array(good)),
            rejected=reasons.rejections(table[ROW]),
            suspended=table.filter(pa.array(idle)) if idle.any() else None,
            merged=int(merged.sum()),
            codes_restored=restored,
        )

    def _with_symbols(self, table: pa.Table) -> tuple[pa.Table, int]:
        """Give each row the symbol valid today; restore leading zeros where the master knows exactly one code."""
        if "symbol" not in table.column_names or table.num_rows == 0:
            return table, 0
        encoded = pc.dictionary_encode(table["symbol"].combine_chunks())
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        before = encoded.dictionary.to_pylist()
        after = [restore_zeros(code, self.known) or code for code in before]
        after = [self.renamed.get(symbol, symbol) for symbol in after]
        short = np.array([lost_zeros(old) and old != new for old, new in zip(before, after, strict=True)], dtype=bool)
        if before == after:
            return table, 0
        codes = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
        column = pa.array(after, pa.string()).take(encoded.indices)
        position = table.column_names.index("symbol")
        count = int(short[codes[codes >= 0]].sum())
        return table.set_column(position, "symbol", pa.chunked_array([column])), count

    def _check_symbols(self, table: pa.Table, reasons: "_Reasons") -> None:
        """Refuse codes that are no symbol."""
        if "symbol" not in table.column_names:
            return
        valid = pc.match_substring_regex(table["symbol"], r"^(\d{6}\.(SH|SZ|BJ)|\d{5}\.HK)$")
        bad = ~_mask(valid)
        if bad.any():
            short = _mask(pc.match_substring_regex(table["symbol"], r"^[1-9]\d{0,4}$"))
            reasons.add(
                "the code has lost its leading zeros and the security master knows no single match", bad & short
            )
            reasons.add("the code is no instrument's", bad & ~short)

    def _check_key(self, table: pa.Table, shape: Dataset, reasons: "_Reasons") -> None:
        """Refuse rows without a key or another required value, and bars of days to come."""
        for name in shape.required:
            if name in table.column_names and name not in PRICES and name not in {"volume", "source", "seq"}:
                reasons.add(f"{name} is missing", _mask(pc.is_null(table[name])))
        if shape.day in {"trade_date", "bar_end", "ts"} and shape.day in table.column_names:
            ends = table[shape.day].cast(pa.date32())
            reasons.add("the day lies in the future", _mask(pc.greater(ends, pa.scalar(self.today))))

    def _suspended(self, part: Part, table: pa.Table, reasons: "_Reasons") -> Mask:
        """Return the rows that say that nothing was traded that day; indices have no such days."""
        idle = np.zeros(table.num_rows, dtype=bool) if part.suspended is None else part.suspended.copy()
        if (
            part.has_prices
            and part.dataset in {"daily", "adjusted_daily", "hk_daily"}
            and "volume" in table.column_names
        ):
            idle |= _mask(pc.equal(table["volume"], 0))
        return idle & ~reasons.any


def repetitions(table: pa.Table, shape: Dataset) -> tuple[Mask, Mask]:
    """Return masks of rows that repeat an earlier one exactly, and of all rows whose repetitions differ."""
    codes = key_codes([table], shape.key)[0] if table.num_rows else np.empty(0, dtype=np.int64)
    none = np.zeros(table.num_rows, dtype=bool)
    if (np.diff(codes) > 0).all():
        return none, none.copy()
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    reference = first[inverse]
    repeated = reference != np.arange(len(codes))
    at = np.flatnonzero(repeated)
    agrees = same_rows(table, at, reference[at], shape.compared_columns())
    differing_keys = np.zeros(len(first), dtype=bool)
    differing_keys[inverse[at[~agrees]]] = True
    differing = differing_keys[inverse]
    return repeated & ~differing, differing


class _Reasons:
    """The first reason against each row."""

    def __init__(self, count: int) -> None:
        self.any: Mask = np.zeros(count, dtype=bool)
        self._found: dict[int, str] = {}

    def add(self, reason: str, bad: Mask) -> None:
        """Reject rows for a reason."""
        self.add_at(reason, np.flatnonzero(bad))

    def add_at(self, reason: str, positions: NDArray[np.int64]) -> None:
        """Reject rows by their positions."""
        for position in positions.tolist():
            self._found.setdefault(position, reason)
        self.any[positions] = True

    def rejections(self, numbers: pa.ChunkedArray) -> list[Rejection]:
        """Return the rejects in the order of the file, their text still to be filled in."""
        positions = sorted(self._found)
        rows = numbers.take(pa.array(positions, pa.int64())).to_pylist()
        return [Rejection(row, self._found[position], "") for row, position in zip(rows, positions, strict=True)]


def _check_prices(part: Part, table: pa.Table, reasons: _Reasons, *, exempt: Mask) -> None:
    """Refuse prices that cannot be: missing, not positive (raw only), out of order; and negative volumes."""
    prices = {name: pc.fill_null(table[name], float("nan")).to_numpy() for name in PRICES}
    for name, values in prices.items():
        reasons.add(f"{name} is missing or not finite", ~np.isfinite(values) & ~exempt)
    if part.adjustment in {Adjustment.RAW, Adjustment.SPLIT_ONLY}:
        for name, values in prices.items():
            reasons.add(f"{name} is not positive", (values <= 0) & ~exempt)
    high, low = prices["high"], prices["low"]
    slack = ROUNDING * np.maximum(1.0, np.abs(prices["close"]))
    reasons.add("high is below low", (high < low - slack) & ~exempt)
    reasons.add("high is below open or close", (high < np.maximum(prices["open"], prices["close"]) - slack) & ~exempt)
    reasons.add("low is above open or close", (low > np.minimum(prices["open"], prices["close"]) + slack) & ~exempt)
    if "volume" in table.column_names:
        reasons.add("volume is negative", _mask(pc.less(table["volume"], 0)))
        if part.dataset in {"daily", "hk_daily"}:
            reasons.add("volume is missing", _mask(pc.is_null(table["volume"])) & ~exempt)


def _mask(column: pa.ChunkedArray) -> Mask:
    flags: Mask = pc.fill_null(column, False).to_numpy(zero_copy_only=False).astype(bool)
    return flags
