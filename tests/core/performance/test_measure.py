"""All figures of one run together."""

import numpy as np
import pytest

from core.performance.benchmark import BenchmarkWarning
from core.performance.curve import Curve
from core.performance.figures import Undefined
from core.performance.measure import RunFigures, measure, no_trades

DAYS = [20240102, 20240103, 20240104, 20240105, 20240108, 20240109]
EQUITY = [100.0, 110.0, 99.0, 110.0, 121.0, 110.0]


def run(**facts: object) -> RunFigures:
    return RunFigures(curve=Curve.of(100.0, DAYS, EQUITY), **({"pnl": np.array([21.0, -11.0])} | facts))


def test_names_and_values() -> None:
    found = measure(run(held=np.array([0, 1, 1, 1, 1, 0], dtype=bool), traded=400.0, fees=1.5))
    assert found.values["total_return"] == pytest.approx(0.1)
    assert found.values["max_drawdown"] == pytest.approx(-0.1)
    assert found.values["exposure"] == pytest.approx(4 / 6)
    assert (found.values["fees"], found.values["num_trades"], found.values["win_rate"]) == (1.5, 2, 0.5)
    assert found.values["turnover"] == pytest.approx(200 / (650 / 6) * 252 / 6)
    assert (found.values["longest_losing_streak"], found.reasons, found.comparison) == (1, {}, None)
    assert list(found.values) == [
        "total_return",
        "cagr",
        "max_drawdown",
        "calmar",
        "exposure",
        "turnover",
        "fees",
        "volatility",
        "sharpe",
        "sortino",
        "deflated_sharpe",
        "win_rate",
        "profit_factor",
        "payoff_ratio",
        "expectancy",
        "num_trades",
        "longest_losing_streak",
    ]


def test_what_is_missing_has_a_reason_and_no_number() -> None:
    found = measure(run(pnl=no_trades()))
    assert found.reasons == {
        "exposure": Undefined.NOT_RECORDED,
        "turnover": Undefined.NOT_RECORDED,
        "fees": Undefined.NOT_RECORDED,
        "win_rate": Undefined.NO_TRADES,
        "profit_factor": Undefined.NO_TRADES,
        "payoff_ratio": Undefined.NO_TRADES,
        "expectancy": Undefined.NO_TRADES,
    }
    assert all(found.values[name] is None for name in found.reasons)
    ruined = measure(RunFigures(curve=Curve.of(1.0, DAYS[:2], [0.0, 0.0]), pnl=no_trades()))
    assert ruined.reasons["sharpe"] is ruined.reasons["deflated_sharpe"] is Undefined.LOST_EVERYTHING
    assert ruined.values["total_return"] == -1.0


def test_with_a_benchmark_and_trials() -> None:
    closes = np.array([10.0, 11.0, 10.0, 11.0, 12.0, 11.0])
    found = measure(
        run(benchmark_days=np.array(DAYS), benchmark_closes=closes, trials=50, trials_variance=0.01), annualization=243
    )
    assert found.values["benchmark_return"] == pytest.approx(0.1)
    assert found.values["alpha_annualized"] == pytest.approx(found.values["alpha"] * 243)
    assert found.annualization == 243
    assert found.values["deflated_sharpe"] < measure(run()).values["deflated_sharpe"]
    few = measure(run(benchmark_days=np.array(DAYS[:3]), benchmark_closes=closes[:3]))
    assert set(few.warnings) == {BenchmarkWarning.FEW_RETURNS, BenchmarkWarning.STALE_BENCHMARK}
    assert few.reasons["beta"] is Undefined.TOO_FEW_PERIODS


def test_no_bar_at_all() -> None:
    found = measure(RunFigures(curve=Curve.of(1.0, [], []), pnl=no_trades(), held=np.zeros(0, dtype=bool), traded=0.0))
    assert {found.reasons[name] for name in ("total_return", "cagr", "sharpe", "exposure", "turnover", "calmar")} == {
        Undefined.TOO_FEW_PERIODS
    }
    assert found.yearly == ()
