"""Fetched bars and instruments in the form in which an import judges and joins rows."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.market.importers.codes import is_index
from core.market.importers.model import ROW, FileContent, Part
from core.market.importers.run import Fetched
from core.market.model import Adjustment, BarSeries, Instrument

LAYOUT: Final = "live"
PRICES: Final = ("open", "high", "low", "close")
ROUNDED: Final = 0.0051
"""How far two prices in cents may lie apart that were equal before rounding."""
SHIFTED: Final = 0.0101
"""The same for prices that were shifted by a dividend which is itself known in cents only."""
SHIFT_BARS: Final = 5
LINE_BARS: Final = (20, 10, 5)
"""How many bars before an event show what kind of stretch they are."""
PLACES: Final = 3


@dataclass(frozen=True, slots=True)
class References:
    """The exchange's reference price (pre-close) of each bar from `first` on; NaN for the bar `first` itself."""

    first: int
    prices: NDArray[np.float64]


def dataset_of(symbol: str) -> str:
    """Return the dataset of an instrument's daily bars."""
    return "hk_daily" if symbol.endswith(".HK") else "index_daily" if is_index(symbol) else "daily"


def previous_closes(raw: BarSeries) -> References:
    """Take the close before each bar: right where nothing is ever paid out, as for indices."""
    close = raw.columns["close"].astype(np.float64)
    return References(0, np.concatenate([np.full(min(len(close), 1), np.nan), close[:-1]]))


def reference_prices(raw: BarSeries, forward: BarSeries) -> References:
    """Find reference prices by comparing raw bars with forward adjusted ones of the same days.

    Forward prices equal raw ones from the newest event on, and before it the close of the last day is, adjusted, the
    reference price of the event's day. Older stretches are read alike, as providers adjust by the exchange's formula: a
    dividend shifts them by a constant, while bonus and rights issues also scale them. Beyond a scaled stretch adjusted
    cents are too coarse: `first` is the oldest bar from which on every event is understood.
    """
    before, after = _columns(raw), _columns(forward)
    count = len(before)
    prices = np.full(count, np.nan)
    if raw.times.tolist() != forward.times.tolist() or not count or np.abs(after[-1] - before[-1]).max() > ROUNDED:
        return References(max(count - 1, 0), prices)
    scale, shift, slack = 1.0, 0.0, ROUNDED
    for place in range(count - 1, 0, -1):
        if np.abs(after[place - 1] - scale * before[place - 1] - shift).max() <= slack:
            prices[place] = before[place - 1][-1]
            continue
        if scale != 1.0:
            return References(place, prices)
        prices[place] = np.round(after[place - 1][-1] - shift, PLACES)
        line = _line(before[:place], after[:place])
        if line is None:
            return References(place - 1, prices)
        (scale, shift), slack = line, SHIFTED
    return References(0, prices)


def _line(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return scale and shift of the stretch that ends with these bars; None when no straight line explains it."""
    gaps = (after - before)[-SHIFT_BARS:]
    shift = float(np.median(gaps))
    if np.abs(gaps - shift).max() <= SHIFTED:
        return 1.0, shift
    for bars in LINE_BARS:
        given, wanted = before[-bars:].ravel(), after[-bars:].ravel()
        (scale, shift), *_ = np.linalg.lstsq(np.column_stack([given, np.ones(len(given))]), wanted, rcond=None)
        if len(before) > 1 and np.abs(scale * given + shift - wanted).max() <= SHIFTED:
            return float(scale), float(shift)
    return None


def bars_content(raw: BarSeries, references: References, *, source: str, until: date) -> Fetched:
    """Return the understood bars of a series up to a day, both included."""
    last = int(np.searchsorted(raw.times, np.datetime64(until, "D"), side="right"))
    rows = slice(references.first, max(last, references.first))
    count = len(raw.times[rows])
    prices = references.prices.copy()
    prices[references.first : references.first + 1] = np.nan
    figures = {name: raw.columns[name][rows] for name in (*PRICES, "volume", "amount")}
    columns: dict[str, Any] = {name: pa.array(values, from_pandas=True) for name, values in figures.items()}
    columns |= {
        "symbol": pa.array([raw.symbol] * count, pa.string()),
        "trade_date": pa.array(raw.times[rows].tolist(), pa.date32()),
        "pre_close": pa.array(prices[rows], from_pandas=True),
        "source": pa.array([source] * count, pa.string()),
    }
    return _fetched(f"{source} {raw.symbol}", dataset_of(raw.symbol), columns, has_prices=True)


def instruments_content(
    listed: Sequence[Instrument], stored: Mapping[str, Mapping[str, Any]], *, source: str
) -> Fetched:
    """Return the master as listed now. What is stored of an instrument stays, save its name; blanks are filled."""
    rows = [_merged(each, stored.get(each.symbol), source) for each in listed]
    names = (
        "symbol",
        "name",
        "exchange",
        "board",
        "kind",
        "currency",
        "list_date",
        "delist_date",
        "industry",
        "source",
    )
    kinds = {name: pa.date32() if name.endswith("_date") else pa.string() for name in names}
    columns = {name: pa.array([row[name] for row in rows], kinds[name]) for name in names}
    return _fetched(f"{source} instruments", "instruments", columns, has_prices=False)


def _merged(listed: Instrument, stored: Mapping[str, Any] | None, source: str) -> dict[str, Any]:
    row = {
        "symbol": listed.symbol,
        "name": listed.name,
        "exchange": listed.exchange.value,
        "board": listed.board.value if listed.board else None,
        "kind": listed.kind.value,
        "currency": listed.currency,
        "list_date": listed.list_date,
        "delist_date": listed.delist_date,
        "industry": listed.industry,
        "source": source,
    }
    if stored is None:
        return row
    kept = {name: value for name, value in stored.items() if value is not None and name not in {"name", "source"}}
    return row | kept


def _columns(series: BarSeries) -> NDArray[np.float64]:
    """Return open, high, low and close as the columns of one array."""
    return np.column_stack([series.columns[name].astype(np.float64) for name in PRICES])


def _fetched(name: str, dataset: str, columns: Mapping[str, Any], *, has_prices: bool) -> Fetched:
    count = len(next(iter(columns.values())))
    table = pa.table({**columns, ROW: pa.array(range(1, count + 1), pa.int64())})
    lines = [json.dumps(row, ensure_ascii=False, default=str) for row in table.drop([ROW]).to_pylist()]
    part = Part(dataset=dataset, table=table, adjustment=Adjustment.RAW, has_prices=has_prices)
    content = FileContent(layout=LAYOUT, parts=(part,), rows_read=count, torn=(), text_of=lambda row: lines[row - 1])
    return Fetched(name=name, content=content, sha256=hashlib.sha256("\n".join(lines).encode()).hexdigest())
