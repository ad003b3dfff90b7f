"""Signals compare days over ex-dates; fills, cash and marks stay raw."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.backtest.api import backtest
from core.backtest.problems import StrategyFailed
from core.backtest.strategies.moving_average import DualMovingAverage
from core.backtest.sweep import sweep

NAMES = ("sma", "ema", "atr", "highest", "lowest")


def bars_of(prices: list[float], factors: list[float] | None) -> list[dict[str, Any]]:
    rows = []
    for place, price in enumerate(prices):
        day = (date(2024, 1, 2) + timedelta(days=place)).isoformat()
        row = {"trade_date": day, "open": price, "high": price, "low": price, "close": price, "volume": 10_000}
        rows.append(row if factors is None else row | {"adj_factor": factors[place]})
    return rows


def seen(rows: list[dict[str, Any]], length: int) -> dict[str, list[float]]:
    """Return what a strategy sees of every indicator on every bar."""
    told: dict[str, list[float]] = {name: [] for name in (*NAMES, "rsi")}

    def look(_: object, ctx: Any) -> None:
        for name, values in told.items():
            values.append(getattr(ctx, name)(length))

    backtest(look, bars=rows)
    return told


PRICES = st.integers(100, 99_999).map(lambda cents: cents / 100)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(PRICES, st.floats(0.2, 30)), min_size=3, max_size=12), st.integers(1, 4))
def test_each_bar_sees_the_past_in_its_own_prices(days: list[tuple[float, float]], length: int) -> None:
    prices, factors = [price for price, _ in days], [factor for _, factor in days]
    told = seen(bars_of(prices, factors), length)
    for now in range(length - 1, len(days)):
        past = [prices[day] * factors[day] / factors[now] for day in range(now + 1 - length, now + 1)]
        assert told["sma"][now] == pytest.approx(sum(past) / length, rel=1e-6, abs=2e-6)
        assert told["highest"][now] == pytest.approx(max(past), rel=1e-6, abs=2e-6)
        assert told["lowest"][now] == pytest.approx(min(past), rel=1e-6, abs=2e-6)


@settings(deadline=None, max_examples=20)
@given(st.lists(PRICES, min_size=3, max_size=12), st.sampled_from([1.0, 2.0, 0.25, 17.0]))
def test_a_factor_that_never_changes_changes_nothing(prices: list[float], factor: float) -> None:
    plain = seen(bars_of(prices, None), 2)
    assert repr(seen(bars_of(prices, [factor] * len(prices)), 2)) == repr(plain)


def test_a_split_moves_no_indicator() -> None:
    """Two for one on the fifth day: the price halves, and nobody gained or lost."""
    told = seen(bars_of([10.0, 10.2, 10.1, 10.3, 5.15, 5.2], [1, 1, 1, 1, 2, 2]), 3)
    assert told["sma"][4] == pytest.approx((5.05 + 5.15 + 5.15) / 3, abs=1e-6)
    assert (told["highest"][4], told["lowest"][4]) == (5.15, 5.05)
    assert told["atr"][5] < 0.2
    assert told["rsi"][4] > 50


def test_the_highest_price_of_today_is_that_price_to_the_last_digit() -> None:
    prices, factors = [10.01, 9.87, 10.03, 3.47, 3.51], [1.0, 1.0371, 1.0371, 3.0113, 3.0113]
    told = seen(bars_of(prices, factors), 1)
    assert told["highest"] == told["lowest"] == told["sma"] == prices


def test_no_ex_date_to_come_changes_a_signal() -> None:
    prices, factors = [10.0, 10.2, 10.1, 10.3, 5.15, 5.2], [1, 1, 1, 1.1, 2, 2]
    whole, part = seen(bars_of(prices, factors), 2), seen(bars_of(prices[:4], factors[:4]), 2)
    for name in NAMES:
        assert whole[name][1:4] == pytest.approx(part[name][1:4], abs=1e-9)


def test_orders_meet_raw_prices() -> None:
    def buy_and_hold(_: object, ctx: Any) -> None:
        if ctx.position == 0:
            ctx.buy(size=100)

    run = backtest(buy_and_hold, bars=bars_of([10.0, 10.5, 5.3, 5.4], [1, 1, 2, 2]), initial_cash=10_000)
    assert [order["price"] for order in run.orders] == [10.5]
    assert run.equity_curve[-1]["equity"] == 10_000 - 1050 + 540


def test_compiled_trials_see_what_single_runs_see() -> None:
    prices = [round(10 + 3 * ((place * 7919) % 101) / 101, 2) for place in range(60)]
    prices = prices[:30] + [round(price / 2, 2) for price in prices[30:]]
    grid = {"fast": [2, 3], "slow": [5, 8]}
    rows = bars_of(prices, [1.0] * 30 + [2.0] * 30)
    many = sweep(DualMovingAverage, grid, bars=rows)
    for number in range(4):
        trial = many.trial(number)
        single = backtest(DualMovingAverage(**trial.parameters), bars=rows)
        for name in ("total_return", "num_trades", "max_drawdown"):
            assert trial.metrics[name] == pytest.approx(single.metrics[name], rel=1e-12)
    raw = sweep(DualMovingAverage, grid, bars=bars_of(prices, None))
    assert raw.figures["total_return"].tolist() != many.figures["total_return"].tolist()


def test_another_column_may_hold_the_factors() -> None:
    rows = [row | {"FACTOR": row.pop("adj_factor")} for row in bars_of([10.0, 5.0], [1, 2])]
    told = []
    backtest(lambda _, ctx: told.append(ctx.sma(2)), bars=rows, price_columns={"adj_factor": "FACTOR"})
    assert told[1] == 5.0


@pytest.mark.parametrize("bad", [None, 0.0, -1.0, float("inf")])
def test_a_factor_that_is_none_is_named(bad: float | None) -> None:
    with pytest.raises(StrategyFailed, match=r"Row 2 \(2024-01-03\): adj_factor is"):
        seen(bars_of([10.0, 10.1, 10.2], [1.0, bad, 1.0]), 2)  # type: ignore[list-item]


def test_data_without_factors_are_raw() -> None:
    assert seen(bars_of([10.0, 5.0], [None, None]), 2)["sma"][1] == 7.5  # type: ignore[list-item]
