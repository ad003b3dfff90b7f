"""Deflated Sharpe ratio and probability of overfitting, against published figures and the slow reference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.performance.figures import Figure, Undefined
from core.performance.overfitting import (
    BLOCKS,
    GridInvalid,
    deflated_sharpe,
    expected_maximum_sharpe,
    independent_trials,
    judge_grid,
    overfitting_probability,
    probabilistic_sharpe,
    probability_above,
)
from tests.support import slow_performance as slow


def series(ratio: float, count: int, *, seed: int = 7) -> np.ndarray:
    """Normal returns whose Sharpe ratio is exactly `ratio`."""
    noise = np.random.default_rng(seed).normal(size=count)
    return (noise - noise.mean()) / noise.std(ddof=1) + ratio


def test_expected_maximum_as_published() -> None:
    """Bailey and Lopez de Prado (2014), example: 100 trials, annual variance 1/2, daily data: about 0.1132 a day."""
    assert expected_maximum_sharpe(0.5 / 250, 100) == pytest.approx(0.1132, abs=5e-5)
    assert expected_maximum_sharpe(0.5, 1) == expected_maximum_sharpe(0.0, 100) == 0.0
    grown = [expected_maximum_sharpe(1.0, count) for count in (2, 10, 100, 10_000)]
    assert grown == sorted(grown)


def test_deflated_sharpe_as_published() -> None:
    """The example's strategy: 2.5 a year over 1,250 days, skewness -3, kurtosis 10: 0.9004 after 100 trials."""
    found = probability_above(
        expected_maximum_sharpe(0.5 / 250, 100), ratio=2.5 / math.sqrt(250), periods=1250, skewness=-3.0, kurtosis=10.0
    )
    assert found.value == pytest.approx(0.9004, abs=5e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-900, 900).map(lambda basis: basis / 1e4), min_size=5, max_size=80),
    st.sampled_from([0.0, 0.1, -0.2]),
)
def test_probabilistic_sharpe_agrees_with_the_reference(values: list[float], threshold: float) -> None:
    found = probabilistic_sharpe(np.array(values), threshold=threshold)
    if found.value is None:
        assert found.reason is Undefined.NO_VARIANCE
        assert len(set(values)) <= 2
    else:
        assert found.value == pytest.approx(slow.probabilistic_sharpe(values, threshold), abs=1e-9)
        assert 0.0 <= found.value <= 1.0


def test_more_trials_deflate() -> None:
    returns = series(0.1, 1000)
    single = deflated_sharpe(returns).value
    assert single == probabilistic_sharpe(returns).value
    assert single is not None
    many = [deflated_sharpe(returns, trials=count, variance=0.001).value for count in (2, 10, 1000)]
    assert sorted([single, *many], reverse=True) == [single, *many]
    assert deflated_sharpe(returns[:2]).reason is Undefined.TOO_FEW_PERIODS
    assert deflated_sharpe(np.full(9, 0.01)).reason is Undefined.NO_VARIANCE


def test_correlated_trials_count_for_less() -> None:
    assert independent_trials(0.0, 100) == 100.0
    assert independent_trials(1.0, 100) == 1.0
    assert independent_trials(0.5, 100) == 50.5
    assert independent_trials(-0.3, 100) == 100.0


def test_one_true_skill_is_not_overfit() -> None:
    noise = np.random.default_rng(3).normal(size=(640, 20))
    noise[:, 4] += 0.5
    verdict = judge_grid(noise)
    assert (verdict.best, verdict.trials, verdict.blocks) == (4, 20, BLOCKS)
    assert verdict.overfitting_probability == Figure(0.0)
    assert verdict.loss_probability == Figure(0.0)
    assert verdict.deflated_sharpe.value == pytest.approx(1.0)


def test_pure_noise_is_overfit_about_half_of_the_time() -> None:
    verdict = judge_grid(np.random.default_rng(5).normal(size=(640, 50)))
    assert 0.25 < (verdict.overfitting_probability.value or 0.0) < 0.85
    assert (verdict.deflated_sharpe.value or 1.0) < 0.95
    assert (verdict.expected_maximum.value or 0.0) > 0.0


