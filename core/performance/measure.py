"""All figures of one run in one call, named as results name them."""

from dataclasses import dataclass, field

import numpy as np

from core.performance import metrics, trades
from core.performance.benchmark import Comparison, compare
from core.performance.curve import Curve
from core.performance.figures import (
    ANNUALIZATION,
    BoolArray,
    Figure,
    FloatArray,
    IntArray,
    Undefined,
    undefined,
)
from core.performance.metrics import Drawdown
from core.performance.overfitting import deflated_sharpe
from core.performance.periods import YearRow, yearly_table


@dataclass(frozen=True, eq=False)
class RunFigures:
    """What a run hands over. `pnl` per closed trade; `held` per bar; `traded` is the value of all fills together.

    `benchmark_days` (YYYYMMDD) and `benchmark_closes` belong together. `trials` and `trials_variance` say how many
    tries the run is the best of, and the variance of their Sharpe ratios per period.
    """

    curve: Curve
    pnl: FloatArray
    held: BoolArray | None = None
    traded: float | None = None
    fees: float | None = None
    benchmark_days: IntArray | None = None
    benchmark_closes: FloatArray | None = None
    trials: float = 1.0
    trials_variance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """The figures of a run. A name stands either in `values` with a number or with None there and in `reasons`.

    Fractions, not percent. `max_drawdown` is a return and never positive. `alpha` is per day and `alpha_annualized`
    per year; Sharpe, Sortino, volatility, turnover and the information ratio are annualised with `annualization`.
    """

    values: dict[str, float | None]
    reasons: dict[str, Undefined]
    drawdown: Drawdown
    yearly: tuple[YearRow, ...]
    annualization: float
    comparison: Comparison | None = None
    warnings: tuple[str, ...] = field(default=())


def measure(run: RunFigures, *, annualization: float = ANNUALIZATION, risk_free: float = 0.0) -> Performance:
    """Compute every figure of a run. `annualization` is days of a year, `risk_free` a yearly rate."""
    drawdown = metrics.max_drawdown(run.curve)
    figures = _of_curve(run, drawdown, annualization, risk_free) | _of_trades(run.pnl)
    comparison = None
    if run.benchmark_days is not None and run.benchmark_closes is not None:
        comparison = compare(run.curve, run.benchmark_days, run.benchmark_closes, annualization=annualization)
        figures |= _of_benchmark(comparison)
    values: dict[str, float | None] = {name: figure.value for name, figure in figures.items()}
    values |= {"num_trades": run.pnl.size, "longest_losing_streak": trades.longest_losing_streak(run.pnl)}
    return Performance(
        values=values,
        reasons={name: figure.reason for name, figure in figures.items() if figure.reason is not None},
        drawdown=drawdown,
        yearly=yearly_table(run.curve),
        annualization=annualization,
        comparison=comparison,
        warnings=tuple(comparison.warnings) if comparison else (),
    )


def _of_curve(run: RunFigures, drawdown: Drawdown, annualization: float, risk_free: float) -> dict[str, Figure]:
    daily = run.curve.daily
    growth = metrics.cagr(daily, annualization=annualization)
    figures = {
        "total_return": metrics.total_return(run.curve),
        "cagr": growth,
        "max_drawdown": Figure(drawdown.depth),
        "calmar": metrics.calmar(growth, drawdown),
        "exposure": metrics.exposure(run.held),
        "turnover": metrics.turnover(daily, run.traded, annualization=annualization),
        "fees": undefined(Undefined.NOT_RECORDED) if run.fees is None else Figure(run.fees),
    }
    return figures | _of_returns(run, daily.returns, annualization, risk_free)


def _of_returns(
    run: RunFigures, returns: FloatArray | None, annualization: float, risk_free: float
) -> dict[str, Figure]:
    if returns is None:
        missing = undefined(Undefined.LOST_EVERYTHING)
        return dict.fromkeys(("volatility", "sharpe", "sortino", "deflated_sharpe"), missing)
    return {
        "volatility": metrics.volatility(returns, annualization=annualization),
        "sharpe": metrics.sharpe(returns, annualization=annualization, risk_free=risk_free),
        "sortino": metrics.sortino(returns, annualization=annualization, target=risk_free),
        "deflated_sharpe": deflated_sharpe(returns, trials=run.trials, variance=run.trials_variance),
    }


def _of_trades(pnl: FloatArray) -> dict[str, Figure]:
    return {
        "win_rate": trades.win_rate(pnl),
        "profit_factor": trades.profit_factor(pnl),
        "payoff_ratio": trades.payoff_ratio(pnl),
        "expectancy": trades.expectancy(pnl),
    }


def _of_benchmark(comparison: Comparison) -> dict[str, Figure]:
    return {
        "benchmark_return": comparison.benchmark_return,
        "alpha": comparison.regression.alpha,
        "alpha_annualized": comparison.regression.alpha_annualized,
        "beta": comparison.regression.beta,
        "r_squared": comparison.regression.r_squared,
        "benchmark_volatility": comparison.benchmark_volatility,
        "tracking_error": comparison.tracking_error,
        "information_ratio": comparison.information_ratio,
    }


def no_trades() -> FloatArray:
    """Return the results of no trade."""
    return np.zeros(0, dtype=np.float64)
