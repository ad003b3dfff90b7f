"""Finished runs for tests: small ones with known figures, and one that looks like a real year."""

import math
from datetime import date, timedelta
from typing import Any

from core.backtest.results import ResultDraft

EQUITY = [
    {"dt": "20240102", "equity": 1_000_000, "cash": 1_000_000.0, "position": 0, "close": 10.0},
    {"dt": "20240103", "equity": 1_100_000.0, "cash": 0.5, "position": 100_000, "close": 11.0},
    {"dt": "20240104", "equity": 990_000.25, "cash": 990_000.25, "position": 0, "close": 9.9},
]
TRADES = [
    {
        "entry_dt": "20240103",
        "exit_dt": "20240104",
        "qty": 100_000,
        "entry_px": 10.0,
        "exit_px": 9.9,
        "pnl": -9_999.75,
        "return_bps": -100.0,
    }
]
ORDERS = [
    {"id": 1, "symbol": "600519.SH", "side": "buy", "quantity": 100_000, "filled": 100_000, "reason": "filled"},
    {"id": 2, "symbol": "600519.SH", "side": "sell", "quantity": 100_000, "filled": 0, "reason": "limit_down"},
    {"id": 3, "symbol": "600519.SH", "side": "sell", "quantity": 100_000, "filled": 100_000, "reason": "filled"},
]
METRICS = {
    "total_return": -0.00999975,
    "cagr": -0.5,
    "sharpe": None,
    "max_drawdown": -0.1,
    "win_rate": 0.0,
    "num_trades": 1,
    "per_asset": {"600519.SH": {"return": -0.01}},
}


def draft(name: str = "run1", **changed: Any) -> ResultDraft:
    facts: dict[str, Any] = {
        "name": name,
        "metrics": METRICS,
        "undefined": {"sharpe": "too_few_periods"},
        "parameters": {"initial_cash": 1_000_000.0, "fast": 5, "slow": 20},
        "equity_curve": EQUITY,
        "trades": TRADES,
        "orders": ORDERS,
        "strategy": "dual_ma",
        "dataset": "stock_day",
        "fingerprint": "f" * 64,
        "tags": ["ma", "daily"],
    }
    return ResultDraft(**facts | changed)


def long_draft(bars: int = 500) -> ResultDraft:
    """A smooth run over weekdays with ups and downs, a benchmark that begins late and has a gap, refused orders."""
    days, day = [], date(2023, 1, 3)
    while len(days) < bars:
        if day.weekday() < 5:
            days.append(day.strftime("%Y%m%d"))
        day += timedelta(days=1)
    equity = [1_000_000 * (1 + 0.0006 * place + 0.06 * math.sin(place / 23)) for place in range(bars)]
    closes = [3_900 * (1 + 0.0002 * place + 0.05 * math.cos(place / 31)) for place in range(bars)]
    reasons = ["filled"] * 40 + ["limit_up"] * 5 + ["t_plus_one"] * 3 + ["insufficient_cash"] * 2
    return draft(
        '均线 <5/20> & "momentum"',
        equity_curve=[
            {"dt": days[place], "equity": equity[place], "cash": 5e5, "position": place % 7 * 100, "close": 10.0}
            for place in range(bars)
        ],
        benchmark=[{"dt": days[place], "close": closes[place]} for place in range(20, bars) if place % 50],
        trades=[
            {
                "entry_dt": days[place],
                "exit_dt": days[place + 1],
                "symbol": "600519.SH",
                "qty": 100,
                "entry_px": 10.0,
                "exit_px": 10.0 + (place % 5 - 2) / 10,
                "pnl": (place % 5 - 2) * 10.0,
                "return_bps": (place % 5 - 2) * 100.0,
            }
            for place in range(min(250, bars - 1))
        ],
        orders=[
            {
                "id": place,
                "symbol": "600519.SH",
                "side": "buy" if place % 2 else "sell",
                "submitted_dt": days[place],
                "quantity": 100,
                "filled": 100 if reason == "filled" else 0,
                "reason": reason,
            }
            for place, reason in enumerate(reasons[:bars])
        ],
        metrics={
            "total_return": equity[-1] / 1_000_000 - 1,
            "cagr": 0.131,
            "sharpe": 1.234,
            "sortino": 2.1,
            "max_drawdown": -0.0874,
            "calmar": 1.5,
            "volatility": 0.11,
            "deflated_sharpe": 0.93,
            "num_trades": 250,
            "win_rate": 0.4,
            "profit_factor": None,
            "exposure": 0.86,
            "turnover": 12.5,
            "fees": 3_456.7,
            "benchmark_return": 0.08,
            "alpha": 0.0003,
            "beta": 0.71,
            "annualization": 252,
        },
        undefined={"profit_factor": "no_losses"},
        warnings=("stale_benchmark",),
        simulated=True,
    )
