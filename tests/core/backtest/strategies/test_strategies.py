"""The strategies that come with the desk: same orders as the plain callbacks they stand for."""

import math
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from core.backtest.api import backtest, backtest_portfolio
from core.backtest.problems import ParameterInvalid
from core.backtest.strategies.breakout import Breakout
from core.backtest.strategies.built_in import BUILT_IN, StrategyUnknown, built_in, cards
from core.backtest.strategies.equal_weight import EqualWeight, Period, equal_weight, period_of
from core.backtest.strategies.moving_average import DualMovingAverage
from core.backtest.strategies.replay import RealTrade, ReplayTrades, trades_of
from core.backtest.strategies.rsi_reversion import RsiReversion
from core.matching.model import Side


def weekdays(count: int, first: date = date(2024, 1, 2)) -> list[str]:
    days, day = [], first
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day.strftime("%Y%m%d"))
        day += timedelta(days=1)
    return days


def rows(count: int, *, seed: int) -> list[dict[str, Any]]:
    steps = np.random.default_rng(seed).normal(0.0, 0.01, size=count)
    waves = 0.3 * np.sin(np.arange(count) / 11)
    closes = np.round(50 * np.exp(np.cumsum(steps) + waves), 2).tolist()
    return [
        {
            "trade_date": day,
            "open": close,
            "high": round(close * 1.01, 2),
            "low": round(close * 0.99, 2),
            "close": close,
            "volume": 1e6,
        }
        for day, close in zip(weekdays(count), closes, strict=True)
    ]


def flat(days: list[str], price: float = 10.0) -> list[dict[str, Any]]:
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    return [{"trade_date": day, "volume": 1e6} | prices for day in days]


def orders(strategy: object, bars: list[dict[str, Any]], **parameters: Any) -> list[tuple[str, str, int]]:
    found = backtest(strategy, bars=bars, **parameters)
    return [(order["submitted_dt"], order["side"], order["filled"]) for order in found.orders]


def plain_averages(bar: Any, ctx: Any) -> None:
    closes = [b.close for b in ctx.history]
    if len(closes) < 20:
        return
    fast, slow = math.fsum(closes[-5:]) / 5, math.fsum(closes[-20:]) / 20
    if fast > slow and ctx.position == 0:
        ctx.buy()
    elif fast < slow and ctx.position > 0:
        ctx.sell()


def plain_breakout(bar: Any, ctx: Any) -> None:
    before = list(ctx.history)[:-1]
    if len(before) >= 20 and bar.close > max(b.high for b in before[-20:]) and ctx.position == 0:
        ctx.buy()
    elif len(before) >= 10 and bar.close < min(b.low for b in before[-10:]) and ctx.position > 0:
        ctx.sell()


def plain_rsi(bar: Any, ctx: Any) -> None:
    closes = [b.close for b in ctx.history]
    moves = [after - before for before, after in pairwise(closes)]
    if len(moves) < 14:
        return
    gain = math.fsum(max(move, 0.0) for move in moves[:14]) / 14
    loss = math.fsum(max(-move, 0.0) for move in moves[:14]) / 14
    for move in moves[14:]:
        gain, loss = (gain * 13 + max(move, 0.0)) / 14, (loss * 13 + max(-move, 0.0)) / 14
    strength = 100.0 if loss == 0 else 100 - 100 / (1 + gain / loss)
    if strength < 30 and ctx.position == 0:
        ctx.buy()
    elif strength > 70 and ctx.position > 0:
        ctx.sell()


@pytest.mark.parametrize(
    ("strategy", "plain"),
    [(DualMovingAverage(), plain_averages), (Breakout(), plain_breakout), (RsiReversion(), plain_rsi)],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_same_orders_as_the_plain_callback(strategy: object, plain: object, seed: int) -> None:
    bars = rows(300, seed=seed)
    expected = orders(plain, bars)
    assert len(expected) > 3
    assert orders(strategy, bars) == expected
    assert orders(strategy, bars) == expected, "a second run of the same object is the same"


def test_a_part_of_the_cash() -> None:
    bars = rows(300, seed=1)
    whole = backtest(DualMovingAverage(), bars=bars).orders[0]["filled"]
    half = backtest(DualMovingAverage(size=0.5), bars=bars).orders[0]["filled"]
    assert half == pytest.approx(whole / 2, abs=1)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: DualMovingAverage(fast=20, slow=20), "fast"),
        (lambda: DualMovingAverage(fast=0), "fast"),
        (lambda: DualMovingAverage(slow=20.0), "slow"),
        (lambda: DualMovingAverage(fast=True), "fast"),
        (lambda: DualMovingAverage(size="most"), "size"),
        (lambda: DualMovingAverage(size=1.5), "size"),
        (lambda: DualMovingAverage(size=1), "size"),
        (lambda: Breakout(entry=0), "entry"),
        (lambda: Breakout(leave=-1), "leave"),
        (lambda: RsiReversion(low=70.0, high=70.0), "low"),
        (lambda: RsiReversion(high=101.0), "high"),
        (lambda: RsiReversion(low=math.nan), "low"),
        (lambda: RsiReversion(length=0), "length"),
        (lambda: EqualWeight(0), "count"),
        (lambda: EqualWeight(2, "year"), "every"),
        (lambda: EqualWeight(2, reserve=0.6), "reserve"),
        (lambda: ReplayTrades([], exit_after=0), "exit_after"),
    ],
)
def test_parameters_that_cannot_be_meant(make: Any, name: str) -> None:
    with pytest.raises(ParameterInvalid) as caught:
        make()
    assert caught.value.data["name"] == name


