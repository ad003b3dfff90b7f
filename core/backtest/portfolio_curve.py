"""The account of a portfolio bar by bar, and what each instrument gave to it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.backtest.dates import numbers_of
from core.backtest.outcome import AccountCurve, steps
from core.backtest.settlement import UNIT, Holding
from core.matching import fill_kernel
from core.matching import order_layout as at
from core.matching.rules_kernel import SELL

Integers = NDArray[np.int64]
Placed = tuple[str, Holding, list[int]]


def account_curve(
    times: NDArray[np.datetime64], holdings: Sequence[Placed], cash: Sequence[int]
) -> tuple[AccountCurve, Integers]:
    """Return the account at the end of each bar and the days: `position` counts holdings, `close` is the equity."""
    size = len(times)
    total = np.array(cash, dtype=np.int64)
    equity = total.copy()
    count = np.zeros(size, dtype=np.int64)
    for _, holding, ticks in holdings:
        position, worth, _, _ = _columns(holding, ticks, size)
        equity += worth
        count += position > 0
    curve = AccountCurve(
        dts=lambda: _dts(size, holdings),
        equity=equity / UNIT,
        cash=total / UNIT,
        position=count,
        close=equity / UNIT,
    )
    return curve, numbers_of(times)


def per_asset(holding: Holding, ticks: list[int], size: int, cash: int) -> dict[str, Any]:
    """Return what one instrument gave.

    `contribution`: its profit / the initial cash of the whole; `return`: its profit / the most it ever cost at one
    time; `max_drawdown`: the deepest fall of that cost and its profit together. None when it was never held.
    """
    _, worth, flow, cost = _columns(holding, ticks, size)
    profit = flow + worth
    invested = int(cost.max()) if size else 0
    drawdown = None
    if invested:
        value = invested + profit
        high = np.maximum(np.maximum.accumulate(value), invested)
        drawdown = float((value / high - 1).min())
    return {
        "return": float(profit[-1]) / invested if invested else None,
        "max_drawdown": drawdown,
        "num_trades": int((holding.lines()[:, at.L_SIDE] == SELL).sum()),
        "contribution": float(profit[-1]) / cash,
    }


def _columns(holding: Holding, ticks: list[int], size: int) -> tuple[Integers, Integers, Integers, Integers]:
    """Return shares, their worth at the last close, flow and cost on the common time line."""
    places, lines = np.array(ticks, dtype=np.int64), holding.lines()
    moments = places[lines[:, at.L_BAR]]
    position, flow, cost = (steps(size, moments, lines[:, name], 0) for name in (at.L_POSITION, at.L_FLOW, at.L_COST))
    closes = steps(size, places, holding.bars.prices["close"], 0)
    worth = np.zeros(size, dtype=np.int64)
    fill_kernel.worth_column(position, closes, holding.factor, holding.divisor, worth)
    return position, worth, flow, cost


def _dts(size: int, holdings: Sequence[Placed]) -> list[str]:
    """Spell each moment as the first instrument that has it spells it."""
    out: list[str] = [""] * size
    for _, holding, ticks in reversed(holdings):
        for tick, dt in zip(ticks, holding.bars.dts(0, len(ticks)), strict=True):
            out[tick] = dt
    return out
