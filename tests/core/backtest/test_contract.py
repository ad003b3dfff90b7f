"""What the user guide promises of names, defaults and sizes, word by word."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from core.backtest.api import backtest, backtest_portfolio
from core.backtest.model import Bar
from tests.support.backtest_rows import crossing, rows_of, walk

ORIGINAL = {
    "strategy": inspect.Parameter.empty,
    "asset": None,
    "start": None,
    "end": None,
    "initial_cash": 1_000_000.0,
    "commission_bps": 0.0,
    "slippage_bps": 0.0,
    "fill": "next_open",
    "date_column": "trade_date",
    "price_columns": None,
    "filter_column": None,
    "filter_value": None,
    "warmup_bars": 0,
    "max_bars": 1_000_000,
    "max_history": None,
    "on_trade": None,
    "benchmark_asset": None,
    "benchmark_price_column": None,
    "benchmark_filter_column": None,
    "benchmark_filter_value": None,
    "persist": False,
    "persist_name": None,
    "bars": None,
}
OURS = {"market_rules": None, "volume_limit": None, "seed": None, "annualization": 252}
METRICS = {
    "total_return", "cagr", "sharpe", "sortino", "max_drawdown", "win_rate", "profit_factor", "num_trades", "exposure",
    "volatility", "calmar", "turnover", "fees", "deflated_sharpe", "yearly", "fingerprint",
}  # fmt: skip
BESIDE_A_BENCHMARK = {"benchmark_return", "alpha", "beta"}


def test_parameters_and_their_defaults() -> None:
    found = inspect.signature(backtest).parameters
    positional = {name: one.default for name, one in found.items() if one.kind is one.POSITIONAL_OR_KEYWORD}
    assert list(positional.items()) == list(ORIGINAL.items())
    more = {name: one.default for name, one in found.items() if one.kind is one.KEYWORD_ONLY}
    assert more.items() >= OURS.items()


def test_the_fields_of_a_bar() -> None:
    assert Bar._fields == ("dt", "open", "high", "low", "close", "volume", "raw")


def test_names_of_figures() -> None:
    bars = walk(60)
    alone, beside = backtest(crossing(), bars=bars), backtest(crossing(), bars=bars, benchmark_bars=walk(60, seed=8))
    assert alone.metrics.keys() >= METRICS
    assert not alone.metrics.keys() & BESIDE_A_BENCHMARK
    assert beside.metrics.keys() >= METRICS | BESIDE_A_BENCHMARK
    pool = backtest_portfolio({"a": crossing(), "b": crossing()}, bars={"a": bars, "b": bars})
    assert pool.metrics.keys() >= METRICS
    assert set(pool.metrics["per_asset"]["a"]) == {"return", "max_drawdown", "num_trades", "contribution"}
    assert pool.equity_curve[-1]["close"] == pool.equity_curve[-1]["equity"]


def test_what_does_not_exist_is_none_with_a_reason_and_never_nan() -> None:
    result = backtest(lambda bar, ctx: None, bars=walk(30))
    missing = {name for name, value in result.metrics.items() if value is None}
    assert missing == set(result.undefined) >= {"sharpe", "sortino", "win_rate", "profit_factor", "calmar"}
    assert "sharpe            - (All returns are equal.)" in result.summary()


@pytest.mark.parametrize(
    ("size", "bought"),
    [("all", 100_000), (1.0, 100_000), (1, 1), (0.5, 50_000), (7, 7), (1e-3, 100)],
)
def test_a_float_is_a_part_and_an_integer_shares(size: Any, bought: int) -> None:
    rows = rows_of("2024-01-02 10 10\n2024-01-03 10 10\n2024-01-04 10 10")
    result = backtest(lambda bar, ctx: None if ctx.position else ctx.buy(size), bars=rows)
    assert result.equity_curve[1]["position"] == bought
    held = backtest(
        lambda bar, ctx: ctx.sell(size) if ctx.position else ctx.buy(100_000), bars=rows
    )  # a part of the shares held
    assert held.equity_curve[2]["position"] == 100_000 - bought


@pytest.mark.parametrize("spelling", ["%Y%m%d", "%Y-%m-%d"])
def test_both_spellings_of_dates_go_in_and_the_datas_own_comes_out(spelling: str) -> None:
    import datetime

    rows = walk(10)
    for row in rows:
        row["trade_date"] = datetime.date.fromisoformat(row["trade_date"]).strftime(spelling)
    spelled = [row["trade_date"] for row in rows]
    iso = datetime.datetime.strptime(spelled[2], spelling).replace(tzinfo=datetime.UTC).date()
    for start in (iso.isoformat(), iso.strftime("%Y%m%d")):
        result = backtest(lambda bar, ctx: ctx.buy(1), bars=rows, start=start, end=spelled[6])
        assert [row["dt"] for row in result.equity_curve] == spelled[2:7]
        assert result.orders[0]["dt"] == spelled[3]


def test_pictures_and_pages(tmp_path: Path) -> None:
    result = backtest(crossing(), bars=walk(60))
    assert result.plot().startswith("<svg")
    path = result.report(tmp_path / "out.html")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
