"""Runs of a few bars through every driver, which together need every kernel with everything that drivers hand to it."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Final

import numpy as np

from core.backtest.api import backtest, backtest_portfolio
from core.backtest.panel import backtest_panel
from core.backtest.panel_decisions import Orders, PanelOrder, TargetWeights, TopK
from core.backtest.panel_market import panel_market
from core.backtest.sweep import sweep, sweep_market
from core.market.model import CorporateAction
from core.market.panel import Panel
from core.matching.model import BOOK_TYPES, TICK_TYPES, MatchingType
from core.matching.rolling import rolling_corr, rolling_mean, rolling_rank, rolling_std

SYMBOLS: Final = ("000001.SZ", "600000.SH", "688001.SH")
SHANGHAI: Final = "600000.SH"
BARS: Final = 48
COSTS: Final[dict[str, Any]] = {"commission_bps": 3.0, "slippage_bps": 1.0}
TAXES: Final[dict[str, Any]] = {"dividend_tax": "cn_individual", "take_rights": True}
AVERAGES: Final[dict[str, Any]] = {"fast": [2, 3], "slow": [5, 8]}


def columns(seed: int = 1) -> dict[str, Any]:
    """Return the columns of a small walk, in cents."""
    dice = np.random.default_rng(seed)
    close = np.round(20 * np.exp(np.cumsum(dice.normal(0, 0.01, BARS))), 2)
    before = np.concatenate(([20.0], close[:-1]))
    return {
        "trade_date": np.busday_offset("2024-03-01", np.arange(BARS), roll="forward"),
        "open": before,
        "high": np.maximum(before, close),
        "low": np.minimum(before, close),
        "close": close,
        "volume": np.full(BARS, 1_000_000),
        "pre_close": before,
    }


def rows(seed: int = 1) -> list[dict[str, Any]]:
    """Return the same as rows, with texts for dates."""
    given = columns(seed)
    given["trade_date"] = given["trade_date"].astype(str)
    return [
        dict(zip(given, row, strict=True)) for row in zip(*(column.tolist() for column in given.values()), strict=True)
    ]


def every_order(bar: Any, ctx: Any) -> None:
    """Look at every indicator and give orders of every kind: a strategy."""
    place = len(ctx.history)
    if place == 1:
        for look in (ctx.sma, ctx.ema, ctx.rsi, ctx.atr, ctx.highest, ctx.lowest):
            look(3)
    elif place % 6 == 1:
        ctx.buy(size=0.5, limit_price=bar.close * 1.05)
    elif place % 6 == 3:
        ctx.order_target_pct(0.3)
    elif place % 6 == 5:
        ctx.close_all()


def dividend(symbol: str) -> CorporateAction:
    """Return an event that pays, gives shares and offers some."""
    return CorporateAction(
        symbol=symbol,
        ex_date=date(2024, 3, 20),
        cash_per_share=Decimal("0.2"),
        bonus_per_share=Decimal("0.3"),
        rights_per_share=Decimal("0.1"),
        rights_price=Decimal(10),
    )


def single_runs() -> None:
    """Run over rows, columns and minutes, under each market's rules and under none."""
    backtest(every_order, bars=rows(), **COSTS).to_dict()
    events: dict[str, Any] = {"actions": [dividend(SHANGHAI)], "listing": SHANGHAI, "market_rules": "a_share"}
    for fill in ("next_open", "this_close"):
        more: dict[str, Any] = {"carry_orders": True, "benchmark_bars": rows(2), "fill": fill}
        backtest(every_order, bars=columns(), **COSTS, **TAXES, **events, **more).to_dict()
    backtest(every_order, bars=columns(), market_rules="hk", listing="00700.HK", **COSTS)
    limits = {"limit_up": np.full(BARS, 30.0), "limit_down": np.full(BARS, 10.0)}
    backtest(every_order, bars=columns() | limits, market_rules="a_share", listing=SHANGHAI)
    published = [row | {"limit_up": 30.0, "limit_down": None} for row in rows()]
    backtest(every_order, bars=published, market_rules="a_share", listing=SHANGHAI)
    minutes = np.datetime64("2024-03-01T09:31", "ms") + np.arange(BARS) * np.timedelta64(60_000, "ms")
    backtest(every_order, bars=columns() | {"trade_date": minutes}).to_dict()


