"""Data assets in the caller's words: what there is, what it looks like, its rows, and changing how it is offered."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.access.model import Caller, CallerKind
from core.catalog import views
from core.catalog.assets import MARKET_TABLES, RESERVED_NAMES
from core.catalog.filters import FilterSlot
from core.catalog.model import (
    AnonymousLimits,
    Asset,
    AssetDetail,
    AssetList,
    AssetMetadata,
    AssetPage,
    AssetPatched,
    AssetSchema,
    ColumnRole,
    ColumnShown,
    DataMeta,
    PartitionNote,
    Row,
    SchemaMeta,
    Sensitivity,
)
from core.catalog.patching import PATCHABLE, AssetPatch, check_publication, patched
from core.catalog.problems import AssetIdNeeded, AssetNameTaken, AssetNotFound, AssetReadOnly
from core.catalog.query import Caps, Relation, UserQueries
from core.catalog.reader import AssetReader, ReadRows
from core.catalog.requests import (
    PAGE_CAP,
    DataRequest,
    default_operator_note,
    empty_reason,
    guard_partition,
    read_plan,
)
from core.catalog.row_rules import is_visible
from core.catalog.selection import Plan
from core.catalog.store import AssetStore
from core.catalog.tables import TeamTables, WrittenTable
from core.clock import Clock
from core.errors import ArgumentsInvalid, FieldFault
from core.market.model import Adjustment, Provenance
from core.market.service import MarketService
from core.storage.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    import pyarrow as pa

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
DAY_COLUMN: Final = "day_id"
MAXIMUM_PAGE: Final = 200
SIMULATED: Final = "The market is simulated: every figure is invented."
RAW_ASSETS: Final = frozenset({"stock_day", "stock_kline", "index_day"})
CURRENCIES: Final = {"stock_day": "CNY", "stock_kline": "CNY", "stock_day_hk": "HKD", "stock_kline_hk": "HKD"}
"""The assets whose rows are all unadjusted, and those whose prices share one currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDraft:
    """What the publisher of a table says about it."""

    asset_name: str
    description: str = ""
    category: str = "table"
    tags: tuple[str, ...] = ()
    sensitivity: Sensitivity = Sensitivity.INTERNAL
    allow_subscription: bool = False
    key_columns: tuple[str, ...] = ()
    source_description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    """What the desk did beyond what was asked of a read."""

    plan: Plan
    asked: Plan
    limits: AnonymousLimits | None
    partition: PartitionNote | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRows:
    """Rows of an asset for work inside the desk. `simulated`: no figure in them is real."""

    rows: tuple[Row, ...]
    simulated: bool


