"""BaoStock: shares and CNY; `adjustflag` says how prices were adjusted, `tradestatus` 0 marks days without trade."""

from typing import Final

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.market.importers.layout import BarLayout, Reading
from core.market.importers.model import FileRefused
from core.market.importers.text import Frame
from core.market.model import Adjustment

FLAGS: Final = {"1": Adjustment.BACKWARD, "2": Adjustment.FORWARD, "3": Adjustment.RAW}


def _adjustment(frame: Frame) -> Adjustment | None:
    """Return what `adjustflag` says. Raises `FileRefused` when it says several things, or something unknown."""
    flags = [flag for flag in pc.unique(frame.column("adjustflag")).to_pylist() if flag]
    if len(flags) > 1:
        raise FileRefused(reason=f"adjustflag has the values {', '.join(sorted(flags))} in one file; split it by them")
    if flags and flags[0] not in FLAGS:
        raise FileRefused(reason=f"adjustflag is {flags[0]!r}; known are 1 backward, 2 forward, 3 raw")
    return FLAGS[flags[0]] if flags else Adjustment.RAW


def _finish(reading: Reading) -> None:
    """Read the ST flag."""
    if reading.frame.has("isST"):
        reading.columns["is_st"] = pc.equal(reading.frame.column("isST"), "1")


def _suspended(reading: Reading) -> NDArray[np.bool_]:
    """Return the days on which the vendor says there was no trade."""
    if not reading.frame.has("tradestatus"):
        return np.zeros(len(reading.frame.numbers), dtype=bool)
    flags: NDArray[np.bool_] = pc.equal(reading.frame.column("tradestatus"), "0").to_numpy()
    return flags


LAYOUTS: Final = (
    BarLayout(
        name="baostock",
        source="baostock",
        required=frozenset({"date", "code", "open", "high", "low", "close", "volume", "amount", "adjustflag"}),
        columns={
            "open": "open",
            "high": "high",
            "low": "low",
            "close": "close",
            "pre_close": "preclose",
            "volume": "volume",
            "amount": "amount",
            "turnover_pct": "turn",
        },
        known=frozenset(
            {"adjustflag", "tradestatus", "pctChg", "isST", "psTTM", "pbMRQ", "peTTM", "pcfNcfTTM", "time"}
        ),
        day=("date",),
        symbol=("code",),
        adjustment=_adjustment,
        finish=_finish,
        suspended=_suspended,
    ),
)
