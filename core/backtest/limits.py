"""The price limits of each bar, from the exchange's reference price and the dated rules."""

from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import CheckedBars
from core.backtest.model import Listing
from core.backtest.problems import BarsInvalid, ColumnMissing
from core.market import rules, rules_table
from core.market.model import Board, InstrumentKind
from core.matching.model import UNLIMITED

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
TICKS_PER_UNIT: Final = 100
"""Limits are counted in cents."""
UP_COLUMNS: Final = ("limit_up", "up_limit", "high_limit")
DOWN_COLUMNS: Final = ("limit_down", "down_limit", "low_limit")


def price_limits(bars: CheckedBars, listing: Listing) -> tuple[Integers, Integers]:
    """Return the prices at which each bar is locked, down and up; 0 and `UNLIMITED` where there is no limit.

    Limits published with the data win. Otherwise they come from `pre_close`, the reference price after ex-right.
    Raises `ColumnMissing` when a share has neither.
    """
    published = _published(bars)
    if published is not None:
        return published
    down, up = np.zeros(len(bars), dtype=np.int64), np.full(len(bars), UNLIMITED, dtype=np.int64)
    if listing.board in {None, Board.HK_MAIN} or listing.kind is not InstrumentKind.STOCK:
        return down, up
    reference, step = _reference(bars)
    percents = _percents(bars, listing)
    for allowed in set(percents) - {None}:
        if allowed is not None:
            at = np.fromiter((one == allowed for one in percents), dtype=np.bool_, count=len(bars))
            rounding = rules.limit_rounding(listing.board or Board.MAIN)
            low, high = rules.limit_ticks(reference[at], allowed, rounding=rounding)
            down[at], up[at] = low * step, high * step
    return down, up


def _published(bars: CheckedBars) -> tuple[Integers, Integers] | None:
    up = next((column for name in UP_COLUMNS if (column := bars.column(name)) is not None), None)
    down = next((column for name in DOWN_COLUMNS if (column := bars.column(name)) is not None), None)
    if up is None or down is None:
        return None
    low, high = np.asarray(down, dtype=np.float64), np.asarray(up, dtype=np.float64)
    scale = 10**bars.places
    lowest = np.where(np.isfinite(low), np.rint(np.nan_to_num(low) * scale), 0)
    highest = np.where(np.isfinite(high) & (high > 0), np.rint(np.nan_to_num(high) * scale), UNLIMITED)
    return lowest.astype(np.int64), highest.astype(np.int64)


def _reference(bars: CheckedBars) -> tuple[Integers, int]:
    """Return reference prices in cents, and the units of a cent in the bars' prices."""
    column: Any = bars.column("pre_close")
    if column is None:
        names = ", ".join(bars.table.rows[0] if bars.table.rows else bars.table.columns)
        purpose = "the exchange's reference price: price limits come from it, not from the previous close"
        raise ColumnMissing(column="pre_close", purpose=purpose, columns=names)
    values = np.asarray(column, dtype=np.float64)
    cents = np.rint(values * TICKS_PER_UNIT)
    bad = ~(np.isfinite(values) & (values > 0)) | (cents / TICKS_PER_UNIT != values)
    if bad.any():
        place = int(bad.argmax())
        reason = f"pre_close is {values[place]:g}; the reference price must be positive and in whole cents."
        raise BarsInvalid(row=bars.row_offset + place + 1, when=bars.dt(place), reason=reason)
    return cents.astype(np.int64), 10**bars.places // TICKS_PER_UNIT


def _percents(bars: CheckedBars, listing: Listing) -> list[rules.LimitPercents | None]:
    """Return how far each bar may move; days alike are looked up once."""
    days = bars.times.astype("datetime64[D]")
    listed = _listed_days(days, listing)
    special = _st(bars, days, listing)
    bounds = np.array(sorted(_changes()), dtype="datetime64[D]")
    stretch = np.searchsorted(bounds, days, side="right").tolist()
    known: dict[tuple[object, ...], rules.LimitPercents | None] = {}
    out = []
    for place, day in enumerate(days.tolist()):
        since = _delisting_day(day, listing, days, place)
        key = (stretch[place], special[place], listed[place], day in listing.resumed_days, since)
        if key not in known:
            known[key] = rules.limit_percents(
                rules.ShareDay(
                    board=listing.board or Board.MAIN,
                    day=day,
                    is_st=bool(special[place]),
                    list_date=listing.list_date,
                    listed_days=listed[place],
                    delisting_day=since,
                    delisting_decided=listing.delisting_decided,
                    is_resumed=day in listing.resumed_days,
                )
            )
        out.append(known[key])
    return out


def _changes() -> set[date]:
    return {row.first_date for row in rules_table.PRICE_LIMITS if row.first_date}


def _listed_days(days: NDArray[np.datetime64], listing: Listing) -> list[int | None]:
    """Count the share's trading days from its listing; None from the tenth on, and when the data starts later."""
    if listing.list_date is None or listing.list_date != days[0].item():
        return [None] * len(days)
    counts = np.unique(days, return_inverse=True)[1] + 1
    return [count if count < 10 else None for count in counts.tolist()]


def _st(bars: CheckedBars, days: NDArray[np.datetime64], listing: Listing) -> list[bool]:
    """Say for each bar whether the share is under ST: the data's own column, else the listing's spells."""
    column: Any = bars.column("is_st")
    if column is not None:
        return [bool(value) for value in column]
    flags: Flags = np.zeros(len(days), dtype=np.bool_)
    for first, last in listing.st_spells:
        end = days[-1] if last is None else np.datetime64(last)
        flags |= (days >= np.datetime64(first)) & (days <= end)
    return [bool(flag) for flag in flags]


def _delisting_day(day: date, listing: Listing, days: NDArray[np.datetime64], place: int) -> int | None:
    """Count the trading days of a delisting period; None outside it."""
    if listing.delisting_start is None or day < listing.delisting_start:
        return None
    until = days[: place + 1]
    return len(np.unique(until[until >= np.datetime64(listing.delisting_start)]))
