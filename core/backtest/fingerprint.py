"""The fingerprint of a run: sha256 over data, code, parameters and rules. Equal fingerprints give equal results.

Of a column of data it takes the BLAKE2b digest, which is the fastest there is for a million bars.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.limits import DOWN_COLUMNS, UP_COLUMNS
from core.backtest.model import Listing
from core.backtest.series import Series
from core.backtest.strategy_code import described
from core.market import rules

ENGINE_VERSION: Final = 3
"""Raised when the same orders would end differently, or the fingerprint is made in another way."""
NARROW: Final = (np.dtype(np.int16), np.dtype(np.int32))
"""Kinds of whole numbers that columns are held in to be digested, where all of them fit."""
MANY: Final = 50_000
"""Bars from which on a digest is worth a thread."""


def fingerprint(data: bytes, code: Sequence[bytes], parameters: Mapping[str, Any], benchmark: Any = None) -> str:
    """Return 64 hexadecimal digits.

    `data` is what `data_digest` says of the bars, `code` what each strategy did and held before the run (`code_of`),
    `parameters` those of the result, `benchmark` the days, closes and rows beside which it was measured.
    """
    digest = hashlib.sha256(f"{ENGINE_VERSION} {rules_version()}".encode())
    digest.update(data)
    for text in code:
        digest.update(text)
    if benchmark is not None:
        digest.update(_digest_of(benchmark[0]) + _digest_of(benchmark[1]))
    digest.update(json.dumps(parameters, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def data_digest(series: Sequence[Series], parameters: Mapping[str, Any]) -> bytes:
    """Return a digest of bars, listings and corporate actions. It holds the interpreter's lock for moments only."""
    digest = hashlib.sha256()
    for one in series:
        bars = one.bars
        spelled = f"{bars.dt(0)} {bars.dt(len(bars) - 1)}"
        digest.update(
            f"{bars.places} {spelled} {_described_listing(one.listing)} {described(list(one.actions))}".encode()
        )
        for name, column in _columns(one, parameters):
            digest.update(name.encode() + _digest_of(column))
    return digest.digest()


def is_long(series: Series) -> bool:
    """Say whether a digest takes longer than it takes to start a thread for it."""
    return len(series.bars) > MANY


def _columns(series: Series, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield everything a run can see of its bars: prices, limits, and what `bar.raw` shows beside."""
    bars, terms = series.bars, series.terms
    times = bars.times.astype(np.int64)
    yield "times", np.concatenate((times[:1], times[1:] - times[:-1]))
    for name in sorted(bars.prices):
        yield name, bars.prices[name]
    if bars.volume is not None:
        yield "volume", bars.volume
    seen = {str(parameters.get("date_column")), *bars.prices, "volume"} - set(parameters.get("price_columns") or {})
    seen |= set((parameters.get("price_columns") or {}).values())
    if parameters.get("market_rules") is not None:
        yield "down", terms.down
        yield "up", terms.up
        seen |= {*UP_COLUMNS, *DOWN_COLUMNS}
    table = bars.table
    for name in sorted(map(str, table.columns if table.rows is None else table.rows[0])):
        if name not in seen:
            yield f"raw {name}", bars.column(name)


@lru_cache(maxsize=1024)
def _described_listing(listing: Listing | None) -> str:
    return described(listing)


def _digest_of(column: Any) -> bytes:
    """Return a digest of a column as the data has it; of whole numbers in the fewest bytes they fit in."""
    values = column if isinstance(column, list) else np.asarray(column)
    if isinstance(values, np.ndarray) and values.dtype == np.int64:
        return _digest_of_numbers(values)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return hashlib.blake2b(values.dtype.str.encode() + np.ascontiguousarray(values).tobytes()).digest()
    values = list(values)
    if set(map(type, values)) == {float}:
        return hashlib.blake2b(struct.pack(f"{len(values)}d", *values)).digest()
    return hashlib.blake2b(repr(values).encode(errors="surrogatepass")).digest()


def _digest_of_numbers(column: NDArray[np.int64]) -> bytes:
    """Return a digest of the first number as it is, and of the others side by side."""
    digest, rest = hashlib.blake2b(column[:1].tobytes()), column[1:]
    if rest.size:
        lowest, highest = rest.min(), rest.max()
        fitting = (kind for kind in NARROW if lowest >= np.iinfo(kind).min and highest <= np.iinfo(kind).max)
        rest = np.ascontiguousarray(rest, dtype=next(fitting, np.int64))
    digest.update(bytes([rest.itemsize]))
    digest.update(memoryview(rest).cast("B"))  # type: ignore[arg-type]
    return digest.digest()


@lru_cache(maxsize=1)
def rules_version() -> str:
    """Return the sha256 of the dated rules."""
    listed = [
        f"{rule.topic} {rule.scope} {rule.first_date} {rule.last_date} {described(rule.value)}"
        for rule in rules.all_rules()
    ]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()
