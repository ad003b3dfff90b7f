"""Matching types and slippage models of a run: small cases by hand, and what cannot be meant."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from core.backtest.api import backtest, backtest_portfolio
from core.backtest.lookahead import lookahead_check, scrambled
from core.backtest.model import BarTable
from core.backtest.outcome import BacktestResult
from core.backtest.panel import backtest_panel
from core.backtest.ports import Ports, use_ports
from core.backtest.problems import ColumnMissing, ParameterInvalid, TicksInvalid, TicksNeeded
from core.backtest.slippage import SlippageModel
from core.backtest.strategies.moving_average import DualMovingAverage
from core.backtest.sweep import sweep
from core.matching.model import MatchingType
from tests.support.backtest_rows import at, crossing, rows_of, walk

DAYS = rows_of(
    """
    2024-01-02 10.00 10.00 1000000 10.00
    2024-01-03 10.10 10.20 1000000 10.00
    2024-01-04 10.30 10.40 1000000 10.20
    """
)
MINUTES = [
    {"trade_date": f"{day} {minute}", "open": price, "close": price, "high": price, "low": price, "volume": 1_000_000,
     "amount": price * 1_000_000, "pre_close": 10.0}
    for day, minute, price in [
        ("2024-01-02", "09:31:00", 10.0), ("2024-01-02", "09:32:00", 10.1), ("2024-01-02", "15:00:00", 10.2),
        ("2024-01-03", "09:31:00", 10.3), ("2024-01-03", "09:33:00", 10.4),
    ]
]  # fmt: skip
TRADES = [
    {"ts": "2024-01-03 09:25:00", "price": 10.11, "qty": 800},
    {"ts": "2024-01-03 09:25:00", "price": 10.11, "qty": 400},
    {"ts": "2024-01-03 09:31:00", "price": 10.15, "qty": 4_000},
    {"ts": "2024-01-04 09:30:01", "price": 10.33, "qty": 2_000},
]
BOOK = {"ts": "2024-01-03 09:30:03", "bid_px1": 10.14, "bid_qty1": 600, "ask_px1": 10.16, "ask_qty1": 300}
DEEP = BOOK | {"ask_px2": 10.18, "ask_qty2": 500, "bid_px2": 10.12, "bid_qty2": 900}
A_SHARE: dict[str, Any] = {"listing": "600000.SH", "market_rules": "a_share"}


def bought(size: Any = 200, *, day: str = "2024-01-02", **limit: float) -> Callable[[Any, Any], None]:
    return at({day: lambda ctx: ctx.buy(size, limit_price=limit.get("limit"))})


def ended(result: BacktestResult) -> tuple[str, int, float | None]:
    order = result.order_list[-1].as_dict()
    return order["reason"], order["filled"], order["price"]


@pytest.mark.parametrize(
    ("matching", "ticks", "price"),
    [
        ("next_bar_open", None, 10.10),
        ("current_bar_close", None, 10.00),
        ("open_auction", None, 10.10),
        ("open_auction", TRADES, 10.11),
        ("next_tick_last", TRADES, 10.11),
        ("next_tick_best_own", [BOOK], 10.14),
        ("next_tick_best_counterparty", [BOOK], 10.16),
        ("counterparty_offer", [BOOK], 10.16),
    ],
)
def test_the_price_of_each_type(matching: str, ticks: Any, price: float) -> None:
    assert ended(backtest(bought(), bars=DAYS, matching=matching, ticks=ticks, **A_SHARE)) == ("filled", 200, price)


def test_the_two_of_fill_are_the_same_run() -> None:
    rows = walk(200, amount=1.0)
    for matching, fill in (("next_bar_open", "next_open"), ("current_bar_close", "this_close")):
        mine = backtest(crossing(), bars=rows, matching=matching, **A_SHARE)
        theirs = backtest(crossing(), bars=rows, fill=fill, **A_SHARE)
        assert mine.equity_curve == theirs.equity_curve
        assert len(mine.trades) == 3


def test_vwap_is_kept_to_a_hundredth_of_a_cent_within_high_and_low() -> None:
    rows = [row | {"amount": 10_123_456.0} for row in DAYS]
    assert ended(backtest(bought(), bars=rows, matching="vwap", **A_SHARE)) == ("filled", 200, 10.1235)
    rows = [row | {"amount": 10_923_456.0} for row in DAYS]
    assert ended(backtest(bought(), bars=rows, matching="vwap", **A_SHARE)) == ("filled", 200, 10.2)


def test_vwap_by_trades_where_the_bars_have_no_amount() -> None:
    """(1,200 x 10.11 + 4,000 x 10.15) / 5,200 = 10.140769..."""
    assert ended(backtest(bought(), bars=DAYS, matching="vwap", ticks=TRADES)) == ("filled", 200, 10.1408)


def test_an_order_of_a_minute_waits_for_the_next_days_auction() -> None:
    strategy = at({"2024-01-02 09:31:00": lambda ctx: ctx.buy(200), "2024-01-03 09:31:00": lambda ctx: ctx.sell()})
    result = backtest(strategy, bars=MINUTES, matching="open_auction", **A_SHARE)
    first, second = (order.as_dict() for order in result.order_list)
    assert (first["dt"], first["price"], first["reason"]) == ("2024-01-03 09:31:00", 10.3, "filled")
    assert (second["dt"], second["reason"]) == (None, "no_next_bar")
    assert [row["position"] for row in result.equity_curve] == [0, 0, 0, 200, 200]


def test_a_day_whose_first_minute_comes_late_had_no_auction() -> None:
    strategy = at({"2024-01-02 09:31:00": lambda ctx: ctx.buy(200)})
    late = [row for row in MINUTES if row["trade_date"] != "2024-01-03 09:31:00"]
    assert ended(backtest(strategy, bars=late, matching="open_auction", **A_SHARE)) == ("no_volume", 0, None)


def test_what_one_order_takes_the_next_does_not_find() -> None:
    """300 stand at 10.16 and 500 at 10.18: 400 are taken, then 400 more, and 100 find nobody."""
    strategy = at({"2024-01-02": lambda ctx: [ctx.buy(size) for size in (400, 400, 100)]})
    result = backtest(strategy, bars=DAYS, matching="counterparty_offer", ticks=[DEEP], **A_SHARE)
    told = [(order.reason.value, order.filled, order.amount) for order in result.order_list]
    first, second = (300 * 10.16 + 100 * 10.18) * 10_000, 400 * 10.18 * 10_000
    assert told == [("filled", 400, round(first)), ("filled", 400, round(second)), ("no_depth", 0, 0)]


def test_what_the_book_does_not_hold_is_carried_on_where_that_was_asked_for() -> None:
    books = [DEEP, DEEP | {"ts": "2024-01-04 10:00:00", "ask_px1": 10.31, "ask_px2": 10.32}]
    strategy = bought(1_000)
    result = backtest(strategy, bars=DAYS, matching="counterparty_offer", ticks=books, carry_orders=True, **A_SHARE)
    order = result.order_list[0]
    assert (order.reason.value, order.filled) == ("filled", 1_000)
    assert order.amount == round((300 * 10.16 + 500 * 10.18 + 200 * 10.31) * 10_000)


def test_a_quarter_of_a_trade_and_all_of_a_book() -> None:
    """The usual part of the volume is about what was traded; what stands in a book can be taken whole."""
    assert ended(backtest(bought(800), bars=DAYS, matching="next_tick_last", ticks=TRADES, **A_SHARE))[:2] == (
        "partial_volume",
        200,
    )
    named = {"bars": DAYS, "ticks": [BOOK], "matching": "next_tick_best_counterparty"} | A_SHARE
    assert ended(backtest(bought(800), **named))[:2] == ("partial_volume", 300)
    assert ended(backtest(bought(800), volume_limit=0.4, **named))[:2] == ("partial_volume", 100)
    assert ended(backtest(bought(800), volume_limit=float("inf"), **named))[:2] == ("filled", 800)


def test_limits_are_judged_at_the_price_that_fills() -> None:
    sealed = BOOK | {"bid_px1": 11.0, "ask_px1": None, "ask_qty1": 0}
    named = {"bars": DAYS, "ticks": [sealed], "market_rules": "a_share", "listing": "600000.SH"}
    assert ended(backtest(bought(), matching="counterparty_offer", **named))[0] == "no_depth"
    assert ended(backtest(bought(), matching="next_tick_best_own", **named))[0] == "limit_up"


def test_books_of_the_call_auction_fill_nothing() -> None:
    early, virtual = BOOK | {"ts": "2024-01-03 09:26:00"}, BOOK | {"ask_px1": 10.14}
    named = {"bars": DAYS, "matching": "counterparty_offer"}
    assert ended(backtest(bought(), ticks=[early, BOOK], **named, **A_SHARE))[1] == 200
    for ticks in ([early], [virtual]):
        with pytest.raises(TicksNeeded, match="None of the 1 given lies in one of them"):
            backtest(bought(), ticks=ticks, **named, **A_SHARE)
    assert ended(backtest(bought(), ticks=[early], **named))[:2] == ("filled", 200)


@pytest.mark.parametrize(
    ("slippage", "price"),
    [
        ("none", 10.10),
        ("price_ratio:0.001", 10.12),
        (("price_ratio", 0.001), 10.12),
        ("tick_size:3", 10.13),
        (SlippageModel.of("tick_size:3"), 10.13),
        ("limit_price", 11.0),
    ],
)
def test_slippage_models(slippage: Any, price: float) -> None:
    result = backtest(bought(), bars=DAYS, slippage=slippage, **A_SHARE)
    assert ended(result) == ("filled", 200, price)
    assert result.parameters["slippage"] == SlippageModel.of(slippage).text


def test_slippage_by_part_is_slippage_bps() -> None:
    rows = walk(200)
    for rules in (None, "a_share"):
        named = {"bars": rows, "listing": "600000.SH", "market_rules": rules}
        mine = backtest(crossing(), slippage="price_ratio:0.0012", **named)
        assert mine.equity_curve == backtest(crossing(), slippage_bps=12, **named).equity_curve


def test_a_sweep_moves_prices_by_the_same_steps() -> None:
    rows = walk(300)
    grid = {"fast": [3, 5], "slow": [10]}
    found = sweep("dual_moving_average", grid, bars=rows, slippage="tick_size:2", **A_SHARE)
    plain = sweep("dual_moving_average", grid, bars=rows, **A_SHARE)
    for place, fast in enumerate((3, 5)):
        single = backtest(DualMovingAverage(fast, 10), bars=rows, slippage="tick_size:2", **A_SHARE)
        assert found.trial(place).metrics["total_return"] == single.metrics["total_return"]
        assert found.trial(place).metrics["total_return"] != plain.trial(place).metrics["total_return"]


def test_a_sweep_meets_averages_bar_by_bar() -> None:
    rows = [row | {"amount": row["volume"] * (row["high"] + row["low"]) / 2} for row in walk(200)]
    found = sweep("dual_moving_average", {"fast": [3, 5], "slow": [10]}, bars=rows, matching="vwap", **A_SHARE)
    for place, fast in enumerate((3, 5)):
        single = backtest(DualMovingAverage(fast, 10), bars=rows, matching="vwap", **A_SHARE)
        assert found.trial(place).metrics["total_return"] == single.metrics["total_return"]
        assert len(single.trades) > 3


def test_a_panel_knows_no_matching() -> None:
    with pytest.raises(TypeError, match="matching"):
        backtest_panel(None, None, matching="vwap")  # type: ignore[arg-type, call-arg]


def test_a_portfolio_takes_ticks_by_symbol_or_with_their_symbols() -> None:
    named: dict[str, Any] = {
        "strategies": {"600000.SH": bought(), "600001.SH": bought()},
        "bars": {"600000.SH": DAYS, "600001.SH": DAYS},
        "matching": "next_tick_last",
        "market_rules": "a_share",
    }
    other = [row | {"price": row["price"] + 0.5} for row in TRADES]
    together = [row | {"symbol": "600000.SH"} for row in TRADES] + [row | {"symbol": "600001.SH"} for row in other]
    for ticks in ({"600000.SH": TRADES, "600001.SH": other}, together, pa.Table.from_pylist(together)):
        result = backtest_portfolio(**named, ticks=ticks)
        assert [order.as_dict()["price"] for order in result.order_list] == [10.11, 10.61]
        assert set(result.parameters["ticks"]) == {"600000.SH", "600001.SH"}
    with pytest.raises(TicksNeeded, match="next_tick_last"):
        backtest_portfolio(**named, ticks={"600000.SH": TRADES})
    with pytest.raises(TicksInvalid, match=r"of 600001\.SH cannot be used: no row has"):
        backtest_portfolio(**named, ticks=together[:4])


def test_ticks_come_from_files_frames_and_the_port(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(TRADES)
    pq.write_table(table, tmp_path / "ticks.parquet")
    pyarrow.csv.write_csv(table, tmp_path / "ticks.csv")
    marks = set()
    for given in (tmp_path / "ticks.parquet", str(tmp_path / "ticks.csv"), table.to_pandas(), table, table.to_pydict()):
        result = backtest(bought(), bars=DAYS, matching="next_tick_last", ticks=given)
        assert ended(result) == ("filled", 200, 10.11)
        marks.add(result.metrics["fingerprint"])
    assert len(marks) == 1
    asked = []

    class Source:
        def ticks(self, symbol: str, *, books: bool, start: str | None, end: str | None) -> BarTable | None:
            asked.append((symbol, books, start, end))
            return BarTable(rows=[DEEP]) if books else BarTable(rows=TRADES)

    with use_ports(Ports(ticks=Source())):
        assert ended(backtest(bought(), bars=DAYS, matching="next_tick_last", end="2024-01-03"))[2] == 10.11
        assert ended(backtest(bought(), bars=DAYS, matching="counterparty_offer", **A_SHARE))[2] == 10.16
    assert asked == [("", False, None, "2024-01-03"), ("600000.SH", True, None, None)]


def test_other_ticks_give_another_fingerprint() -> None:
    changed = [*TRADES[:-1], TRADES[-1] | {"qty": 2_001}]
    first, second = (
        backtest(bought(), bars=DAYS, matching="next_tick_last", ticks=ticks).metrics["fingerprint"]
        for ticks in (TRADES, changed)
    )
    assert first != second


def test_bars_without_ticks_are_told() -> None:
    result = backtest(bought(), bars=DAYS, matching="next_tick_last", ticks=TRADES, **A_SHARE)
    assert result.warnings == ["600000.SH: orders could meet no price on 1 of 3 bars"]
    assert "orders could meet no price" in result.summary()


@pytest.mark.parametrize(
    ("named", "error", "said"),
    [
        ({"matching": "next_open"}, ParameterInvalid, "'next_open' is not one of 'next_bar_open'"),
        ({"matching": "vwap", "fill": "this_close"}, ParameterInvalid, "contradicts fill"),
        ({"matching": "next_tick_last"}, TicksNeeded, "needs trades with ts, price and qty"),
        ({"matching": "vwap"}, TicksNeeded, "needs bars with an amount and a volume, or trades"),
        ({"matching": "counterparty_offer", "ticks": TRADES}, TicksNeeded, "The ticks have: price, qty"),
        ({"ticks": TRADES}, ParameterInvalid, "no order would meet them"),
        ({"matching": "next_tick_last", "ticks": "nowhere.parquet"}, TicksInvalid, "in nowhere.parquet cannot be used"),
        ({"matching": "next_tick_last", "ticks": 7}, TicksInvalid, "give a Parquet or CSV file"),
        ({"matching": "next_tick_last", "ticks": []}, ColumnMissing, "'ts'"),
        ({"matching": "next_tick_last", "ticks": [{"ts": "2024-01-03 09:30:00"}]}, ColumnMissing, "'price'"),
        ({"matching": "next_tick_last", "ticks": [TRADES[0] | {"ts": "soon"}]}, TicksInvalid, "in row 1"),
        ({"matching": "next_tick_last", "ticks": [TRADES[0] | {"price": "x"}]}, TicksInvalid, "no number"),
        ({"matching": "next_tick_last", "ticks": [TRADES[0] | {"qty": -1}]}, TicksInvalid, "row 1 cannot be used: qty"),
        ({"matching": "next_tick_last", "ticks": [TRADES[0] | {"price": 1e-9}]}, TicksInvalid, "8 places"),
        ({"slippage": "tick_size:2"}, ParameterInvalid, "give market_rules"),
        ({"slippage": "limit_price", "market_rules": "hk", "listing": "00700.HK"}, ParameterInvalid, "price limits"),
        ({"slippage": "much"}, ParameterInvalid, "'much' is not one of"),
        ({"slippage": "tick_size:1.5"} | A_SHARE, ParameterInvalid, "not a whole number of price steps"),
        ({"slippage": "price_ratio:1"} | A_SHARE, ParameterInvalid, "the whole price or more"),
        ({"slippage": "price_ratio:nan"} | A_SHARE, ParameterInvalid, "not a number of zero or more"),
        ({"slippage": "tick_size:1e999999999"} | A_SHARE, ParameterInvalid, "not a whole number of price steps"),
        ({"slippage": "price_ratio:1e-999999999"} | A_SHARE, ParameterInvalid, "less than a billionth"),
        ({"slippage": "price_ratio:0.0123456789012"} | A_SHARE, ParameterInvalid, "more digits than"),
        ({"slippage": ("tick_size", True)} | A_SHARE, ParameterInvalid, "True is no number"),
        ({"slippage": 5}, ParameterInvalid, "5 is not one of"),
        ({"slippage": "limit_price:3"} | A_SHARE, ParameterInvalid, "takes no size"),
        ({"slippage": "none", "slippage_bps": 1}, ParameterInvalid, "say one of them"),
    ],
)
def test_what_cannot_be_meant(named: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as raised:
        backtest(bought(), bars=DAYS, **named)
    assert said in str(raised.value)


def test_amounts_in_other_units_are_refused() -> None:
    rows = [row | {"amount": 10_100.0} for row in DAYS]
    with pytest.raises(ParameterInvalid, match="amounts are in the currency, volumes in shares"):
        backtest(bought(), bars=rows, matching="vwap")


def test_every_type_has_a_case_here() -> None:
    assert {kind.value for kind in MatchingType} == {
        "next_bar_open", "current_bar_close", "vwap", "open_auction", "next_tick_last", "next_tick_best_own",
        "next_tick_best_counterparty", "counterparty_offer",
    }  # fmt: skip


def test_another_future_has_amounts_of_its_own_prices() -> None:
    rows = [row | {"amount": row["volume"] * row["close"]} for row in walk(60)]
    other = scrambled(rows, 10, np.random.default_rng(1), names={})
    assert other[40]["close"] != rows[40]["close"]
    for row in other:
        assert row["amount"] / row["volume"] == pytest.approx(row["close"], abs=0.0051)
    assert lookahead_check(lambda _: crossing(), rows, samples=3, matching="vwap", **A_SHARE) == []
