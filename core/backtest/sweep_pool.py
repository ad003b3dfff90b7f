"""One sweep over several instruments: each tried by itself with the whole cash, and all of them judged together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.backtest.sweep_result import SweepResult

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolSweep:
    """The finished sweep of one of the instruments."""

    symbol: str
    result: SweepResult


def pooled(parts: Sequence[SymbolSweep]) -> SweepResult:
    """Return the trials of all instruments as one sweep; every part tried the same parameters to the end.

    A figure is its median over the instruments that have it. A trial that failed on one instrument has failed. What the
    whole grid proves rests on the returns of an account that holds each trial on every instrument in equal parts, set
    even again every day; an instrument without a bar on a day earns nothing on it.
    """
    first = parts[0].result
    errors: dict[int, str] = {}
    for part in parts:
        for number, text in part.result.errors.items():
            errors.setdefault(number, f"{part.symbol}: {text}")
    figures = {
        name: _medians(np.stack([part.result.figures[name] for part in parts]), errors) for name in first.figures
    }
    days = np.unique(np.concatenate([part.result.days for part in parts]))
    return SweepResult(
        parameters=first.parameters,
        figures=figures,
        errors=errors,
        refused=first.refused,
        objective=first.objective,
        stopped=None,
        days=days,
        returns_of_all=lambda: _together(parts, days, errors),
    )


def _medians(values: Floats, errors: dict[int, str]) -> Floats:
    out = np.full(values.shape[1], np.nan)
    has_any = ~np.isnan(values).all(axis=0) & ~np.isin(np.arange(values.shape[1]), list(errors))
    out[has_any] = np.nanmedian(values[:, has_any], axis=0)
    return out


def _together(parts: Sequence[SymbolSweep], days: NDArray[np.int64], errors: dict[int, str]) -> Floats:
    """Return the mean returns of (day, trial that failed nowhere)."""
    good = [number for number in range(len(parts[0].result)) if number not in errors]
    total = np.zeros((len(days), len(good)))
    for part in parts:
        columns = np.cumsum([number not in part.result.errors for number in range(len(part.result))]) - 1
        total[np.searchsorted(days, part.result.days)] += part.result.returns_of_all()[:, columns[good]]
    return total / len(parts)
