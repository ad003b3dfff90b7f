"""Sweeps of the dual moving average: ten thousand pairs over one stock, a hundred pairs over five hundred stocks."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from benchmarks.engine_callback import RULES, daily_rows, walk
from benchmarks.harness import Row, duration

DAYS, SYMBOLS = 2_430, 500
PLAIN_PAIRS, PLAIN_SYMBOLS = 20, 5
"""What the plain reference runs; its time is taken for the whole by proportion."""


def rows() -> dict[str, Callable[[], Row]]:
    return {"sweep": sweep_one, "sweep_many": sweep_many}


def sweep_one() -> Row:
    """Measure the whole call from prepared columns: averages, ten thousand accounts, their figures."""
    from core.backtest.sweep import sweep

    bars = columns()
    grid = {"fast": range(2, 102), "slow": range(102, 202)}
    result = duration(
        "sweep",
        lambda: sweep("dual_moving_average", grid, bars=bars, **RULES),
        target=100.0,
        unit="ms",
        reference=lambda: plain(bars, PLAIN_PAIRS),
        note=f"reference: {PLAIN_PAIRS} pairs in pandas, no rules; times {10_000 // PLAIN_PAIRS}",
    )
    return scaled(result, 10_000 / PLAIN_PAIRS)


def sweep_many() -> Row:
    """Measure a hundred pairs over prepared series of five hundred stocks."""
    from core.backtest.sweep import sweep_market

    grid = {"fast": range(2, 12), "slow": range(30, 40)}
    series = many_series()
    one = columns()
    result = duration(
        "sweep_many",
        lambda: sweep_market("dual_moving_average", grid, series, commission_bps=3, slippage_bps=1),
        target=0.8,
        reference=lambda: plain(one, PLAIN_PAIRS),
        note=f"reference: {PLAIN_PAIRS} pairs over one stock in pandas, no rules; times {100 * SYMBOLS // PLAIN_PAIRS}",
    )
    return scaled(result, 100 * SYMBOLS / PLAIN_PAIRS)


def scaled(row: Row, times: float) -> Row:
    """Return the row with the reference's time for the whole work."""
    from dataclasses import replace

    reference = (row.reference or 0.0) * times
    return replace(row, reference=round(reference, 4), ratio=round(reference / row.median, 1))


def plain(bars: dict[str, Any], pairs: int) -> float:
    """Run some pairs as people write them: two rolling means, a position, the product of returns."""
    import numpy as np

    close, best = bars["close"], -1.0
    for pair in range(pairs):
        fast, slow = moving_mean(close, 2 + pair), moving_mean(close, 102 + pair)
        held = np.concatenate(([False], (fast > slow)[:-1]))
        changes = np.concatenate(([0.0], close[1:] / close[:-1] - 1.0))
        best = max(best, float(np.prod(1.0 + changes * held)))
    return best


def moving_mean(values: Any, length: int) -> Any:
    import numpy as np

    sums = np.cumsum(np.insert(values, 0, 0.0))
    out = np.full(len(values), np.nan)
    out[length - 1 :] = (sums[length:] - sums[:-length]) / length
    return out


@lru_cache(maxsize=1)
def columns() -> dict[str, Any]:
    import numpy as np

    rows = daily_rows()
    found = {name: np.array([row[name] for row in rows]) for name in rows[0] if name != "trade_date"}
    return {"trade_date": np.array([row["trade_date"] for row in rows], dtype="datetime64[D]"), **found}


@lru_cache(maxsize=1)
def many_series() -> dict[str, Any]:
    """Return prepared series of five hundred stocks, the same walk at different prices."""
    import numpy as np

    from core.backtest.request import RunRequest
    from core.backtest.series import Wanted, prepare

    days = np.busday_offset("2014-01-02", np.arange(DAYS), roll="forward").astype("datetime64[D]")
    request = RunRequest(commission_bps=3, slippage_bps=1, market_rules="a_share")
    found = {}
    for number in range(SYMBOLS):
        base = walk(DAYS, 0.02)
        bars = {"trade_date": days} | {
            name: np.roll(values, number * 7) if name != "volume" else values for name, values in base.items()
        }
        symbol = f"{600000 + number}.SH"
        found[symbol] = prepare(request, Wanted(bars=bars, listing=symbol))
    return found
