"""What a panel run orders, what must hold for every one, and what it refuses."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.backtest.api import backtest_portfolio
from core.backtest.panel import backtest_panel
from core.backtest.panel_decisions import Orders, PanelOrder, TargetWeights, TopK
from core.backtest.panel_market import panel_market
from core.backtest.problems import (
    BarsInvalid,
    BarsMissing,
    ColumnMissing,
    ListingUnknown,
    OrderInvalid,
    ParameterInvalid,
)
from core.backtest.strategies.small_cap import small_cap_rotation
from core.backtest.watching import Progress
from core.market.model import CorporateAction
from core.market.panel import Panel
from tests.support.backtest_rows import walk
from tests.support.panel_runs import on_panel, random_panel_run

SYMBOLS = ("000001.SZ", "000002.SZ", "300001.SZ", "600001.SH", "688001.SH")
NOTHING = dict.fromkeys(("bonus_per_share", "rights_per_share", "rights_price"), Decimal(0))
COSTS: dict[str, Any] = {"commission_bps": 3.0, "initial_cash": 1_000_000.0}


def market_of(days: int = 120, *, seed: int = 1, symbols: tuple[str, ...] = SYMBOLS, **more: Any) -> Panel:
    """Walks over the same days, with gaps; each symbol's walk is its own whatever the others are."""
    walks = [walk(days, seed=seed * 100 + sum(map(ord, symbol)), start="2021-01-04") for symbol in symbols]
    columns: dict[str, Any] = {
        name: np.array([[row[name] for row in rows] for rows in walks]).T
        for name in ("open", "high", "low", "close", "volume", "pre_close")
    }
    for place, symbol in enumerate(symbols):
        gone = np.random.default_rng(seed + sum(map(ord, symbol))).random(days) < 0.05
        for name in ("open", "high", "low", "close", "pre_close"):
            columns[name][gone, place] = np.nan
        columns["volume"][gone, place] = 0
    columns["total_shares"] = np.tile(np.arange(1, len(symbols) + 1) * 1_000_000, (days, 1))
    return Panel(np.array([row["trade_date"] for row in walks[0]], dtype="datetime64[D]"), symbols, columns | more)


def chosen_by(result: Any, day: str) -> dict[str, float]:
    """Return the targets ordered on a day."""
    return {one["symbol"]: one["size"] for one in result.orders if one["submitted_dt"] == day}


def test_the_best_of_a_rank_are_those_that_sorting_finds() -> None:
    panel = market_of()
    rank = np.round(np.random.default_rng(5).normal(0, 2, panel["close"].shape))
    rank[np.random.default_rng(6).random(rank.shape) < 0.2] = np.nan
    for ascending in (True, False):
        decisions = TopK(rank_by=rank, k=2, every=4, ascending=ascending, reserve=0.02)
        result = backtest_panel(panel, decisions, market_rules="a_share", **COSTS)
        for day in range(0, len(panel.days), 4):
            values = [
                (value if ascending else -value, place)
                for place, value in enumerate(rank[day].tolist())
                if value == value and panel["close"][day, place] > 0
            ]
            expected = {SYMBOLS[place] for _, place in sorted(values)[:2]}
            ordered = chosen_by(result, str(panel.days[day]))
            assert {symbol for symbol, size in ordered.items() if size > 0} == expected
            assert set(ordered.values()) <= {0.0, 0.49}
        assert {one["submitted_dt"] for one in result.orders} <= {str(day) for day in panel.days[::4]}
        assert result.holdings.max() <= 4


def test_filters_and_what_stays_is_left_alone() -> None:
    panel = market_of(is_st=np.tile(np.array([1, 0, 0, 0, 0]), (120, 1)))
    rank = np.tile(np.arange(5.0), (120, 1))
    among = np.ones(rank.shape, dtype=bool)
    among[:, 1] = False
    decisions = TopK(rank_by=rank, k=2, every=10, among=among, exclude_st=True, rebalance=False, first=3)
    result = backtest_panel(panel, decisions, market_rules="a_share", **COSTS)
    assert (
        {"300001.SZ", "600001.SH"}
        <= {one["symbol"] for one in result.orders}
        <= {"300001.SZ", "600001.SH", "688001.SH"}
    )
    first = min(one["submitted_dt"] for one in result.orders)
    assert first == str(panel.days[3])
    filled = [one for one in result.orders if one["size"] > 0 and one["reason"] == "filled"]
    assert 2 <= len(filled) <= 6
    young = backtest_panel(panel, TopK(rank_by=rank, k=2, least_days=50), market_rules="a_share", **COSTS)
    assert min(one["submitted_dt"] for one in young.orders) == str(panel.days[50])


