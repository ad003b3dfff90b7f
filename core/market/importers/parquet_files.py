"""Parquet files in the project's own layout: symbols, days, shares and currency units, told by their columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.market.datasets import DATASETS
from core.market.importers import cells, master
from core.market.importers.layout import constant
from core.market.importers.model import ROW, FileContent, FileRefused, Part, Told
from core.market.model import Adjustment, Exchange, Frequency

PARQUET_MAGIC: Final = b"PAR1"


@dataclass(frozen=True, slots=True)
class ParquetLayout:
    """A Parquet table. `required` columns recognise it; `renames` maps our names to its own; `adds` makes columns."""

    name: str
    dataset: str
    required: frozenset[str]
    source: str
    renames: Mapping[str, str] = field(default_factory=dict)
    adds: Callable[[pa.Table], Mapping[str, pa.ChunkedArray]] = field(default=lambda _: {})
    known: frozenset[str] = frozenset()
    adjustment: Adjustment = Adjustment.RAW
    has_prices: bool = False

    def matches(self, names: frozenset[str]) -> bool:
        """Tell whether a table with these columns is this layout's."""
        return self.required <= names

    def part(self, table: pa.Table) -> Part:
        """Turn the file's table into rows of the dataset."""
        shape = DATASETS[self.dataset]
        columns = {}
        for entry in shape.schema():
            theirs = self.renames.get(entry.name, entry.name)
            if theirs in table.column_names:
                columns[entry.name] = _cast(table[theirs], entry, theirs)
        columns |= self.adds(table)
        if "source" in shape.columns and "source" not in columns:
            columns["source"] = constant(self.source, table.num_rows)
        columns[ROW] = pa.chunked_array([pa.array(np.arange(1, table.num_rows + 1))])
        return Part(
            dataset=self.dataset, table=pa.table(columns), adjustment=self.adjustment, has_prices=self.has_prices
        )

    def unknown(self, names: list[str]) -> tuple[str, ...]:
        """Return the file's columns that go nowhere and are not left out on purpose."""
        used = {self.renames.get(name, name) for name in DATASETS[self.dataset].columns} | self.known | self.required
        return tuple(name for name in names if name not in used)


def read_parquet(path: Path, told: Told) -> FileContent:
    """Read a Parquet file of a known layout. Raises `FileRefused`, also for a file that was cut."""
    del told
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise FileRefused(reason=f"the Parquet file is damaged or was cut: {error}") from error
    names = frozenset(table.column_names)
    if names >= master.REQUIRED:
        return master.read(table, _text_of(table))
    fitting = [layout for layout in LAYOUTS if layout.matches(names)]
    if not fitting:
        raise FileRefused(reason=f"no known layout has the columns {', '.join(table.column_names)}")
    layout = max(fitting, key=lambda one: len(one.required))
    return FileContent(
        layout=layout.name,
        parts=(layout.part(table),),
        rows_read=table.num_rows,
        torn=(),
        text_of=_text_of(table),
        unknown_columns=layout.unknown(table.column_names),
    )


def _text_of(table: pa.Table) -> Callable[[int], str]:
    """Return a function that writes a row as text."""
    return lambda row: ", ".join(f"{name}={value}" for name, value in table.slice(row - 1, 1).to_pylist()[0].items())


