"""Figures over closed trades."""

import numpy as np
import pytest

from core.performance import trades
from core.performance.figures import Figure, Undefined


@pytest.mark.parametrize(
    ("pnl", "win_rate", "profit_factor", "payoff", "expectancy", "streak"),
    [
        ([], Undefined.NO_TRADES, Undefined.NO_TRADES, Undefined.NO_TRADES, Undefined.NO_TRADES, 0),
        ([10.0], 1.0, Undefined.NO_LOSSES, Undefined.NO_LOSSES, 10.0, 0),
        ([-10.0], 0.0, 0.0, Undefined.NO_WINS, -10.0, 1),
        ([0.0, 0.0], 0.0, Undefined.NO_LOSSES, Undefined.NO_LOSSES, 0.0, 0),
        ([30.0, -10.0, -10.0, 0.0], 0.25, 1.5, 3.0, 2.5, 2),
        ([-1.0, 5.0, -1.0, -1.0, -1.0], 0.2, 1.25, 5.0, 0.2, 3),
    ],
)
def test_figures(pnl: list[float], win_rate, profit_factor, payoff, expectancy, streak: int) -> None:
    values = np.array(pnl, dtype=np.float64)
    found = (
        trades.win_rate(values),
        trades.profit_factor(values),
        trades.payoff_ratio(values),
        trades.expectancy(values),
    )
    expected = (win_rate, profit_factor, payoff, expectancy)
    for figure, value in zip(found, expected, strict=True):
        assert figure == (Figure(None, value) if isinstance(value, Undefined) else Figure(pytest.approx(value)))
    assert trades.longest_losing_streak(values) == streak