def portfolio_runs() -> None:
    """Run one strategy on each of a few instruments."""
    given = {symbol: columns(seed) for seed, symbol in enumerate(SYMBOLS)}
    strategies = dict.fromkeys(SYMBOLS, every_order)
    actions = {symbol: [dividend(symbol)] for symbol in SYMBOLS}
    for rules in (None, "a_share"):
        backtest_portfolio(strategies, bars=given, market_rules=rules, actions=actions, **COSTS).to_dict()


def panel_runs() -> None:
    """Run each kind of decision over a panel with events and published limits."""
    many = [columns(seed) for seed in range(len(SYMBOLS))]
    names = ("open", "high", "low", "close", "volume", "pre_close")
    of_panel = {name: np.stack([one[name] for one in many], axis=1) for name in names}
    of_panel |= {"is_st": np.zeros((BARS, len(SYMBOLS)), dtype=np.int64), "market_cap": of_panel["close"] * 1e8}
    panel = Panel(many[0]["trade_date"], SYMBOLS, of_panel)
    events = {symbol: [dividend(symbol)] for symbol in SYMBOLS}
    market = panel_market(panel, market_rules="a_share", actions=events)
    first, second = (str(panel.days[place]) for place in (3, 9))
    one_by_one = [
        PanelOrder(day=first, symbol=SHANGHAI, side="buy", size=500, limit_price=30.0),
        PanelOrder(day=first, symbol=SYMBOLS[0], side="buy", size=0.2),
        PanelOrder(day=second, symbol=SHANGHAI, side="sell"),
    ]
    decisions = (
        TopK(rank_by="market_cap", k=2, every=5, exclude_st=True, among=np.ones(panel["close"].shape, dtype=np.bool_)),
        TargetWeights({panel.days[4].item(): {SHANGHAI: 0.4}, panel.days[8].item(): {SHANGHAI: 0.0}}),
        Orders(one_by_one),
    )
    for decision in decisions:
        backtest_panel(market, decision, carry_orders=True, **COSTS, **TAXES).to_dict()
    backtest_panel(panel, decisions[0], fill="this_close").to_dict()


def sweep_runs() -> None:
    """Sweep one instrument and several, under rules and without, and look at the curves of all trials."""
    for rules in (None, "a_share"):
        more: dict[str, Any] = {"market_rules": rules, "listing": SHANGHAI, "actions": [dividend(SHANGHAI)], **COSTS}
        sweep("dual_moving_average", AVERAGES, bars=columns(), **more).to_dict()
        given = {symbol: columns(seed) for seed, symbol in enumerate(SYMBOLS)}
        sweep_market("dual_moving_average", AVERAGES, given, market_rules=rules, **COSTS)


def window_runs() -> None:
    """Compute each figure of moving windows."""
    values = np.stack([columns(seed)["close"] for seed in range(len(SYMBOLS))], axis=1)
    for figure in (rolling_mean, rolling_std, rolling_rank):
        figure(values, 5)
    rolling_corr(values, values[:, ::-1].copy(), 5)


def tick_runs() -> None:
    """Let orders meet averages, ticks and order books of two levels, and slip by each model, at minutes of one day."""
    ends = np.datetime64("2024-03-01T09:31", "ms") + np.arange(BARS) * np.timedelta64(60_000, "ms")
    minutes = columns() | {"trade_date": ends}
    ticks = {"ts": ends - np.timedelta64(10_000, "ms"), "price": minutes["close"], "qty": np.full(BARS, 1_000)}
    book: dict[str, Any] = {"ts": ticks["ts"]}
    for level in (1, 2):
        away = np.array([[-level], [level]]) / 100
        book[f"bid_px{level}"], book[f"ask_px{level}"] = np.round(minutes["close"] + away, 2)
        book[f"bid_qty{level}"] = book[f"ask_qty{level}"] = np.full(BARS, 900)
    rules: dict[str, Any] = {"market_rules": "a_share", "listing": SHANGHAI, "commission_bps": 3.0}
    for matching in (MatchingType.VWAP, *sorted(TICK_TYPES)):
        given = book if matching in BOOK_TYPES else ticks
        backtest(every_order, bars=minutes, matching=matching, ticks=given, **rules).to_dict()
    for slippage in ("price_ratio:0.001", "tick_size:1", "limit_price"):
        backtest(every_order, bars=minutes, slippage=slippage, **rules).to_dict()


STEPS: Final[dict[str, Callable[[], None]]] = {
    "single runs": single_runs,
    "portfolios": portfolio_runs,
    "panels": panel_runs,
    "sweeps": sweep_runs,
    "moving windows": window_runs,
    "ticks": tick_runs,
}
"""What to run, by a name for people: what most callers need first, first."""
