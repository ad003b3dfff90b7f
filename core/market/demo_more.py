"""The rest of the simulated market: Hong Kong shares, indices and minutes."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.market.demo_prices import Bars, Matrix
from core.market.rules import require_rule
from core.market.rules_model import Scope, Topic
from core.market.rules_table import TICKS

MILLI: Final = 1000
MINUTES: Final = 240
MORNING: Final = (9 * 60 + 31, 11 * 60 + 30)
AFTERNOON: Final = (13 * 60 + 1, 15 * 60)


@dataclass(frozen=True, slots=True)
class HongKongBars:
    """Days by shares; prices in thousandths of a dollar, on the spread table of their day."""

    open: Matrix
    high: Matrix
    low: Matrix
    close: Matrix
    reference: Matrix
    volume: Matrix


def hong_kong_bars(random: np.random.Generator, days: list[date], count: int) -> HongKongBars:
    """Draw bars without daily limits, each price a whole number of steps of the spread table."""
    shape = (len(days), count)
    close = np.exp(random.normal(3, 1.2, size=count) + np.cumsum(random.standard_t(5, size=shape) * 0.014, axis=0))
    opened = close * np.exp(random.normal(0, 0.008, size=shape))
    wicks = np.abs(random.normal(0, 0.008, size=(2, *shape)))
    high, low = np.maximum(opened, close) * (1 + wicks[0]), np.minimum(opened, close) * (1 - wicks[1])
    volume = np.rint(np.exp(random.normal(9, 0.7, size=shape))).astype(np.int64) * 100
    first, top, bottom, last = (_on_steps_by_day(prices, days) for prices in (opened, high, low, close))
    return HongKongBars(first, top, bottom, last, reference=np.vstack([first[:1], last[:-1]]), volume=volume)


def _on_steps_by_day(prices: NDArray[np.float64], days: list[date]) -> Matrix:
    return np.stack([on_steps(row, day) for row, day in zip(prices, days, strict=True)])


def on_steps(prices: NDArray[np.float64], day: date) -> Matrix:
    """Round prices to the spread table in force on `day`; the result is in thousandths."""
    table = require_rule(TICKS, Scope.HK, day, topic=Topic.TICK)
    bounds = np.array([float(bound) for bound, _ in table.bands if bound is not None])
    steps = np.array([int(step * MILLI) for _, step in table.bands])
    step = steps[np.searchsorted(bounds, prices)]
    rounded: Matrix = (np.rint(prices * MILLI / step) * step).astype(np.int64)
    return np.maximum(rounded, 10)


def index_bars(bars: Bars, columns: NDArray[np.int64], base: float) -> dict[str, NDArray[np.float64]]:
    """Return open, high, low, close and reference of an index: it moves by its members' mean move."""
    live, reference = bars.live[:, columns], bars.reference[:, columns]
    members = np.maximum(live.sum(axis=1), 1)
    moves = {
        name: (np.where(live, getattr(bars, name)[:, columns] / reference - 1, 0).sum(axis=1) / members)
        for name in ("open", "high", "low", "close")
    }
    level = np.round(base * np.cumprod(1 + moves["close"]), 3)
    before = np.concatenate([[base], level[:-1]])
    priced = {name: np.round(before * (1 + move), 3) for name, move in moves.items()}
    priced["close"] = level
    priced["high"] = np.maximum.reduce([priced["high"], priced["open"], level])
    priced["low"] = np.minimum.reduce([priced["low"], priced["open"], level])
    return priced | {"pre_close": before}


def minute_ends(day: date) -> NDArray[np.datetime64]:
    """Return the ends of a day's 240 minutes: 09:31 to 11:30 and 13:01 to 15:00."""
    minutes = np.concatenate([np.arange(first, last + 1) for first, last in (MORNING, AFTERNOON)])
    return np.datetime64(day, "ms") + minutes.astype("timedelta64[m]")


def split_day(random: np.random.Generator, bar: tuple[int, int, int, int, int]) -> dict[str, Matrix]:
    """Split a day's open, high, low, close and volume into 240 minutes that add up to it, in cents and shares."""
    opened, high, low, close, volume = bar
    steps = random.normal(size=MINUTES).cumsum()
    bridge = steps - np.linspace(0, steps[-1], MINUTES)
    scale = (high - low) / max(float(np.ptp(bridge)), 1e-9) * 0.8
    path = np.clip(np.rint(np.linspace(opened, close, MINUTES) + bridge * scale), low, high).astype(np.int64)
    peak, trough = random.choice(np.arange(1, MINUTES - 1), 2, replace=False)
    path[peak], path[trough], path[-1] = high, low, close
    before = np.concatenate([[opened], path[:-1]])
    weights = 1 + 1.5 * np.abs(np.linspace(-1, 1, MINUTES)) ** 3
    lots = random.multinomial(volume // 100, weights / weights.sum())
    return {
        "open": before,
        "high": np.maximum(before, path),
        "low": np.minimum(before, path),
        "close": path,
        "volume": lots * 100,
    }
