"""Turns stored rows into quotes and bar series, and raw prices into adjusted ones. Pure functions."""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from core.clock import CHINA
from core.errors import NotPossible
from core.market.model import Adjustment, Exchange, Quote
from core.money import CENT, PRICE_PLACES

if TYPE_CHECKING:
    import pyarrow as pa

PRICES: Final = ("open", "high", "low", "close", "pre_close")
MAINLAND_CLOSE: Final = time(15, 0)
HONG_KONG_CLOSE: Final = time(16, 0)


class AdjustmentUnavailable(NotPossible):
    """The stored bars do not tell how to adjust them."""

    code = "adjustment_unavailable"
    template = "{symbol} has no {adjustment} adjusted prices: {reason}"


def decimal_of(value: float | None) -> Decimal | None:
    """Return the decimal of a stored figure; None where the source had none."""
    return None if value is None or value != value else shortest(value)  # noqa: PLR0124 - NaN differs from itself


def shortest(value: float) -> Decimal:
    """Return the shortest decimal that a stored float stands for, with two places where they suffice."""
    exact = Decimal(repr(value))
    cents = exact.quantize(CENT)
    return cents if cents == exact else round(exact, PRICE_PLACES).normalize()


def close_of(day: date, exchange: Exchange) -> datetime:
    """Return the moment at which an exchange's day ends."""
    return datetime.combine(day, HONG_KONG_CLOSE if exchange is Exchange.HKEX else MAINLAND_CLOSE, CHINA)


def quote_of(row: Mapping[str, Any], *, symbol: str, name: str, is_suspended: bool) -> Quote:
    """Make a quote of a stored bar. On a day without trade open, high and low are absent and the volume is 0."""
    exchange = Exchange(symbol.partition(".")[2])
    last_price = shortest(row["close"])
    figures = {key: None if is_suspended else decimal_of(row[key]) for key in ("open", "high", "low", "amount")}
    return Quote(
        symbol=symbol,
        name=name,
        last_price=last_price,
        reference_price=last_price if is_suspended else decimal_of(row["pre_close"]),
        volume=0 if is_suspended else row["volume"],
        trade_date=row["trade_date"],
        at=close_of(row["trade_date"], exchange),
        currency=exchange.currency,
        is_suspended=is_suspended,
        source=row["source"],
        **figures,
    )


def columns_of(table: "pa.Table") -> dict[str, NDArray[np.generic]]:
    """Return prices and amount as float64 and volume as int64; a volume with gaps becomes float64 with NaN."""
    columns: dict[str, NDArray[np.generic]] = {}
    for name in (*PRICES, "volume", "amount"):
        if name not in table.column_names:
            continue
        column = table[name].combine_chunks()
        kind = np.int64 if name == "volume" and not column.null_count else np.float64
        columns[name] = column.to_numpy(zero_copy_only=False).astype(kind)
    return columns


def factors_of(
    columns: Mapping[str, NDArray[np.generic]], stored: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    """Return the backward factor of each day of a whole history; None when neither way gives it.

    The stored factor is used where every day has one. Else it is chained from the exchange's reference prices:
    `factor[t] = factor[t-1] * close[t-1] / pre_close[t]`, beginning at 1.
    """
    if stored is not None and len(stored) and not np.isnan(stored).any():
        return stored
    close, reference = columns["close"].astype(np.float64), columns.get("pre_close")
    if reference is None or np.isnan(before := reference.astype(np.float64)[1:]).any() or (before <= 0).any():
        return None
    return np.concatenate([np.ones(min(len(close), 1)), np.cumprod(close[:-1] / before)])


def adjust(
    columns: Mapping[str, NDArray[np.generic]], factors: NDArray[np.float64], adjustment: Adjustment
) -> dict[str, NDArray[np.generic]]:
    """Multiply prices by `factor` (backward) or by `factor / last factor` (forward). Volumes and amounts stay raw."""
    scale = factors if adjustment is Adjustment.BACKWARD or not len(factors) else factors / factors[-1]
    return {name: values.astype(np.float64) * scale if name in PRICES else values for name, values in columns.items()}
