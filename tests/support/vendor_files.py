"""Small files in vendors' layouts, made for tests."""

import struct
from pathlib import Path

TUSHARE_HEADER = "ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount"
GENERIC_HEADER = "date,open,high,low,close,volume,amount"


def write(folder: Path, name: str, text: str, *, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def tushare_row(
    day: str, close: float = 10.0, *, symbol: str = "600000.SH", scale: float = 1.0, pre_close: float = 10.0
) -> str:
    """A day at one price: 500 lots, the money in thousands. `scale` adjusts prices but not money."""
    price = f"{close * scale:.4f}"
    return f"{symbol},{day},{price},{price},{price},{price},{pre_close * scale:.4f},0,0,500.0,{close * 50:.3f}"


def tushare(folder: Path, name: str, *rows: str, bom: bool = False) -> Path:
    text = "\n".join([TUSHARE_HEADER, *rows]) + "\n"
    return write(folder, name, text, encoding="utf-8-sig" if bom else "utf-8")


def january(count: int, close: float = 10.0, **more) -> list[str]:
    return [tushare_row(f"202401{day:02}", close, **more) for day in range(1, count + 1)]


def tdx_day(*records: tuple[int, int, int]) -> bytes:
    """Records of day, price in hundredths and shares; the amount fits."""
    return b"".join(
        struct.pack("<IIIIIfII", day, price, price, price, price, price / 100 * volume, volume, 0)
        for day, price, volume in records
    )


def tdx_minute(*records: tuple[int, int, int, int, float]) -> bytes:
    """Records of year, month-day, minute of day, volume and price."""
    return b"".join(
        struct.pack("<HHfffffII", (year - 2004) * 2048 + month_day, minute, *(price,) * 4, price * volume, volume, 0)
        for year, month_day, minute, volume, price in records
    )
