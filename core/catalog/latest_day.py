"""The newest day of an asset, kept in memory: the store sorts by symbol, so that one day lies spread over its file."""

import threading
from dataclasses import dataclass, field
from datetime import date

from core.catalog.assets import MarketTable, newest_partition
from core.catalog.filters import Operator
from core.catalog.query import MemoryTable
from core.catalog.selection import Plan
from core.market.bar_store import MarketStore
from core.market.manifest import Manifest


@dataclass(frozen=True, slots=True)
class _Kept:
    manifest: Manifest
    rows: MemoryTable


@dataclass(slots=True)
class LatestDays:
    """Rows of the newest partition per asset, read once per state of the market folder. Blocking."""

    store: MarketStore
    _kept: dict[int, _Kept] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def covering(self, table: MarketTable, plan: Plan) -> MemoryTable | None:
        """Return the newest day's rows when the plan reads no other day, else None."""
        manifest = self.store.manifest()
        newest = newest_partition(table, manifest)
        if newest is None or not _is_of(plan, table, newest):
            return None
        number = table.asset.asset_id
        with self._guard:
            kept = self._kept.get(number)
            if kept is None or kept.manifest is not manifest:
                sql = f"SELECT * FROM ({table.sql()}) WHERE _day = ?"
                kept = _Kept(manifest, MemoryTable(self.store.query(sql, [newest])))
                # A replaced table may still be read by another thread; it closes with its last reader.
                self._kept[number] = kept
            return kept.rows


def _is_of(plan: Plan, table: MarketTable, day: date) -> bool:
    column, text = table.asset.partition_column, day.strftime("%Y%m%d")
    return any(
        item.column.name == column and item.operator is Operator.EQ and item.values == (text,) for item in plan.filters
    )
