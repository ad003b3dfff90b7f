"""What a strategy holds in its hands: read-only, without the future, and the same for short and long runs."""

import copy
import gc
import pickle
import weakref
from collections.abc import Mapping
from functools import partial
from math import isnan
from typing import Any

import numpy as np
import pytest

from core.backtest.api import backtest
from core.backtest.context import Context
from core.backtest.history import BLOCK
from core.backtest.made_bars import RawRow
from core.backtest.model import Bar
from core.backtest.problems import StrategyFailed
from tests.support.backtest_rows import walk

LONG = 2 * BLOCK + 500


def columns(size: int) -> dict[str, Any]:
    close = 10 + np.arange(size) % 7 * 0.25
    moments = np.datetime64("2024-01-02T09:31", "ms") + np.arange(size) * np.timedelta64(60_000, "ms")
    return {"trade_date": moments, "open": close, "high": close, "low": close, "close": close, "mood": close * 2}


@pytest.mark.parametrize("name", ["position", "history", "cash", "orders", "whatever", "_queue"])
def test_nothing_can_be_set(name: str) -> None:
    def strategy(bar: Bar, ctx: Context) -> None:
        setattr(ctx, name, 1_000_000)

    with pytest.raises(StrategyFailed, match=f"ctx.{name} cannot be set"):
        backtest(strategy, bars=walk(3))


def test_indicators_know_nothing_before_the_first_bar() -> None:
    class Early:
        def on_start(self, ctx: Context) -> None:
            self.seen = [ctx.sma(1), ctx.highest(1), ctx.sma(1)]

        def on_bar(self, bar: Bar, ctx: Context) -> None:
            self.seen.append(ctx.sma(1))

    early = Early()
    rows = walk(3)
    backtest(early, bars=rows)
    assert all(map(isnan, early.seen[:3]))
    assert early.seen[3:] == [row["close"] for row in rows]


def test_indicators_and_history_of_a_long_run() -> None:
    bars, wrong = columns(LONG), []

    def strategy(bar: Bar, ctx: Context) -> None:
        place = len(ctx.history) - 1
        if place % 61 == 0 or place % BLOCK <= 1:
            last = bars["close"][max(place - 2, 0) : place + 1].tolist()
            shown = [one.close for one in ctx.history[-3:]]
            mean = ctx.sma(3)
            if shown != last or (place >= 2 and mean != sum(last) / 3) or ctx.history[place] != bar:
                wrong.append(place)
            if ctx.history[0].close != 10 or ctx.highest(1) != bar.close:
                wrong.append(place)

    backtest(strategy, bars=bars)
    assert wrong == []


def test_rows_of_columns_are_mappings() -> None:
    found: list[Any] = []
    bars = columns(3)
    backtest(lambda bar, _: found.append(bar), bars=bars)
    row = found[1].raw
    assert isinstance(row, Mapping)
    assert (row["mood"], row.get("none", 3), "mood" in row, len(row), bool(found[0].raw)) == (20.5, 3, True, 6, True)
    assert dict(row) == {name: column[1].item() for name, column in bars.items()} == row
    assert row != found[0].raw
    assert repr(row).startswith("{'trade_date': datetime")


@pytest.mark.parametrize("kind", [walk, columns])
def test_bars_are_named_tuples_that_can_be_kept(kind: Any) -> None:
    found: list[Bar] = []
    backtest(lambda bar, _: found.append(bar), bars=kind(2))
    bar = found[0]
    assert isinstance(bar, Bar)
    assert copy.copy(bar) == pickle.loads(pickle.dumps(bar)) == bar == tuple(bar) == bar[:]
    assert bar != found[1]
    assert bar != (*bar[:-1], None)
    assert bar._replace(close=1.5).close == 1.5
    assert repr(bar).startswith("Bar(dt='2")
    assert repr(copy.copy(bar)) == repr(bar)


def test_bars_of_columns_are_alike_where_their_data_is() -> None:
    found: list[Bar] = []
    for size in (3, 3, 4):
        backtest(lambda bar, _: found.append(bar), bars=columns(size))
    assert found[:3] == found[3:6] == found[6:9]
    assert {found[1], found[4], found[7]} == {found[1]}
    assert found[0] != found[4]


def test_a_run_over_columns_leaves_nothing_to_collect() -> None:
    """Millions of bars are a matter of the memory: a run that is over lets go of its data at once."""
    bars = columns(50)
    bars["close"] = bars["close"].copy()
    gone = weakref.ref(bars["close"])
    gc.disable()
    try:
        backtest(lambda bar, ctx: ctx.buy(1), bars=bars)
        del bars
        assert gone() is None
    finally:
        gc.enable()


