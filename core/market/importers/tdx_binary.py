"""TDX binary files: 32-byte records of days (`.day`) and minutes (`.lc1`, `.lc5`), told apart by what they hold."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.market.importers.codes import is_index, price_places
from core.market.importers.layout import LOT, constant, symbol_of_file
from core.market.importers.model import ROW, FileContent, FileRefused, Part, Rejection, Told
from core.market.model import Adjustment, Frequency

RECORD: Final = 32
SOURCE: Final = "tdx"
_FIGURES: Final = (("amount", "<f4"), ("volume", "<u4"), ("rest", "<u4"))
_PRICES: Final = ("open", "high", "low", "close")
_DAY_RECORD: Final = np.dtype([("day", "<u4"), *((name, "<u4") for name in _PRICES), *_FIGURES])
_MINUTE_RECORD: Final = np.dtype([("day", "<u2"), ("minute", "<u2"), *((name, "<f4") for name in _PRICES), *_FIGURES])


def is_tdx_binary(content: bytes) -> bool:
    """Tell whether the first records are plausible days or minutes."""
    whole = content[: len(content) // RECORD * RECORD][: RECORD * 64]
    return bool(whole) and (_are_days(whole) or _are_minutes(whole))


def read(path: Path, told: Told) -> FileContent:
    """Read a binary file. A cut last record is torn off. Raises `FileRefused`."""
    content = path.read_bytes()
    count = len(content) // RECORD
    whole, rest = content[: count * RECORD], content[count * RECORD :]
    if not is_tdx_binary(whole):
        raise FileRefused(reason="the file is neither text nor a binary layout known here")
    symbol = symbol_of_file(path, told)
    torn = (Rejection(count + 1, f"the last record has {len(rest)} of {RECORD} bytes", rest.hex()),) if rest else ()
    part = _days(whole, symbol) if _are_days(whole[: RECORD * 64]) else _minutes(whole, symbol)
    return FileContent(
        layout="tdx_day" if part.dataset != "minute" else "tdx_minute",
        parts=(part,),
        rows_read=count + len(torn),
        torn=torn,
        text_of=lambda row: whole[(row - 1) * RECORD : row * RECORD].hex(),
    )


def _are_days(whole: bytes) -> bool:
    """Tell whether every record begins with a date such as 20230630."""
    days = np.frombuffer(whole, _DAY_RECORD)["day"]
    months, in_month = days // 100 % 100, days % 100
    plausible = (days >= 19900101) & (days < 21000101) & (months >= 1) & (months <= 12)
    return bool((plausible & (in_month >= 1) & (in_month <= 31)).all())


def _are_minutes(whole: bytes) -> bool:
    """Tell whether every record begins with a packed day and a minute of the trading day, and holds prices."""
    records = np.frombuffer(whole, _MINUTE_RECORD)
    month_day = records["day"] % 2048
    plausible = (month_day // 100 >= 1) & (month_day // 100 <= 12) & (month_day % 100 >= 1) & (month_day % 100 <= 31)
    plausible &= (records["minute"] >= 540) & (records["minute"] <= 960)
    prices = np.column_stack([records[name] for name in _PRICES])
    with np.errstate(invalid="ignore"):
        return bool(plausible.all() and ((prices >= 0) & (prices < 1e6)).all())


def _days(whole: bytes, symbol: str) -> Part:
    """Turn day records into bars: prices in hundredths (thousandths for funds), CNY; indices count lots."""
    records = np.frombuffer(whole, _DAY_RECORD)
    numbers = records["day"].astype(np.int64)
    days, valid = _calendar(numbers // 10000, numbers // 100 % 100, numbers % 100)
    scale = 10.0 ** price_places(symbol)
    columns: dict[str, Any] = {name: records[name] / scale for name in _PRICES}
    columns |= _common(records, symbol)
    columns["trade_date"] = pa.array(days)
    faults = {} if valid.all() else {"the date is not a day": ~valid}
    dataset = "daily"
    if is_index(symbol):
        dataset = "index_daily"
        columns["volume"] = columns["volume"] * LOT
    return Part(dataset=dataset, table=pa.table(columns), faults=faults, has_prices=True)


def _minutes(whole: bytes, symbol: str) -> Part:
    """Turn minute records into bars; five minutes when all of them end on a fifth minute."""
    records = np.frombuffer(whole, _MINUTE_RECORD)
    packed = records["day"].astype(np.int64)
    days, valid = _calendar(packed // 2048 + 2004, packed % 2048 // 100, packed % 2048 % 100)
    ends = days.astype("datetime64[m]") + records["minute"].astype("timedelta64[m]")
    fives = bool((records["minute"] % 5 == 0).all())
    columns: dict[str, Any] = {name: np.round(records[name].astype(np.float64), 3) for name in _PRICES}
    columns |= _common(records, symbol)
    columns["bar_end"] = pa.array(ends.astype("datetime64[ms]"))
    frequency = Frequency.MINUTE_5 if fives else Frequency.MINUTE
    columns["frequency"] = constant(frequency.value, len(records))
    faults = {} if valid.all() else {"the date is not a day": ~valid}
    return Part(dataset="minute", table=pa.table(columns), adjustment=Adjustment.RAW, faults=faults, has_prices=True)


def _common(records: NDArray[Any], symbol: str) -> dict[str, Any]:
    """Return the columns both kinds of records share."""
    return {
        "volume": records["volume"].astype(np.int64),
        "amount": records["amount"].astype(np.float64),
        "symbol": constant(symbol, len(records)),
        "source": constant(SOURCE, len(records)),
        ROW: np.arange(1, len(records) + 1, dtype=np.int64),
    }


def _calendar(
    years: NDArray[np.int64], months: NDArray[np.int64], days: NDArray[np.int64]
) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Return days, and where year, month and day are one."""
    month_starts = ((years - 1970) * 12 + months - 1).astype("datetime64[M]")
    found = month_starts.astype("datetime64[D]") + (days - 1).astype("timedelta64[D]")
    return found, found.astype("datetime64[M]") == month_starts
