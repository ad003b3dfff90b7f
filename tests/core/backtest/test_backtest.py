"""Ledgers computed by hand, and what each object of the guide does."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from core.backtest.api import backtest, backtest_portfolio
from core.backtest.model import BarTable, listing_of
from core.backtest.outcome import SENTINEL
from core.backtest.ports import Ports, use_ports
from core.backtest.strategy_code import code_parts, described
from core.backtest.watching import Progress
from core.clock import FrozenClock
from core.market.model import CorporateAction
from tests.support.backtest_rows import at, crossing, rows_of, walk

THREE = """
2024-01-02 10.00 10.00
2024-01-03 10.00 11.00
2024-01-04 12.00 12.00
"""


def test_next_open_with_commission_and_slippage() -> None:
    rows = rows_of(THREE)
    strategy = at({"2024-01-02": lambda ctx: ctx.buy(1000), "2024-01-03": lambda ctx: ctx.sell()})
    result = backtest(strategy, bars=rows, initial_cash=20_000, commission_bps=10, slippage_bps=20)
    # buy 1000 x 10.02 = 10,020 + 10.02; sell 1000 x 11.976 = 11,976 - 11.976
    assert [row["cash"] for row in result.equity_curve] == [20_000.0, 9_969.98, 21_934.004]
    assert [row["equity"] for row in result.equity_curve] == [20_000.0, 20_969.98, 21_934.004]
    assert [row["position"] for row in result.equity_curve] == [0, 1000, 0]
    assert result.trades == [
        {
            "entry_dt": "2024-01-03",
            "exit_dt": "2024-01-04",
            "qty": 1000,
            "entry_px": 10.02,
            "exit_px": 11.976,
            "pnl": 1934.004,
            "return_bps": pytest.approx(1934.004 / 10_030.02 * 10_000),
        }
    ]
    assert result.metrics["total_return"] == pytest.approx(21_934.004 / 20_000 - 1)
    assert result.metrics["fees"] == pytest.approx(10.02 + 11.976)


def test_this_close() -> None:
    strategy = at({"2024-01-02": lambda ctx: ctx.buy(0.5), "2024-01-04": lambda ctx: ctx.close_all()})
    result = backtest(strategy, bars=rows_of(THREE), initial_cash=10_000, fill="this_close")
    assert [row["position"] for row in result.equity_curve] == [500, 500, 0]
    assert result.equity_curve[-1]["cash"] == 11_000.0


def test_a_share_day_by_hand() -> None:
    rows = rows_of("2024-01-02 10 10 9000000 10\n2024-01-03 10.03 10.5 9000000 10\n2024-01-04 10.5 10.5 9000000 10.5")
    strategy = at({"2024-01-02": lambda ctx: ctx.buy(1000), "2024-01-03": lambda ctx: ctx.sell("all")})
    result = backtest(
        strategy, bars=rows, initial_cash=50_000, commission_bps=2.5, slippage_bps=5, market_rules="a_share",
        listing="600519.SH",
    )  # fmt: skip
    # 10.03 + 5 bp = 10.035015 up to 10.04: 10,040 + 5.00 (least) + 0.10; 10.50 - 5 bp = 10.49475 down to 10.49
    assert [row["cash"] for row in result.equity_curve] == [50_000.0, 39_954.9, 50_434.55]
    assert result.orders[1]["fees"] == 5.0 + 5.25 + 0.10


def test_t_plus_one_holds_for_minutes() -> None:
    rows = rows_of(
        """
        2024-01-02T09:31:00 10 10 9000000 10
        2024-01-02T09:32:00 10 10 9000000 10
        2024-01-02T09:33:00 10 10 9000000 10
        2024-01-03T09:31:00 10 10 9000000 10
        2024-01-03T09:32:00 10 10 9000000 10
        """
    )

    def strategy(bar: Any, ctx: Any) -> None:
        if len(ctx.history) == 1:
            ctx.buy(1000)
        else:
            ctx.sell(100)

    result = backtest(strategy, bars=rows, market_rules="a_share", listing="600519.SH")
    assert [order["reason"] for order in result.orders] == ["filled", "t_plus_one", "filled", "filled", "no_next_bar"]
    in_hong_kong = backtest(strategy, bars=rows, market_rules="hk", listing="00700.HK")
    assert [order["reason"] for order in in_hong_kong.orders][:2] == ["filled", "filled"]


def test_a_stock_suspended_on_the_next_trading_day_does_not_fill_later() -> None:
    text = "2024-01-02 10 10 9000000 10\n2024-01-05 10 10 9000000 10\n2024-01-08 10 10 9000000 10"
    strategy = at({"2024-01-02": lambda ctx: ctx.buy(100), "2024-01-05": lambda ctx: ctx.buy(100)})
    named: dict[str, Any] = {"market_rules": "a_share", "listing": "600519.SH"}
    result = backtest(strategy, bars=rows_of(text), **named)
    assert [(order["reason"], order["dt"]) for order in result.orders] == [
        ("suspended", None),
        ("filled", "2024-01-08"),
    ]
    carried = backtest(strategy, bars=rows_of(text), carry_orders=True, **named)
    assert [(order["reason"], order["dt"]) for order in carried.orders] == [
        ("filled", "2024-01-05"),
        ("filled", "2024-01-08"),
    ]
    assert [o["reason"] for o in backtest(strategy, bars=rows_of(text)).orders] == ["filled", "filled"]


def test_a_capped_order_goes_on_and_pays_the_least_commission_once_a_day() -> None:
    rows = rows_of(
        """
        2024-01-02T09:31:00 10 10 4000 10
        2024-01-02T09:32:00 10 10 4000 10
        2024-01-02T09:33:00 10 10 4000 10
        2024-01-03T09:31:00 10 10 4000 10
        """
    )
    strategy = at({"2024-01-02 09:31:00": lambda ctx: ctx.buy(3000)})
    result = backtest(
        strategy, bars=rows, commission_bps=2, carry_orders=True, market_rules="a_share", listing="000001.SZ"
    )
    (order,) = result.orders
    assert (order["filled"], order["reason"], order["dt"]) == (3000, "filled", "2024-01-03 09:31:00")
    assert order["fees"] == pytest.approx(5.0 + 0.2 + 5.0 + 0.1)  # two days: 20,000 and 10,000 of amount
    alone = backtest(strategy, bars=rows, commission_bps=2, market_rules="a_share", listing="000001.SZ")
    assert (alone.orders[0]["filled"], alone.orders[0]["reason"]) == (1000, "partial_volume")


def test_dividend_bonus_and_tax() -> None:
    rows = rows_of(
        "2024-01-02 10 10 9000000 10\n2024-01-03 10 10 9000000 10\n2024-01-04 6.5 6.5 9000000 6.5\n"
        "2024-01-05 6.5 6.5 9000000 6.5"
    )
    action = CorporateAction(
        symbol="600519.SH",
        ex_date=date(2024, 1, 4),
        cash_per_share=Decimal("0.25"),
        bonus_per_share=Decimal("0.5"),
        rights_per_share=Decimal(0),
        rights_price=Decimal(0),
    )
    strategy = at({"2024-01-02": lambda ctx: ctx.buy(300), "2024-01-04": lambda ctx: ctx.sell()})
    named: dict[str, Any] = {"market_rules": "a_share", "listing": "600519.SH", "actions": [action]}
    result = backtest(strategy, bars=rows, initial_cash=10_000, dividend_tax="cn_individual", **named)
    # 300 shares: cash 75, 150 bonus shares; sold within a month: 20 % of 75 = 15
    assert [row["position"] for row in result.equity_curve] == [0, 300, 450, 0]
    assert result.equity_curve[2]["cash"] == 10_000 - 3_000 - 0.03 + 75
    fees = round(2925 * 0.0005, 2) + 0.03
    assert result.equity_curve[3]["cash"] == pytest.approx(7_074.97 + 2_925 - 15 - fees)
    untaxed = backtest(strategy, bars=rows, initial_cash=10_000, **named)
    assert untaxed.equity_curve[3]["cash"] - result.equity_curve[3]["cash"] == pytest.approx(15)
    assert result.trades[0]["pnl"] == pytest.approx(result.equity_curve[3]["equity"] - 10_000)


def test_rights_not_taken_are_told_with_what_they_cost() -> None:
    rows = rows_of("2024-01-02 10 10 9000000 10\n2024-01-03 10 10 9000000 10\n2024-01-04 9 9 9000000 9")
    offer = CorporateAction(
        symbol="600519.SH",
        ex_date=date(2024, 1, 4),
        cash_per_share=Decimal(0),
        bonus_per_share=Decimal(0),
        rights_per_share=Decimal("0.25"),
        rights_price=Decimal(5),
    )
    strategy = at({"2024-01-02": lambda ctx: ctx.buy(1000)})
    named: dict[str, Any] = {"market_rules": "a_share", "listing": "600519.SH", "actions": [offer]}
    # after the offer (10 + 5 x 0.25) / 1.25 = 9; 250 shares at 5 are worth 4 each
    said = (
        "600519.SH: rights to 250 shares at 5 on 2024-01-04 were not taken, which cost 1,000.00; take_rights takes them"
    )
    passed, taken = (backtest(strategy, bars=rows, take_rights=take, **named) for take in (False, True))
    assert (passed.warnings, taken.warnings) == ([said], [])
    lost = taken.equity_curve[-1]["equity"] - passed.equity_curve[-1]["equity"]
    assert lost == pytest.approx(1_000)
    assert f"note: {said}" in passed.summary()
    assert backtest(lambda bar, ctx: None, bars=rows, **named).warnings == []
    together = backtest_portfolio(
        {"x": strategy}, bars={"x": rows}, market_rules="a_share", listings={"x": "600519.SH"}, actions={"x": [offer]}
    )
    assert together.warnings == [said]


def test_sells_settle_before_buys_and_in_the_order_of_assets() -> None:
    rows = rows_of(THREE)
    buyer = at({"2024-01-02": lambda ctx: ctx.buy("all"), "2024-01-03": lambda ctx: ctx.sell()})
    later = at({"2024-01-02": lambda ctx: ctx.buy("all"), "2024-01-03": lambda ctx: ctx.buy("all")})
    for assets in (["a", "b"], ["b", "a"]):
        result = backtest_portfolio({"a": buyer, "b": later}, assets, bars={"a": rows, "b": rows}, initial_cash=10_000)
        first = [(order["symbol"], order["reason"]) for order in result.orders[:2]]
        assert first == [(assets[0], "filled"), (assets[1], "insufficient_cash")]
    result = backtest_portfolio({"b": later, "a": buyer}, ["a", "b"], bars={"a": rows, "b": rows}, initial_cash=10_000)
    assert result.metrics["per_asset"]["a"]["num_trades"] == 1
    assert result.equity_curve[-1] == {
        "dt": "2024-01-04", "equity": 12_000.0, "cash": 0.0, "position": 1, "close": 12_000.0
    }  # fmt: skip
    assert result.metrics["per_asset"]["a"] == {
        "return": pytest.approx(0.2), "max_drawdown": 0.0, "num_trades": 1, "contribution": pytest.approx(0.2),
    }  # fmt: skip
    assert result.metrics["per_asset"]["b"]["contribution"] == 0.0


def test_bars_and_context_are_what_the_guide_says() -> None:
    seen: list[Any] = []
    rows = [
        {"day_id": "20240102", "OPEN_PRICE": 10.0, "CLOSE_PRICE": 10.5, "STOCK_NUM": "000001", "extra": "x"},
        {"day_id": "20240103", "OPEN_PRICE": 10.5, "CLOSE_PRICE": 11.0, "STOCK_NUM": "000001", "extra": "y"},
        {"day_id": "20240103", "OPEN_PRICE": 99.0, "CLOSE_PRICE": 99.0, "STOCK_NUM": "600519", "extra": "z"},
        {"day_id": "20240104", "OPEN_PRICE": 11.0, "CLOSE_PRICE": 11.0, "STOCK_NUM": "000001", "extra": "w"},
    ]

    def strategy(bar: Any, ctx: Any) -> None:
        seen.append((bar.dt, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.raw["extra"]))
        seen.append((ctx.position, ctx.cash, ctx.equity, ctx.nav, [one.dt for one in ctx.history]))
        if len(ctx.history) == 1:
            ctx.order_target_pct(0.5)

    result = backtest(
        strategy,
        bars=rows,
        date_column="day_id",
        price_columns={"open": "OPEN_PRICE", "close": "CLOSE_PRICE"},
        filter_column="STOCK_NUM",
        filter_value="000001",
        start="2024-01-02",
        end="20240103",
        initial_cash=10_500,
    )
    assert seen == [
        ("20240102", 10.0, None, None, 10.5, None, "x"),
        (0, 10_500.0, 10_500.0, 1.0, ["20240102"]),
        ("20240103", 10.5, None, None, 11.0, None, "y"),
        (500, 5_250.0, 10_750.0, 10_750 / 10_500, ["20240102", "20240103"]),
    ]
    assert list(result.equity_curve[0]) == ["dt", "equity", "cash", "position", "close"]


def test_limits_skip_orders() -> None:
    strategy = at(
        {
            "2024-01-02": lambda ctx: (ctx.buy(100, limit_price=9.99), ctx.buy(100, limit_price=10)),
            "2024-01-03": lambda ctx: (ctx.sell(50, limit_price=12.01), ctx.sell(50, limit_price=12)),
        }
    )
    result = backtest(strategy, bars=rows_of(THREE))
    assert [order["reason"] for order in result.orders] == ["limit_price", "filled", "limit_price", "filled"]
    assert result.reasons == {"limit_price": 2, "filled": 2}
    assert "limit_price: The price was beyond the order's own limit." in result.summary()


def test_warmup_history_cap_and_hooks() -> None:
    seen: list[Any] = []

    class Strategy:
        def on_start(self, ctx: Any) -> None:
            seen.append(("start", len(ctx.history), ctx.cash))

        def on_bar(self, bar: Any, ctx: Any) -> None:
            seen.append((bar.dt, [one.dt[-2:] for one in ctx.history]))

        def on_end(self, ctx: Any) -> None:
            seen.append(("end", ctx.reject_reasons))

    backtest(Strategy(), bars=rows_of(THREE), warmup_bars=1, max_history=2)
    assert seen == [
        ("start", 0, 1_000_000.0),
        ("2024-01-03", ["02", "03"]),
        ("2024-01-04", ["03", "04"]),
        ("end", {}),
    ]


def test_on_trade_benchmark_and_ports(capsys: pytest.CaptureFixture[str]) -> None:
    closed: list[dict[str, Any]] = []
    saved: list[Any] = []

    class Desk:
        def bars(self, asset: Any, *, filter_column: Any, filter_value: Any, start: Any, end: Any) -> BarTable:
            return BarTable(rows=walk(80, seed=3 if asset == "index" else 7), simulated=True)

        def save(self, result: dict[str, Any], *, name: str | None) -> int:
            saved.append((name, result["metrics"]["num_trades"]))
            return 17

    with use_ports(Ports(source=Desk(), sink=Desk())):
        result = backtest(
            crossing(2, 5), "stock_day", benchmark_asset="index", on_trade=closed.append, persist=True, persist_name="x"
        )
    assert closed == result.trades
    assert closed
    assert saved == [("x", len(closed))]
    assert result.simulated
    assert result.persist("again") == 17
    assert isinstance(result.metrics["beta"], float)
    assert isinstance(result.metrics["alpha"], float)
    result.export_to_context("run1")
    mark, name, payload = capsys.readouterr().out.strip().split(":", 2)
    assert (mark, name) == (SENTINEL, "run1")
    assert json.loads(payload)["metrics"]["num_trades"] == len(closed)


def test_the_first_days_of_a_listing_are_counted_when_the_run_begins_later() -> None:
    days = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09", "2024-01-10"]
    prices = [10.0, 13.0, 17.0, 22.0, 29.0, 38.0, 50.0]
    rows = [
        {"trade_date": day, "open": price, "close": price, "pre_close": before, "volume": 10**8}
        for day, price, before in zip(days, prices, [10.0, *prices], strict=False)
    ]
    listing = listing_of("301999.SZ")
    assert listing is not None
    for start, ends in ((0, ["filled"] * 4 + ["limit_up"] * 2), (2, ["filled"] * 2 + ["limit_up"] * 2)):
        result = backtest(
            lambda bar, ctx: ctx.buy(100), bars=rows, start=days[start], market_rules="a_share",
            listing=replace(listing, list_date=date(2024, 1, 2)),
        )  # fmt: skip
        assert [order["reason"] for order in result.orders] == [*ends, "no_next_bar"]


def test_what_to_know_of_a_run_is_told_in_words() -> None:
    bars = walk(30)
    result = backtest(crossing(2, 5), bars=bars, benchmark_bars=bars[5:-5])
    assert result.warnings == ["stale_benchmark", "starts_late"]
    told = result.summary()
    assert "note: The benchmark ends before the run; the comparison is cut there." in told
    assert f"\nalpha_annualized  {result.metrics['alpha_annualized']:.2%}\n" in told
    in_hong_kong: dict[str, Any] = {"bars": bars, "market_rules": "hk"}
    (note,) = backtest(crossing(2, 5), **in_hong_kong, listing="00700.HK").warnings
    assert note == "00700.HK: its board lot is not known, so orders for any number of shares were taken"
    listing = listing_of("00700.HK")
    assert listing is not None
    assert backtest(crossing(2, 5), **in_hong_kong, listing=replace(listing, lot_size=100)).warnings == []


def test_what_a_strategy_holds_is_part_of_the_fingerprint() -> None:
    from core.backtest.strategies.replay import RealTrade, ReplayTrades
    from core.matching.model import Side

    def printed(quantity: int) -> str:
        trades = [RealTrade("20240103", Side.BUY, quantity)]
        return backtest(ReplayTrades(trades), bars=walk(5)).metrics["fingerprint"]

    assert printed(100) == printed(100) != printed(200)


def test_equal_runs_have_equal_fingerprints_and_results() -> None:
    rows = walk(60)
    one, two = backtest(crossing(), bars=rows), backtest(crossing(), bars=rows)
    assert one.to_dict() == two.to_dict()
    different = [
        backtest(crossing(4), bars=rows),
        backtest(crossing(), bars=rows[:-1]),
        backtest(crossing(), bars=rows, commission_bps=1),
    ]
    assert len({one.metrics["fingerprint"], *(other.metrics["fingerprint"] for other in different)}) == 4


def test_progress_is_told_between_blocks(clock: FrozenClock) -> None:
    told: list[Progress] = []
    backtest(lambda bar, ctx: None, bars=walk(1_000), progress=told.append, clock=clock)
    assert [(one.done, one.total) for one in told] == [(0, 1_000), (1_000, 1_000)]
    assert told[-1].eta_seconds == 0.0


def test_progress_of_a_long_run_changes_nothing(clock: FrozenClock) -> None:
    told: list[Progress] = []
    bars = walk(2_100)
    heard = backtest(crossing(), bars=bars, progress=told.append, clock=clock)
    assert [one.done for one in told] == [0, 1_024, 2_048, 2_100]
    assert heard.to_dict() == backtest(crossing(), bars=bars).to_dict()
    told.clear()
    backtest_portfolio({"a": crossing()}, bars={"a": bars}, progress=told.append, clock=clock)
    assert [one.done for one in told] == [0, 1_024, 2_048, 2_100]


def test_a_fingerprint_does_not_show_the_order_of_a_set() -> None:
    chosen = (lambda bar, _: bar.dt in {"2024-01-02", "2024-01-03", "2024-01-04"}).__code__
    told = "".join(code_parts(chosen)) + described(frozenset("abcdef"))
    assert "frozenset" not in told
    assert "<'2024-01-02', '2024-01-03', '2024-01-04'>" in told
    assert told.endswith("<'a', 'b', 'c', 'd', 'e', 'f'>")
