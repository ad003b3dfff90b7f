"""Eastmoney, as AKShare exports it: Chinese headers, volumes in lots, amounts in the currency."""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.market.importers import cells
from core.market.importers.codes import parse_code
from core.market.importers.layout import LOT, BarLayout, Columns, Reading, constant
from core.market.importers.model import ROW, FileContent, FileRefused, Part, Told
from core.market.importers.text import Frame
from core.market.model import Adjustment

SOURCE: Final = "eastmoney"


def _adjustment(frame: Frame) -> Adjustment | None:
    """Shares come in any adjustment, and nothing in the header says which."""
    del frame
    return None


def _finish(reading: Reading) -> None:
    """Work out the reference price: close less the change in price."""
    if reading.frame.has("涨跌额"):
        change = reading.real("涨跌额")
        close = pc.fill_null(reading.columns["close"], float("nan")).to_numpy()
        pre_close = np.round(close - change, 4)
        if len(pre_close):
            pre_close[0] = np.nan
        reading.columns["pre_close"] = pa.chunked_array([pa.array(pre_close, from_pandas=True)])


_MOVES: Final = frozenset({"振幅", "涨跌幅", "涨跌额", "换手率"})

LAYOUTS: Final = (
    BarLayout(
        name="eastmoney_daily",
        source=SOURCE,
        required=frozenset({"日期", "开盘", "收盘", "最高", "最低", "成交量", "成交额", "涨跌额"}),
        columns={
            "open": "开盘",
            "high": "最高",
            "low": "最低",
            "close": "收盘",
            "volume": "成交量",
            "amount": "成交额",
            "turnover_pct": "换手率",
        },
        known=_MOVES,
        day=("日期",),
        symbol=("股票代码", "代码"),
        volume_unit=LOT,
        adjustment=_adjustment,
        finish=_finish,
    ),
    BarLayout(
        name="eastmoney_daily_mixed_header",
        source=SOURCE,
        required=frozenset({"date", "open", "close", "high", "low", "volume", "amount", "振幅", "涨跌额"}),
        columns={
            "open": "open",
            "high": "high",
            "low": "low",
            "close": "close",
            "volume": "volume",
            "amount": "amount",
            "turnover_pct": "换手率",
        },
        known=_MOVES | {"日期"},
        day=("date",),
        symbol=("股票代码", "代码"),
        volume_unit=LOT,
        adjustment=_adjustment,
        finish=_finish,
    ),
)


class SpotLayout:
    """The table of quotes of the whole market. It states no day: `--day` must."""

    name: Final = "eastmoney_spot"
    required: Final = frozenset({"代码", "名称", "最新价", "最高", "最低", "今开", "昨收", "成交量", "成交额"})
    _columns: Final = {
        "open": "今开",
        "high": "最高",
        "low": "最低",
        "close": "最新价",
        "pre_close": "昨收",
        "volume": "成交量",
        "amount": "成交额",
        "turnover_pct": "换手率",
        "volume_ratio": "量比",
        "pe_ttm": "市盈率-动态",
        "pb": "市净率",
        "total_value": "总市值",
        "float_value": "流通市值",
    }
    _known: Final = frozenset({"序号", "涨跌幅", "涨跌额", "振幅", "涨速", "5分钟涨跌", "60日涨跌幅", "年初至今涨跌幅"})

    def matches(self, header: tuple[str, ...]) -> bool:
        """Tell whether a header is this layout's."""
        return self.required <= set(header)

    def read(self, frame: Frame, path: Path, told: Told) -> FileContent:
        """Turn the frame into quotes in shares and CNY. Raises `FileRefused` when the day is not told."""
        del path
        if told.day is None:
            raise FileRefused(reason="the file holds quotes and states no day; say --day 2026-11-20")
        columns: Columns = {}
        faults = {}
        for ours, theirs in self._columns.items():
            if frame.has(theirs):
                columns[ours], unreadable = cells.reals(frame.column(theirs))
                if unreadable.any():
                    faults[f"{theirs} is not a number"] = unreadable
        columns["volume"] = pc.round(pc.multiply(columns["volume"], float(LOT)))
        columns["symbol"] = cells.texts(frame.column("代码"), lambda text: parse_code(text) or text.strip())
        columns["name"] = frame.column("名称")
        columns["source"] = constant(SOURCE, len(frame.numbers))
        columns["trade_date"] = pa.chunked_array([pa.repeat(pa.scalar(told.day, pa.date32()), len(frame.numbers))])
        known = {*self._columns.values(), *self._known, "代码", "名称"}
        return FileContent(
            layout=self.name,
            parts=(Part(dataset="spot", table=pa.table({**columns, ROW: pa.array(frame.numbers)}), faults=faults),),
            rows_read=len(frame.numbers) + len(frame.torn),
            torn=frame.torn,
            text_of=frame.text_of,
            unknown_columns=tuple(name for name in frame.header if name not in known),
        )
