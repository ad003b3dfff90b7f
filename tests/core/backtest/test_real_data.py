"""Real stocks over ten years: nothing fills where nothing could, and the reasons add up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from core.backtest.api import backtest, backtest_portfolio
from core.backtest.lookahead import lookahead_check
from core.market.model import CorporateAction
from tests.support.backtest_rows import crossing
from tests.support.real_stocks import STOCKS, actions_of

FEW = STOCKS[:4] + STOCKS[6:7] + STOCKS[8:10] + STOCKS[-1:]


@pytest.fixture(scope="module")
def market(shared_data: Path) -> Callable[[str], dict[str, Any]]:
    table = pq.read_table(
        shared_data / "daily_bars.parquet",
        columns=["symbol", "trade_date", "open", "high", "low", "close", "pre_close", "volume", "is_st"],
        filters=[("symbol", "in", STOCKS)],
    )

    def of(symbol: str) -> dict[str, Any]:
        rows = table.filter(pc.equal(table["symbol"], symbol))
        columns = {name: rows[name].to_numpy(zero_copy_only=False) for name in rows.column_names if name != "symbol"}
        columns["trade_date"] = columns["trade_date"].astype("datetime64[D]")
        return columns

    return of


def eager(bar: Any, ctx: Any) -> None:
    """Trade nearly every day, so that every kind of day is met."""
    if ctx.position == 0:
        ctx.buy(0.5)
    elif len(ctx.history) % 3 == 0:
        ctx.sell("all")
    else:
        ctx.order_target_pct(0.7)


@pytest.mark.parametrize("symbol", FEW)
def test_fills_are_possible(market: Any, shared_data: Path, symbol: str) -> None:
    check(market(symbol), symbol, actions_of(shared_data, symbol))


@pytest.mark.soak
@pytest.mark.parametrize("symbol", STOCKS)
def test_fills_are_possible_everywhere(market: Any, shared_data: Path, symbol: str) -> None:
    check(market(symbol), symbol, actions_of(shared_data, symbol))


def check(bars: dict[str, Any], symbol: str, actions: list[CorporateAction]) -> None:
    result = backtest(
        eager, bars=bars, market_rules="a_share", listing=symbol, commission_bps=2.5, actions=actions,
        dividend_tax="cn_individual",
    )  # fmt: skip
    days = {str(day): place for place, day in enumerate(bars["trade_date"])}
    for order in result.orders:
        assert order["reason"] != "pending"
        if not order["filled"]:
            continue
        place = days[order["dt"]]
        assert bars["low"][place] - 1e-9 <= order["price"] <= bars["high"][place] + 1e-9
        assert bars["volume"][place] > 0
        assert order["filled"] <= bars["volume"][place] * 0.25
        assert bars["trade_date"][place] > np.datetime64(order["submitted_dt"])
    assert result.reasons["filled"] > 20
    assert min(row["cash"] for row in result.equity_curve) >= 0


def test_the_reasons_of_a_troubled_stock(market: Any) -> None:
    """600401 was ST, halted for long and went down the limit day after day in 2018 to 2020."""
    result = backtest(eager, bars=market("600401.SH"), market_rules="a_share", listing="600401.SH")
    assert {"filled", "suspended", "limit_up", "limit_down"} <= set(result.reasons)


def test_a_buy_at_the_open_of_a_locked_day_is_refused(market: Any) -> None:
    bars = market("600401.SH")
    reference, opened = bars["pre_close"], bars["open"]
    percent = np.where(bars["is_st"].astype(bool), 5, 10)
    upper = np.floor(np.rint(reference * 100) * (100 + percent) / 100 + 0.5) / 100
    locked = {str(day) for day, at in zip(bars["trade_date"], opened >= upper - 1e-9, strict=True) if at}
    assert len(locked) > 10
    result = backtest(lambda bar, ctx: ctx.buy(100), bars=bars, market_rules="a_share", listing="600401.SH")
    refused = {order["dt"] for order in result.orders if order["reason"] == "limit_up"}
    filled = {order["dt"] for order in result.orders if order["filled"]}
    assert not filled & locked
    assert refused <= locked


def test_a_portfolio_of_real_stocks_adds_up(market: Any) -> None:
    symbols = list(STOCKS[:3])
    result = backtest_portfolio(
        {symbol: crossing(10, 30) for symbol in symbols},
        symbols,
        bars={symbol: market(symbol) for symbol in symbols},
        market_rules="a_share",
        commission_bps=2.5,
    )
    parts = result.metrics["per_asset"]
    assert sum(part["contribution"] for part in parts.values()) == pytest.approx(
        result.metrics["total_return"], abs=1e-9
    )
    assert {order["symbol"] for order in result.orders} == set(symbols)


def test_an_honest_strategy_on_real_bars_passes_the_audit(market: Any) -> None:
    bars = market("000001.SZ")
    rows = [
        {name: (str(values[place]) if name == "trade_date" else values[place].item()) for name, values in bars.items()}
        for place in range(400)
    ]
    assert lookahead_check(lambda given: crossing(), rows, samples=3, market_rules="a_share", listing="000001.SZ") == []
