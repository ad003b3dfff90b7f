"""What the market folder holds: one row per dataset, with its columns, its key and what counts as the same row.

Prices are in the instrument's currency, volumes in shares, amounts in the currency; days are calendar days in China and
moments are naive China time. A dataset is stored sorted by its key, and no key occurs twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from core.errors import Invalid

if TYPE_CHECKING:
    import pyarrow as pa

SQL_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"text": "VARCHAR", "day": "DATE", "moment": "TIMESTAMP", "real": "DOUBLE", "whole": "BIGINT", "flag": "BOOLEAN"}
)
"""The words for column types used below, and what DuckDB calls them."""


class TableUnfit(Invalid):
    """A table does not have the shape of the dataset it was given for."""

    code = "market_table_unfit"
    template = "The table given for {dataset} cannot be stored: {reason}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """The shape of one dataset.

    `key` identifies a row and is the order of storage. `day` is the column that dates a row. `compared` are the
    columns in which a second statement of the same row must agree; empty means all but `source`.
    """

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    day: str | None
    required: tuple[str, ...]
    compared: tuple[str, ...] = field(default=())

    def schema(self) -> "pa.Schema":
        """Return the Arrow schema in which the dataset is stored."""
        import pyarrow as pa  # noqa: PLC0415 - heavy; loaded on first use

        kinds = {
            "text": pa.string(),
            "day": pa.date32(),
            "moment": pa.timestamp("ms"),
            "real": pa.float64(),
            "whole": pa.int64(),
            "flag": pa.bool_(),
        }
        return pa.schema([(name, kinds[kind]) for name, kind in self.columns.items()])

    def compared_columns(self) -> tuple[str, ...]:
        """Return the columns that decide whether two statements of one row agree."""
        return self.compared or tuple(name for name in self.columns if name not in {*self.key, "source"})


def _dataset(name: str, columns: str, *, key: str, day: str | None, required: str = "", compared: str = "") -> Dataset:
    """Read the compact notation of the table below: `text symbol; real open close`."""
    kinds = {
        column: words[0] for part in columns.split(";") if (words := part.split()) for column in words[1:] if column
    }
    needed = (*key.split(), *required.split())
    return Dataset(name, MappingProxyType(kinds), tuple(key.split()), day, needed, tuple(compared.split()))


_BAR: Final = "real open high low close"
_LEVELS: Final = "; ".join(
    f"{kind} " + " ".join(f"{side}_{what}{level}" for side in ("bid", "ask") for level in range(1, 11))
    for kind, what in (("real", "px"), ("whole", "qty"))
)
_BAR_RULES: Final = "open high low close volume amount"

DATASETS: Final[Mapping[str, Dataset]] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            _dataset(
                "daily",
                f"text symbol; day trade_date; {_BAR} pre_close; whole volume; real amount turnover_pct adj_factor; "
                "flag is_st; text name; whole float_shares total_shares; text source",
                key="symbol trade_date",
                day="trade_date",
                required="open high low close volume source",
                compared=_BAR_RULES,
            ),
            _dataset(
                "index_daily",
                f"text symbol; day trade_date; {_BAR} pre_close; whole volume; real amount; text name source",
                key="symbol trade_date",
                day="trade_date",
                required="open high low close source",
                compared=_BAR_RULES,
            ),
            _dataset(
                "hk_daily",
                f"text symbol; day trade_date; {_BAR} pre_close adj_close; whole volume; real amount adj_factor; "
                "text name adjustment source",
                key="symbol trade_date",
                day="trade_date",
                required="open high low close volume source",
                compared=f"{_BAR_RULES} adjustment",
            ),
            _dataset(
                "minute",
                f"text symbol frequency; moment bar_end; {_BAR}; whole volume; real amount; text source",
                key="symbol frequency bar_end",
                day="bar_end",
                required="open high low close source",
                compared=_BAR_RULES,
            ),
            _dataset(
                "adjusted_daily",
                f"text symbol adjustment source; day trade_date; {_BAR} pre_close; whole volume; real amount factor",
                key="symbol adjustment source trade_date",
                day="trade_date",
                required="open high low close",
                compared=_BAR_RULES,
            ),
            _dataset(
                "instruments",
                "text symbol name exchange board kind currency; day list_date delist_date; text industry source",
                key="symbol",
                day=None,
                required="name exchange kind currency",
            ),
            _dataset(
                "code_changes",
                "text old_symbol new_symbol; day effective_date; text source",
                key="old_symbol",
                day="effective_date",
                required="new_symbol effective_date",
            ),
            _dataset(
                "names",
                "text symbol; day first_date last_date; text value transient_prefix source",
                key="symbol first_date",
                day="first_date",
                required="value",
            ),
            _dataset(
                "st",
                "text symbol; day first_date last_date; text value source",
                key="symbol first_date",
                day="first_date",
                required="value",
            ),
            _dataset(
                "suspensions",
                "text symbol; day first_date last_date; text value; whole days; text source",
                key="symbol first_date",
                day="first_date",
            ),
            _dataset(
                "actions",
                "text symbol; day ex_date; real cash_per_share bonus_per_share rights_per_share rights_price; "
                "day pay_date; text source",
                key="symbol ex_date",
                day="ex_date",
                required="cash_per_share bonus_per_share rights_per_share rights_price",
            ),
            _dataset(
                "implied_events",
                "text symbol; day ex_date prev_date; real prev_close pre_close close_ex_day ratio; text source",
                key="symbol ex_date",
                day="ex_date",
                required="prev_close pre_close ratio",
            ),
            _dataset(
                "shares",
                "text symbol; day change_date; whole category; real float_before total_before float_after total_after; "
                "text source",
                key="symbol change_date category",
                day="change_date",
            ),
            _dataset(
                "calendar",
                "text exchange; day day; flag is_open is_half_day; text note source",
                key="exchange day",
                day="day",
                required="is_open",
            ),
            _dataset(
                "index_members",
                "text index_symbol symbol; day first_date last_date; text source",
                key="index_symbol symbol first_date",
                day="first_date",
            ),
            _dataset(
                "valuation",
                "text symbol; day trade_date; real pe_ttm pb_mrq ps_ttm pcf_ncf_ttm; text source",
                key="symbol trade_date",
                day="trade_date",
            ),
            _dataset(
                "spot",
                f"text symbol source; day trade_date; text name; {_BAR} pre_close; whole volume; real amount "
                "turnover_pct volume_ratio pe_ttm pb total_value float_value adj_factor; "
                "whole total_shares float_shares; text industry area",
                key="symbol source trade_date",
                day="trade_date",
                compared=_BAR_RULES,
            ),
            _dataset(
                "ticks",
                "text symbol; moment ts; whole seq; real price; whole qty; text side source",
                key="symbol ts seq",
                day="ts",
                required="price qty",
            ),
            _dataset(
                "level2_snapshots",
                "text symbol; moment ts; whole seq; real pre_close open high low last; whole volume; real amount; "
                f"whole num_trades; text status; {_LEVELS}; real up_limit down_limit; text source",
                key="symbol ts seq",
                day="ts",
            ),
            _dataset(
                "level2_orders",
                "text symbol; moment ts; whole channel order_index; text order_type; whole order_no; real price; "
                "whole qty; text side; whole biz_index; text source",
                key="symbol ts channel order_index",
                day="ts",
            ),
            _dataset(
                "level2_trades",
                "text symbol; moment ts; whole channel trade_index; real price; whole qty; real amount; "
                "whole buy_order_no sell_order_no; text side; whole biz_index; text source",
                key="symbol ts channel trade_index",
                day="ts",
            ),
        )
    }
)
"""Every dataset a market folder can hold."""


def dataset(name: str) -> Dataset:
    """Return the shape of a dataset. Raises `TableUnfit` for a name that is none."""
    try:
        return DATASETS[name]
    except KeyError:
        raise TableUnfit(dataset=name, reason=f"there is no such dataset; there are {', '.join(DATASETS)}") from None


def conform(table: "pa.Table", shape: Dataset) -> "pa.Table":
    """Bring a table to the columns, types and order of its dataset; absent columns become null.

    Raises `TableUnfit` for unknown columns, values that do not fit, and nulls or repetitions in the key.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded on first use

    unknown = sorted(set(table.column_names) - set(shape.columns))
    absent = sorted(set(shape.required) - set(table.column_names))
    if unknown or absent:
        raise TableUnfit(dataset=shape.name, reason=f"unknown columns {unknown}, absent columns {absent}")
    columns = []
    for entry in shape.schema():
        given = table[entry.name] if entry.name in table.column_names else pa.nulls(table.num_rows, entry.type)
        try:
            columns.append(given.cast(entry.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise TableUnfit(dataset=shape.name, reason=f"column {entry.name}: {error}") from error
    return sort_by_key(pa.table(columns, schema=shape.schema()), shape)


def sort_by_key(table: "pa.Table", shape: Dataset) -> "pa.Table":
    """Sort by the key, without work when already sorted. Raises `TableUnfit` when a key occurs twice."""
    if not _is_increasing(table, shape.key):
        table = table.sort_by([(name, "ascending") for name in shape.key])
        if not _is_increasing(table, shape.key):
            raise TableUnfit(dataset=shape.name, reason=f"rows with the same {', '.join(shape.key)}")
    return table


def _is_increasing(table: "pa.Table", key: tuple[str, ...]) -> bool:
    """Tell whether every row's key is greater than the one before (nulls, in optional days, come first or last)."""
    import numpy as np  # noqa: PLC0415 - with pyarrow
    import pyarrow.compute as pc  # noqa: PLC0415 - heavy; loaded on first use

    if table.num_rows < 2:
        return True
    greater = np.zeros(table.num_rows - 1, dtype=bool)
    equal = np.ones(table.num_rows - 1, dtype=bool)
    for name in key:
        column = table[name].combine_chunks()
        left, right = column.slice(0, len(column) - 1), column.slice(1)
        above = pc.fill_null(pc.greater(right, left), False).to_numpy(zero_copy_only=False)
        same = pc.fill_null(pc.equal(right, left), False).to_numpy(zero_copy_only=False)
        if column.null_count:
            same = same | (pc.is_null(left).to_numpy(zero_copy_only=False) & pc.is_null(right).to_numpy(False))
            above = above | (pc.is_valid(left).to_numpy(False) & pc.is_null(right).to_numpy(False))
        greater |= equal & above
        equal &= same
    return bool(greater.all())