def test_strategies_by_name() -> None:
    assert built_in("breakout", {"entry": 55}) == Breakout(entry=55)
    assert [card.name for card in cards()] == list(BUILT_IN)
    assert cards()[0].parameters == {"fast": 5, "slow": 20, "size": "all"}
    assert cards()[1].parameters == {"entry": 20, "leave": 10, "size": "all"}
    assert all(card.summary.endswith(".") for card in cards())
    with pytest.raises(StrategyUnknown) as caught:
        built_in("brakeout")
    assert caught.value.extras() == {"name": "brakeout", "did_you_mean": "breakout"}
    with pytest.raises(StrategyUnknown, match="dual_moving_average, breakout, rsi_reversion"):
        built_in("xyz")
    with pytest.raises(ParameterInvalid, match="it has entry, leave, size"):
        built_in("breakout", {"_high": 1.0})


def test_equal_weights_are_restored_each_month() -> None:
    """A doubles in February: in March a third of it is sold, and B is bought for what came in."""
    days = weekdays(60)
    rising = [
        row | dict.fromkeys(("open", "high", "low", "close"), 20.0) if row["trade_date"] >= "20240215" else row
        for row in flat(days)
    ]
    found = backtest_portfolio(
        equal_weight(["A", "B"], reserve=0.0), bars={"A": rising, "B": flat(days)}, initial_cash=1_000_000
    )
    march = next(day for day in days if day >= "20240301")
    moved = {
        order["symbol"]: (order["side"], order["filled"]) for order in found.orders if order["submitted_dt"] == march
    }
    assert moved == {"A": ("sell", 12_500), "B": ("buy", 25_000)}
    assert {order["submitted_dt"][:6] for order in found.orders} == {"202401", "202402", "202403"}
    assert found.equity_curve[-1]["cash"] == 0.0


@pytest.mark.parametrize(
    ("dt", "every", "period"),
    [
        ("20240102", Period.MONTH, (2024, 1)),
        ("2024-12-31", Period.MONTH, (2024, 12)),
        ("2024-12-31", Period.WEEK, (2025, 1)),
        ("2024-06-30 09:31:00", Period.QUARTER, (2024, 1)),
        ("20240701", Period.QUARTER, (2024, 2)),
    ],
)
def test_periods(dt: str, every: Period, period: tuple[int, int]) -> None:
    assert period_of(dt, every) == period


def test_replay_repeats_real_trades_on_their_days() -> None:
    records = [
        {"tradeDate": "2024-01-10", "tradeType": "SELL", "qty": 40},
        {"trade_date": date(2024, 1, 6), "trade_type": "buy", "quantity": 100},
        {"day": "20240103", "side": "BUY", "qty": 50},
    ]
    trades = trades_of(records)
    assert trades == [
        RealTrade("20240103", Side.BUY, 50),
        RealTrade("20240106", Side.BUY, 100),
        RealTrade("20240110", Side.SELL, 40),
    ]
    days = weekdays(12)
    found = backtest(ReplayTrades(trades), bars=flat(days), fill="this_close")
    assert [(order["dt"], order["side"], order["filled"]) for order in found.orders] == [
        ("20240103", "buy", 50),
        ("20240108", "buy", 100),
        ("20240110", "sell", 40),
    ]
    assert found.equity_curve[-1]["position"] == 110
    later = backtest(ReplayTrades(trades), bars=flat(days))
    assert [order["dt"] for order in later.orders] == ["20240104", "20240109", "20240111"]


def test_replay_with_another_exit() -> None:
    trades = [RealTrade("20240103", Side.BUY, 50), RealTrade("20240104", Side.SELL, 50)]
    strategy = ReplayTrades(trades, exit_after=3)
    for _ in range(2):
        found = backtest(strategy, bars=flat(weekdays(12)), fill="this_close")
        assert [(order["dt"], order["side"]) for order in found.orders] == [("20240103", "buy"), ("20240108", "sell")]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"trade_type": "BUY", "qty": 1}, "record 1 has no date"),
        ({"trade_date": "soon", "trade_type": "BUY", "qty": 1}, "record 1 has no date"),
        ({"trade_date": "20240102", "trade_type": "DIVIDEND", "qty": 1}, "neither BUY nor SELL"),
        ({"trade_date": "20240102", "trade_type": "BUY"}, "no number of shares"),
        ({"trade_date": "20240102", "trade_type": "BUY", "qty": 0}, "no number of shares"),
        ({"trade_date": "20240102", "trade_type": "BUY", "qty": "100"}, "no number of shares"),
    ],
)
def test_records_that_are_no_trades(record: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterInvalid, match=said):
        trades_of([record])
