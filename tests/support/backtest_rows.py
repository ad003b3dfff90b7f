"""Small series for tests of the backtest engine, in the notation a person reads."""

from collections.abc import Callable
from typing import Any

import numpy as np

from core.market.trading_calendar import TradingCalendars

CALENDAR = TradingCalendars.load().shanghai


def rows_of(text: str) -> list[dict[str, Any]]:
    """Read `date open close [volume [pre_close]]`, one bar a line; high and low are made."""
    rows = []
    for line in text.strip().splitlines():
        day, opened, closed, *more = line.split()
        row: dict[str, Any] = {"trade_date": day.replace("T", " "), "open": float(opened), "close": float(closed)}
        row |= {"high": max(row["open"], row["close"]), "low": min(row["open"], row["close"])}
        row["volume"] = int(more[0]) if more else 1_000_000
        if len(more) > 1:
            row["pre_close"] = float(more[1])
        rows.append(row)
    return rows


def walk(count: int, *, seed: int = 7, start: str = "2018-01-02", **more: Any) -> list[dict[str, Any]]:
    """Return a random walk over the trading days of Shanghai, in cents."""
    dice = np.random.default_rng(seed)
    first = CALENDAR.ordinals.index(CALENDAR.next(np.datetime64(start).item()).toordinal())
    days = [
        np.datetime64("0001-01-01").item().fromordinal(number) for number in CALENDAR.ordinals[first : first + count]
    ]
    close = np.maximum(np.round(20 * np.exp(np.cumsum(dice.normal(0, 0.015, count))), 2), 1.0)
    before = np.concatenate(([20.0], close[:-1]))
    opened = np.maximum(np.round(before * (1 + dice.normal(0, 0.004, count)), 2), 1.0)
    return [
        {
            "trade_date": day.isoformat(),
            "open": float(opened[place]),
            "high": float(max(opened[place], close[place])),
            "low": float(min(opened[place], close[place])),
            "close": float(close[place]),
            "volume": int(dice.integers(1, 200)) * 100_000,
            "pre_close": float(before[place]),
            **more,
        }
        for place, day in enumerate(days)
    ]


def at(orders: dict[str, Callable[[Any], object]]) -> Callable[[Any, Any], None]:
    """Make a strategy that does something on named bars."""

    def strategy(bar: Any, ctx: Any) -> None:
        if bar.dt in orders:
            orders[bar.dt](ctx)

    return strategy


def crossing(fast: int = 5, slow: int = 20) -> Callable[[Any, Any], None]:
    """Make a moving-average crossing."""

    def strategy(bar: Any, ctx: Any) -> None:
        if ctx.sma(fast) > ctx.sma(slow):
            if ctx.position == 0:
                ctx.buy(size="all")
        elif ctx.position > 0:
            ctx.sell(size="all")

    return strategy