def _cast(column: pa.ChunkedArray, entry: pa.Field, name: str) -> pa.ChunkedArray:
    """Give a column the dataset's type. Raises `FileRefused` when its values do not fit."""
    try:
        if pa.types.is_integer(entry.type) and pa.types.is_floating(column.type):
            column = pc.round(column)
        if pa.types.is_string(column.type) and pa.types.is_date(entry.type):
            return cells.days(column)
        if pa.types.is_float32(column.type) and pa.types.is_float64(entry.type):
            return _widened(column)
        return column.cast(entry.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FileRefused(reason=f"column {name} cannot be read as {entry.type}: {error}") from error


def _widened(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return singles as doubles with the seven digits that a single holds: 0.8116, not 0.8116000294685364."""
    wide = column.cast(pa.float64())
    values = pc.fill_null(wide, 0.0).to_numpy()
    largest = np.abs(values, where=np.isfinite(values), out=np.zeros_like(values))
    digits = 6 - np.floor(np.log10(np.maximum(largest, 1e-9)))
    scale = 10.0 ** np.maximum(digits, 0)
    rounded = pa.array(np.where(np.isfinite(values), np.round(values * scale) / scale, values))
    return pc.if_else(pc.is_valid(wide), pa.chunked_array([rounded]), wide)


def _flags(length: int, *, value: bool) -> pa.ChunkedArray:
    """Return a column of one flag repeated."""
    return pa.chunked_array([pa.repeat(pa.scalar(value), length)])


def _times(column: pa.ChunkedArray, factor: float) -> pa.ChunkedArray:
    return pc.multiply(column, factor)


def _minute_frequency(table: pa.Table) -> Mapping[str, pa.ChunkedArray]:
    """Tell one minute from five by the minutes on which bars end."""
    minutes = pc.minute(table["bar_end"]).to_numpy()
    fives = bool(len(minutes)) and bool((minutes % 5 == 0).all())
    frequency = Frequency.MINUTE_5 if fives else Frequency.MINUTE
    return {"frequency": constant(frequency.value, table.num_rows)}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYOUTS: Final = (
    ParquetLayout(
        name="daily_bars",
        dataset="daily",
        required=_names("symbol trade_date open high low close pre_close volume amount adj_factor is_st"),
        source="parquet",
        has_prices=True,
    ),
    ParquetLayout(
        name="index_daily",
        dataset="index_daily",
        required=_names("symbol trade_date open high low close pre_close volume amount source"),
        source="parquet",
        has_prices=True,
    ),
    ParquetLayout(
        name="hk_daily",
        dataset="hk_daily",
        required=_names("symbol trade_date open high low close adj_close volume"),
        source="yahoo",
        adds=lambda table: {"adjustment": constant(Adjustment.SPLIT_ONLY.value, table.num_rows)},
        adjustment=Adjustment.SPLIT_ONLY,
        has_prices=True,
    ),
    ParquetLayout(
        name="minute_bars",
        dataset="minute",
        required=_names("symbol bar_end open high low close volume amount"),
        source="parquet",
        adds=_minute_frequency,
        has_prices=True,
    ),
    ParquetLayout(
        name="dividends",
        dataset="actions",
        required=_names("symbol ex_date cash_per_share bonus_per_share rights_per_share rights_price"),
        source="tdx_gbbq",
        known=_names("is_a_share"),
    ),
    ParquetLayout(
        name="ex_events_implied",
        dataset="implied_events",
        required=_names("symbol ex_date prev_date prev_close pre_close ratio"),
        source="derived",
    ),
    ParquetLayout(
        name="share_changes",
        dataset="shares",
        required=_names(
            "symbol change_date category float_before_10k total_before_10k float_after_10k total_after_10k"
        ),
        source="tdx_gbbq",
        adds=lambda table: {
            name: _times(table[f"{name}_10k"], 10000.0)
            for name in ("float_before", "total_before", "float_after", "total_after")
        },
    ),
    ParquetLayout(
        name="name_history",
        dataset="names",
        required=_names("symbol name first_date last_date bars transient_prefix is_st"),
        source="derived",
        renames={"value": "name"},
        known=_names("is_delisting_period"),
    ),
    ParquetLayout(
        name="st_history",
        dataset="st",
        required=_names("symbol first_date last_date bars"),
        source="derived",
        adds=lambda table: {"value": constant("ST", table.num_rows)},
    ),
    ParquetLayout(
        name="suspensions",
        dataset="suspensions",
        required=_names("symbol first_date last_date days"),
        source="derived",
        adds=lambda table: {"value": constant("suspended", table.num_rows)},
    ),
    ParquetLayout(
        name="trade_calendar",
        dataset="calendar",
        required=_names("trade_date prev_trade_date source"),
        source="parquet",
        renames={"day": "trade_date"},
        adds=lambda table: {
            "exchange": constant(Exchange.SSE.value, table.num_rows),
            "is_open": _flags(table.num_rows, value=True),
            "is_half_day": _flags(table.num_rows, value=False),
            "note": constant("", table.num_rows),
        },
    ),
    ParquetLayout(
        name="index_members",
        dataset="index_members",
        required=_names("index_symbol symbol first_date last_date"),
        source="derived",
    ),
    ParquetLayout(
        name="valuation_daily",
        dataset="valuation",
        required=_names("symbol trade_date pe_ttm pb_mrq ps_ttm pcf_ncf_ttm"),
        source="baostock",
    ),
    ParquetLayout(
        name="market_snapshot",
        dataset="spot",
        required=_names("symbol name trade_date open high low close pre_close volume amount turnover_rate total_mv"),
        source="tushare",
        renames={
            "turnover_pct": "turnover_rate",
            "total_value": "total_mv",
            "float_value": "circ_mv",
        },
        known=_names(
            "turnover_rate_f pe ps ps_ttm dv_ratio dv_ttm open_hfq high_hfq low_hfq close_hfq net_mf_vol net_mf_amount "
            "free_shares"
        ),
    ),
    ParquetLayout(
        name="ticks",
        dataset="ticks",
        required=_names("symbol ts price qty side"),
        source="parquet",
    ),
    ParquetLayout(
        name="level2_orders",
        dataset="level2_orders",
        required=_names("symbol ts channel order_index order_type order_no price qty side biz_index"),
        source="sse_level2",
    ),
    ParquetLayout(
        name="level2_trades",
        dataset="level2_trades",
        required=_names("symbol ts channel trade_index price qty amount buy_order_no sell_order_no side biz_index"),
        source="sse_level2",
    ),
    ParquetLayout(
        name="level2_snapshots",
        dataset="level2_snapshots",
        required=_names("symbol ts pre_close open high low last volume amount num_trades status bid_px1 ask_px1"),
        source="sse_level2",
    ),
)