class CatalogService:
    """Data assets; made once by `bootstrap`. `folder` is where tables of teams live."""

    def __init__(self, market: MarketService, clock: Clock, *, folder: Path, caps: Caps | None = None) -> None:
        self._market = market
        self._store = market.store
        self._clock = clock
        self._tables = TeamTables(folder)
        self._reader = AssetReader(market.store, self._tables)
        self._queries = UserQueries(caps)

    async def list_assets(self, uow: UnitOfWork, caller: Caller, *, page: int = 1, size: int = 50) -> AssetList:
        """Return a page of the assets this caller may read, by number."""
        if page < 1 or not 1 <= size <= MAXIMUM_PAGE:
            message = f"page counts from 1 and size lies between 1 and {MAXIMUM_PAGE}"
            raise ArgumentsInvalid([FieldFault("page", message, got=f"page={page}, size={size}")])
        assets = await self._visible(uow, caller)
        shown = assets[(page - 1) * size : page * size]
        return AssetList(
            items=tuple(views.summary(asset, caller) for asset in shown),
            page_size=size,
            current_page=page,
            total_elements=len(assets),
            total_pages=-(-len(assets) // size),
        )

    async def get(self, uow: UnitOfWork, caller: Caller, *, asset_id: int | str) -> AssetDetail:
        """Return everything about an asset but its rows. Raises `AssetNotFound`, `AssetIdNeeded`."""
        return views.detail(await self._find(uow, caller, asset_id), caller)

    async def metadata(self, uow: UnitOfWork, caller: Caller, *, asset_id: int | str) -> AssetMetadata:
        """Return the twenty facts about an asset. Raises `AssetNotFound`, `AssetIdNeeded`."""
        return views.metadata(await self._find(uow, caller, asset_id), caller)

    async def schema(
        self, uow: UnitOfWork, caller: Caller, *, asset_id: int | str, refresh: bool = False
    ) -> AssetSchema:
        """Return the columns of an asset; with `refresh` as its table has them this moment. Nothing is stored."""
        asset = await self._find(uow, caller, asset_id)
        columns, synced = views.columns(asset), asset.schema_synced_at
        if refresh:
            synced = self._clock.now()
            if not asset.is_own:
                read = await asyncio.to_thread(self._tables.schema, asset.file, asset.asset_name)
                columns = tuple(ColumnShown(name=column.name, type=column.kind) for column in read)
        return AssetSchema(columns=columns, meta=SchemaMeta(last_schema_sync_at=synced, refreshed=refresh))

    async def data(
        self, uow: UnitOfWork, caller: Caller, *, asset_id: int | str, request: DataRequest | None = None
    ) -> AssetPage:
        """Return one page of the rows this caller may read.

        Raises `AssetNotFound`, `AssetIdNeeded`, `ArgumentsInvalid` with every fault of the request, `OrderNeeded`.
        """
        asset = await self._find(uow, caller, asset_id)
        request = request or DataRequest()
        limits = None
        if caller.kind is CallerKind.ANONYMOUS:
            request, limits = request.anonymous()
        asked = read_plan(asset, request)
        plan, partition = guard_partition(asset, asked, self._store.manifest())
        read = await asyncio.to_thread(self._reader.page, asset, caller, plan)
        is_cut = request.size > PAGE_CAP
        return AssetPage(
            data=read.rows,
            page_size=request.size,
            current_page=request.page,
            total_elements=read.total,
            total_pages=-(-read.total // plan.limit),
            truncated=True if is_cut else None,
            effective_page_size=PAGE_CAP if is_cut else None,
            meta=self._meta(
                asset, caller, read, notes=_Notes(plan=plan, asked=asked, limits=limits, partition=partition)
            ),
        )

    async def rows(
        self, uow: UnitOfWork, caller: Caller, *, asset: int | str, slot: FilterSlot, limit: int
    ) -> "AssetRows":
        """Return the rows this caller may read, at most `limit`, for work inside the desk; by number or name.

        They come in the order of their days. Raises `AssetNotFound` and `ArgumentsInvalid`.
        """
        named = [one for one in await self._visible(uow, caller) if asset in {one.asset_name, one.asset_id}]
        if not named:
            raise AssetNotFound(asset_id=asset)
        found = min(named, key=lambda one: (not one.is_own, one.team_id != caller.team_id, one.asset_id))
        day = next((column.name for column in found.columns if column.role is ColumnRole.DAY), None)
        plan = replace(read_plan(found, DataRequest(first=slot)), limit=limit, order_by=day)
        read = await asyncio.to_thread(self._reader.page, found, caller, plan)
        return AssetRows(rows=read.rows, simulated=found.is_own and self._market.is_simulated)

    async def patch(self, uow: UnitOfWork, caller: Caller, *, asset_id: int | str, patch: AssetPatch) -> AssetPatched:
        """Change how the team's own asset is described and offered: all of it or nothing.

        Raises `AssetNotFound`, `AssetReadOnly`, `FieldNotPatchable`, `PermissionFieldRequired`, `NotPublishable`.
        """
        seen = await self._find(uow, caller, asset_id)
        if caller.team_id is None or seen.team_id != caller.team_id:
            owner = "the desk" if seen.is_own else "another team"
            raise AssetReadOnly(asset_name=seen.asset_name, owner=owner)
        async with uow.write():
            store = AssetStore(uow).for_team(caller.team_id)
            asset = await store.lock(seen.asset_id)
            if asset is None:
                raise AssetNotFound(asset_id=seen.asset_id)
            changed = patched(asset, patch)
            if changed != asset:
                changed = await store.save(changed)
        applied = patch.applied()
        given = (patch.description, patch.tags, patch.allow_subscription)
        empty = (name for name, value in zip(PATCHABLE, given, strict=True) if value is not None)
        return AssetPatched(
            asset=views.metadata(changed, caller),
            applied=applied,
            skipped=tuple(name for name in empty if name not in applied),
        )

    async def publish_table(self, uow: UnitOfWork, caller: Caller, *, draft: TableDraft, table: "pa.Table") -> Asset:
        """Store a table as an asset of the caller's team. Raises `AssetNameTaken`, `TableUnpublishable`."""
        if not NAME.fullmatch(draft.asset_name):
            message = "must be letters, digits and _, beginning with a letter"
            raise ArgumentsInvalid([FieldFault("assetName", message, got=draft.asset_name)])
        if caller.team_id is None or draft.asset_name.lower() in RESERVED_NAMES:
            raise AssetNameTaken(asset_name=draft.asset_name)
        written = await asyncio.to_thread(self._tables.write, caller.team_id, table)
        asset = _published(draft, written, caller, now=self._clock.now())
        unknown = [name for name in asset.key_columns if asset.column(name) is None]
        if unknown:
            raise ArgumentsInvalid([FieldFault("keyColumns", "names no column of the table", got=", ".join(unknown))])
        check_publication(asset)
        async with uow.write():
            return await AssetStore(uow).for_team(caller.team_id).add(asset)

    async def query(self, uow: UnitOfWork, caller: Caller, *, sql: str) -> "pa.Table":
        """Run one SELECT of a user over the assets this user may read, each under its name.

        The desk's names come first, then the team's own, then other teams' by number. Raises `QueryRefused`,
        `QueryFailed`, `QueryTooExpensive`.
        """
        assets = await self._visible(uow, caller)
        ranked = sorted(assets, key=lambda asset: (not asset.is_own, asset.team_id != caller.team_id, asset.asset_id))
        readable: dict[str, Relation] = {}
        for asset in ranked:
            readable.setdefault(asset.asset_name.lower(), self._reader.relation(asset, caller))
        return await asyncio.to_thread(self._queries.run, sql, readable)

    async def _visible(self, uow: UnitOfWork, caller: Caller) -> list[Asset]:
        manifest = self._store.manifest()
        own = [table.current(manifest) for table in MARKET_TABLES.values()]
        teams = await AssetStore(uow).for_team(caller.team_id).all()
        return [*own, *(asset for asset in teams if is_visible(asset, caller))]

    async def _find(self, uow: UnitOfWork, caller: Caller, asset_id: int | str) -> Asset:
        """Return a visible asset by number; a name is answered with its number."""
        if isinstance(asset_id, str) and not re.fullmatch(r"[0-9]{1,15}", asset_id.strip()):
            raise _id_needed(asset_id.strip(), await self._visible(uow, caller))
        number = int(asset_id)
        table = MARKET_TABLES.get(number)
        if table is not None:
            return table.current(self._store.manifest())
        asset = await AssetStore(uow).for_team(caller.team_id).find(number)
        if asset is None or not is_visible(asset, caller):
            raise AssetNotFound(asset_id=number)
        return asset

    def _meta(self, asset: Asset, caller: Caller, read: ReadRows, *, notes: _Notes) -> DataMeta:
        table = MARKET_TABLES.get(asset.asset_id)
        present = self._store.manifest().datasets
        datasets = [part.dataset for part in table.parts if part.dataset in present] if table else []
        origins = [self._market.provenance(dataset) for dataset in datasets]
        simulated = any(origin.simulated for origin in origins)
        warnings = [SIMULATED] if simulated else []
        row_filter = views.row_filter(asset, caller)
        reason = None
        if not read.rows:
            has_data = bool(datasets) or table is None
            reason = empty_reason(asset, notes.plan, total=read.total, has_data=has_data, row_filter=row_filter)
        return DataMeta(
            dataset=asset.asset_name,
            as_of=_as_of(asset, read, origins),
            simulated=simulated,
            adjustment=Adjustment.RAW if asset.is_own and asset.asset_name in RAW_ASSETS else None,
            currency=CURRENCIES.get(asset.asset_name) if asset.is_own else None,
            warnings=tuple(dict.fromkeys([*warnings, *(text for origin in origins for text in origin.warnings)])),
            partition=notes.partition,
            row_filter=row_filter,
            default_operator=default_operator_note(notes.asked.filters),
            anonymous_limits=notes.limits,
            empty_reason=reason,
        )


def _published(draft: TableDraft, written: WrittenTable, caller: Caller, *, now: datetime) -> Asset:
    """Return a new asset; its number comes from the database."""
    return Asset(
        asset_id=0,
        asset_name=draft.asset_name,
        team_id=caller.team_id,
        team_name=caller.team_name or "",
        asset_category=draft.category,
        description=draft.description,
        tags=draft.tags,
        sensitivity=draft.sensitivity,
        allow_subscription=draft.allow_subscription,
        columns=written.columns,
        key_columns=draft.key_columns or tuple(column.name for column in written.columns),
        created_by=caller.username,
        created_at=now,
        record_count=written.rows,
        size_bytes=written.size_bytes,
        last_updated=now,
        schema_synced_at=now,
        source_description=draft.source_description,
        file=written.file,
    )


def _id_needed(given: str, assets: Sequence[Asset]) -> AssetIdNeeded:
    named = {asset.asset_name.lower(): asset for asset in assets}
    exact = named.get(given.lower())
    if exact is not None:
        hint = f"{exact.asset_name} is {exact.asset_id}: send asset_id={exact.asset_id}."
        return AssetIdNeeded(given=given, hint=hint, asset_id=exact.asset_id, did_you_mean=[])
    close = [named[name] for name in get_close_matches(given.lower(), named, n=3)]
    listed = ", ".join(f"{asset.asset_name} = {asset.asset_id}" for asset in close)
    hint = f"Close names: {listed}." if close else "dataasset.list shows names and numbers."
    return AssetIdNeeded(given=given, hint=hint, did_you_mean=[asset.asset_name for asset in close])


def _as_of(asset: Asset, read: ReadRows, origins: Sequence[Provenance]) -> str | None:
    """Return the newest day among the rows shown; of an asset without days the day of its data, or of its writing."""
    if not asset.is_own:
        return asset.last_updated.isoformat() if asset.last_updated else None
    if asset.column(DAY_COLUMN) is None:
        return max((origin.as_of for origin in origins if origin.as_of), default=None)
    newest = max((str(row[DAY_COLUMN]) for row in read.rows), default="")
    return f"{newest[:4]}-{newest[4:6]}-{newest[6:]}" if newest else None
