"""Moving windows agree with the same figures taken window by window."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.matching.rolling import WindowInvalid, rolling_corr, rolling_mean, rolling_rank, rolling_std

DAYS, SYMBOLS = 600, 13


def market(seed: int = 3) -> Any:
    """Prices with gaps, a stock that stands still, and one whose level is a million times its moves."""
    dice = np.random.default_rng(seed)
    values = 20 * np.exp(np.cumsum(dice.normal(0, 0.02, (DAYS, SYMBOLS)), axis=0))
    values[dice.random((DAYS, SYMBOLS)) < 0.01] = np.nan
    values[:, 3] = 7.77
    values[:, 4] = 1e6 + dice.normal(0, 1, DAYS)
    values[:, 5] = np.round(dice.normal(0, 1, DAYS))
    values[:50, 6] = np.nan
    return values


def plainly(values: Any, window: int, figure: Callable[[Any], float], *others: Any) -> Any:
    out = np.full(values.shape, np.nan)
    for day in range(window - 1, len(values)):
        for symbol in range(values.shape[1]):
            parts = [one[day - window + 1 : day + 1, symbol] for one in (values, *others)]
            if not any(np.isnan(part).any() for part in parts):
                out[day, symbol] = figure(*parts)
    return out


@pytest.mark.parametrize("window", [1, 2, 20, 300])
def test_mean(window: int) -> None:
    values = market()
    assert rolling_mean(values, window) == pytest.approx(plainly(values, window, np.mean), rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("window", [2, 20, 300])
def test_deviation(window: int) -> None:
    values = market()
    expected = plainly(values, window, lambda part: part.std(ddof=1))
    assert rolling_std(values, window) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
    assert set(rolling_std(values, window)[window:, 3]) == {0.0}


@pytest.mark.parametrize("window", [3, 20, 300])
def test_correlation(window: int) -> None:
    values, other = market(), market(8)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = plainly(values, window, lambda one, two: np.corrcoef(one, two)[0, 1], other)
    expected[:, 3] = np.nan
    found = rolling_corr(values, other, window)
    assert found == pytest.approx(expected, abs=1e-8, nan_ok=True)
    turned = rolling_corr(values, -values, window)[:, 4]
    assert turned[~np.isnan(turned)] == pytest.approx(-1.0)


@pytest.mark.parametrize("window", [1, 5, 20])
def test_rank(window: int) -> None:
    values = market()
    expected = plainly(values, window, lambda part: (part < part[-1]).sum() + ((part == part[-1]).sum() + 1) / 2)
    assert rolling_rank(values, window) == pytest.approx(expected, nan_ok=True)


def test_threads_and_later_days_change_nothing() -> None:
    values = np.concatenate([market(seed) for seed in range(50)], axis=1)
    for figure in (rolling_mean, rolling_std, rolling_rank):
        whole = figure(values, 20, threads=1)
        assert np.array_equal(whole, figure(values, 20, threads=3), equal_nan=True)
        assert np.array_equal(whole[:300], figure(values[:300], 20), equal_nan=True)


@pytest.mark.parametrize("window", [0, -1, 2.0, True, None])
def test_windows_that_cannot_be(window: Any) -> None:
    with pytest.raises(WindowInvalid, match="A window is a whole number"):
        rolling_mean(np.zeros((3, 2)), window)


def test_columns_that_do_not_fit() -> None:
    with pytest.raises(WindowInvalid, match="an array of 1 dimensions"):
        rolling_mean(np.zeros(3), 2)
    with pytest.raises(WindowInvalid, match="do not fit together"):
        rolling_corr(np.zeros((3, 2)), np.zeros((3, 3)), 2)
