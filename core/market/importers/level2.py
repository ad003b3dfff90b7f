"""Level-2 streams of Shanghai: snapshots, orders and trades. Rows hold times only; the day is told or in the name."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.market.importers import cells
from core.market.importers.codes import parse_code
from core.market.importers.layout import Columns, constant
from core.market.importers.model import ROW, FileContent, FileRefused, Part, Told
from core.market.importers.text import Frame

SOURCE: Final = "sse_level2"
_DAY_IN_NAME: Final = re.compile(r"(?<!\d)(20\d{2}[01]\d[0-3]\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class StreamLayout:
    """One stream: our numeric and text columns by the exchange's names."""

    name: str
    dataset: str
    required: frozenset[str]
    time: str
    numbers: Mapping[str, str]
    words: Mapping[str, str]
    is_unknown: Callable[[str], bool]

    def matches(self, header: tuple[str, ...]) -> bool:
        """Tell whether a header is this layout's."""
        return self.required <= set(header)

    def read(self, frame: Frame, path: Path, told: Told) -> FileContent:
        """Turn the stream into rows. Raises `FileRefused` when the day is not known."""
        day = told.day or day_in_name(path)
        moments = cells.moments(frame.column(self.time), day)
        columns: Columns = {
            "ts": moments,
            "symbol": cells.texts(
                frame.column("SecurityID"), lambda text: told.symbol or parse_code(f"{text.strip()}.SH") or text.strip()
            ),
            "source": constant(SOURCE, len(frame.numbers)),
        }
        faults = {}
        if moments.null_count:
            faults[f"{self.time} is not a time"] = cells.mask(pc.is_null(moments))
        for ours, theirs in self.numbers.items():
            columns[ours], unreadable = _number(ours, frame.column(theirs))
            if unreadable.any():
                faults[f"{theirs} is not a number"] = unreadable
        columns |= {ours: frame.column(theirs) for ours, theirs in self.words.items()}
        table = pa.table({**columns, ROW: pa.array(frame.numbers)})
        return FileContent(
            layout=self.name,
            parts=(Part(dataset=self.dataset, table=table, faults=faults),),
            rows_read=len(frame.numbers) + len(frame.torn),
            torn=frame.torn,
            text_of=frame.text_of,
            unknown_columns=tuple(name for name in frame.header if self.is_unknown(name)),
        )


def day_in_name(path: Path) -> date:
    """Return the one day spelled in a file's name or its folder's. Raises `FileRefused`."""
    for text in (path.name, path.parent.name):
        found = {day for match in _DAY_IN_NAME.findall(text) if (day := cells.parse_day(match))}
        if len(found) == 1:
            return found.pop()
    raise FileRefused(reason="the rows hold times without a day and the name spells none; say --day 2023-02-01")


def _number(name: str, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, NDArray[np.bool_]]:
    """Read a number; prices lose the noise of their printed binary digits, empty levels hold no quantity."""
    numbers, unreadable = cells.reals(column)
    if name.startswith(("bid_qty", "ask_qty")):
        return pc.fill_null(numbers, 0.0), unreadable
    return pc.round(numbers, 4), unreadable


_LEVELS: Final = {
    f"{ours}_{what}{level}": f"{theirs}{word}{level}"
    for ours, theirs in (("bid", "Bid"), ("ask", "Ask"))
    for what, word in (("px", "Price"), ("qty", "Volume"))
    for level in range(1, 11)
}
_SNAPSHOT_KNOWN: Final = re.compile(
    r"ImageStatus|ClosePrice|LocalTime|SeqNo|IOPV|YieldToMatu|(Alt)?W|Tot|War|Etf|ETF|Max|BidNum|SellNum|NumOrders"
)

LAYOUTS: Final = (
    StreamLayout(
        name="sse_level2_snapshot",
        dataset="level2_snapshots",
        required=frozenset({"UpdateTime", "SecurityID", "PreCloPrice", "LastPrice", "TradVolume", "BidPrice1"}),
        time="UpdateTime",
        numbers={
            "pre_close": "PreCloPrice",
            "open": "OpenPrice",
            "high": "HighPrice",
            "low": "LowPrice",
            "last": "LastPrice",
            "volume": "TradVolume",
            "amount": "Turnover",
            "num_trades": "TradNumber",
            **_LEVELS,
        },
        words={"status": "InstruStatus"},
        is_unknown=lambda name: (
            not (
                _SNAPSHOT_KNOWN.match(name)
                or name in {*_LEVELS.values(), "UpdateTime", "SecurityID", "InstruStatus", "PreCloPrice", "OpenPrice"}
                or name in {"HighPrice", "LowPrice", "LastPrice", "TradVolume", "Turnover", "TradNumber"}
                or name.startswith("WiD")
            )
        ),
    ),
    StreamLayout(
        name="sse_level2_order",
        dataset="level2_orders",
        required=frozenset({"OrderIndex", "OrderChannel", "SecurityID", "OrderTime", "OrderType", "OrderNO"}),
        time="OrderTime",
        numbers={
            "channel": "OrderChannel",
            "order_index": "OrderIndex",
            "order_no": "OrderNO",
            "price": "OrderPrice",
            "qty": "Balance",
            "biz_index": "BizIndex",
        },
        words={"order_type": "OrderType", "side": "OrderBSFlag"},
        is_unknown=lambda name: (
            not name.startswith("Order")
            and name not in {"DataStatus", "SecurityID", "Balance", "BizIndex", "LocalTime", "SeqNo"}
        ),
    ),
    StreamLayout(
        name="sse_level2_trade",
        dataset="level2_trades",
        required=frozenset({"TradeIndex", "TradeChan", "SecurityID", "TradTime", "TradPrice", "TradVolume"}),
        time="TradTime",
        numbers={
            "channel": "TradeChan",
            "trade_index": "TradeIndex",
            "price": "TradPrice",
            "qty": "TradVolume",
            "amount": "TradeMoney",
            "buy_order_no": "TradeBuyNo",
            "sell_order_no": "TradeSellNo",
            "biz_index": "BizIndex",
        },
        words={"side": "TradeBSFlag"},
        is_unknown=lambda name: (
            not name.startswith("Trad") and name not in {"DataStatus", "SecurityID", "BizIndex", "LocalTime", "SeqNo"}
        ),
    ),
)
