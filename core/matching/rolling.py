"""Figures of moving windows along the days of a panel, all symbols at once, on every processor.

Each value rests on its own day and earlier ones alone. The first `window - 1` days, and windows with a missing value,
have none (NaN).
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import Invalid
from core.matching import rolling_kernel as kernel
from core.matching.threads import default_threads, in_threads

Floats = NDArray[np.float64]
BLOCK: Final = 1024
"""Symbols done together at the most: more of a day is read in one go, and their sums stay in the processor's cache."""


class WindowInvalid(Invalid):
    """A window that no figure can have, or columns that do not fit together."""

    code = "window_invalid"
    template = "{reason}"


def rolling_mean(values: Floats, window: int, *, threads: int | None = None) -> Floats:
    """Return the mean of the last `window` values."""
    given = _checked(values, window, least=1)
    return _run(given, threads, lambda low, high, out: kernel.rolling_moments(given, window, low, high, 0, out))


def rolling_std(values: Floats, window: int, *, threads: int | None = None) -> Floats:
    """Return the standard deviation (n - 1) of the last `window` values; 0 where they are equal."""
    given = _checked(values, window, least=2)
    return _run(given, threads, lambda low, high, out: kernel.rolling_moments(given, window, low, high, 1, out))


def rolling_corr(one: Floats, other: Floats, window: int, *, threads: int | None = None) -> Floats:
    """Return the correlation of the last `window` pairs; none where one of the two does not move."""
    left, right = _checked(one, window, least=2), _checked(other, window, least=2)
    if left.shape != right.shape:
        raise WindowInvalid(reason=f"Columns of shapes {left.shape} and {right.shape} do not fit together.")
    return _run(left, threads, lambda low, high, out: kernel.rolling_correlation(left, right, window, low, high, out))


def rolling_rank(values: Floats, window: int, *, threads: int | None = None) -> Floats:
    """Return the rank of the last value among `window`: 1 is the smallest, equals share the middle rank."""
    given = _checked(values, window, least=1)
    return _run(given, threads, lambda low, high, out: kernel.rolling_rank(given, window, low, high, out))


def _checked(values: Floats, window: int, *, least: int) -> Floats:
    """Return days by symbols as floats. Raises `WindowInvalid`."""
    if isinstance(window, bool) or not isinstance(window, int) or window < least:
        raise WindowInvalid(reason=f"A window is a whole number of at least {least}, not {window!r}.")
    given = np.ascontiguousarray(values, dtype=np.float64)
    if given.ndim != 2:
        raise WindowInvalid(reason=f"Days by symbols are needed, not an array of {given.ndim} dimensions.")
    view = given.view()
    view.flags.writeable = False
    return view


def _run(values: Floats, threads: int | None, work: Callable[[int, int, Floats], None]) -> Floats:
    out, wanted = np.empty(values.shape), threads or default_threads()
    blocks = _blocks(values.shape[1], wanted)
    list(in_threads(lambda block: work(*block, out), blocks, wanted))
    return out


def _blocks(symbols: int, threads: int) -> list[tuple[int, int]]:
    """Cut symbols into equal blocks, as many for each thread, so that all of them end together."""
    size = max(-(-symbols // (-(-symbols // (BLOCK * threads)) * threads)), 1) if symbols else 1
    return [(low, min(low + size, symbols)) for low in range(0, symbols, size)]
