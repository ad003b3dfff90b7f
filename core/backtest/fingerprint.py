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
SMALLEST: Final = -(2**31)
LARGEST: Final = 2**31 - 1


def fingerprint(
    series: Sequence[Series], code: Sequence[bytes], parameters: Mapping[str, Any], benchmark: Any = None
) -> str:
    """Return 64 hexadecimal digits.

    `code` is what each strategy did and held before the run (`code_of`), `parameters` those of the result, `benchmark`
    the days, closes and rows beside which it was measured.
    """
    digest = hashlib.sha256(f"{ENGINE_VERSION} {rules_version()}".encode())
    for one in series:
        bars = one.bars
        spelled = f"{bars.dt(0)} {bars.dt(len(bars) - 1)}"
        digest.update(
            f"{bars.places} {spelled} {_described_listing(one.listing)} {described(list(one.actions))}".encode()
        )
        for name, column in _columns(one, parameters):
            digest.update(name.encode() + column)
    for text in code:
        digest.update(text)
    if benchmark is not None:
        digest.update(_digest_of(benchmark[0]) + hashlib.blake2b(benchmark[1].tobytes()).digest())
    digest.update(json.dumps(parameters, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _columns(series: Series, parameters: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the digests of everything a run can see of its bars: prices, limits, and what `bar.raw` shows beside."""
    bars, terms = series.bars, series.terms
    times = bars.times.astype(np.int64)
    yield "times", _digest_of(np.concatenate((times[:1], np.diff(times))))
    for name in sorted(bars.prices):
        yield name, _digest_of(bars.prices[name])
    if bars.volume is not None:
        yield "volume", _digest_of(bars.volume)
    seen = {str(parameters.get("date_column")), *bars.prices, "volume"} - set(parameters.get("price_columns") or {})
    seen |= set((parameters.get("price_columns") or {}).values())
    if parameters.get("market_rules") is not None:
        yield "down", _digest_of(terms.down)
        yield "up", _digest_of(terms.up)
        seen |= {*UP_COLUMNS, *DOWN_COLUMNS}
    table = bars.table
    for name in sorted(map(str, table.columns if table.rows is None else table.rows[0])):
        if name not in seen:
            yield f"raw {name}", _digest_of_any(bars.column(name))


@lru_cache(maxsize=1024)
def _described_listing(listing: Listing | None) -> str:
    return described(listing)


def _digest_of(column: NDArray[np.integer[Any]]) -> bytes:
    """Return a digest of whole numbers, in half of the bytes where they fit."""
    digest, rest = hashlib.blake2b(column[:1].tobytes()), column[1:]
    if len(rest) and rest.min() >= SMALLEST and rest.max() <= LARGEST:
        rest = rest.astype(np.int32)
    digest.update(bytes([rest.itemsize]))
    digest.update(rest.tobytes())
    return digest.digest()


def _digest_of_any(column: Any) -> bytes:
    """Return a digest of a column as the data has it."""
    values = np.asarray(column) if not isinstance(column, list) else column
    if isinstance(values, np.ndarray) and values.dtype != object:
        return hashlib.blake2b(values.dtype.str.encode() + np.ascontiguousarray(values).tobytes()).digest()
    values = list(values)
    if set(map(type, values)) == {float}:
        return hashlib.blake2b(struct.pack(f"{len(values)}d", *values)).digest()
    return hashlib.blake2b(repr(values).encode(errors="surrogatepass")).digest()


@lru_cache(maxsize=1)
def rules_version() -> str:
    """Return the sha256 of the dated rules."""
    listed = [
        f"{rule.topic} {rule.scope} {rule.first_date} {rule.last_date} {described(rule.value)}"
        for rule in rules.all_rules()
    ]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()
