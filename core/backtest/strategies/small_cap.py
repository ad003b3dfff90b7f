"""Small caps: hold the smallest companies of a market, by equal weights, and look again every few days."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.panel_decisions import TopK
from core.backtest.panel_market import PanelMarket
from core.backtest.problems import ColumnMissing
from core.market.panel import Panel

CAP: Final = "market_cap"
SHARES: Final = "total_shares"


def small_cap_rotation(
    market: PanelMarket | Panel,
    *,
    count: int = 40,
    every: int = 5,
    reserve: float = 0.02,
    exclude_st: bool = True,
    least_days: int = 60,
) -> TopK:
    """Every `every` days hold the `count` smallest companies by market value, each `(1 - reserve) / count`.

    The market value is the panel's `market_cap`, or its close times `total_shares`. Companies under ST are left out
    where the panel says which are, and those younger than `least_days` days. Raises `ColumnMissing`.
    """
    panel = market.panel if isinstance(market, PanelMarket) else market
    return TopK(
        rank_by=CAP if CAP in panel.columns else _caps(panel),
        k=count,
        every=every,
        reserve=reserve,
        exclude_st=exclude_st and "is_st" in panel.columns,
        least_days=least_days,
        first=least_days,
    )


def _caps(panel: Panel) -> NDArray[Any]:
    if SHARES not in panel.columns:
        raise ColumnMissing(column=SHARES, purpose="the market value", columns=", ".join(panel.columns))
    caps: NDArray[Any] = np.where(panel[SHARES] > 0, panel["close"] * panel[SHARES], np.nan)
    return caps