def test_weights_are_the_targets_of_the_portfolio_driver() -> None:
    panel = market_of()
    weights = np.full(panel["close"].shape, np.nan)
    weights[::7] = np.random.default_rng(2).dirichlet(np.ones(5), len(panel.days[::7])).round(3) * 0.98
    weights[np.isnan(panel["close"])] = np.nan
    at = {str(day): row for row, day in enumerate(panel.days)}

    def strategy(place: int) -> Any:
        def on_bar(bar: Any, ctx: Any) -> None:
            weight = weights[at[bar.dt], place]
            if weight == weight:
                ctx.order_target_pct(float(weight))

        return on_bar

    names = ("open", "high", "low", "close", "volume", "pre_close")
    rows = {
        symbol: [
            {"trade_date": str(day), **{name: float(panel[name][row, place]) for name in names}}
            for row, day in enumerate(panel.days)
            if panel["close"][row, place] > 0
        ]
        for place, symbol in enumerate(SYMBOLS)
    }
    slow = backtest_portfolio(
        {symbol: strategy(place) for place, symbol in enumerate(SYMBOLS)}, bars=rows, market_rules="a_share", **COSTS
    )
    fast = backtest_panel(panel, TargetWeights(weights), market_rules="a_share", **COSTS)
    named = {
        day.item(): {
            symbol: float(weights[row, place]) for place, symbol in enumerate(SYMBOLS) if weights[row, place] >= 0
        }
        for row, day in enumerate(panel.days)
    }
    mapped = backtest_panel(panel, TargetWeights(named), market_rules="a_share", **COSTS)
    assert fast.orders == slow.orders == mapped.orders
    assert fast.equity_curve == slow.equity_curve
    assert len(fast.trades) > 20


def test_a_function_of_the_panel_sees_nothing_later() -> None:
    panel, seen = market_of(), []

    def cheapest(shown: Panel) -> dict[str, float]:
        seen.append(len(shown.days))
        assert all(len(column) == len(shown.days) for column in shown.columns.values())
        return {SYMBOLS[int(np.nanargmin(shown["close"][-1]))]: 0.9}

    weights = TargetWeights.by(cheapest, panel, every=30, first=9)
    assert seen == [10, 40, 70, 100]
    result = backtest_panel(panel, weights, **COSTS)
    held = [{symbol for symbol, size in chosen_by(result, str(panel.days[row])).items() if size} for row in (9, 39)]
    assert all(len(one) == 1 for one in held)


