"""The panel driver over a whole market, and moving windows over it: 5,000 symbols, 2,430 days."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from benchmarks.harness import Row, duration

DAYS, SYMBOLS = 2_430, 5_000
WINDOW = 20


def rows() -> dict[str, Callable[[], Row]]:
    return {
        "rotation": rotation,
        "rolling_mean": lambda: rolling("mean", 0.05),
        "rolling_std": lambda: rolling("std", 0.06),
        "rolling_corr": lambda: rolling("corr", 0.08),
        "rolling_rank": lambda: rolling("rank", 0.4),
    }


def rotation() -> Row:
    """Measure the forty smallest caps every five days, every A-share rule and fee, the panel made ready before."""
    from core.backtest.panel import backtest_panel
    from core.backtest.panel_decisions import TopK
    from core.backtest.panel_market import panel_market

    panel = whole_market()
    market = panel_market(panel, market_rules="a_share")
    smallest = TopK(rank_by="market_cap", k=40, every=5)
    return duration(
        "rotation",
        lambda: backtest_panel(market, smallest, initial_cash=100_000_000.0, commission_bps=3),
        target=40.0,
        unit="ms",
        warm=2,
        repeat=9,
        reference=lambda: plain_rotation(panel),
        note="reference: a loop over days with sorted dictionaries, no rules, no fees",
    )


def rolling(name: str, target: float) -> Row:
    """Measure one moving window over the closes, beside pandas where it is installed."""
    from core.matching import rolling as ours

    closes, opens = whole_market()["close"], whole_market()["open"]
    work = getattr(ours, f"rolling_{name}")
    given = (closes, opens) if name == "corr" else (closes,)
    return duration(
        f"rolling_{name}", lambda: work(*given, WINDOW), target=target, repeat=5, reference=plain_rolling(name, *given)
    )


def plain_rolling(name: str, *given: Any) -> Callable[[], object] | None:
    try:
        import pandas
    except ImportError:
        return None
    frames = [pandas.DataFrame(one) for one in given]
    windows = frames[0].rolling(WINDOW)
    if name == "corr":
        return lambda: windows.corr(frames[1], pairwise=False)
    return getattr(windows, name)


def plain_rotation(panel: Any) -> float:
    """Rotate as people write it: sort a day's caps, sell what left, buy what came, all in whole money."""
    cash, held = 100_000_000.0, {}
    for day in range(DAYS - 1):
        if day % 5:
            continue
        caps = {place: cap for place, cap in enumerate(panel["market_cap"][day].tolist()) if cap > 0}
        chosen = set(sorted(caps, key=caps.__getitem__)[:40])
        prices = panel["open"][day + 1]
        for place in [one for one in held if one not in chosen and prices[one] == prices[one]]:
            cash += held.pop(place) * prices[place]
        budget = cash / 40
        for place in chosen - held.keys():
            if prices[place] == prices[place] and budget > prices[place] * 100:
                held[place] = budget // prices[place] // 100 * 100
                cash -= held[place] * prices[place]
    return cash


@lru_cache(maxsize=1)
def whole_market() -> Any:
    """Return a made-up market: a common factor, five suspensions in a thousand days, caps of a log-normal spread."""
    import numpy as np

    from core.market.panel import Panel

    dice = np.random.default_rng(20261121)
    moves = dice.normal(0, 0.02, (DAYS, SYMBOLS)) + dice.normal(0.0002, 0.01, DAYS)[:, None]
    np.clip(moves, -0.0999, 0.0999, out=moves)
    np.cumsum(moves, axis=0, out=moves)
    close = np.maximum(np.round(np.exp(moves) * dice.uniform(5, 50, SYMBOLS), 2), 1.0)
    before = np.vstack([close[:1], close[:-1]])
    up, down = np.round(before * 1.1 + 1e-9, 2), np.round(before * 0.9 + 1e-9, 2)
    close = np.clip(close, down, up)
    opened = np.clip(np.round(before * (1 + dice.normal(0, 0.005, (DAYS, SYMBOLS))), 2), down, up)
    volume = (dice.lognormal(13, 0.6, (DAYS, SYMBOLS)) / 100).astype(np.int64) * 100
    is_suspended = dice.random((DAYS, SYMBOLS)) < 0.005
    close[is_suspended] = opened[is_suspended] = np.nan
    volume[is_suspended] = 0
    columns = {
        "open": opened,
        "close": close,
        "volume": volume,
        "pre_close": before,
        "market_cap": close * dice.lognormal(19.5, 1.0, SYMBOLS),
    }
    days = np.busday_offset("2016-01-04", np.arange(DAYS), roll="forward").astype("datetime64[D]")
    return Panel(days, symbols(), columns)


def symbols() -> tuple[str, ...]:
    """Return ascending symbols of Shenzhen's and Shanghai's main boards."""
    numbers = [*range(1, 2501), *range(600000, 602000), *range(603000, 603500)]
    return tuple(f"{number:06d}.{'SH' if number >= 600000 else 'SZ'}" for number in numbers)
