"""Real orders through real minutes, ticks and Level-2 books: the prices are those that stood there at that moment."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.backtest.api import backtest
from core.backtest.model import Order
from core.backtest.outcome import BacktestResult

MAOTAI = "600519.SH"
DAY = "2023-02-01"
BOOKS = f"l2_snapshot_600519_{DAY.replace('-', '')}.parquet"
TRADES = f"l2_trades_600519_{DAY.replace('-', '')}.parquet"
ENOUGH = 1e9


@cache
def minutes(folder: Path, symbol: str, day: str) -> dict[str, Any]:
    table = pq.read_table(folder / "minute_bars_1m.parquet", filters=[("symbol", "==", symbol)])
    times = table["bar_end"].to_numpy()
    inside = times.astype("datetime64[D]") == np.datetime64(day)
    columns = {name: table[name].to_numpy()[inside] for name in ("open", "high", "low", "close", "volume", "amount")}
    daily = pq.read_table(folder / "daily_bars.parquet", filters=[("symbol", "==", symbol)])
    known = dict(zip(daily["trade_date"].to_pylist(), daily["pre_close"].to_pylist(), strict=True))
    pre_close = known[np.datetime64(day).astype(object)]
    return columns | {"trade_date": times[inside], "pre_close": np.full(int(inside.sum()), pre_close)}


def run(folder: Path, strategy: Any, *, symbol: str = MAOTAI, day: str = DAY, **named: Any) -> BacktestResult:
    ticks = named.pop("ticks", None)
    return backtest(
        strategy,
        bars=minutes(folder, symbol, day),
        listing=symbol,
        market_rules="a_share",
        initial_cash=ENOUGH,
        ticks=None if ticks is None else folder / ticks,
        **named,
    )


def once(at: str, shares: int, **limit: float) -> Any:
    return lambda bar, ctx: ctx.buy(shares, limit_price=limit.get("limit")) if bar.dt == f"{DAY} {at}:00" else None


def every_minute(bar: Any, ctx: Any) -> None:
    ctx.buy(100)


def only(result: BacktestResult) -> Order:
    (order,) = result.order_list
    return order


def paid(order: Order) -> float:
    return order.amount / 10_000


def test_an_order_walks_through_the_levels_of_the_next_book(shared_data: Path) -> None:
    """Given at 11:29:00 it meets the snapshot of 11:29:02 and takes five of its levels."""
    order = only(run(shared_data, once("11:29", 2_500), matching="counterparty_offer", ticks=BOOKS))
    assert (order.reason, order.filled, order.filled_dt) == ("filled", 2_500, f"{DAY} 11:30:00")
    # asks of that moment: 100 at 1837.90, 100 at 1837.98, 100 at 1837.99, 2,100 at 1838.00, 100 at 1838.01
    assert paid(order) == pytest.approx((1837.90 + 1837.98 + 1837.99 + 1838.01) * 100 + 1838.00 * 2_100, abs=1e-6)


def test_the_depth_ends(shared_data: Path) -> None:
    """Ten levels held 4,100 shares."""
    order = only(run(shared_data, once("11:29", 50_000), matching="counterparty_offer", ticks=BOOKS))
    assert (order.reason, order.quantity, order.filled) == ("partial_volume", 50_000, 4_100)


def test_a_limit_ends_the_walk(shared_data: Path) -> None:
    strategy = once("11:29", 50_000, limit=1838.00)
    order = only(run(shared_data, strategy, matching="counterparty_offer", ticks=BOOKS))
    assert (order.reason, order.filled) == ("partial_volume", 2_400)
    order = only(run(shared_data, once("11:29", 100, limit=1837.89), matching="counterparty_offer", ticks=BOOKS))
    assert (order.reason, order.filled) == ("limit_price", 0)


@pytest.mark.parametrize(
    ("matching", "price", "slippage"),
    [
        ("next_tick_best_own", 1837.42, None),
        ("next_tick_best_counterparty", 1837.90, None),
        ("next_tick_best_counterparty", 1837.93, "tick_size:3"),
        ("next_tick_best_counterparty", 1839.74, "price_ratio:0.001"),
        ("next_tick_best_counterparty", 2030.34, "limit_price"),
        ("next_tick_last", 1837.40, None),
    ],
)
def test_best_prices_and_slippage(shared_data: Path, matching: str, price: float, slippage: str | None) -> None:
    """Slippage goes up to the cent away from the buyer; the day's limit was 1845.76 x 1.1 = 2030.34."""
    order = only(run(shared_data, once("11:29", 100), matching=matching, ticks=BOOKS, slippage=slippage))
    assert (order.reason, paid(order) / 100) == ("filled", pytest.approx(price, abs=1e-9))


