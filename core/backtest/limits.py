"""The price limits of each bar, from the exchange's reference price and the dated rules."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import CheckedBars, floats_of
from core.backtest.model import Listing
from core.backtest.problems import BarsInvalid, ColumnMissing
from core.market import rules, rules_table
from core.market.model import Board, InstrumentKind
from core.market.trading_calendar import TradingCalendar, TradingCalendars
from core.matching import column_kernel
from core.matching.model import UNLIMITED

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Days = NDArray[np.datetime64]
FIRST_DAYS: Final = 10
"""Beyond any rule on the first days of a listing."""
ONE_DAY: Final = timedelta(days=1)
FEW_WEEKS: Final = timedelta(days=35)
"""Longer than the exchange needs for so many trading days."""
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
    rounding = rules.limit_rounding(listing.board or Board.MAIN)
    for at, allowed in _percents(bars, listing):
        if allowed is not None:
            low, high = rules.limit_ticks(reference[at], allowed, rounding=rounding)
            down[at], up[at] = low * step, high * step
    return down, up


def _published(bars: CheckedBars) -> tuple[Integers, Integers] | None:
    up = next((column for name in UP_COLUMNS if (column := bars.column(name)) is not None), None)
    down = next((column for name in DOWN_COLUMNS if (column := bars.column(name)) is not None), None)
    if up is None or down is None:
        return None
    scale, lowest, highest = float(10**bars.places), np.empty(len(bars), np.int64), np.empty(len(bars), np.int64)
    column_kernel.published_limits(floats_of(down), scale, 0, lowest)
    column_kernel.published_limits(floats_of(up), scale, UNLIMITED, highest)
    return lowest, highest


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


def _percents(bars: CheckedBars, listing: Listing) -> Iterator[tuple[Flags, rules.LimitPercents | None]]:
    """Yield how far bars may move: bars alike in all that decides it are looked up once."""
    days = bars.times.astype("datetime64[D]")
    bounds = np.array(sorted(row.first_date for row in rules_table.PRICE_LIMITS if row.first_date), dtype=days.dtype)
    resumed = np.array(sorted(listing.resumed_days), dtype=days.dtype)
    kinds = (
        np.searchsorted(bounds, days, side="right"),
        _st(bars, days, listing),
        _listed_days(days, listing),
        np.isin(days, resumed),
        _delisting_days(days, listing),
    )
    key = kinds[0].astype(np.int64)
    for kind in kinds[1:]:
        key = key * 1_000 + kind
    is_new = np.concatenate(([True], key[1:] != key[:-1]))
    for value in np.unique(key[is_new]):
        at = key == value
        first = int(at.argmax())
        share = rules.ShareDay(
            board=listing.board or Board.MAIN,
            day=days[first].item(),
            is_st=bool(kinds[1][first]),
            list_date=listing.list_date,
            listed_days=int(kinds[2][first]) or None,
            delisting_day=int(kinds[4][first]) or None,
            delisting_decided=listing.delisting_decided,
            is_resumed=bool(kinds[3][first]),
        )
        yield at, rules.limit_percents(share)


def _listed_days(days: Days, listing: Listing) -> Integers:
    """Count the share's trading days from its listing; 0 from the tenth on. Days before the data are the exchange's."""
    none = np.zeros(len(days), dtype=np.int64)
    first: date = days[0].item()
    if listing.list_date is None or not listing.list_date <= first < listing.list_date + FEW_WEEKS:
        return none
    before = 0 if first == listing.list_date else _shanghai().count(listing.list_date, first - ONE_DAY)
    counts = before + np.cumsum(np.concatenate(([1], days[1:] > days[:-1])), dtype=np.int64)
    return np.where(counts < FIRST_DAYS, counts, none)


@lru_cache(maxsize=1)
def _shanghai() -> TradingCalendar:
    return TradingCalendars.load().shanghai


def _st(bars: CheckedBars, days: Days, listing: Listing) -> Integers:
    """Say for each bar whether the share is under ST: the data's own column, else the listing's spells."""
    column: Any = bars.column("is_st")
    if column is not None:
        return np.array([bool(value) for value in column], dtype=np.int64)
    flags = np.zeros(len(days), dtype=np.int64)
    for first, last in listing.st_spells:
        end = days[-1] if last is None else np.datetime64(last)
        flags[(days >= np.datetime64(first)) & (days <= end)] = 1
    return flags


def _delisting_days(days: Days, listing: Listing) -> Integers:
    """Count the trading days of a delisting period; 0 outside it."""
    if listing.delisting_start is None:
        return np.zeros(len(days), dtype=np.int64)
    inside = days >= np.datetime64(listing.delisting_start)
    new = np.concatenate(([True], days[1:] > days[:-1]))
    return np.minimum(np.cumsum(new & inside, dtype=np.int64), 999)