def test_bars_of_columns_are_spelled_when_somebody_looks() -> None:
    size = 20_000
    bars, found = columns(size), []

    def strategy(bar: Bar, ctx: Context) -> None:
        place = len(ctx.history) - 1
        if place % 977 == 0 or place == size - 1:
            dt, opened, _, _, close, volume, raw = bar
            assert (
                (dt, opened, close, volume) == (bar.dt, bar[1], bar.close, None) == (bar[0], bar.open, bar[-3], bar[5])
            )
            assert dt == str(bars["trade_date"][place])[:19].replace("T", " ") == next(iter(bar)) == bar._asdict()["dt"]
            assert raw["mood"] == bars["mood"][place] == bar[6]["mood"] == bar.raw["mood"]
            assert ctx.history[0].dt == "2024-01-02 09:31:00"
            found.append(place)

    backtest(strategy, bars=bars)
    assert found[-1] == size - 1
    backtest(lambda bar, _: found.append((bar.dt, bar.raw["mood"])), bars=bars, start="20240103", end="20240103")
    assert found[-1] == ("2024-01-03 23:59:00", float(bars["mood"][869 + 1439]))
    assert pickle.loads(pickle.dumps(RawRow(bars, 3))) == dict(RawRow(bars, 3))


@pytest.mark.parametrize("step", [0.01, 1.37])
def test_prices_of_bars_are_those_of_the_data(step: float) -> None:
    """A narrow range of prices is made floats once for all bars, a wide one bar by bar."""
    close = np.round(10 + np.random.default_rng(3).permutation(500) * step, 2)
    seen: list[float] = []
    flat = dict.fromkeys(("open", "high", "low", "close"), close)
    backtest(lambda bar, _: seen.append(bar.close), bars=columns(500) | flat)
    assert seen == close.tolist()


def test_more_orders_than_a_table_begins_with() -> None:
    heard: list[int] = []

    def strategy(bar: Bar, ctx: Context) -> None:
        numbers = [ctx.buy(1), ctx.sell(1), ctx.buy(1, limit_price=0.01)]
        assert [row["id"] for row in ctx.orders[-3:]] == numbers
        assert [row["reason"] for row in ctx.orders[-3:]] == ["pending"] * 3
        heard.append(ctx.position)

    result = backtest(strategy, bars=walk(200), fill="this_close")
    assert len(result.order_list) == 600
    assert result.order_list[-1].limit_price == 0.01
    assert [order.id for order in result.order_list[3:6]] == [4, 5, 6]
    # sells settle before buys, so the first sale finds nothing and a share is held from then on
    assert result.reasons == {"filled": 399, "limit_price": 200, "no_position": 1}
    assert list(result.reasons) == ["filled", "limit_price", "no_position"]
    assert (heard[0], heard[1], heard[-1]) == (0, 1, 1)
    assert len(result.trades) == 199


@pytest.mark.parametrize("long", [False, True])
def test_history_is_the_same_short_and_long(long: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond two blocks older bars are made again; nothing else may differ."""
    monkeypatch.setattr("core.backtest.history.BLOCK", 16)
    monkeypatch.setattr("core.backtest.callback.BLOCK", 16)
    monkeypatch.setattr("core.backtest.history.LIST_BARS", 32 if long else 10**9)
    rows = walk(150)
    seen = []

    def strategy(bar, ctx):
        history = ctx.history
        every = [row["trade_date"] for row in rows[: len(history)]]
        assert [one.dt for one in history] == every
        assert [one.dt for one in history[-20:]] == every[-20:]
        assert [one.dt for one in history[:-3]] == every[:-3]
        assert [one.dt for one in history[::-7]] == every[::-7]
        assert [one.dt for one in history[-200:]] == every[-200:]
        assert history[0].dt == every[0]
        assert history[-1] == bar
        assert history[len(history) // 2].dt == every[len(every) // 2]
        assert history.index(bar) == len(history) - 1
        assert bar in history
        for outside in (len(history), -len(history) - 1):
            with pytest.raises(IndexError):
                history[outside]
        seen.append(bar.dt)

    backtest(strategy, bars=rows)
    assert len(seen) == 150
    capped = partial(backtest, bars=rows, max_history=24)
    lengths = []
    capped(lambda bar, ctx: lengths.append((len(ctx.history), len(ctx.history[-30:]), ctx.history[0].dt)))
    assert lengths[100] == (24, 24, rows[77]["trade_date"])
