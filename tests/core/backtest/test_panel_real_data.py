"""Twenty real stocks over ten years through the panel driver: nothing fills where nothing could."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.backtest.panel import backtest_panel
from core.backtest.panel_decisions import TopK
from core.backtest.panel_market import PanelMarket, panel_market
from core.market.panel import Panel
from tests.support.real_stocks import STOCKS, actions_of

COLUMNS = ("open", "high", "low", "close", "pre_close", "volume", "is_st")


@pytest.fixture(scope="module")
def market(shared_data: Path) -> PanelMarket:
    table = pq.read_table(
        shared_data / "daily_bars.parquet",
        columns=["symbol", "trade_date", *COLUMNS],
        filters=[("symbol", "in", STOCKS)],
    )
    days, rows = np.unique(table["trade_date"].to_numpy().astype("datetime64[D]"), return_inverse=True)
    symbols, places = np.unique(table["symbol"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    columns = {}
    for name in COLUMNS:
        columns[name] = np.full((len(days), len(symbols)), 0.0 if name in {"volume", "is_st"} else np.nan)
        columns[name][rows, places] = table[name].to_numpy(zero_copy_only=False)
    actions = {symbol: actions_of(shared_data, symbol) for symbol in symbols.tolist()}
    return panel_market(
        Panel(days, tuple(symbols.tolist()), columns), market_rules="a_share", actions=actions, skip_untraded=True
    )


def test_fills_are_possible(market: PanelMarket) -> None:
    panel, tape = market.panel, market.tape
    changes = np.abs(panel["close"] / panel["pre_close"] - 1)
    decisions = TopK(rank_by=changes, k=8, every=2, ascending=False)
    result = backtest_panel(
        market, decisions, initial_cash=10_000_000.0, commission_bps=2.5, dividend_tax="cn_individual"
    )
    at = {str(day): row for row, day in enumerate(panel.days)}
    filled = 0
    for order in result.orders:
        assert order["reason"] != "pending"
        if not order["filled"]:
            continue
        filled += 1
        row, place = at[order["dt"]], market.place_of[order["symbol"]]
        assert panel["low"][row, place] - 1e-9 <= order["price"] <= panel["high"][row, place] + 1e-9
        assert 0 < order["filled"] <= panel["volume"][row, place] * 0.25
        assert row == at[order["submitted_dt"]] + 1
        opened = tape.opens[row, place]
        assert opened < tape.up[row, place] if order["side"] == "buy" else opened > tape.down[row, place]
    assert filled > 2_000
    assert {"filled", "suspended", "limit_up", "limit_down", "below_lot"} <= set(result.reasons)
    assert result.cash.min() >= 0
    assert sum(gave["contribution"] for gave in result.per_asset().values()) == pytest.approx(
        result.metrics["total_return"], abs=1e-9
    )


def test_the_refused_stood_at_their_limits(market: PanelMarket) -> None:
    tape = market.tape
    result = backtest_panel(market, TopK(rank_by="close", k=10, every=1, weight=0.09), initial_cash=5_000_000.0)
    at = {str(day): row for row, day in enumerate(market.days)}
    locked: dict[str, int] = {"limit_up": 0, "limit_down": 0}
    for order in result.orders:
        if order["reason"] in locked:
            row, place = at[order["dt"]], market.place_of[order["symbol"]]
            limit = tape.up[row, place] if order["reason"] == "limit_up" else tape.down[row, place]
            opened = tape.opens[row, place]
            assert opened >= limit if order["reason"] == "limit_up" else opened <= limit
            locked[order["reason"]] += 1
    assert sum(locked.values()) > 5


def test_the_limits_are_those_of_each_stock_alone(market: PanelMarket) -> None:
    """Bars that were beyond their limits would be traded at prices that no one got."""
    tape: Any = market.tape
    high = np.rint(np.nan_to_num(market.panel["high"]) * 10**market.prices.places).astype(np.int64)
    beyond = (tape.closes > 0) & (high > tape.up)
    assert beyond.sum() / (tape.closes > 0).sum() < 0.001
