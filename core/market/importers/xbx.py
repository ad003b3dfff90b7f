"""XBX: raw prices, shares and CNY, one file per stock; the newer layout has a comment line above its header."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.market.importers.layout import BarLayout, Reading


def _finish(reading: Reading) -> None:
    """Add the ST flag from the name, the shares from the market values, and the reference price of the old layout."""
    columns = reading.columns
    columns["is_st"] = pc.match_substring(columns["name"], "ST")
    close = pc.fill_null(columns["close"], float("nan")).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        for ours, theirs in (("float_shares", "流通市值"), ("total_shares", "总市值")):
            if reading.frame.has(theirs):
                columns[ours] = _array(np.round(reading.real(theirs) / close))
        if "pre_close" not in columns and reading.frame.has("涨跌幅"):
            columns["pre_close"] = _array(np.round(close / (1 + reading.real("涨跌幅")), 2))
    if "turnover_pct" in columns:
        columns["turnover_pct"] = pc.multiply(columns["turnover_pct"], 100.0)


def _array(values: "np.typing.NDArray[np.float64]") -> pa.ChunkedArray:
    """Return numbers as a column; what is not finite becomes null."""
    return pa.chunked_array([pa.array(np.where(np.isfinite(values), values, np.nan), from_pandas=True)])


_INDICATORS: Final = (
    *(
        "新浪行业",
        "新浪概念",
        "新浪地域",
        "后复权价",
        "前复权价",
        "涨跌幅",
        "流通市值",
        "总市值",
        "是否涨停",
        "是否跌停",
    ),
    *("市盈率TTM", "市销率TTM", "市现率TTM", "市净率", "MA_5", "MA_10", "MA_20", "MA_30", "MA_60", "MA金叉死叉"),
    *("MACD_DIF", "MACD_DEA", "MACD_MACD", "MACD_金叉死叉", "KDJ_K", "KDJ_D", "KDJ_J", "KDJ_金叉死叉"),
    *("布林线中轨", "布林线上轨", "布林线下轨", "psy", "psyma", "rsi1", "rsi2", "rsi3", "振幅", "量比"),
)

LAYOUTS: Final = (
    BarLayout(
        name="xbx",
        source="xbx",
        required=frozenset(
            {"股票代码", "股票名称", "交易日期", "开盘价", "最高价", "最低价", "收盘价", "成交量", "成交额"}
        ),
        columns={
            "name": "股票名称",
            "open": "开盘价",
            "high": "最高价",
            "low": "最低价",
            "close": "收盘价",
            "pre_close": "前收盘价",
            "volume": "成交量",
            "amount": "成交额",
            "turnover_pct": "换手率",
        },
        known=frozenset(_INDICATORS),
        day=("交易日期",),
        symbol=("股票代码",),
        finish=_finish,
    ),
)