def test_trials_that_are_good_in_one_half_only_are_always_overfit() -> None:
    """Each column earns in its own blocks and loses in the others: the best of one half is the worst of the other."""
    blocks = 4
    table = np.array([[1.0 if (block < 2) == (trial == 0) else -1.0 for trial in range(2)] for block in range(blocks)])
    returns = np.repeat(table, 10, axis=0) + np.tile([[0.01], [-0.01]], (20, 1))
    overfit, loss = overfitting_probability(returns, blocks=blocks)
    assert overfit.value == pytest.approx(1.0)
    assert loss.value == pytest.approx(float(slow.overfitting(returns.tolist(), blocks)[1]))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(12, 41), st.sampled_from([2, 4, 6]))
def test_cross_validation_agrees_with_the_reference(seed: int, trials: int, periods: int, blocks: int) -> None:
    returns = np.random.default_rng(seed).integers(-9, 10, size=(periods, trials)) / 100.0
    found = overfitting_probability(returns, blocks=blocks)
    expected = slow.overfitting(returns.tolist(), blocks)
    assert [figure.value for figure in found] == pytest.approx([float(value) for value in expected])


def test_what_a_grid_cannot_say() -> None:
    alone = judge_grid(np.zeros((100, 1)))
    assert (alone.best, alone.deflated_sharpe.reason) == (None, Undefined.TOO_FEW_TRIALS)
    assert overfitting_probability(np.zeros((100, 1)))[0].reason is Undefined.TOO_FEW_TRIALS
    assert judge_grid(np.zeros((2, 5))).best_sharpe.reason is Undefined.TOO_FEW_PERIODS
    short = judge_grid(np.random.default_rng(1).normal(size=(31, 5)))
    assert short.overfitting_probability.reason is Undefined.TOO_FEW_PERIODS
    assert short.deflated_sharpe.value is not None
    idle = judge_grid(np.zeros((64, 5)))
    assert (idle.best, idle.best_sharpe, idle.expected_maximum) == (0, Figure(0.0), Figure(0.0))
    assert idle.deflated_sharpe.reason is Undefined.NO_VARIANCE


@pytest.mark.parametrize("blocks", [0, 1, 3, -2, 22])
def test_blocks_that_cannot_be_halved(blocks: int) -> None:
    with pytest.raises(GridInvalid, match="even number"):
        judge_grid(np.zeros((64, 5)), blocks=blocks)


@pytest.mark.parametrize("returns", [np.zeros(64), np.full((64, 2), math.nan), np.full((64, 2), math.inf)])
def test_grids_that_are_none(returns: np.ndarray) -> None:
    for judge in (judge_grid, overfitting_probability):
        with pytest.raises(GridInvalid, match="finite"):
            judge(returns)


def test_rounding_noise_is_no_movement() -> None:
    steady = np.full((64, 2), 0.01)
    steady[:, 1] = np.random.default_rng(2).normal(size=64)
    assert judge_grid(steady).best_sharpe.value == pytest.approx(
        max(0.0, steady[:, 1].mean() / steady[:, 1].std(ddof=1))
    )


def test_two_values_that_never_lose_have_no_probability() -> None:
    """The root of the formula vanishes for a coin that shows one of two numbers at the right odds."""
    assert probability_above(0.0, ratio=1.0, periods=10, skewness=2.0, kurtosis=5.0).reason is Undefined.NO_VARIANCE


def test_twins_share_a_rank() -> None:
    """Columns with the same returns are equal: all of them take the middle rank, which counts as overfit."""
    column = np.random.default_rng(4).normal(size=(64, 1))
    assert overfitting_probability(np.repeat(column, 9, axis=1), blocks=8)[0] == Figure(1.0)


def test_large_grids_go_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = np.random.default_rng(9).normal(size=(64, 6))
    whole = overfitting_probability(returns, blocks=8)
    monkeypatch.setattr("core.performance.overfitting.CELLS_AT_ONCE", 7)
    assert overfitting_probability(returns, blocks=8) == whole
