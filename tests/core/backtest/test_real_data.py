"""Real stocks over ten years: nothing fills where nothing could, and the reasons add up."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from core.backtest.api import backtest, backtest_portfolio
from core.backtest.lookahead import lookahead_check
from core.backtest.model import listing_of
from core.market.model import CorporateAction
from tests.support.backtest_rows import CALENDAR, crossing
from tests.support.real_stocks import STOCKS, actions_of, listed_of
from tests.support.slow_engine import SlowAsset, SlowBar, SlowOptions, limits_of, lots_of
from tests.support.slow_rules import SlowLots

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
    check(market(symbol), symbol, actions_of(shared_data, symbol), listed_of(shared_data, symbol))


@pytest.mark.soak
@pytest.mark.parametrize("symbol", STOCKS)
def test_fills_are_possible_everywhere(market: Any, shared_data: Path, symbol: str) -> None:
    check(market(symbol), symbol, actions_of(shared_data, symbol), listed_of(shared_data, symbol))


def check(bars: dict[str, Any], symbol: str, actions: list[CorporateAction], listed: date | None) -> None:
    result = backtest(
        eager, bars=bars, market_rules="a_share", listing=replace(listing_of(symbol), list_date=listed),
        commission_bps=2.5, actions=actions, dividend_tax="cn_individual",
    )  # fmt: skip
    asset = slow_asset(bars, symbol, listed)
    account = {row["dt"]: row for row in result.equity_curve}
    by_day = asset.by_day
    days = {str(day): place for place, day in enumerate(bars["trade_date"])}
    for order in result.orders:
        assert order["reason"] == expected_reason(order, asset, by_day, account), order
        if order["filled"]:
            place = days[order["dt"]]
            assert bars["low"][place] - 1e-9 <= order["price"] <= bars["high"][place] + 1e-9
    assert result.reasons["filled"] > 20
    assert min(row["cash"] for row in result.equity_curve) >= 0


def slow_asset(bars: dict[str, Any], symbol: str, listed: date | None) -> SlowAsset:
    """Write the bars down in fractions, for the reference engine's own limits."""
    exact = {name: [Fraction(str(price)) for price in bars[name]] for name in ("open", "close", "pre_close")}
    rows = [
        SlowBar(day, opened, close, int(volume), before, is_st=bool(is_st))
        for day, opened, close, volume, before, is_st in zip(
            bars["trade_date"].tolist(), exact["open"], exact["close"], bars["volume"], exact["pre_close"],
            bars["is_st"], strict=True,
        )
    ]  # fmt: skip
    first = symbol[:3]
    board = {"688": "star", "300": "chinext", "430": "bse"}.get(first, "main")
    return SlowAsset(symbol, board, rows, {}, list_date=listed)


def expected_reason(
    order: dict[str, Any], asset: SlowAsset, by_day: dict[date, SlowBar], account: dict[str, Any]
) -> str:
    """Say how an order of `eager` ends, by the calendar, the day's bar and the account; what filled could fill."""
    given = date.fromisoformat(order["submitted_dt"])
    if given == asset.bars[-1].day:
        return "no_next_bar"
    bar = by_day.get(CALENDAR.next(given))
    if bar is None:
        return "suspended"
    if bar.volume == 0:
        return "no_volume"
    options, row = SlowOptions(), account[bar.day.isoformat()]
    lots, limits = lots_of(asset, options), limits_of(asset, bar, options)
    cash, held, side, lot = Fraction(str(row["cash"])), row["position"], order["side"], lots.minimum
    locked = limits is not None and (bar.open >= limits[1] if side == "buy" else bar.open <= limits[0])
    if locked and side is not None:
        return "limit_up" if side == "buy" else "limit_down"
    if order["filled"]:
        return checked_fill(order, bar, lots)
    if order["size_kind"] == "target":
        target = floor((cash + held * bar.open) * Fraction(7, 10) / bar.open)
        if target - held < lot:
            assert abs(target - held) < lot
            return "at_target" if target == held else "below_lot"
    budget = cash * Fraction(str(order["size"])) if order["size_kind"] == "part" and side == "buy" else cash
    return "insufficient_cash" if budget < lot * bar.open + 6 else "filled"


def checked_fill(order: dict[str, Any], bar: SlowBar, lots: SlowLots) -> str:
    """Say how an order ends that filled, and hold the fill against its bar."""
    cap = bar.volume // 4 // lots.step * lots.step
    assert order["dt"] == bar.day.isoformat()
    assert Fraction(str(round(order["price"], 8))) == bar.open
    assert 0 < order["filled"] <= min(order["quantity"], cap)
    assert order["quantity"] <= lots.largest
    if order["filled"] < order["quantity"]:
        assert order["filled"] == cap
        return "partial_volume"
    return "above_largest" if order["quantity"] == lots.largest else "filled"


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