@pytest.mark.parametrize("matching", ["next_tick_best_own", "next_tick_best_counterparty", "counterparty_offer"])
def test_every_minute_of_the_day_fills_within_its_book(shared_data: Path, matching: str) -> None:
    """Nothing fills in the closing auction, whose books are virtual."""
    table = pq.read_table(shared_data / BOOKS)
    moments = table["ts"].to_numpy()
    bid, ask, last_ask = (table[name].to_numpy() for name in ("bid_px1", "ask_px1", "ask_px10"))
    shares = table["bid_qty1" if matching == "next_tick_best_own" else "ask_qty1"].to_numpy()
    result = run(shared_data, every_minute, matching=matching, ticks=BOOKS)
    filled = waiting = 0
    for order in result.order_list:
        given = np.datetime64(order.submitted_dt)
        if given >= np.datetime64(f"{DAY}T14:57"):
            assert (order.reason, order.filled) in {("no_depth", 0), ("no_next_bar", 0)}
            continue
        place = int(np.searchsorted(moments, given, side="right"))
        if given == np.datetime64(f"{DAY}T11:30"):
            place = int(np.searchsorted(moments, np.datetime64(f"{DAY}T13:00")))
        if order.filled == 0:
            assert (order.reason, matching) != ("partial_volume", "counterparty_offer")
            assert shares[place] < 100
            waiting += 1
            continue
        price = paid(order) / 100
        filled += 1
        if matching == "next_tick_best_own":
            assert price == pytest.approx(bid[place], abs=1e-9)
        elif matching == "next_tick_best_counterparty":
            assert price == pytest.approx(ask[place], abs=1e-9)
        else:
            assert ask[place] - 1e-9 <= price <= last_ask[place] + 1e-9
    assert filled + waiting == 236
    assert filled == 236 if matching == "counterparty_offer" else filled > 200


def test_the_next_trade_of_600000(shared_data: Path) -> None:
    """Each order meets the first three-second aggregate after its minute, and at most a quarter of its shares."""
    day, symbol = "2019-02-01", "600000.SH"
    ticks = pq.read_table(shared_data / "ticks_201902.parquet", filters=[("symbol", "==", symbol)])
    moments, prices, shares = ticks["ts"].to_numpy(), ticks["price"].to_numpy(), ticks["qty"].to_numpy()
    result = run(
        shared_data, every_minute, symbol=symbol, day=day, matching="next_tick_last", ticks="ticks_201902.parquet"
    )
    met = 0
    for order in result.order_list:
        place = int(np.searchsorted(moments, np.datetime64(order.submitted_dt), side="right"))
        if order.reason == "no_next_bar":
            continue
        assert order.filled == (100 if shares[place] >= 400 else 0)
        if order.filled:
            met += 1
            assert paid(order) / 100 == pytest.approx(prices[place], abs=1e-9)
    assert met == 198


def test_vwap_of_the_next_minute_by_its_amount(shared_data: Path) -> None:
    bars = minutes(shared_data, MAOTAI, DAY)
    result = run(shared_data, every_minute, matching="vwap", volume_limit=1.0)
    for place, order in enumerate(result.order_list[:-1], 1):
        expected = bars["amount"][place] / bars["volume"][place]
        assert (order.reason, order.filled) == ("filled", 100)
        assert bars["low"][place] <= round(expected, 4) <= bars["high"][place]
        assert paid(order) / 100 == pytest.approx(expected, abs=5.1e-5)