@settings(deadline=None, max_examples=25)
@given(st.integers(1_000, 50_000))
def test_cash_and_marks_are_the_equity_and_nothing_is_negative(seed: int) -> None:
    run = random_panel_run(seed)
    result = on_panel(run)
    book, closes = result.book, result.market.tape.closes
    positions, last = np.zeros(len(run.assets), dtype=np.int64), np.zeros(len(run.assets), dtype=np.int64)
    changes = book.changes[: book.account[7]].tolist()
    assert (book.curve[:, 1] >= 0).all()
    factor, divisor = result.market.scale.tolist()
    for day in range(len(closes)):
        for _, symbol, shares, *_ in (change for change in changes if change[0] == day):
            assert shares >= 0
            positions[symbol] = shares
        last = np.where(closes[day] > 0, closes[day], last)
        worth = sum(int(held) * int(price) * factor // divisor for held, price in zip(positions, last, strict=True))
        assert abs(book.curve[day, 0] - book.curve[day, 1] - worth) <= len(run.assets)
    assert "pending" not in result.reasons
    assert sum(gave["contribution"] for gave in result.per_asset().values()) == pytest.approx(
        result.metrics["total_return"], abs=1e-9
    )


@pytest.mark.parametrize("kept", [30, 61, 90])
def test_later_days_never_change_the_past(kept: int) -> None:
    panel = market_of(120)
    part = Panel(panel.days[:kept], SYMBOLS, {name: column[:kept] for name, column in panel.columns.items()})
    scrambled = {name: column.copy() for name, column in panel.columns.items()}
    for column in scrambled.values():
        column[kept:] = column[kept:][::-1]
    later = Panel(panel.days, SYMBOLS, scrambled)
    decisions = TopK(rank_by="close", k=2, every=3)
    whole, short, other = (
        backtest_panel(one, decisions, market_rules="a_share", **COSTS) for one in (panel, part, later)
    )
    assert whole.equity_curve[:kept] == short.equity_curve == other.equity_curve[:kept]
    last = str(panel.days[kept - 1])
    told = [[one for one in run.orders if one["dt"] and one["dt"] <= last] for run in (whole, short, other)]
    assert told[0] == told[1] == told[2]
    given = [
        [(one["symbol"], one["size"]) for one in run.orders if one["submitted_dt"] <= last] for run in (whole, other)
    ]
    assert given[0] == given[1]


def test_unrelated_symbols_change_nothing() -> None:
    """More symbols that are never chosen, before and between the others, leave every cent where it was."""
    few, many = market_of(), market_of(symbols=("000001.SZ", "000002.SZ", "000003.SZ", *SYMBOLS[2:], "688009.SH"))
    weights = {day.item(): {"000002.SZ": 0.5, "688001.SH": 0.3} for day in few.days[::9]}
    one, two = (backtest_panel(panel, TargetWeights(weights), market_rules="a_share", **COSTS) for panel in (few, many))
    assert one.orders == two.orders
    assert one.equity_curve == two.equity_curve


def test_a_stretch_of_days_and_a_market_used_again() -> None:
    action = CorporateAction(symbol="600001.SH", ex_date=date(2021, 2, 3), cash_per_share=Decimal("0.5"), **NOTHING)
    market = panel_market(market_of(), market_rules="a_share", actions=[action])
    decisions = TopK(rank_by="close", k=5, every=5)
    whole = backtest_panel(market, decisions, dividend_tax="cn_individual", **COSTS)
    again = backtest_panel(market, decisions, dividend_tax="cn_individual", **COSTS)
    assert again.metrics == whole.metrics
    assert again.orders == whole.orders
    part = backtest_panel(market, decisions, start="20210301", end="2021-04-30", dividend_tax="cn_individual", **COSTS)
    assert part.equity_curve[0]["dt"] == "2021-03-01"
    assert part.equity_curve[-1]["dt"] == "2021-04-30"
    assert len({run.metrics["fingerprint"] for run in (whole, again, part)}) == 2
    with pytest.raises(ParameterInvalid, match="said to panel_market"):
        backtest_panel(market, decisions, market_rules="a_share")


def test_small_caps_of_the_panel() -> None:
    panel = market_of()
    result = backtest_panel(panel, small_cap_rotation(panel, count=2, every=10, least_days=20), **COSTS)
    caps = np.where(panel["volume"][20] > 0, panel["close"][20] * panel["total_shares"][20], np.inf)
    expected = {SYMBOLS[place] for place in np.argsort(caps)[:2]}
    assert chosen_by(result, str(panel.days[20])) == dict.fromkeys(expected, 0.49)
    with pytest.raises(ColumnMissing, match="total_shares"):
        small_cap_rotation(Panel(panel.days, SYMBOLS, {"close": panel["close"]}))


def test_the_result_reads_like_any_other(tmp_path: Any) -> None:
    told: list[Progress] = []
    result = backtest_panel(
        market_of(), TopK(rank_by="close", k=2, every=5), market_rules="a_share", progress=told.append, **COSTS
    )
    assert told[-1].done == told[-1].total == 120
    plain = result.to_dict()
    assert set(plain["metrics"]["per_asset"]) <= set(SYMBOLS)
    assert sum(result.reasons.values()) == len(plain["orders"])
    assert "orders: " in result.summary()
    assert result.report(tmp_path / "out.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_days_without_volume_can_be_suspensions() -> None:
    panel = market_of()
    filled = {name: np.where(np.isnan(column), 10.0, column) for name, column in panel.columns.items()}
    written = panel_market(Panel(panel.days, SYMBOLS, filled), market_rules="a_share", skip_untraded=True)
    decisions = TopK(rank_by=panel["close"], k=2, every=5)
    one = backtest_panel(panel, decisions, market_rules="a_share", **COSTS)
    assert backtest_panel(written, decisions, **COSTS).orders == one.orders


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("open", np.nan, "Row 4 .300001.SZ .*open is nan"),
        ("close", -1.0, "close is -1"),
        ("close", 0.123456789, "round prices to 8 places"),
        ("low", 1e6, "is below low"),
        ("volume", -5, "volume is -5"),
        ("pre_close", np.nan, "300001.SZ .*pre_close is nan"),
    ],
)
def test_cells_that_no_market_has(column: str, value: float, message: str) -> None:
    panel = market_of()
    for name, cells in panel.columns.items():
        cells[:] = np.where(np.isnan(cells), 10.0, cells) if name != "volume" else 1_000
    panel.columns["high"][:], panel.columns["low"][:] = 1e5, 1.0
    panel.columns[column][3, 2] = value
    with pytest.raises(BarsInvalid, match=message):
        panel_market(panel, market_rules="a_share")


