"""Figures of many trials at once, by the formulas of `core.performance`, out of sums."""

from collections.abc import Sequence

import numpy as np

from core.backtest.request import RunRequest
from core.backtest.series import Series
from core.backtest.sweep_compiled import UNIT, CompiledTrials, Floats
from core.matching import sweep_layout as at
from core.performance.figures import NOISE


def figures_of(trials: Sequence[CompiledTrials], request: RunRequest, many: Sequence[Series]) -> dict[str, Floats]:
    """Return each figure of (instrument, trial); NaN where it does not exist.

    The formulas are those of `core.performance.metrics` and `.trades`.
    """
    counts = np.moveaxis(np.stack([one.counts for one in trials]), 2, 0)
    sums = np.moveaxis(np.stack([one.sums for one in trials]), 2, 0)
    bars = np.array([len(series.bars) for series in many])[:, np.newaxis]
    days = np.array([(np.diff(series.bars.days) > 0).sum() + 1 for series in many])[:, np.newaxis]
    year, final, closed, drawdown = (
        request.annualization,
        counts[at.FINAL] / request.cash,
        counts[at.TRADES],
        sums[at.DRAWDOWN],
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        growth = np.power(final, year / days) - 1.0
        mean = sums[at.RETURNS] / days
        spread = np.maximum(sums[at.SQUARES] - sums[at.RETURNS] * mean, 0.0)
        deviation = np.where(days > 1, np.sqrt(spread / (days - 1)), np.nan)
        moved = deviation > NOISE
        downside = np.sqrt(sums[at.DOWNSIDE] / days)
        figures = {
            "total_return": final - 1.0,
            "cagr": growth,
            "sharpe": np.where(moved, mean / deviation * np.sqrt(year), np.nan),
            "sortino": np.where((downside > NOISE) & (days > 1), mean / downside * np.sqrt(year), np.nan),
            "max_drawdown": drawdown,
            "calmar": np.where(drawdown < 0, growth / -drawdown, np.nan),
            "volatility": np.where(moved | (days == 1), deviation, 0.0) * np.sqrt(year),
            "win_rate": np.where(closed > 0, counts[at.WINS] / closed, np.nan),
            "profit_factor": np.where(counts[at.LOSSES] > 0, counts[at.GAINS] / counts[at.LOSSES], np.nan),
            "num_trades": closed.astype(np.float64),
            "exposure": counts[at.HELD] / bars,
            "turnover": counts[at.TRADED] / 2.0 / sums[at.LEVELS] * year,
            "fees": counts[at.FEES] / UNIT,
        }
    return {name: np.asarray(values, dtype=np.float64) for name, values in figures.items()}