def test_vwap_of_the_next_minute_by_its_trades(shared_data: Path) -> None:
    """The closing auction's trades come just after 15:00 and belong to the last bar of the day."""
    table = pq.read_table(shared_data / TRADES)
    moments, amounts, shares = (table[name].to_numpy() for name in ("ts", "amount", "qty"))
    ends = [*minutes(shared_data, MAOTAI, DAY)["trade_date"][:-1], np.datetime64(f"{DAY}T15:30")]
    result = run(shared_data, every_minute, matching="vwap", ticks=TRADES, volume_limit=1.0)
    for place, order in enumerate(result.order_list[:-1], 1):
        inside = (moments > ends[place - 1]) & (moments <= ends[place])
        expected = amounts[inside].sum() / shares[inside].sum()
        assert paid(order) / 100 == pytest.approx(expected, abs=5.1e-5)
    assert sum(inside) > 100


@pytest.mark.parametrize("ticks", [None, TRADES, BOOKS])
def test_the_opening_auction_of_the_next_day(shared_data: Path, ticks: str | None) -> None:
    """An order of the evening before fills at 1854.98, the one price of 09:25."""
    table = pq.read_table(
        shared_data / "daily_bars.parquet", filters=[("symbol", "==", MAOTAI)], columns=["trade_date", "open", "high",
        "low", "close", "volume", "pre_close"],
    )  # fmt: skip
    days = table["trade_date"].to_numpy()
    near = (days >= np.datetime64("2023-01-30")) & (days <= np.datetime64("2023-02-02"))
    bars = {name: table[name].to_numpy()[near] for name in table.column_names}
    result = backtest(
        lambda bar, ctx: ctx.buy(200) if bar.dt == "2023-01-31" else None,
        bars=bars,
        listing=MAOTAI,
        market_rules="a_share",
        initial_cash=ENOUGH,
        matching="open_auction",
        ticks=None if ticks is None else shared_data / ticks,
    )
    order = only(result)
    assert (order.reason, order.filled_dt, paid(order) / 200) == ("filled", DAY, pytest.approx(1854.98, abs=1e-9))
    unmet = f"{MAOTAI}: orders could meet no price on {len(bars['close']) - 1} of {len(bars['close'])} bars"
    assert result.warnings == ([unmet] if ticks else [])


def test_daily_orders_meet_the_first_book_of_the_morning(shared_data: Path) -> None:
    """The stocks of Shanghai with books of 2021-12-01 and days around it, ordered the evening before."""
    books = pq.read_table(shared_data / "l2_snapshots.parquet", columns=["symbol", "ts", "ask_px1", "ask_qty1"])
    symbols, moments = np.array(books["symbol"].to_pylist()), books["ts"].to_numpy()
    opening = np.datetime64("2021-12-01T09:30")
    names = sorted(name for name in set(symbols.tolist()) if name.endswith(".SH"))
    table = pq.read_table(
        shared_data / "daily_bars.parquet", filters=[("symbol", "in", names)], columns=["symbol", "trade_date", "open",
        "high", "low", "close", "volume", "pre_close"],
    )  # fmt: skip
    seen = []
    for name in names:
        rows = table.filter(np.array(table["symbol"].to_pylist()) == name).to_pylist()
        near = [row for row in rows if "2021-11-30" <= row["trade_date"].isoformat() <= "2021-12-02"]
        if not near:
            continue
        seen.append(name)
        result = backtest(
            lambda bar, ctx: ctx.buy(100),
            bars=near,
            market_rules="a_share",
            matching="next_tick_best_counterparty",
            ticks=shared_data / "l2_snapshots.parquet",
        )
        first, second, *_ = result.order_list
        place = int(np.flatnonzero((symbols == name) & (moments >= opening))[0])
        price, shares = books["ask_px1"][place].as_py(), books["ask_qty1"][place].as_py()
        assert (first.reason, first.filled) == ("filled", 100) if shares >= 100 else ("partial_volume", 0)
        assert first.amount == round(price * 100 * 10_000)
        assert second.reason == "no_depth"
    assert seen == ["600103.SH", "600332.SH"]
