"""The examples of the user guide, as written there; `lg_utils` is played by small stand-ins."""

from functools import partial
from typing import Any

import pytest

from core.backtest.api import backtest, backtest_portfolio
from tests.support.backtest_rows import walk


def stock_day(stock_num: str, *, seed: int = 7) -> list[dict[str, Any]]:
    return [
        {
            "day_id": row["trade_date"].replace("-", ""),
            "STOCK_NUM": stock_num,
            "OPEN_PRICE": row["open"],
            "HIGH_PRICE": row["high"],
            "LOW_PRICE": row["low"],
            "CLOSE_PRICE": row["close"],
            "VOLUME": row["volume"],
        }
        for row in walk(400, seed=seed, start="2023-06-01")
    ]


COLUMNS = {"open": "OPEN_PRICE", "high": "HIGH_PRICE", "low": "LOW_PRICE", "close": "CLOSE_PRICE", "volume": "VOLUME"}
STOCKS = {"000001": stock_day("000001"), "600519": stock_day("600519", seed=8)}


def run_stock_day_backtest(*, strategy: Any, stock_num: str, **named: Any) -> Any:
    return backtest(
        strategy,
        bars=STOCKS[stock_num],
        date_column="day_id",
        price_columns=COLUMNS,
        filter_column="STOCK_NUM",
        filter_value=stock_num,
        **named,
    )


def run_stock_day_portfolio_backtest(*, strategies: Any, stock_nums: list[str], **named: Any) -> Any:
    return backtest_portfolio(
        strategies,
        stock_nums,
        bars=STOCKS,
        date_column="day_id",
        price_columns=COLUMNS,
        filter_column="STOCK_NUM",
        **named,
    )


def test_minimal_single_stock(capsys: pytest.CaptureFixture[str]) -> None:
    def my_strategy(bar, ctx):
        if len(ctx.history) < 20:
            return
        ma20 = sum(b.close for b in ctx.history[-20:]) / 20
        if bar.close > ma20 and ctx.position == 0:
            ctx.buy(size="all")
        elif bar.close < ma20 and ctx.position > 0:
            ctx.sell(size="all")

    result = run_stock_day_backtest(
        strategy=my_strategy,
        stock_num="000001",
        start="20240101",
        end="2024-12-31",
        initial_cash=1_000_000,
        commission_bps=3,
        slippage_bps=1,
    )
    print(result.summary())
    result.export_to_context("run1")
    assert "__LG_BACKTEST_RESULT__:run1:{" in capsys.readouterr().out
    assert result.trades
    assert list(result.trades[0]) == ["entry_dt", "exit_dt", "qty", "entry_px", "exit_px", "pnl", "return_bps"]
    assert result.equity_curve[0]["dt"] == "20240102"
    assert result.metrics["num_trades"] == len(result.trades)


def test_portfolio() -> None:
    def make_ma_strategy(fast, slow):
        def strategy(bar, ctx):
            if len(ctx.history) < slow:
                return
            ma_fast = sum(b.close for b in ctx.history[-fast:]) / fast
            ma_slow = sum(b.close for b in ctx.history[-slow:]) / slow
            if ma_fast > ma_slow and ctx.position == 0:
                ctx.buy(size=0.5)  # use 50% of available cash
            elif ma_fast < ma_slow and ctx.position > 0:
                ctx.sell(size="all")

        return strategy

    result = run_stock_day_portfolio_backtest(
        strategies={
            "000001": make_ma_strategy(5, 20),
            "600519": make_ma_strategy(10, 30),
        },
        stock_nums=["000001", "600519"],
        start="20240101",
        end="20241231",
        initial_cash=1_000_000,
        commission_bps=3,
    )
    assert list(result.metrics["per_asset"]) == ["000001", "600519"]
    contributed = sum(part["contribution"] for part in result.metrics["per_asset"].values())
    assert contributed == pytest.approx(result.metrics["total_return"])


def test_transaction_record_driven() -> None:
    def get_trading_records(stock_num=None, trade_type=None, size=50):
        return [{"stock_num": stock_num, "trade_type": trade_type, "trade_date": "20240305"}][:size]

    records = get_trading_records(stock_num="000001", trade_type="BUY", size=1)
    last_buy_date = records[0]["trade_date"] if records else "20240101"

    def replay_strategy(bar, ctx):
        # Re-enter at the same date the real BUY happened
        if bar.dt >= last_buy_date and ctx.position == 0:
            ctx.buy(size="all")
        elif ctx.position > 0:  # noqa: SIM102 - as written in the guide
            # exit after 20 bars
            if len(ctx.history) - ctx.history.index(next(b for b in ctx.history if b.dt >= last_buy_date)) >= 20:
                ctx.sell(size="all")

    result = run_stock_day_backtest(
        strategy=replay_strategy,
        stock_num="000001",
        start=last_buy_date,
        end="20241231",
        initial_cash=500_000,
    )
    assert result.equity_curve[0]["dt"] == "20240305"
    assert result.trades[0]["entry_dt"] == "20240306"


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
