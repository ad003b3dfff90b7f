"""TDX exports: a CSV with English names that says nothing, and the GBK text whose title names code and adjustment."""

from typing import Final

from core.market.importers.layout import BarLayout
from core.market.importers.model import FileRefused
from core.market.importers.text import Frame
from core.market.model import Adjustment

TITLES: Final = {"前复权": Adjustment.FORWARD, "后复权": Adjustment.BACKWARD, "不复权": Adjustment.RAW}


def _adjustment(frame: Frame) -> Adjustment | None:
    """Return what the title says. Raises `FileRefused` when the title speaks of other bars than days."""
    words = frame.title.split()
    if words and "日线" not in words:
        raise FileRefused(reason=f"the title {frame.title!r} does not say 日线: only daily exports are read")
    stated = [adjustment for word, adjustment in TITLES.items() if word in frame.title]
    return stated[0] if stated else (Adjustment.RAW if words else None)


LAYOUTS: Final = (
    BarLayout(
        name="tdx_text",
        source="tdx",
        required=frozenset({"日期", "开盘", "最高", "最低", "收盘", "成交量", "成交额"}),
        columns={
            "open": "开盘",
            "high": "最高",
            "low": "最低",
            "close": "收盘",
            "volume": "成交量",
            "amount": "成交额",
        },
        day=("日期",),
        adjustment=_adjustment,
    ),
    BarLayout(
        name="tdx_csv",
        source="tdx",
        required=frozenset({"date", "open", "high", "low", "close", "volume", "amount"}),
        columns={
            "open": "open",
            "high": "high",
            "low": "low",
            "close": "close",
            "volume": "volume",
            "amount": "amount",
        },
        day=("date",),
        symbol=("code", "symbol"),
        adjustment=lambda _: None,
    ),
)
