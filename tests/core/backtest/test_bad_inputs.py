"""What cannot be meant is refused before the run, by name and row; what a strategy does wrong names its line."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from core.backtest.api import backtest, backtest_portfolio
from core.backtest.problems import (
    BarsInvalid,
    BarsMissing,
    ColumnMissing,
    ListingUnknown,
    ParameterInvalid,
    PortMissing,
    RunStopped,
    StrategyFailed,
    StrategyInvalid,
    TooManyBars,
)
from core.backtest.watching import RunLimits
from core.market.rules_model import RuleNotKnown
from tests.support.backtest_rows import rows_of, walk

GOOD = """
2024-01-02 10.00 10.10
2024-01-03 10.10 10.20
2024-01-04 10.20 10.30
"""


def idle(bar: Any, ctx: Any) -> None:
    pass


def changed(row: int, **values: Any) -> list[dict[str, Any]]:
    rows = rows_of(GOOD)
    rows[row] |= values
    return rows


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param(changed(1, trade_date="2024-01-02"), "Row 2 (2024-01-02): The date is there twice.", id="double"),
        pytest.param(
            changed(2, trade_date="2023-12-29"), "Row 3 (2023-12-29): Dates must ascend; this goes back.", id="unsorted"
        ),
        pytest.param(
            changed(1, trade_date="soon"),
            "Row 2 (soon): 'soon' is no date; write YYYYMMDD or YYYY-MM-DD.",
            id="no date",
        ),
        pytest.param(
            changed(1, trade_date=None),
            "Row 2 (None): None is no date; write YYYYMMDD or YYYY-MM-DD.",
            id="date missing",
        ),
        pytest.param(
            changed(1, trade_date="20240230"),
            "Row 2 (20240230): '20240230' is no date; write YYYYMMDD or YYYY-MM-DD.",
            id="30 February",
        ),
        pytest.param(changed(1, close=float("nan")), "Row 2 (2024-01-03): close is nan.", id="NaN"),
        pytest.param(changed(1, open=float("inf")), "Row 2 (2024-01-03): open is inf.", id="infinity"),
        pytest.param(changed(1, close=None), "Row 2 (2024-01-03): close is missing.", id="missing price"),
        pytest.param(
            changed(1, close="ten"), "Row 2 (2024-01-03): close is 'ten', not a number.", id="text instead of a price"
        ),
        pytest.param(
            changed(1, close=0.0, low=0.0), "Row 2 (2024-01-03): low is 0; prices must be positive.", id="zero"
        ),
        pytest.param(changed(1, open=-1.0), "Row 2 (2024-01-03): open is -1; prices must be positive.", id="negative"),
        pytest.param(changed(1, high=9.0), "Row 2 (2024-01-03): high 9 is below low 10.1.", id="high below low"),
        pytest.param(
            changed(1, close=10.123456789012),
            "Row 2 (2024-01-03): close is 10.123456789012: "
            "it cannot be kept exactly; round prices to 8 places or less.",
            id="too fine",
        ),
        pytest.param(changed(1, volume=-5), "Row 2 (2024-01-03): volume is -5.", id="negative volume"),
    ],
)
def test_a_bad_row_is_named(rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(BarsInvalid) as caught:
        backtest(idle, bars=rows)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"bars": []}, BarsMissing),
        ({"start": "2025-01-01"}, BarsMissing),
        ({"max_bars": 2}, TooManyBars),
        ({"date_column": "day_id"}, ColumnMissing),
        ({"price_columns": {"close": "CLOSE_PRICE"}}, ColumnMissing),
        ({"price_columns": {"open": "OPEN_PRICE"}}, ColumnMissing),
        ({"start": "yesterday"}, ParameterInvalid),
        ({"initial_cash": 0}, ParameterInvalid),
        ({"initial_cash": float("nan")}, ParameterInvalid),
        ({"initial_cash": 1e13}, ParameterInvalid),
        ({"initial_cash": True}, ParameterInvalid),
        ({"commission_bps": -1}, ParameterInvalid),
        ({"slippage_bps": 10_000}, ParameterInvalid),
        ({"slippage_bps": float("inf")}, ParameterInvalid),
        ({"fill": "this_open"}, ParameterInvalid),
        ({"market_rules": "us"}, ParameterInvalid),
        ({"dividend_tax": "all"}, ParameterInvalid),
        ({"warmup_bars": -1}, ParameterInvalid),
        ({"max_history": 0}, ParameterInvalid),
        ({"volume_limit": 0}, ParameterInvalid),
        ({"volume_limit": 1.5}, ParameterInvalid),
        ({"annualization": 0}, ParameterInvalid),
        *(
            ({"market_rules": "a_share", "bars": walk(3), "listing": "600519.SH"} | given, ParameterInvalid)
            for given in (
                {"commission_bps": -3},
                {"commission_bps": float("nan")},
                {"slippage_bps": -1},
                {"volume_limit": -1},
            )
        ),
        ({"market_rules": "a_share"}, ListingUnknown),
        ({"market_rules": "a_share", "listing": "600519.SH"}, ColumnMissing),
        ({"bars": None, "asset": "stock_day"}, PortMissing),
        ({"bars": None}, ParameterInvalid),
        ({"benchmark_asset": "index_daily"}, PortMissing),
        ({"persist": True}, PortMissing),
    ],
)
def test_a_bad_parameter_is_refused(named: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        backtest(idle, **{"bars": rows_of(GOOD)} | named)


@pytest.mark.parametrize(
    "order",
    [
        lambda ctx: ctx.buy(size=0), lambda ctx: ctx.buy(size=1.5), lambda ctx: ctx.buy(size=-100),
        lambda ctx: ctx.buy(size=True), lambda ctx: ctx.buy(size="some"), lambda ctx: ctx.buy(size=float("nan")),
        lambda ctx: ctx.sell(limit_price=0), lambda ctx: ctx.sell(limit_price="9"),
        lambda ctx: ctx.order_target_pct(1.1),
        lambda ctx: ctx.order_target_pct(float("nan")), lambda ctx: ctx.sma(0), lambda ctx: ctx.history.append(None),
        lambda ctx: ctx.history.clear(), lambda ctx: setattr(ctx, "position", 5), lambda ctx: setattr(ctx, "cash", 1e9),
        lambda ctx: ctx.history[3], lambda ctx: ctx.future, lambda ctx: 1 / 0,
    ],
)  # fmt: skip
def test_a_strategy_that_errs_is_told_bar_and_line(order: Callable[[Any], object]) -> None:
    def strategy(bar: Any, ctx: Any) -> None:
        if len(ctx.history) == 2:
            order(ctx)

    with pytest.raises(StrategyFailed) as caught:
        backtest(strategy, bars=rows_of(GOOD))
    assert caught.value.data["bar"] == 1
    assert caught.value.data["when"] == "2024-01-03"
    assert caught.value.data["place"].endswith(" of test_bad_inputs.py")


@pytest.mark.parametrize("hook", ["on_start", "on_end"])
def test_errors_of_hooks_are_told_too(hook: str) -> None:
    class Strategy:
        def on_bar(self, bar: Any, ctx: Any) -> None:
            ctx.log("seen", bar.close)

    def broken(ctx: Any) -> None:
        raise KeyError("x")

    strategy = Strategy()
    setattr(strategy, hook, broken)
    with pytest.raises(StrategyFailed) as caught:
        backtest(strategy, bars=rows_of(GOOD))
    assert caught.value.data["hook"] == hook
    assert len(caught.value.data["log"]) == (0 if hook == "on_start" else 3)


def test_a_portfolio_that_fails_tells_what_was_logged() -> None:
    def first(bar: Any, ctx: Any) -> None:
        ctx.log("first")

    def second(bar: Any, ctx: Any) -> None:
        ctx.log("second")
        assert len(ctx.history) < 2

    with pytest.raises(StrategyFailed) as caught:
        backtest_portfolio({"a": first, "b": second}, bars=dict.fromkeys("ab", rows_of(GOOD)))
    assert caught.value.data["hook"] == "on_bar of b"
    told = [f"{day} {name}" for name in ("first", "second") for day in ("2024-01-02", "2024-01-03")]
    assert caught.value.data["log"] == told


@pytest.mark.parametrize("strategy", [None, 5, "buy low"])
def test_what_is_no_strategy_is_refused(strategy: object) -> None:
    with pytest.raises(StrategyInvalid):
        backtest(strategy, bars=rows_of(GOOD))


def test_generators_and_coroutines_would_run_nothing() -> None:
    def lazy(bar: Any, ctx: Any) -> Any:
        yield ctx.buy()

    async def waiting(bar: Any, ctx: Any) -> None:
        ctx.buy()

    for strategy in (lazy, waiting):
        with pytest.raises(StrategyInvalid):
            backtest(strategy, bars=rows_of(GOOD))


def test_what_a_strategy_returns_is_ignored() -> None:
    assert backtest(lambda bar, ctx: "nonsense", bars=rows_of(GOOD)).metrics["total_return"] == 0.0


def test_a_strategy_that_never_returns_is_stopped() -> None:
    def endless(bar: Any, ctx: Any) -> None:
        ctx.log("here")
        while len(ctx.history) == 2:
            with suppress(Exception):
                bar.close + 1

    with pytest.raises(RunStopped) as caught:
        backtest(endless, bars=rows_of(GOOD), limits=RunLimits(time_seconds=0.05))
    assert (caught.value.data["bar"], caught.value.data["when"]) == (1, "2024-01-03")
    assert caught.value.data["log"] == ["2024-01-02 here", "2024-01-03 here"]


def test_a_strategy_that_swallows_everything_is_stopped() -> None:
    turns = iter(range(2))

    def stubborn(bar: Any, ctx: Any) -> None:
        for _ in turns:
            try:
                while True:
                    pass
            except:  # noqa: E722 - as people write it
                ctx.log("went on")

    with pytest.raises(RunStopped) as caught:
        backtest(stubborn, bars=rows_of(GOOD), limits=RunLimits(time_seconds=0.05))
    assert caught.value.data["log"] == ["2024-01-02 went on"] * 2


def test_the_shortest_limits_stop_a_run_or_let_it_end() -> None:
    """Wherever the time is over, before the first bar or after the last, nothing but `RunStopped` comes out."""
    rows, reasons = walk(60), set()
    for step in range(240):
        try:
            backtest(lambda bar, ctx: ctx.buy(1), bars=rows, limits=RunLimits(time_seconds=1e-7 + step * 1e-5))
        except RunStopped as error:
            reasons.add(error.data["reason"].partition(" than ")[0])
    assert reasons == {"it took longer"}


def test_a_long_run_with_orders_tells_how_far_it_is_and_can_be_stopped() -> None:
    size, told = 20_000, list[int]()
    moments = np.datetime64("2024-01-02T09:31", "ms") + np.arange(size) * np.timedelta64(60_000, "ms")
    bars = {"trade_date": moments} | dict.fromkeys(("open", "high", "low", "close"), 10 + np.arange(size) % 7 * 0.01)

    def busy(bar: Any, ctx: Any) -> None:
        (ctx.sell if ctx.position else ctx.buy)()

    def endless(bar: Any, ctx: Any) -> None:
        busy(bar, ctx)
        while len(ctx.history) == 17_000:
            pass

    result = backtest(busy, bars=bars, progress=lambda heard: told.append(heard.done))
    assert told == [*range(0, size, 1_024), size]
    assert result.reasons == {"filled": size - 1, "no_next_bar": 1}
    with pytest.raises(RunStopped) as caught:
        backtest(endless, bars=bars, limits=RunLimits(time_seconds=1.0))
    assert caught.value.data["bar"] <= 16_999


def test_a_strategy_that_eats_the_memory_is_stopped() -> None:
    kept: list[bytes] = []

    def hungry(bar: Any, ctx: Any) -> None:
        while len(kept) < 100_000:
            kept.append(b"x" * 1_000_000)

    with pytest.raises(RunStopped, match="MB"):
        backtest(hungry, bars=rows_of(GOOD), limits=RunLimits(memory_mb=200))
    kept.clear()


def test_days_before_the_recorded_rules_are_refused_and_told() -> None:
    rows = [row | {"trade_date": day} for row, day in zip(walk(2), ("2012-08-31", "2012-09-03"), strict=True)]
    said = r"^No rule on transfer_fee for sse on 2012-08-31 is recorded; the first begins on 2012-09-01\.$"
    with pytest.raises(RuleNotKnown, match=said):
        backtest(idle, bars=rows, market_rules="a_share", listing="600519.SH")
    assert backtest(idle, bars=rows, market_rules="a_share", listing="000001.SZ").metrics["total_return"] == 0
    assert backtest(idle, bars=rows, listing="600519.SH").metrics["total_return"] == 0


def test_a_filter_that_leaves_nothing_is_named() -> None:
    rows = [row | {"STOCK_NUM": "600519"} for row in rows_of(GOOD)]
    with pytest.raises(BarsMissing, match=r"^There are no bars where STOCK_NUM is '000001'\.$"):
        backtest(idle, bars=rows, filter_column="STOCK_NUM", filter_value="000001")


def test_columns_of_several_instruments_are_filtered_like_rows() -> None:
    rows = [row | {"STOCK_NUM": code} for code in ("000001", "600519") for row in rows_of(GOOD)]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    curves = [
        backtest(idle, bars=bars, filter_column="STOCK_NUM", filter_value="600519").equity_curve
        for bars in (rows, columns)
    ]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 3


def test_one_bar_is_enough() -> None:
    result = backtest(lambda bar, ctx: ctx.buy(), bars=rows_of("2024-01-02 10 10"))
    assert result.reasons == {"no_next_bar": 1}
    assert result.equity_curve == [
        {"dt": "2024-01-02", "equity": 1_000_000.0, "cash": 1_000_000.0, "position": 0, "close": 10.0}
    ]
    assert result.metrics["sharpe"] is None
    assert result.metrics["total_return"] == 0.0
    assert result.undefined["sharpe"]


def test_zero_volume_fills_nothing_where_the_volume_counts() -> None:
    rows = rows_of("2024-01-02 10 10\n2024-01-03 10 10 0\n2024-01-04 10 10")
    result = backtest(lambda bar, ctx: ctx.buy(100), bars=rows, volume_limit=0.25)
    assert [order["reason"] for order in result.orders] == ["no_volume", "filled", "no_next_bar"]


def test_portfolio_names_every_strategy_once() -> None:
    rows = {"a": walk(5), "b": walk(5)}
    with pytest.raises(ParameterInvalid):
        backtest_portfolio({"a": idle, "b": idle}, ["a"], bars=rows)
    with pytest.raises(ParameterInvalid):
        backtest_portfolio({}, bars={})
    with pytest.raises(ParameterInvalid, match="there is no such parameter"):
        backtest_portfolio({"a": idle}, bars=rows, comission_bps=3)
