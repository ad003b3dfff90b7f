"""Strategies that know the future are found, honest ones are not."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from core.backtest.lookahead import lookahead_check
from tests.support.backtest_rows import crossing, walk

ROWS = walk(120)


def peeking(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Buy when tomorrow's close is higher."""
    closes = {str(row["trade_date"]): place for place, row in enumerate(rows)}

    def strategy(bar: Any, ctx: Any) -> None:
        place = closes[bar.dt] + 1
        if place < len(rows) and rows[place]["close"] > bar.close:
            ctx.buy()
        elif ctx.position:
            ctx.sell()

    return strategy


def full_sample(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Compare with the mean of the whole series: a mistake often made."""
    mean = sum(row["close"] for row in rows) / len(rows)

    def strategy(bar: Any, ctx: Any) -> None:
        if bar.close < mean and not ctx.position:
            ctx.buy(0.5)

    return strategy


@pytest.mark.parametrize("make", [peeking, full_sample])
def test_the_future_is_noticed(make: Any) -> None:
    findings = lookahead_check(make, ROWS)
    assert findings
    assert all(found.bar <= found.known for found in findings)
    assert all(found.with_future != found.with_other_future for found in findings)
    assert findings[0].dt == ROWS[findings[0].bar]["trade_date"]


@pytest.mark.parametrize(
    "parameters", [{}, {"fill": "this_close"}, {"market_rules": "a_share", "listing": "600519.SH"}]
)
def test_an_honest_strategy_passes(parameters: dict[str, Any]) -> None:
    assert lookahead_check(lambda rows: crossing(), ROWS, **parameters) == []


def test_indicators_rest_on_the_past_alone() -> None:
    def strategy(bar: Any, ctx: Any) -> None:
        values = (ctx.sma(3), ctx.ema(5), ctx.rsi(6), ctx.atr(4), ctx.highest(7), ctx.lowest(7))
        ctx.order_target_pct(round(abs(hash(values)) % 1000 / 1000, 3) if all(v == v for v in values) else 0)

    assert lookahead_check(lambda rows: strategy, ROWS) == []


def test_one_bar_has_no_future() -> None:
    assert lookahead_check(lambda rows: crossing(), ROWS[:1]) == []
