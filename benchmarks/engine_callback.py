"""The callback driver: a million minutes, ten years of days, a fresh process, and what it needs of the memory."""

import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from benchmarks.harness import Row, duration, summarise, timed

MINUTES, DAYS = 1_000_000, 2_500
RULES = {"commission_bps": 3, "slippage_bps": 1, "market_rules": "a_share", "listing": "000002.SZ"}


def rows() -> dict[str, Callable[[], Row]]:
    return {
        "callback_sma": callback_sma,
        "callback_history": callback_history,
        "daily": daily,
        "daily_history": daily_history,
        "first_run": first_run,
        "memory": memory,
    }


def callback_sma() -> Row:
    return rate("callback_sma", crossing, target=1_000_000.0)


def callback_history() -> Row:
    return rate("callback_history", guide_example, target=350_000.0)


def daily() -> Row:
    return whole_call("daily", crossing, target=5.0)


def daily_history() -> Row:
    return whole_call("daily_history", guide_example, target=8.0)


def first_run() -> Row:
    """Measure a process that starts, loads the kernels from disk and runs ten years of days."""
    program = "from benchmarks.engine_callback import *; run(crossing(), daily_rows())"

    def fresh() -> None:
        subprocess.run([sys.executable, "-c", program], check=True)

    return duration("first_run", fresh, target=3.0, repeat=5, warm=1)


def memory() -> Row:
    """Measure the most a process holds that runs a million minutes."""
    program = (
        "import resource; from benchmarks.engine_callback import *; run(crossing(), minutes());"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return summarise("memory", [float(out)], unit="MB", target=500.0)


def rate(name: str, make: Callable[[], Any], *, target: float) -> Row:
    """Measure bars a second, beside a plain loop over the same closes that keeps a list of the last twenty."""
    bars = minutes()
    run(make(), bars)
    samples, references = [], []
    for _ in range(5):
        samples.append(MINUTES / timed(lambda: run(make(), bars)))
        references.append(MINUTES / timed(lambda: plain_loop(bars["close"])))
    note = "reference: a bare loop with a running list, no rules and no account"
    return summarise(name, samples, unit="bars/s", target=target, references=references, note=note)


def whole_call(name: str, make: Callable[[], Any], *, target: float) -> Row:
    import numpy as np

    bars = daily_rows()
    closes = np.array([bar["close"] for bar in bars])
    return duration(
        name,
        lambda: run(make(), bars),
        target=target,
        unit="ms",
        repeat=15,
        warm=3,
        reference=lambda: plain_loop(closes),
        note="reference: a bare loop with a running list, no rules and no account",
    )


def run(strategy: Any, bars: Any) -> Any:
    from core.backtest.api import backtest

    return backtest(strategy, bars=bars, **RULES)


def crossing() -> Callable[[Any, Any], None]:
    before = 0.0

    def strategy(_bar: Any, ctx: Any) -> None:
        nonlocal before
        gap = ctx.sma(5) - ctx.sma(20)
        if gap > 0:
            if before <= 0 and ctx.position == 0:
                ctx.order_target_pct(0.95)
        elif gap < 0 and before >= 0 and ctx.position > 0:
            ctx.order_target_pct(0)
        before = gap

    return strategy


def guide_example() -> Callable[[Any, Any], None]:
    def my_strategy(bar: Any, ctx: Any) -> None:
        if len(ctx.history) < 20:
            return
        ma20 = sum(b.close for b in ctx.history[-20:]) / 20
        if bar.close > ma20 and ctx.position == 0:
            ctx.buy(size="all")
        elif bar.close < ma20 and ctx.position > 0:
            ctx.sell(size="all")

    return my_strategy


def plain_loop(closes: Any) -> float:
    window: list[float] = []
    before, gained = 0.0, 0.0
    for close in closes.tolist():
        window.append(close)
        if len(window) > 20:
            del window[0]
        if len(window) == 20:
            gap = sum(window[-5:]) / 5 - sum(window) / 20
            gained += gap > 0 >= before
            before = gap
    return gained


@lru_cache(maxsize=1)
def minutes() -> dict[str, Any]:
    """Return a million minutes as columns, with the day's limits."""
    import numpy as np

    bars = walk(MINUTES, 0.0013)
    days = np.busday_offset("2010-01-04", np.arange(MINUTES // 240 + 1), roll="forward").astype("datetime64[m]")
    clock = np.concatenate((np.arange(571, 691), np.arange(781, 901))).astype("timedelta64[m]")
    moments = (days[:, None] + clock).ravel()[:MINUTES].astype("datetime64[ms]")
    return {"trade_date": moments, **bars}


@lru_cache(maxsize=1)
def daily_rows() -> list[dict[str, Any]]:
    """Return ten years of days as rows of dictionaries, as a person's own data comes."""
    import numpy as np

    bars = walk(DAYS, 0.02)
    days = np.busday_offset("2014-01-02", np.arange(DAYS), roll="forward").astype(str).tolist()
    lists = {name: column.tolist() for name, column in bars.items()}
    return [
        {"trade_date": day, **{name: values[place] for name, values in lists.items()}} for place, day in enumerate(days)
    ]


def walk(size: int, sigma: float) -> dict[str, Any]:
    import numpy as np

    dice = np.random.default_rng(20261120)
    steps = np.clip(dice.normal(0.0, sigma, size), -0.095, 0.095)
    level = np.cumsum(steps)
    close = np.round(20 * np.exp((level - np.linspace(0, level[-1], size)) * 0.5), 2)
    before = np.concatenate((close[:1], close[:-1]))
    opened = np.round(before * (1 + dice.normal(0, sigma / 4, size)), 2)
    return {
        "open": opened,
        "high": np.maximum(opened, close),
        "low": np.minimum(opened, close),
        "close": close,
        "volume": dice.integers(1, 100, size) * 100_000,
        "limit_up": np.round(before * 1.1, 2),
        "limit_down": np.round(before * 0.9, 2),
    }
