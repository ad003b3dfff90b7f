"""Figures of many trials at once, by the formulas of `core.performance`, out of sums."""

import numpy as np

from core.backtest.request import RunRequest
from core.backtest.series import Series
from core.backtest.sweep_compiled import UNIT, CompiledTrials, Floats
from core.matching import sweep_kernel as kernel
from core.performance.figures import NOISE


def figures_of(trials: CompiledTrials, request: RunRequest, series: Series) -> dict[str, Floats]:
    """Return each figure of every trial; NaN where it does not exist.

    The formulas are those of `core.performance.metrics` and `.trades`.
    """
    counts, sums, year = trials.counts, trials.sums, request.annualization
    days = int((np.diff(series.bars.days) > 0).sum()) + 1
    final = counts[:, kernel.FINAL] / request.cash
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        growth = np.power(final, year / days) - 1.0
        mean = sums[:, kernel.RETURNS] / days
        spread = np.maximum(sums[:, kernel.SQUARES] - sums[:, kernel.RETURNS] * mean, 0.0)
        deviation = np.sqrt(spread / (days - 1)) if days > 1 else np.full(len(final), np.nan)
        moved = deviation > NOISE
        downside = np.sqrt(sums[:, kernel.DOWNSIDE] / days)
        closed = counts[:, kernel.TRADES]
        drawdown = sums[:, kernel.DRAWDOWN]
        figures = {
            "total_return": final - 1.0,
            "cagr": growth,
            "sharpe": np.where(moved, mean / deviation * np.sqrt(year), np.nan),
            "sortino": np.where((downside > NOISE) & (days > 1), mean / downside * np.sqrt(year), np.nan),
            "max_drawdown": drawdown,
            "calmar": np.where(drawdown < 0, growth / -drawdown, np.nan),
            "volatility": np.where(moved, deviation, 0.0) * np.sqrt(year) if days > 1 else deviation,
            "win_rate": np.where(closed > 0, counts[:, kernel.WINS] / closed, np.nan),
            "profit_factor": np.where(
                counts[:, kernel.LOSSES] > 0, counts[:, kernel.GAINS] / counts[:, kernel.LOSSES], np.nan
            ),
            "num_trades": closed.astype(np.float64),
            "exposure": counts[:, kernel.HELD] / len(series.bars),
            "fees": counts[:, kernel.FEES] / UNIT,
        }
        figures["turnover"] = counts[:, kernel.TRADED] / 2.0 / sums[:, kernel.LEVELS] * year
    return {name: np.asarray(values, dtype=np.float64) for name, values in figures.items()}
