"""A curve beside a benchmark: alignment, regression, warnings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.performance.benchmark import (
    BenchmarkWarning,
    carried_closes,
    compare,
    information_ratio,
    regression,
    tracking_error,
)
from core.performance.curve import Curve
from core.performance.figures import Figure, Undefined
from tests.support import slow_performance as slow

DAYS = [20240102, 20240103, 20240104, 20240105, 20240108, 20240109, 20240110]
RETURNS = st.lists(
    st.tuples(st.integers(-900, 900), st.integers(-900, 900)).map(lambda pair: (pair[0] / 1e4, pair[1] / 1e4)),
    min_size=5,
    max_size=60,
)


def numbers(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_a_curve_that_moves_twice_as_far() -> None:
    other = np.array([0.01, -0.02, 0.03, 0.0, -0.01])
    found = regression(2 * other + 0.001, other)
    assert found.beta.value == pytest.approx(2.0)
    assert found.alpha.value == pytest.approx(0.001)
    assert found.alpha_annualized.value == pytest.approx(0.252)
    assert found.r_squared.value == pytest.approx(1.0)


def test_alpha_names_its_constant() -> None:
    other = np.array([0.01, -0.02, 0.03, 0.0, -0.01])
    assert regression(other + 0.001, other, annualization=243).alpha_annualized.value == pytest.approx(0.243)


def test_too_few_flat_and_constant() -> None:
    other = np.array([0.01, -0.02, 0.03, 0.0, -0.01])
    few = regression(other[:4], other[:4])
    assert few.alpha == few.beta == few.r_squared == few.alpha_annualized == Figure(None, Undefined.TOO_FEW_PERIODS)
    assert regression(other, np.zeros(5)).beta.reason is Undefined.FLAT_BENCHMARK
    cash = regression(np.zeros(5), other)
    assert (cash.beta, cash.alpha) == (Figure(0.0), Figure(0.0))
    assert cash.r_squared.reason is Undefined.NO_VARIANCE
    assert tracking_error(other, other) == Figure(0.0)
    assert information_ratio(other, other).reason is Undefined.NO_VARIANCE
    assert information_ratio(other[:4], other[:4]).reason is Undefined.TOO_FEW_PERIODS


def test_active_risk_by_hand() -> None:
    """Active returns 0.01, 0.03, 0.02, 0.01, 0.03: mean 0.02, deviation 0.01."""
    other = np.array([0.01, -0.02, 0.03, 0.0, -0.01])
    own = other + np.array([0.01, 0.03, 0.02, 0.01, 0.03])
    assert tracking_error(own, other, annualization=100).value == pytest.approx(0.1)
    assert information_ratio(own, other, annualization=100).value == pytest.approx(20.0)


def test_same_days() -> None:
    curve = Curve.of(100.0, DAYS, [110.0, 121.0, 121.0, 110.0, 132.0, 132.0, 121.0])
    found = compare(curve, numbers(DAYS), np.array([10.0, 11.0, 11.0, 10.0, 12.0, 12.0, 12.0]))
    assert (found.first_day, found.last_day, found.sample_size) == (20240102, 20240110, 6)
    assert found.portfolio_return.value == pytest.approx(0.1)
    assert found.benchmark_return.value == pytest.approx(0.2)
    assert found.warnings == found.filled_days == ()
    assert found.stale_at is None
    assert found.portfolio_volatility.value is not None


def test_gaps_late_start_and_stale_end_are_told() -> None:
    curve = Curve.of(100.0, DAYS, [110.0, 100.0, 101.0, 102.0, 103.0, 104.0, 105.0])
    found = compare(curve, numbers([20240103, 20240104, 20240108]), np.array([10.0, 11.0, 12.0]))
    assert (found.first_day, found.last_day, found.sample_size) == (20240103, 20240108, 3)
    assert found.portfolio_return.value == pytest.approx(0.03)
    assert found.benchmark_return.value == pytest.approx(0.2)
    assert found.filled_days == (20240105,)
    assert found.stale_at == 20240108
    assert found.regression.beta.reason is Undefined.TOO_FEW_PERIODS
    assert found.tracking_error.reason is Undefined.TOO_FEW_PERIODS
    assert set(found.warnings) == {
        BenchmarkWarning.FEW_RETURNS,
        BenchmarkWarning.STALE_BENCHMARK,
        BenchmarkWarning.STARTS_LATE,
        BenchmarkWarning.FILLED_DAYS,
    }


def test_one_day_and_a_flat_benchmark() -> None:
    day = compare(Curve.of(100.0, DAYS[:1], [101.0]), numbers(DAYS), np.full(7, 10.0))
    assert (day.sample_size, day.benchmark_return.value, day.warnings) == (0, 0.0, (BenchmarkWarning.FEW_RETURNS,))
    flat = compare(Curve.of(100.0, DAYS, [100.0 + place for place in range(7)]), numbers(DAYS), np.full(7, 10.0))
    assert flat.warnings == (BenchmarkWarning.FLAT_BENCHMARK,)
    assert flat.regression.alpha.reason is Undefined.FLAT_BENCHMARK
    assert flat.benchmark_volatility == Figure(0.0)


@pytest.mark.parametrize("days", [[], [20230101], [20250101]])
def test_no_day_in_common(days: list[int]) -> None:
    found = compare(Curve.of(100.0, DAYS, [100.0] * 7), numbers(days), np.full(len(days), 10.0))
    assert found.benchmark_return.reason is Undefined.NO_OVERLAP
    assert found.warnings == (BenchmarkWarning.NO_OVERLAP,)
    assert (found.first_day, found.last_day, found.sample_size) == (None, None, 0)


def test_ruin_has_no_comparison() -> None:
    found = compare(Curve.of(100.0, DAYS, [100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), numbers(DAYS), np.arange(1.0, 8.0))
    assert found.regression.beta.reason is Undefined.LOST_EVERYTHING


def test_minutes_are_compared_by_day() -> None:
    curve = Curve.of(100.0, [20240102, 20240102, 20240103], [1.0, 100.0, 110.0])
    found = compare(curve, numbers(DAYS), np.arange(1.0, 8.0))
    assert (found.portfolio_return.value, found.sample_size) == (pytest.approx(0.1), 1)


def test_closes_for_a_chart() -> None:
    found = carried_closes(numbers(DAYS), numbers([20240103, 20240105]), np.array([5.0, 6.0]))
    assert found == [None, 5.0, 5.0, 6.0, None, None, None]
    assert carried_closes(numbers(DAYS), numbers([]), np.zeros(0)) == [None] * 7


@settings(max_examples=60, deadline=None)
@given(RETURNS)
def test_regression_agrees_with_the_standard_library(pairs: list[tuple[float, float]]) -> None:
    own, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = regression(np.array(own), np.array(other))
    if len(set(other)) == 1:
        assert found.beta.reason is Undefined.FLAT_BENCHMARK
        return
    if len(set(own)) == 1:
        assert found.r_squared.reason is Undefined.NO_VARIANCE
        return
    alpha, beta, fit = slow.regression(own, other)
    assert found.alpha.value == pytest.approx(alpha, rel=1e-7, abs=1e-9)
    assert found.beta.value == pytest.approx(beta, rel=1e-7, abs=1e-9)
    assert found.r_squared.value == pytest.approx(fit, rel=1e-7, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(RETURNS)
def test_a_curve_beside_itself(pairs: list[tuple[float, float]]) -> None:
    levels = np.cumprod([1.0 + pair[0] for pair in pairs]) * 100
    days = [20240101 + place for place in range(len(pairs))]
    found = compare(Curve.of(100.0, days, levels.tolist()), numbers(days), levels)
    assert found.benchmark_return == found.portfolio_return
    if found.regression.beta.value is not None:
        assert found.regression.beta.value == pytest.approx(1.0)
        assert found.regression.alpha.value == pytest.approx(0.0, abs=1e-12)
