"""Reads the bars of one instrument from the market folder, under all symbols it ever had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from core.clock import CHINA
from core.market.bar_store import MarketStore
from core.market.instruments import SecurityMaster
from core.market.model import Adjustment, Frequency, InstrumentKind
from core.market.service_bars import AdjustmentUnavailable, adjust, columns_of, factors_of
from core.market.service_minutes import MADE, chosen_bars

if TYPE_CHECKING:
    import pyarrow as pa

HISTORY: Final = ("symbol", "trade_date", "open", "high", "low", "close", "pre_close", "volume", "amount")
EXTRA: Final = {"daily": ("adj_factor",), "index_daily": (), "hk_daily": ("adj_factor", "adj_close", "adjustment")}
AS_STORED: Final = frozenset({Adjustment.RAW, Adjustment.SPLIT_ONLY})


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """Which bars are wanted; days both included, None is open."""

    symbol: str
    start: date | None
    end: date | None
    frequency: Frequency
    adjustment: Adjustment


@dataclass(frozen=True, slots=True)
class Series:
    """Bars as read: the dataset and the adjustment they really have, and what to know about them."""

    dataset: str
    adjustment: Adjustment
    times: NDArray[np.datetime64]
    columns: Mapping[str, NDArray[np.generic]]
    warnings: tuple[str, ...] = ()

    @property
    def newest(self) -> date | datetime | None:
        """The day of the last bar, or the moment in China at which it ends."""
        last: date | datetime | None = self.times[-1].item() if len(self.times) else None
        return last.replace(tzinfo=CHINA) if isinstance(last, datetime) else last


def read_series(store: MarketStore, master: SecurityMaster, request: SeriesRequest) -> Series:
    """Read bars, adjusted as asked. Raises `AdjustmentUnavailable`."""
    if request.frequency is not Frequency.DAY:
        return _read_minutes(store, master, request)
    dataset = dataset_of(request.symbol, master)
    if request.adjustment in AS_STORED:
        return _read_as_stored(store, master, request=request, dataset=dataset)
    return _read_adjusted(store, master, request=request, dataset=dataset)


def dataset_of(symbol: str, master: SecurityMaster) -> str:
    """Return the dataset that holds an instrument's daily bars."""
    if symbol.endswith(".HK"):
        return "hk_daily"
    instrument = master.by_symbol.get(master.current_symbol(symbol))
    return "index_daily" if instrument and instrument.kind is InstrumentKind.INDEX else "daily"


def _read_as_stored(store: MarketStore, master: SecurityMaster, *, request: SeriesRequest, dataset: str) -> Series:
    symbols = master.all_symbols(request.symbol)
    columns = (*HISTORY, *EXTRA[dataset])
    found = store.table(dataset, columns=columns, symbols=symbols, start=request.start, end=request.end)
    found = _one_per_moment(found, symbols[0], "trade_date")
    adjustment = _adjustment_of(found, request)
    return Series(dataset, adjustment, _days_of(found), columns_of(found))


def _read_adjusted(store: MarketStore, master: SecurityMaster, *, request: SeriesRequest, dataset: str) -> Series:
    """Adjust over the whole history, whatever part is wanted: factors are relative to its first and last day."""
    symbols = master.all_symbols(request.symbol)
    whole = store.table(dataset, columns=(*HISTORY, *EXTRA[dataset]), symbols=symbols)
    whole = _one_per_moment(whole, symbols[0], "trade_date")
    times, columns = _days_of(whole), columns_of(whole)
    if dataset != "index_daily":
        factors = factors_of(columns, _stored_factors(whole))
        if factors is None:
            reason = "neither factors nor reference prices are stored for all of its days."
            raise AdjustmentUnavailable(symbol=request.symbol, adjustment=request.adjustment.value, reason=reason)
        columns = adjust(columns, factors, request.adjustment)
    low = np.searchsorted(times, np.datetime64(request.start, "D")) if request.start else 0
    high = np.searchsorted(times, np.datetime64(request.end, "D"), side="right") if request.end else len(times)
    return Series(
        dataset, request.adjustment, times[low:high], {name: values[low:high] for name, values in columns.items()}
    )


def _read_minutes(store: MarketStore, master: SecurityMaster, request: SeriesRequest) -> Series:
    if request.adjustment is not Adjustment.RAW:
        reason = "minute bars are raw only."
        raise AdjustmentUnavailable(symbol=request.symbol, adjustment=request.adjustment.value, reason=reason)
    symbols = master.all_symbols(request.symbol)
    if request.frequency in MADE:
        sql, values = chosen_bars(request.frequency, symbols, start=request.start, end=request.end)
        found = store.query(sql, values)
    else:
        found = store.table("minute", symbols=symbols, start=request.start, end=request.end)
        found = found.filter(_equal(found["frequency"].to_pylist(), request.frequency.value))
    found = _one_per_moment(found, symbols[0], "bar_end")
    times = found["bar_end"].combine_chunks().to_numpy(zero_copy_only=False).astype("datetime64[ms]")
    warnings: tuple[str, ...] = ()
    if request.frequency in MADE and found.num_rows and not found["is_final"][-1].as_py():
        warnings = (f"The last bar, ending {times[-1].item()}, is incomplete: its last minutes are not stored.",)
    return Series("minute", Adjustment.RAW, times, columns_of(found), warnings)


def _days_of(table: "pa.Table") -> NDArray[np.datetime64]:
    days: NDArray[np.datetime64] = table["trade_date"].combine_chunks().to_numpy(zero_copy_only=False)
    return days.astype("datetime64[D]")


def _stored_factors(table: "pa.Table") -> NDArray[np.float64] | None:
    """Return the backward factor as stored; for Hong Kong the vendor's adjusted close over the close."""
    if "adj_close" in table.column_names and table["adj_factor"].null_count and not table["adj_close"].null_count:
        quotient: NDArray[np.float64] = table["adj_close"].to_numpy() / table["close"].to_numpy()
        return quotient
    factors: NDArray[np.float64] = table["adj_factor"].to_numpy().astype(np.float64)
    return factors


def _adjustment_of(table: "pa.Table", request: SeriesRequest) -> Adjustment:
    """Return what the stored prices are. Prices split-adjusted by the vendor are labelled so, never called raw."""
    kinds = set(table["adjustment"].to_pylist()) - {None} if "adjustment" in table.column_names else set()
    stored = Adjustment(kinds.pop()) if len(kinds) == 1 else Adjustment.RAW
    if kinds or (request.adjustment is Adjustment.SPLIT_ONLY and stored is Adjustment.RAW and table.num_rows):
        reason = "its stored bars are of several kinds." if kinds else "its stored bars are raw."
        raise AdjustmentUnavailable(symbol=request.symbol, adjustment=request.adjustment.value, reason=reason)
    return stored


def _one_per_moment(table: "pa.Table", current: str, moment: str) -> "pa.Table":
    """Order rows of one instrument by time; where two of its symbols have the same, the present symbol's stays."""
    present = _equal(table["symbol"].to_pylist(), current)
    if present.all():
        return table
    times = table[moment].combine_chunks().to_numpy(zero_copy_only=False)
    order = np.lexsort((~present, times))
    ordered = times[order]
    first = np.concatenate([np.ones(min(len(ordered), 1), dtype=bool), ordered[1:] != ordered[:-1]])
    return table.take(order[first])


def _equal(values: Sequence[str], wanted: str) -> NDArray[np.bool_]:
    return np.fromiter((value == wanted for value in values), dtype=bool, count=len(values))
