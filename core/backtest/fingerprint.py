"""The fingerprint of a run: sha256 over data, code, parameters and rules. Equal fingerprints give equal results.

Of a column of data it takes the BLAKE2b digest, which is the fastest there is for a million bars.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from types import CodeType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import CheckedBars
from core.backtest.model import Listing
from core.market import rules
from core.market.model import CorporateAction

ENGINE_VERSION: Final = 2
"""Raised when the same orders would end differently, or the fingerprint is made in another way."""
SMALLEST: Final = -(2**31)
LARGEST: Final = 2**31 - 1
PLAIN: Final = (str, int, float, bool, bytes, Decimal, date, datetime, type(None))


def fingerprint(
    series: Sequence[tuple[CheckedBars, Listing | None, Sequence[CorporateAction]]],
    strategies: Sequence[object],
    parameters: Mapping[str, Any],
) -> str:
    """Return 64 hexadecimal digits."""
    digest = hashlib.sha256(f"{ENGINE_VERSION} {rules_version()}".encode())
    for bars, listing, actions in series:
        digest.update(f"{bars.places} {_described(listing)} {_described(list(actions))}".encode())
        columns = {name: bars.prices[name] for name in sorted(bars.prices)}
        times = bars.times.astype(np.int64)
        columns["times"] = np.concatenate((times[:1], np.diff(times)))
        if bars.volume is not None:
            columns["volume"] = bars.volume
        for name, column in columns.items():
            digest.update(name.encode() + _digest_of(column))
    for strategy in strategies:
        digest.update(_code_of(strategy))
    digest.update(json.dumps(parameters, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _digest_of(column: NDArray[np.integer[Any]]) -> bytes:
    """Return a digest of whole numbers, in half of the bytes where they fit."""
    digest, rest = hashlib.blake2b(column[:1].tobytes()), column[1:]
    if len(rest) and rest.min() >= SMALLEST and rest.max() <= LARGEST:
        rest = rest.astype(np.int32)
    digest.update(bytes([rest.itemsize]))
    digest.update(rest.tobytes())
    return digest.digest()


@lru_cache(maxsize=1)
def rules_version() -> str:
    """Return the sha256 of the dated rules."""
    listed = [
        f"{rule.topic} {rule.scope} {rule.first_date} {rule.last_date} {_described(rule.value)}"
        for rule in rules.all_rules()
    ]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def _code_of(strategy: object) -> bytes:
    """Return what a strategy does: its byte code, what it was made with, its plain attributes."""
    parts = [_described(vars(strategy))] if hasattr(strategy, "__dict__") and not callable(strategy) else []
    hooks = ("on_bar", "on_start", "on_end")
    functions = [getattr(strategy, name) for name in hooks if hasattr(strategy, name)] or [strategy]
    for function in functions:
        inner = getattr(function, "__func__", function)
        called = vars(type(inner)).get("__call__")
        code = getattr(inner, "__code__", None) or getattr(called, "__code__", None)
        if isinstance(code, CodeType):
            parts += _code_parts(code)
        parts.append(repr(getattr(inner, "__defaults__", None)))
        for cell in getattr(inner, "__closure__", None) or ():
            parts.append(_cell(cell))
    return "\n".join(parts).encode()


def _code_parts(code: CodeType) -> list[str]:
    """Return byte code, names and constants, those of inner functions too; no line numbers, no addresses."""
    parts = [code.co_code.hex(), repr(code.co_names), repr(code.co_varnames)]
    for constant in code.co_consts:
        parts += _code_parts(constant) if isinstance(constant, CodeType) else [_described(constant)]
    return parts


def _cell(cell: Any) -> str:
    try:
        value = cell.cell_contents
    except ValueError:
        return "empty"
    return _described(value)


def _described(value: object) -> str:
    """Return a value as text that is the same in every process: plain values, and what is made of them.

    Of anything else only the type counts, so a strategy that keeps its settings in objects of its own should hold them
    as plain values or dataclasses.
    """
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{_described(key)}: {_described(item)}' for key, item in value.items()))}}}"
    if isinstance(value, Set):
        return f"<{', '.join(sorted(map(_described, value)))}>"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_described, value))}]"
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__ + _described({item.name: getattr(value, item.name) for item in fields(value)})
    return type(value).__name__
