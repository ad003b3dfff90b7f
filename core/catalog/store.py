"""Team assets in the database. The desk's own assets are not here: they are part of the program."""

from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Row,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from core.catalog.assets import FIRST_TEAM_ASSET
from core.catalog.model import Asset, AssetColumn, ColumnKind, ColumnRole, Sensitivity
from core.catalog.problems import AssetNameTaken
from core.storage.column_types import BigId, EnumText, UtcDateTime
from core.storage.metadata import metadata
from core.storage.unit_of_work import UnitOfWork

data_assets: Final = Table(
    "data_assets",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("team_name", String(80), nullable=False),
    Column("asset_name", String(128), nullable=False),
    Column("asset_category", String(64), nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("sensitivity", EnumText(Sensitivity), nullable=False),
    Column("allow_subscription", Boolean, nullable=False),
    Column("columns", JSON, nullable=False),
    Column("key_columns", JSON, nullable=False),
    Column("file", String(128), nullable=False),
    Column("record_count", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("source_description", Text, nullable=False),
    Column("created_by", String(128)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_updated", UtcDateTime, nullable=False),
    Column("schema_synced_at", UtcDateTime, nullable=False),
    UniqueConstraint("team_id", "asset_name"),
)
STORED: Final = frozenset(column.name for column in data_assets.c) - {"id"}


class AssetStore:
    """The door to assets as one team sees them."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def for_team(self, team_id: int | None) -> "TeamAssets":
        """Return the store of one team; None is an anonymous caller, who owns nothing."""
        return TeamAssets(self._uow, team_id)


class TeamAssets:
    """A team's own assets and those others offer. Every statement is filtered here.

    What is offered is a first selection; `core.catalog.row_rules.is_visible` decides.
    """

    def __init__(self, uow: UnitOfWork, team_id: int | None) -> None:
        self._uow = uow
        self._team_id = team_id

    async def all(self) -> list[Asset]:
        """Return own and offered assets by number."""
        return [_asset(row) for row in await self._uow.fetch_all(self._offered().order_by(data_assets.c.id))]

    async def find(self, asset_id: int) -> Asset | None:
        """Return an own or offered asset, or None."""
        row = await self._uow.fetch_one(self._offered().where(data_assets.c.id == asset_id - FIRST_TEAM_ASSET + 1))
        return None if row is None else _asset(row)

    async def lock(self, asset_id: int) -> Asset | None:
        """Return the team's own asset and keep others from changing it; call it inside `uow.write()`."""
        row_id = asset_id - FIRST_TEAM_ASSET + 1
        row = await self._uow.fetch_one(self._own().where(data_assets.c.id == row_id).with_for_update())
        return None if row is None else _asset(row)

    async def add(self, asset: Asset) -> Asset:
        """Store a new asset of the team; call it inside `uow.write()`. Raises `AssetNameTaken`."""
        values = _values(asset) | {"team_id": self._team_id}
        try:
            result = await self._uow.execute(insert(data_assets).values(**values).returning(*data_assets.c))
        except IntegrityError as error:
            raise AssetNameTaken(asset_name=asset.asset_name) from error
        return _asset(result.one())

    async def save(self, asset: Asset) -> Asset:
        """Store a changed asset of the team; call it inside `uow.write()`, after `lock`."""
        values = _values(asset)
        values.pop("team_id")
        changed = (
            update(data_assets)
            .where(data_assets.c.team_id == self._team_id, data_assets.c.id == asset.asset_id - FIRST_TEAM_ASSET + 1)
            .values(**values)
            .returning(*data_assets.c)
        )
        return _asset((await self._uow.execute(changed)).one())

    def _own(self) -> Select[Any]:
        return select(data_assets).where(data_assets.c.team_id == self._team_id)

    def _offered(self) -> Select[Any]:
        published = data_assets.c.allow_subscription == true()
        if self._team_id is None:
            return select(data_assets).where(published)
        return select(data_assets).where(or_(data_assets.c.team_id == self._team_id, published))


def _values(asset: Asset) -> dict[str, Any]:
    """Return the stored fields of an asset."""
    values = {name: value for name, value in asdict(asset).items() if name in STORED}
    return values | {
        "tags": list(asset.tags),
        "key_columns": list(asset.key_columns),
        "columns": [
            {"name": column.name, "kind": column.kind.value, "role": column.role.value} for column in asset.columns
        ],
    }


def _asset(row: Row[Any]) -> Asset:
    stored = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    columns = tuple(
        AssetColumn(name=column["name"], kind=ColumnKind(column["kind"]), role=ColumnRole(column["role"]))
        for column in stored["columns"]
    )
    facts = {name: value for name, value in stored.items() if name in STORED}
    facts |= {"columns": columns, "tags": tuple(stored["tags"]), "key_columns": tuple(stored["key_columns"])}
    return Asset(asset_id=stored["id"] + FIRST_TEAM_ASSET - 1, **facts)
