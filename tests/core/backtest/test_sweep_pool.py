"""Several instruments judged together, by hand."""

import numpy as np

from core.backtest.sweep_pool import SymbolSweep, pooled
from core.backtest.sweep_result import SweepResult


def part(
    symbol: str, days: list[int], figures: list[float], errors: dict[int, str], returns: list[list[float]]
) -> SymbolSweep:
    result = SweepResult(
        parameters=[{"n": 1}, {"n": 2}, {"n": 3}],
        figures={"sharpe": np.array(figures), "num_trades": np.array([len(days), 3.0, days[0]])},
        errors=errors,
        refused=[({"n": 0}, "too small")],
        objective="sharpe",
        days=np.array(days),
        returns_of_all=lambda: np.array(returns),
    )
    return SymbolSweep(symbol=symbol, result=result)


def test_medians_failures_and_returns_of_equal_parts() -> None:
    nan = float("nan")
    whole = pooled(
        [
            part("A", [1, 2], [1.0, 4.0, nan], {}, [[0.1, 0.2, 0.3], [0.0, 0.5, 0.1]]),
            part("B", [2, 3], [3.0, nan, nan], {1: "broke"}, [[0.2, 0.3], [0.4, -0.1]]),
        ]
    )
    assert whole.errors == {1: "B: broke"}
    assert [whole.trial(number).metrics["sharpe"] for number in range(3)] == [2.0, None, None]
    assert [whole.trial(number).metrics["num_trades"] for number in (0, 2)] == [2, 1.5]
    assert whole.best is not None
    assert whole.best.number == 0
    assert whole.refused == [({"n": 0}, "too small")]
    assert whole.days.tolist() == [1, 2, 3]
    np.testing.assert_allclose(whole.returns_of_all(), [[0.05, 0.15], [0.1, 0.2], [0.2, -0.05]], atol=1e-15)
