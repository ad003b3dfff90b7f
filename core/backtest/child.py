"""What a child process of a run imports once, before the first run: the engine and its compiled kernels."""

from core.backtest import api, portfolio_run, results_tables, single_run, strategy_runs

__all__ = ["api", "portfolio_run", "results_tables", "single_run", "strategy_runs"]