def test_what_cannot_be_meant() -> None:
    panel = market_of(20)
    day = panel.days[0].item()
    only_close = Panel(panel.days, SYMBOLS, {"close": panel["close"]})
    with pytest.raises(ColumnMissing, match="'open'"):
        backtest_panel(only_close, TopK(rank_by="close", k=1))
    assert backtest_panel(only_close, TopK(rank_by="close", k=1), fill="this_close").metrics["num_trades"] > 0
    with pytest.raises(ColumnMissing, match="pre_close"):
        panel_market(only_close, market_rules="a_share")
    with pytest.raises(ListingUnknown, match="a_share"):
        panel_market(Panel(panel.days, ("A", "B", "C", "D", "E"), panel.columns), market_rules="a_share")
    with pytest.raises(BarsMissing):
        panel_market(Panel(panel.days[:0], (), {}))
    with pytest.raises(ParameterInvalid, match="must ascend"):
        panel_market(Panel(panel.days[::-1], SYMBOLS, panel.columns))
    with pytest.raises(ParameterInvalid, match="no column 'cap'"):
        backtest_panel(panel, TopK(rank_by="cap", k=1))
    with pytest.raises(ParameterInvalid, match="its shape is"):
        backtest_panel(panel, TopK(rank_by=np.zeros((2, 2)), k=1))
    with pytest.raises(ColumnMissing, match="exclude_st"):
        backtest_panel(panel, TopK(rank_by="close", k=1, exclude_st=True))
    with pytest.raises(OrderInvalid, match="from 0 to 1"):
        backtest_panel(panel, TargetWeights({day: {"600001.SH": 1.5}}))
    with pytest.raises(OrderInvalid, match=r"not 2 \(600001\.SH on 2021-01-05"):
        backtest_panel(panel, TargetWeights(np.full((20, 5), [np.nan, np.nan, np.nan, 2.0, np.nan])))
    for order, message in (
        (PanelOrder(day="2030-01-01", symbol="600001.SH", side="buy"), "no day 2030-01-01"),
        (PanelOrder(day=day, symbol="600002.SH", side="buy"), "no symbol 600002.SH"),
        (PanelOrder(day=day, symbol="600001.SH", side="short"), "A side is"),
        (PanelOrder(day=day, symbol="600001.SH", side="buy", size=-5), "A size is"),
        (PanelOrder(day=day, symbol="600001.SH", side="buy", limit_price=0), "A limit price"),
    ):
        with pytest.raises(OrderInvalid, match=message):
            backtest_panel(panel, Orders([order]))
    for wrong in ({"k": 0}, {"k": 2, "every": 0}, {"k": 2, "weight": 1.5}, {"k": 2, "reserve": 0.9}):
        with pytest.raises(ParameterInvalid):
            TopK(rank_by="close", **wrong)
