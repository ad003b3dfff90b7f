"""Every trial of a sweep ends with the cents of a single run, whichever way it ran."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from core.backtest.api import backtest
from core.backtest.outcome import FIGURES
from core.backtest.problems import ParameterInvalid
from core.backtest.strategies.moving_average import DualMovingAverage
from core.backtest.sweep import sweep, sweep_market
from core.backtest.sweep_grid import Between, RandomSearch
from core.backtest.watching import Progress, RunLimits
from core.market.model import CorporateAction
from tests.support.backtest_rows import walk
from tests.support.random_runs import actions_of, listing, random_run, rows_of

GRID = {"fast": [1, 2, 3], "slow": [2, 4, 7]}
SINGLE = [seed for seed in range(120) if len(random_run(seed).assets) == 1][:24]
EXACT = ("num_trades", "fees", "exposure")


class Crossing:
    """The same strategy under another name: it runs bar by bar."""

    def __init__(self, fast: int, slow: int) -> None:
        if fast >= slow:
            raise ParameterInvalid(name="fast", reason="not below slow")
        self.fast, self.slow = fast, slow

    def on_bar(self, bar: Any, ctx: Any) -> None:
        DualMovingAverage(self.fast, self.slow).on_bar(bar, ctx)


def named_of(seed: int) -> dict[str, Any]:
    run = random_run(seed)
    options, asset = run.options, run.assets[0]
    return {
        "bars": rows_of(asset),
        "listing": listing(asset),
        "actions": actions_of(asset),
        "initial_cash": float(options.cash),
        "commission_bps": float(options.commission * 10_000),
        "slippage_bps": float(options.slippage * 10_000),
        "fill": options.fill,
        "market_rules": options.rules,
        "volume_limit": float("inf") if options.volume_part is None else float(options.volume_part),
    }


def assert_equal(result: Any, named: dict[str, Any]) -> int:
    """Hold every trial beside its single run; return how many trades there were."""
    trades, returns = 0, result.returns_of_all()
    for number, parameters in enumerate(result.parameters):
        single = backtest(DualMovingAverage(**parameters), **named)
        metrics = result.trial(number).metrics
        equity = np.array([row["equity"] for row in single.equity_curve])
        expected = equity / np.concatenate(([named["initial_cash"]], equity[:-1])) - 1
        assert returns[:, number].tolist() == expected.tolist(), parameters
        for name in FIGURES:
            if name in EXACT:
                assert metrics[name] == single.metrics[name], (name, parameters)
            elif single.metrics[name] is None:
                assert metrics[name] is None, (name, parameters)
            else:
                assert metrics[name] == pytest.approx(single.metrics[name], rel=1e-9, abs=1e-12), (name, parameters)
        trades += single.metrics["num_trades"]
    return trades


@pytest.mark.parametrize("seed", SINGLE)
def test_compiled_trials_are_single_runs(seed: int) -> None:
    named = named_of(seed)
    result = sweep("dual_moving_average", GRID, **named)
    assert len(result) == 7
    assert len(result.refused) == 2
    assert_equal(result, named)


def test_compiled_trials_trade() -> None:
    """The seeds would prove little if nothing were ever sold."""
    results = [sweep("dual_moving_average", GRID, **named_of(seed)) for seed in SINGLE]
    assert sum(result.figures["num_trades"].sum() for result in results) > 100


@pytest.mark.parametrize("size", [0.3, 1.0])
def test_a_part_of_the_cash_and_a_warm_up(size: float) -> None:
    named = {"bars": walk(260), "initial_cash": 1_000_000.0, "commission_bps": 3.0, "warmup_bars": 40}
    result = sweep("dual_moving_average", GRID | {"size": [size]}, **named)
    assert_equal(result, named)


@pytest.mark.parametrize(("price", "cash"), [(1.0, 1e12), (1e-6, 1_000_000.0)])
def test_figures_that_floats_cannot_hold(price: float, cash: float) -> None:
    """An account beyond 2**53 units of 0.0001, and prices of more places than the account has."""
    names = ("open", "high", "low", "close")
    rows = [row | {name: round(row[name] * price, 8) for name in names} for row in walk(120)]
    named = {"bars": rows, "initial_cash": cash, "commission_bps": 3.0}
    assert assert_equal(sweep("dual_moving_average", GRID, **named), named) > 50


@pytest.mark.parametrize("fill", ["next_open", "this_close"])
def test_an_event_on_the_bar_of_a_fill(fill: str) -> None:
    """Dividends and bonus shares on every fifth bar: some meet the bars on which orders fill, and the last one."""
    rows = walk(61)
    actions = [
        CorporateAction(
            symbol="600519.SH",
            ex_date=date.fromisoformat(row["trade_date"]),
            cash_per_share=Decimal("0.1"),
            bonus_per_share=Decimal("0.01"),
            rights_per_share=Decimal(0),
            rights_price=Decimal(0),
        )
        for row in rows[5::5]
    ]
    named = {
        "bars": rows, "initial_cash": 1_000_000.0, "commission_bps": 3.0, "fill": fill, "actions": actions,
        "market_rules": "a_share", "listing": "600519.SH",
    }  # fmt: skip
    assert assert_equal(sweep("dual_moving_average", GRID, **named), named) > 20


def test_minutes_of_several_days_keep_t_plus_one() -> None:
    rows = [
        row | {"trade_date": f"2024-01-{2 + place // 30:02} {9 + place % 30 // 10:02}:{30 + place % 10}:00"}
        for place, row in enumerate(walk(120))
    ]
    named = {"bars": rows, "initial_cash": 1_000_000.0, "market_rules": "a_share", "listing": "600519.SH"}
    result = sweep("dual_moving_average", GRID, **named)
    for number, parameters in enumerate(result.parameters):
        single = backtest(DualMovingAverage(**parameters), **named)
        for name in FIGURES:
            wanted = single.metrics[name]
            assert result.trial(number).metrics[name] == (
                None if wanted is None else pytest.approx(wanted, rel=1e-9, abs=1e-12)
            )


def test_any_strategy_runs_bar_by_bar_with_the_same_figures() -> None:
    named = {"bars": walk(150), "commission_bps": 3.0, "market_rules": "a_share", "listing": "600519.SH"}
    compiled, called = sweep("dual_moving_average", GRID, **named), sweep(Crossing, GRID, **named)
    assert compiled.parameters == called.parameters
    assert called.refused == [({"fast": fast, "slow": 2}, "fast: not below slow") for fast in (2, 3)]
    for name in FIGURES:
        assert compiled.figures[name] == pytest.approx(called.figures[name], rel=1e-9, nan_ok=True), name
    assert (compiled.returns_of_all() == called.returns_of_all()).all()
    assert compiled.best == called.best or compiled.best.parameters == called.best.parameters
    assert compiled.verdict.deflated_sharpe.value == pytest.approx(called.verdict.deflated_sharpe.value)


def test_carried_orders_and_taxes_run_bar_by_bar() -> None:
    """What compiled trials do not know must not be left out silently."""
    named = {"bars": walk(80), "commission_bps": 3.0, "market_rules": "a_share", "listing": "600519.SH"}
    for more in ({"carry_orders": True, "volume_limit": 0.0001}, {"dividend_tax": "cn_individual"}):
        assert_equal(sweep("dual_moving_average", GRID, **named | more), named | more | {"initial_cash": 1e6})


def test_many_instruments_are_single_sweeps() -> None:
    bars = {"600519.SH": walk(120, seed=1), "000001.SZ": walk(90, seed=2)}
    named = {"commission_bps": 3.0, "market_rules": "a_share"}
    market = sweep_market("dual_moving_average", GRID, bars, **named)
    slow = sweep_market(Crossing, GRID, bars, **named)
    assert market.symbols == list(bars)
    for place, symbol in enumerate(bars):
        alone = sweep("dual_moving_average", GRID, bars=bars[symbol], listing=symbol, **named)
        for name in FIGURES:
            assert market.figures[name][place] == pytest.approx(alone.figures[name], nan_ok=True)
            assert slow.figures[name][place] == pytest.approx(alone.figures[name], nan_ok=True)
    assert market.median("total_return") == pytest.approx(np.median(market.figures["total_return"], axis=0).tolist())


def test_threads_change_nothing() -> None:
    grid = {"fast": list(range(1, 30)), "slow": list(range(30, 50))}
    one, two = (sweep("dual_moving_average", grid, bars=walk(200), threads=threads) for threads in (1, 3))
    assert all((one.figures[name] == two.figures[name]).all() for name in ("total_return", "fees", "num_trades"))


def test_a_search_at_random_is_repeatable_and_draws_nothing_twice() -> None:
    grid = {"fast": Between(low=1, high=20, whole=True), "slow": Between(low=5, high=60, whole=True)}
    first, again, other = (
        sweep("dual_moving_average", grid, bars=walk(100), search=RandomSearch(trials=40, seed=seed))
        for seed in (5, 5, 6)
    )
    assert first.parameters == again.parameters != other.parameters
    assert len({tuple(one.items()) for one in first.parameters}) == 40
    assert all(one["fast"] < one["slow"] for one in first.parameters)


def test_a_limit_of_time_keeps_what_is_done() -> None:
    grid = {"fast": [1, 2, 3], "slow": [5, 6, 7]}
    stopped = sweep(Crossing, grid, bars=walk(40), limits=RunLimits(time_seconds=0.0))
    assert len(stopped) == 1
    assert stopped.stopped == "it took longer than 0 s"
    told: list[Progress] = []
    asked = iter([False, False, True])
    cancelled = sweep(Crossing, grid, bars=walk(40), cancelled=lambda: next(asked), progress=told.append)
    assert (len(cancelled), cancelled.stopped) == (3, "it was cancelled")
    assert [(one.done, one.total) for one in told] == [(1, 9), (2, 9), (3, 9)]
    assert told[0].eta_seconds is not None


def test_a_strategy_that_fails_spoils_its_own_trial_alone() -> None:
    class Fragile(Crossing):
        def on_bar(self, bar: Any, ctx: Any) -> None:
            if self.fast == 2 and len(ctx.history) == 10:
                raise ValueError("no")
            super().on_bar(bar, ctx)

    result = sweep(Fragile, {"fast": [1, 2], "slow": [5]}, bars=walk(40))
    assert list(result.errors) == [1]
    assert "ValueError: no" in result.errors[1]
    assert result.trial(1).metrics["sharpe"] is None
    assert result.best is not None
    assert result.best.parameters == {"fast": 1, "slow": 5}


def test_pages_frames_and_words() -> None:
    result = sweep("dual_moving_average", {"fast": [1, 2, 3], "slow": [5, 10, 20]}, bars=walk(300))
    ranked = [trial.metrics["sharpe"] for trial in result.page(1, 4) + result.page(2, 4) + result.page(3, 4)]
    assert len(ranked) == 9
    assert ranked == sorted(ranked, reverse=True)
    frame = result.to_frame()
    assert frame.num_rows == 9
    assert frame.column_names[:2] == ["fast", "slow"]
    assert "probability of backtest overfitting: " in result.summary()
    told = result.to_dict()
    assert told["best"]["metrics"]["sharpe"] == ranked[0]
    assert told["verdict"]["trials"] == 9
    with pytest.raises(ParameterInvalid, match="pages count from 1"):
        result.page(0)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "names no parameter"),
        ({"fast": []}, "no value to try"),
        ({"fast": 5}, "a list of values"),
        ({"fast": "5"}, "a list of values"),
        ({"fast": [9], "slow": [3]}, "no combination is left; the strategy says: fast: 9 is not below slow"),
        ({"fast": Between(low=1, high=2), "slow": [3]}, "a range is for RandomSearch"),
        ({"fast": range(2000), "slow": range(2000)}, "4,000,000 combinations"),
        ({"quick": [1]}, "has no such parameter"),
    ],
)
def test_grids_that_cannot_be_meant(grid: Any, message: str) -> None:
    with pytest.raises(ParameterInvalid, match=message):
        sweep("dual_moving_average", grid, bars=walk(30))


def test_an_unknown_objective_lists_the_known_ones() -> None:
    with pytest.raises(ParameterInvalid, match="'luck' is not one of total_return"):
        _ = sweep("dual_moving_average", GRID, bars=walk(30), objective="luck").best
