"""Reads what a caller asks of an asset's rows into a plan, or says everything that is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from core.catalog.assets import MARKET_TABLES, newest_partition
from core.catalog.filters import Filter, FilterSlot, Operator, find_column, read_filter
from core.catalog.index_codes import SYMBOL_TO_CODE
from core.catalog.model import AnonymousLimits, Asset, ColumnRole, PartitionNote
from core.catalog.problems import OrderNeeded
from core.catalog.selection import Plan
from core.errors import ArgumentsInvalid, FieldFault
from core.market.manifest import Manifest

PAGE_CAP: Final = 1000
MAXIMUM_PAGE: Final = 1_000_000
ANONYMOUS_SIZE: Final = 25
FIRST: Final = FilterSlot()
SECOND: Final = FilterSlot(suffix="2")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """A read of rows as the caller wrote it."""

    page: int = 1
    size: int = 50
    first: FilterSlot = FIRST
    second: FilterSlot = SECOND
    order_by: str | None = None
    order_direction: str | None = None

    def anonymous(self) -> tuple["DataRequest", AnonymousLimits]:
        """Return what anonymous callers get instead, and a note of what was cut."""
        removed = [
            name
            for name, is_given in (
                ("page", self.page != 1),
                ("size", self.size != ANONYMOUS_SIZE),
                *((slot.path("Column"), not slot.is_empty) for slot in (self.first, self.second)),
                ("orderBy", self.order_by is not None),
                ("orderDirection", self.order_direction is not None),
            )
            if is_given
        ]
        note = "Anonymous callers read the first 25 rows, unfiltered. Sign in to filter, sort and page."
        limits = AnonymousLimits(page=1, size=ANONYMOUS_SIZE, removed=tuple(removed), note=note)
        return DataRequest(size=ANONYMOUS_SIZE), limits


def read_plan(asset: Asset, request: DataRequest) -> Plan:
    """Return the checked plan of one page. Raises `ArgumentsInvalid` with every fault, or `OrderNeeded`."""
    faults = _paging_faults(request)
    filters: list[Filter] = []
    for slot in (request.first, request.second):
        if slot.is_empty:
            continue
        found = read_filter(asset, slot)
        if isinstance(found, Filter):
            filters.append(found)
        else:
            faults.extend(found)
    order_by = _order_by(asset, request, faults)
    descending = _descending(request, faults)
    if faults:
        raise ArgumentsInvalid(faults)
    if request.size > PAGE_CAP and order_by is None:
        keys = ", ".join(asset.key_columns) or asset.columns[0].name
        message = f"more than {PAGE_CAP} rows need an order; without one a page is not the same twice"
        raise OrderNeeded([FieldFault("orderBy", message, expected=keys, suggestion=keys.partition(",")[0])])
    limit = min(request.size, PAGE_CAP)
    return Plan(
        filters=tuple(filters),
        order_by=order_by,
        descending=descending,
        offset=(request.page - 1) * limit,
        limit=limit,
    )


def guard_partition(asset: Asset, plan: Plan, manifest: Manifest) -> tuple[Plan, PartitionNote | None]:
    """Limit a read that does not name the partition column to the newest partition, and say so."""
    column = asset.column(asset.partition_column) if asset.partition_column else None
    table = MARKET_TABLES.get(asset.asset_id)
    if column is None or table is None or any(item.column.name == column.name for item in plan.filters):
        return plan, None
    newest = newest_partition(table, manifest)
    if newest is None:
        return plan, None
    value = newest.strftime("%Y%m%d")
    note = (
        f"No filter named {column.name}, so only its newest value was read. "
        f"For other days filter {column.name}, for example between 20240101,20241231."
    )
    guarded = replace(plan, filters=(*plan.filters, Filter(column, Operator.EQ, (value,))))
    return guarded, PartitionNote(column=column.name, value=value, note=note)


def default_operator_note(filters: Sequence[Filter]) -> str | None:
    """Say that a filter without an operator means equality, where one was given."""
    names = ", ".join(item.column.name for item in filters if item.is_default)
    return f"eq was used for {names}: a filter without an operator means equality" if names else None


def empty_reason(asset: Asset, plan: Plan, *, total: int, has_data: bool, row_filter: str | None) -> str | None:
    """Say why a page holds no rows; for callers to whom an empty answer would look like a fact about the market."""
    if not has_data:
        return f"No data has been imported for {asset.asset_name} yet."
    if total:
        return f"The page lies beyond the last one: there are {total} rows on {-(-total // plan.limit)} pages."
    said = " and ".join(
        f"{item.column.name} {item.operator} {','.join(map(str, item.values[:3]))}" for item in plan.filters
    )
    reason = f"No row matches {said}." if said else f"{asset.asset_name} has no rows."
    if row_filter:
        reason += f" The caller reads {row_filter}."
    return reason + _index_hint(plan.filters)


def _index_hint(filters: Sequence[Filter]) -> str:
    """Name the code of an index that was asked for by the exchange's own code."""
    codes = [str(value) for item in filters if item.column.role is ColumnRole.CODE for value in item.values]
    hints = [(code, SYMBOL_TO_CODE[symbol]) for code in codes if (symbol := f"{code}.SH") in SYMBOL_TO_CODE]
    return "".join(f" If the index {code} was meant: it is {index} here." for code, index in hints)


def _paging_faults(request: DataRequest) -> list[FieldFault]:
    faults = []
    if not 1 <= request.page <= MAXIMUM_PAGE:
        faults.append(FieldFault("page", "counts from 1", expected=f"1 to {MAXIMUM_PAGE}", got=str(request.page)))
    if request.size < 1:
        faults.append(FieldFault("size", "must be at least 1", expected="1 or more", got=str(request.size)))
    return faults


def _order_by(asset: Asset, request: DataRequest, faults: list[FieldFault]) -> str | None:
    if request.order_by is None or not request.order_by.strip():
        if request.order_direction is not None:
            faults.append(FieldFault("orderDirection", "needs orderBy beside it"))
        return None
    found = find_column(asset, request.order_by, "orderBy")
    if isinstance(found, FieldFault):
        faults.append(found)
        return None
    return found.name


def _descending(request: DataRequest, faults: list[FieldFault]) -> bool:
    word = (request.order_direction or "asc").strip().lower()
    if word not in {"asc", "desc"}:
        suggestion = "".join(get_close_matches(word, ("asc", "desc"), n=1, cutoff=0.3))
        faults.append(
            FieldFault("orderDirection", "is asc or desc", expected="asc, desc", got=word, suggestion=suggestion)
        )
    return word == "desc"
