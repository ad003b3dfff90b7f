"""What must hold for every run: sums, signs, time's arrow, and independence of what is unrelated."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.backtest.api import backtest, backtest_portfolio
from tests.support.backtest_rows import crossing, walk
from tests.support.random_runs import listing, random_run, rows_of, scripted

seeds = st.integers(1_000, 50_000)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_cash_and_marks_are_the_equity_and_nothing_is_negative(seed: int) -> None:
    run = random_run(seed)
    result = run.fast()
    single = len(run.assets) == 1
    for row in result.equity_curve:
        assert row["cash"] >= 0
        assert row["position"] >= 0
        if single:
            assert row["equity"] == pytest.approx(row["cash"] + row["position"] * row["close"], abs=0.001)
    assert all(order["reason"] != "pending" for order in result.orders)
    assert result.metrics["total_return"] == pytest.approx(
        result.equity_curve[-1]["equity"] / float(run.options.cash) - 1, abs=1e-12
    )


@settings(deadline=None, max_examples=20)
@given(seeds, st.integers(2, 14))
def test_later_bars_never_change_the_past(seed: int, kept: int) -> None:
    run = random_run(seed)
    asset = run.assets[0]
    named: dict[str, Any] = {"market_rules": run.options.rules, "listing": listing(asset), "fill": run.options.fill}
    rows = rows_of(asset)
    whole, part = (backtest(scripted(asset), bars=bars, **named) for bars in (rows, rows[:kept]))
    assert part.equity_curve == whole.equity_curve[: len(part.equity_curve)]
    ended = [order for order in part.orders if order["reason"] not in {"no_next_bar", "suspended"}]
    known = {order["id"]: order for order in whole.orders}
    assert all(known[order["id"]] == order for order in ended)


def test_recorded_orders_replay_in_two_halves() -> None:
    rows = walk(120)
    whole = backtest(crossing(3, 9), bars=rows, commission_bps=3, market_rules="a_share", listing="600519.SH")
    fills = {order["submitted_dt"]: order for order in whole.orders if order["filled"]}
    half = next(row["dt"] for row in whole.equity_curve[50:] if row["position"] == 0 and row["dt"] not in fills)

    def replay(bar: Any, ctx: Any) -> None:
        if bar.dt in fills:
            act = ctx.buy if fills[bar.dt]["side"] == "buy" else ctx.sell
            act(fills[bar.dt]["filled"])

    named: dict[str, Any] = {"commission_bps": 3, "market_rules": "a_share", "listing": "600519.SH"}
    first = backtest(replay, bars=rows, end=half, **named)
    cash = first.equity_curve[-1]["cash"]
    second = backtest(replay, bars=rows, start=half, initial_cash=cash, **named)
    joined = first.equity_curve[:-1] + second.equity_curve
    assert joined == whole.equity_curve


def test_permuting_unrelated_symbols_changes_nothing() -> None:
    """With cash for everybody the order of the assets is nobody's business."""
    names = ["a", "b", "c"]
    bars = {name: walk(60, seed=place) for place, name in enumerate(names)}
    results = [
        backtest_portfolio(dict.fromkeys(order, crossing_small), order, bars=bars, initial_cash=10**9)
        for order in (names, names[::-1], ["b", "c", "a"])
    ]
    assert results[0].equity_curve == results[1].equity_curve == results[2].equity_curve
    assert results[0].metrics["per_asset"] == {name: results[1].metrics["per_asset"][name] for name in names}


def crossing_small(bar: Any, ctx: Any) -> None:
    if ctx.sma(3) > ctx.sma(9):
        if ctx.position == 0:
            ctx.buy(1_000)
    elif ctx.position:
        ctx.sell()


@pytest.mark.parametrize("seed", range(40, 60))
def test_no_sale_of_shares_bought_today(seed: int) -> None:
    """Minutes: what a day sells was there when the day began."""
    rows = [
        {**row, "trade_date": f"2024-01-{2 + place // 12:02d} {9 + place % 12 // 4:02d}:{30 + place % 4:02d}:00"}
        for place, row in enumerate(walk(84, seed=seed))
        if date(2024, 1, 2 + place // 12).weekday() < 5
    ]
    dice = iter(range(10**6))

    def strategy(bar: Any, ctx: Any) -> None:
        turn = next(dice) * 7919 * seed % 5
        if turn < 2:
            ctx.buy(300)
        elif turn < 4:
            ctx.sell(500)

    result = backtest(strategy, bars=rows, market_rules="a_share", listing="000001.SZ")
    days = sorted({row["dt"][:10] for row in result.equity_curve})
    begin = 0
    for day in days:
        today = [o for o in result.orders if o["dt"] and o["dt"][:10] == day and o["filled"]]
        assert sum(o["filled"] for o in today if o["side"] == "sell") <= begin
        begin += sum(o["filled"] * (1 if o["side"] == "buy" else -1) for o in today)
