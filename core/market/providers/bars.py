"""Rows of daily bars, as adapters read them, made into a `BarSeries`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

from core.market.model import Adjustment, BarSeries, Exchange, Frequency, Provenance
from core.market.providers.codes import is_index
from core.market.providers.figures import Bounds, Malformed, index_shares, number, shares


@dataclass(frozen=True, slots=True, kw_only=True)
class WireBar:
    """One daily bar with the texts or decimals of the wire."""

    day: date
    open: object
    high: object
    low: object
    close: object
    volume: object
    amount: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    day: date
    prices: tuple[float, float, float, float]
    volume: int
    amount: float


def to_series(
    bars: Sequence[WireBar],
    *,
    symbol: str,
    adjustment: Adjustment,
    unit: int,
    source: str,
    warnings: tuple[str, ...] = (),
) -> BarSeries:
    """Check the bars and put them into columns, oldest first. Raises `Malformed` naming the bar.

    Days must rise, prices be in order. `unit` is the number of shares per unit of volume; it is verified bar by bar
    where the amount is known and the prices are raw.
    """
    import numpy as np  # noqa: PLC0415 - not needed until a first bar arrives

    rows = [_read(bar, symbol, adjustment, unit) for bar in bars]
    for before, after in pairwise(rows):
        if after.day <= before.day:
            raise Malformed(f"{symbol}: {after.day} comes after {before.day}")
    prices = np.array([row.prices for row in rows], dtype=np.float64).reshape(-1, 4)
    return BarSeries(
        symbol=symbol,
        frequency=Frequency.DAY,
        adjustment=adjustment,
        times=np.array([row.day for row in rows], dtype="datetime64[D]"),
        columns={
            "open": prices[:, 0],
            "high": prices[:, 1],
            "low": prices[:, 2],
            "close": prices[:, 3],
            "volume": np.array([row.volume for row in rows], dtype=np.int64),
            "amount": np.array([row.amount for row in rows], dtype=np.float64),
        },
        provenance=Provenance(
            dataset=f"{source} daily bars",
            as_of=rows[-1].day.isoformat() if rows else None,
            simulated=False,
            adjustment=adjustment,
            currency=Exchange(symbol.rpartition(".")[2]).currency,
            warnings=warnings,
        ),
    )


def _read(bar: WireBar, symbol: str, adjustment: Adjustment, unit: int) -> _Row:
    what = f"{symbol} {bar.day}"
    opened, high = _price(bar.open, f"{what}: open"), _price(bar.high, f"{what}: high")
    low, close = _price(bar.low, f"{what}: low"), _price(bar.close, f"{what}: close")
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise Malformed(f"{what}: open {opened}, high {high}, low {low}, close {close} are not in order")
    if adjustment is Adjustment.RAW and low <= 0:
        raise Malformed(f"{what}: low {low} is not above zero")
    amount = number(bar.amount, f"{what}: amount")
    volume = number(bar.volume, f"{what}: volume") or Decimal(0)
    bounds = Bounds(low=low, high=high) if adjustment is Adjustment.RAW else None
    if is_index(symbol):
        counted = index_shares(volume, amount)
    else:
        counted = shares(volume, amount, unit=unit, bounds=bounds, what=f"{what}: volume")
    return _Row(
        day=bar.day,
        prices=(float(opened), float(high), float(low), float(close)),
        volume=counted or 0,
        amount=float(amount) if amount is not None else float("nan"),
    )


def _price(value: object, what: str) -> Decimal:
    """Read a price that must be there; forward adjustment can make old prices zero or negative."""
    read = number(value, what)
    if read is None:
        raise Malformed(f"{what} is missing")
    return read
