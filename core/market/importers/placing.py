"""Judged rows on their way into a dataset: where they belong, in which columns, and what suspended days say."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from core.market.bar_store import MarketStore
from core.market.datasets import DATASETS, Dataset
from core.market.importers import adjustment
from core.market.importers.keys import key_codes, ordinals
from core.market.importers.layout import constant
from core.market.importers.model import ROW, Part, Told
from core.market.model import Adjustment

_JUDGED_BY_MONEY: Final = frozenset({"daily"})
"""Datasets whose adjustment may have to be found out: indices are never adjusted, the others say it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Rows of one file in the columns of a dataset; `rows` are their numbers in the file."""

    dataset: str
    table: pa.Table
    rows: pa.ChunkedArray
    adjustment: Adjustment | None
    how_known: str = ""


def place(part: Part, table: pa.Table, how_known: str) -> Placed:
    """Find the dataset of a part's judged rows and bring them into its columns.

    Prices that are not raw go to `adjusted_daily`; Hong Kong's stay together, each row saying its adjustment.
    """
    found = part.adjustment
    name = part.dataset
    if name == "daily" and found is not Adjustment.RAW:
        name = "adjusted_daily"
    shape = DATASETS[name]
    if "adjustment" in shape.columns and "adjustment" not in table.column_names and found is not None:
        table = table.append_column("adjustment", constant(found.value, table.num_rows))
    return Placed(name, _columns(table, shape), table[ROW], found if part.has_prices else None, how_known)


def settle(part: Part, *, path: Path, told: Told, store: MarketStore) -> tuple[Part, str]:
    """Return the part with its adjustment, and how that is known. Raises `FileRefused`."""
    if not part.has_prices or part.dataset not in _JUDGED_BY_MONEY:
        return replace(part, adjustment=part.adjustment or Adjustment.RAW), ""
    stated, table = part.adjustment, part.table
    found, how = adjustment.decide(table, path, stated=stated, told=told.adjustment)
    symbols = adjustment.symbols_of(table)
    if found is Adjustment.RAW and len(symbols) == 1:
        stored = store.table("daily", columns=["symbol", "trade_date", "close"], symbols=symbols)
        adjustment.check_against_stored(table, stored)
    return replace(part, adjustment=found), how


def _columns(table: pa.Table, shape: Dataset) -> pa.Table:
    """Take a dataset's columns out of a table, in its types; absent ones are null."""
    columns = []
    for entry in shape.schema():
        if entry.name not in table.column_names:
            columns.append(pa.chunked_array([pa.nulls(table.num_rows, entry.type)]))
            continue
        column = table[entry.name]
        if pa.types.is_integer(entry.type) and pa.types.is_floating(column.type):
            column = pc.round(column)
        columns.append(column.cast(entry.type))
    return pa.table(columns, schema=shape.schema())


def with_sequence(part: Part) -> Part:
    """Number rows that share a moment, where only their order tells them apart."""
    shape = DATASETS[part.dataset]
    if "seq" not in shape.columns:
        return part
    key = [column for column in shape.key if column != "seq"]
    numbers = ordinals(key_codes([part.table], key)[0])
    return replace(part, table=part.table.append_column("seq", pa.chunked_array([pa.array(numbers, pa.int64())])))


def suspension_spells(suspended: Iterable[pa.Table], traded: Iterable[pa.Table], stored: pa.Table) -> pa.Table:
    """Turn days without trade into spells: neighbouring ones with no traded day between them belong together.

    Days inside a stored spell add nothing.
    """
    idle = {key: source for table in suspended for key, source in _days_with_source(table)}
    active = {key for table in traded for key, _ in _days_with_source(table)}
    known: dict[str, list[tuple[date, date]]] = {}
    for spell in stored.select(["symbol", "first_date", "last_date"]).to_pylist():
        known.setdefault(spell["symbol"], []).append((spell["first_date"], spell["last_date"] or date.max))
    spells: list[dict[str, object]] = []
    current: dict[str, object] | None = None
    for key in sorted(active | set(idle)):
        symbol, day = key
        if key in active or any(first <= day <= last for first, last in known.get(symbol, ())):
            current = None
        elif current is not None and current["symbol"] == symbol:
            current["last_date"] = day
            current["days"] = int(str(current["days"])) + 1
        else:
            current = {"symbol": symbol, "first_date": day, "last_date": day, "days": 1}
            current |= {"value": "suspended", "source": idle[key]}
            spells.append(current)
    return pa.Table.from_pylist(spells, schema=DATASETS["suspensions"].schema())


def _days_with_source(table: pa.Table) -> list[tuple[tuple[str, date], str]]:
    """Return symbol, day and source of each row."""
    rows = table.select(["symbol", "trade_date", "source"]).to_pylist()
    return [((row["symbol"], row["trade_date"]), row["source"]) for row in rows]
