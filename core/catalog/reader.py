"""The one door to rows of assets: whoever reads, for whatever, gets a relation that is already cut to the caller."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from core.access.model import Caller
from core.catalog.assets import MARKET_TABLES
from core.catalog.latest_day import LatestDays
from core.catalog.model import Asset, Cell, Row
from core.catalog.problems import AssetNotFound
from core.catalog.query import Relation, run_on_relation
from core.catalog.row_rules import is_visible, row_rules
from core.catalog.selection import Condition, Plan, count_query, page_query
from core.catalog.tables import TeamTables
from core.market.bar_store import MarketStore
from core.market.datasets import DATASETS

if TYPE_CHECKING:
    import pyarrow as pa

TEAM_TABLE = "_team_table_{asset_id}"


@dataclass(frozen=True, slots=True)
class ReadRows:
    """One page of rows and the number of rows on all pages."""

    rows: tuple[Row, ...]
    total: int


@dataclass(frozen=True, slots=True)
class _Source:
    """The SQL of all rows, and what runs a query over it."""

    sql: str
    run: Callable[[Condition], "pa.Table"]


class AssetReader:
    """Reads rows of assets. Blocking: call it in a thread."""

    def __init__(self, store: MarketStore, tables: TeamTables) -> None:
        self._store = store
        self._tables = tables
        self._latest = LatestDays(store)

    def relation(self, asset: Asset, caller: Caller) -> Relation:
        """Return the rows of an asset that this caller may read; visibility and row rules are applied here.

        Raises `AssetNotFound` for an asset that does not exist for the caller.
        """
        if not is_visible(asset, caller):
            raise AssetNotFound(asset_id=asset.asset_id)
        table = MARKET_TABLES.get(asset.asset_id)
        if table is not None:
            return Relation(table.sql(), {part.dataset: self._dataset(part.dataset) for part in table.parts})
        rules = row_rules(asset, caller)
        source = TEAM_TABLE.format(asset_id=asset.asset_id)
        return Relation(
            f'SELECT * FROM "{source}"', {source: lambda: self._tables.read(asset.file, asset.asset_name, rules)}
        )

    def page(self, asset: Asset, caller: Caller, plan: Plan) -> ReadRows:
        """Read one page and count all rows of the plan."""
        source = self._source(asset, caller, plan)
        table = MARKET_TABLES.get(asset.asset_id)
        found = source.run(page_query(asset, source.sql, plan, table))
        rows = tuple(_row(row) for row in found.to_pylist())
        if len(rows) < plan.limit and (rows or plan.offset == 0):
            return ReadRows(rows, plan.offset + len(rows))  # the page that is not full is the last one
        total = source.run(count_query(source.sql, plan, table))["total"][0].as_py()
        return ReadRows(rows, int(total))

    def _source(self, asset: Asset, caller: Caller, plan: Plan) -> _Source:
        """Choose where a plan is run: the newest day in memory, the market store's connection, or a team's table."""
        relation = self.relation(asset, caller)
        table = MARKET_TABLES.get(asset.asset_id)
        if table is None:
            return _Source(relation.sql, lambda query: run_on_relation(relation, query.sql, query.values))
        kept = self._latest.covering(table, plan)
        if kept is not None:
            return _Source(f"SELECT * FROM {kept.NAME}", lambda query: kept.run(query.sql, query.values))
        return _Source(relation.sql, lambda query: self._store.query(query.sql, query.values))

    def _dataset(self, name: str) -> Callable[[], Any]:
        """Return a function that opens a dataset of the market store as Arrow, without reading it."""

        def opened() -> Any:
            import pyarrow.dataset as ds  # noqa: PLC0415 - heavy; loaded on first use

            entry = self._store.manifest().datasets.get(name)
            if entry is None:
                return DATASETS[name].schema().empty_table()
            return ds.dataset(self._store.folder / entry.file)

        return opened


def _row(row: Mapping[str, Any]) -> Row:
    return {name: _cell(value) for name, value in row.items()}


def _cell(value: Cell) -> Cell:
    """Return the value as JSON can carry it: no number is infinite or none."""
    return None if isinstance(value, float) and not isfinite(value) else value
