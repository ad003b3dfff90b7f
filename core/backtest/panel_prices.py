"""Prices of a panel as whole numbers of one power of ten, checked cell by cell, a block of symbols at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import LARGEST, PLACES
from core.backtest.problems import BarsInvalid, ColumnMissing
from core.market.panel import Panel
from core.matching.panel_layout import Integers

BLOCK: Final = 256
"""Symbols checked together: their cells of a column stay in the processor's cache."""
PRICE_COLUMNS: Final = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, eq=False)
class PanelPrices:
    """Columns of whole numbers: 0 where there is no bar. `opens` is `closes` and `volumes` is 0 where unknown."""

    places: int
    opens: Integers
    closes: Integers
    volumes: Integers
    has_open: bool
    has_volume: bool


def read_prices(panel: Panel, *, least_places: int, skip_untraded: bool) -> PanelPrices:
    """Check a panel and turn it into whole numbers of the coarsest power of ten that holds every price.

    Raises `BarsInvalid` naming row, day and symbol, `ColumnMissing`.
    """
    if "close" not in panel.columns:
        raise ColumnMissing(column="close", purpose="the close", columns=", ".join(panel.columns))
    shape = (len(panel.days), len(panel.symbols))
    for name, column in panel.columns.items():
        if column.shape != shape:
            reason = f"its shape is {column.shape}, the panel has {shape[0]} days and {shape[1]} symbols"
            raise ColumnMissing(column=name, purpose=reason, columns=", ".join(panel.columns))
    for places in PLACES:
        if places < least_places:
            continue
        found = _whole(panel, places, shape, skip_untraded=skip_untraded, is_last=places == PLACES[-1])
        if found is not None:
            return found
    raise AssertionError("the finest power of ten raises by itself")


def _whole(
    panel: Panel, places: int, shape: tuple[int, int], *, skip_untraded: bool, is_last: bool
) -> PanelPrices | None:
    """Turn every block into whole numbers; None where a price needs more places."""
    has_open, has_volume = "open" in panel.columns, "volume" in panel.columns
    closes = np.zeros(shape, dtype=np.int64)
    opens = np.zeros(shape, dtype=np.int64) if has_open else closes
    volumes = np.zeros(shape, dtype=np.int64) if has_volume else closes
    for block in blocks(shape[1]):
        inside = _bars(panel, block, skip_untraded=skip_untraded)
        for name in PRICE_COLUMNS:
            if name not in panel.columns:
                continue
            whole = _column(panel, name, block, inside, places, is_last=is_last)
            if whole is None:
                return None
            if name in {"open", "close"}:
                (opens if name == "open" else closes)[:, block] = whole
        if "high" in panel.columns and "low" in panel.columns:
            _check_order(panel, block, inside)
        if has_volume:
            volumes[:, block] = _volume(panel, block, inside)
    if not has_volume:
        volumes = np.zeros(shape, dtype=np.int64)
    return PanelPrices(places, opens, closes, volumes, has_open, has_volume)


def blocks(symbols: int) -> Iterator[slice]:
    """Cut symbols into stretches that are done together."""
    return (slice(first, min(first + BLOCK, symbols)) for first in range(0, symbols, BLOCK))


def _bars(panel: Panel, block: slice, *, skip_untraded: bool) -> NDArray[np.bool_]:
    """Return which cells are bars."""
    closes = np.asarray(panel["close"][:, block])
    inside: NDArray[np.bool_] = ~np.isnan(closes) if closes.dtype.kind == "f" else closes != 0
    if skip_untraded and "volume" in panel.columns:
        inside = inside & (np.nan_to_num(np.asarray(panel["volume"][:, block])) > 0)
    return inside


def _column(
    panel: Panel, name: str, block: slice, inside: NDArray[np.bool_], places: int, *, is_last: bool
) -> Integers | None:
    """Return a price column in whole numbers; None where it needs more places, an error where none would do."""
    values = np.asarray(panel[name][:, block], dtype=np.float64)
    good = np.isfinite(values) & (values > 0)
    if not (good | ~inside).all():
        raise _invalid(panel, block, inside & ~good, lambda at: f"{name} is {values[at]:g}; prices must be positive.")
    values = np.where(inside, values, 0.0)
    scaled = np.rint(values * 10**places)
    fits = (scaled / 10**places == values) & (scaled < LARGEST)
    if not fits.all():
        if is_last:
            raise _invalid(
                panel, block, ~fits, lambda at: f"{name} is {float(values[at])!r}: round prices to 8 places or less."
            )
        return None
    whole: Integers = scaled.astype(np.int64)
    return whole


def _check_order(panel: Panel, block: slice, inside: NDArray[np.bool_]) -> None:
    high, low = np.asarray(panel["high"][:, block]), np.asarray(panel["low"][:, block])
    bad = inside & (high < low)
    if bad.any():
        raise _invalid(panel, block, bad, lambda at: f"high {high[at]:g} is below low {low[at]:g}.")


def _volume(panel: Panel, block: slice, inside: NDArray[np.bool_]) -> Integers:
    """Return volumes in whole shares; a part of a share is dropped."""
    values = np.asarray(panel["volume"][:, block])
    bad = inside & ~((values >= 0) & (values < LARGEST))
    if bad.any():
        raise _invalid(panel, block, bad, lambda at: f"volume is {values[at]:g}.")
    return np.where(inside, np.nan_to_num(values), 0).astype(np.int64)


def _invalid(panel: Panel, block: slice, bad: NDArray[np.bool_], told: Any) -> BarsInvalid:
    """Return the error that names the first bad cell."""
    row, column = (int(place[0]) for place in np.nonzero(bad))
    when = f"{panel.symbols[block.start + column]} {panel.days[row]}"
    return BarsInvalid(row=row + 1, when=when, reason=told((row, column)))
