"""The desk's daily bars of A shares as the asset `stock_day`, with its columns; the calls of the user guide."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from core.backtest.api import backtest, backtest_portfolio
from core.backtest.outcome import BacktestResult
from core.backtest.ports import current_ports
from core.backtest.problems import PortMissing

ASSET: Final = "stock_day"
DATE_COLUMN: Final = "day_id"
FILTER_COLUMN: Final = "STOCK_NUM"
PRICE_COLUMNS: Final = {
    "open": "OPEN_PRICE",
    "high": "HIGH_PRICE",
    "low": "LOW_PRICE",
    "close": "CLOSE_PRICE",
    "volume": "VOLUME",
}
NAMED: Final = {"date_column": DATE_COLUMN, "price_columns": PRICE_COLUMNS, "filter_column": FILTER_COLUMN}


def run_stock_day_backtest(strategy: object, stock_num: str, **parameters: Any) -> BacktestResult:
    """Run a strategy over one stock of `stock_day`. `parameters` are those of `backtest`."""
    return backtest(strategy, asset=ASSET, filter_value=stock_num, **{**NAMED, **parameters})


def run_stock_day_portfolio_backtest(
    strategies: Mapping[str, object], stock_nums: Sequence[str] | None = None, **parameters: Any
) -> BacktestResult:
    """Run one strategy per stock of `stock_day` on one pool of cash; `stock_nums` is the order of settlement."""
    return backtest_portfolio(strategies, stock_nums, asset=ASSET, **{**NAMED, **parameters})


def get_trading_records(stock_num: str, trade_type: str | None = None, size: int = 50) -> list[dict[str, Any]]:
    """Return the team's recorded trades of a stock, newest first; days as `stock_day` writes them.

    Raises `PortMissing` where there is no ledger.
    """
    records = current_ports().records
    if records is None:
        raise PortMissing(parameter="get_trading_records", port="a ledger", instead="Give the trades themselves.")
    rows = records.records(stock_num, trade_type=trade_type, size=size)
    return [{**row, "stock_num": stock_num, "trade_date": row["trade_date"].replace("-", "")} for row in rows]
