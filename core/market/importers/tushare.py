"""Tushare: `daily`, `pro_bar` and `index_daily`. Volumes in lots, amounts in thousands; nothing says how adjusted."""

from typing import Final

import pyarrow.compute as pc

from core.market.importers.codes import is_index
from core.market.importers.layout import LOT, BarLayout, Reading
from core.market.importers.text import Frame
from core.market.model import Adjustment


def _adjustment(frame: Frame) -> Adjustment | None:
    """Indices are never adjusted; about shares the header says nothing."""
    codes = pc.unique(frame.column("ts_code")).to_pylist()
    return Adjustment.RAW if codes and all(is_index(code) for code in codes) else None


def _finish(reading: Reading) -> None:
    """Take the vendor's adjustment factor where the export carries one."""
    if "adj_factor" in reading.columns and not pc.count(reading.columns["adj_factor"]).as_py():
        del reading.columns["adj_factor"]


LAYOUTS: Final = (
    BarLayout(
        name="tushare_daily",
        source="tushare",
        required=frozenset({"ts_code", "trade_date", "open", "high", "low", "close", "vol", "amount"}),
        columns={
            "open": "open",
            "high": "high",
            "low": "low",
            "close": "close",
            "pre_close": "pre_close",
            "volume": "vol",
            "amount": "amount",
            "turnover_pct": "turnover_rate",
            "adj_factor": "adj_factor",
        },
        known=frozenset({"change", "pct_chg", "openinterest", "volume_ratio", ""}),
        day=("trade_date",),
        symbol=("ts_code",),
        volume_unit=LOT,
        amount_unit=1000,
        adjustment=_adjustment,
        finish=_finish,
    ),
)
