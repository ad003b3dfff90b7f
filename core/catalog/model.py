"""Data assets: tables with a number, an owner and rules about who reads what."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from core.market.model import Provenance

Scalar = str | int | float | bool
Cell = Scalar | None
Row = dict[str, Cell]

PERMISSION_TAG: Final = "permission_field:"
OMITTED: Final = {"omit_none": True}


class Sensitivity(StrEnum):
    """Who may see an asset. Public and internal ones can be published to other teams, internal ones filtered by row."""

    PUBLIC = "PUBLIC"
    INTERNAL = "INTERNAL"
    CONFIDENTIAL = "CONFIDENTIAL"
    RESTRICTED = "RESTRICTED"


class ColumnKind(StrEnum):
    """What a column holds, as schemas name it."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"

    @property
    def is_numeric(self) -> bool:
        """True for columns compared as numbers."""
        return self in {ColumnKind.INTEGER, ColumnKind.NUMBER}


class ColumnRole(StrEnum):
    """What else a text column is known to hold: a stock code, or a day written YYYYMMDD."""

    PLAIN = "plain"
    CODE = "code"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetColumn:
    """One column. `width` is the length of the codes of a code column."""

    name: str
    kind: ColumnKind
    role: ColumnRole = ColumnRole.PLAIN
    width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A table that can be read under a number.

    `team_id` is None for the desk's own assets, which everybody reads. `key_columns` identify a row and break ties of
    any order. A read that does not filter `partition_column` is limited to the newest partition. `file` is the Parquet
    file of a team's table, empty for the desk's own. `tags` may hold `permission_field:<column>`: the rows whose value
    is the reading team's name (its number in an integer column); with `@user` behind it, the reading user's.
    """

    asset_id: int
    asset_name: str
    team_id: int | None
    team_name: str
    asset_category: str
    description: str
    tags: tuple[str, ...]
    sensitivity: Sensitivity
    allow_subscription: bool
    columns: tuple[AssetColumn, ...]
    key_columns: tuple[str, ...]
    partition_column: str | None = None
    asset_type: str = "table"
    created_by: str | None = None
    created_at: datetime | None = None
    record_count: int | None = None
    size_bytes: int | None = None
    last_updated: datetime | None = None
    schema_synced_at: datetime | None = None
    source_description: str = ""
    file: str = ""

    @property
    def is_own(self) -> bool:
        """True for the desk's own assets over the market store."""
        return self.team_id is None

    @property
    def permission_fields(self) -> tuple[str, ...]:
        """What follows `permission_field:` in the tags, such as `tenant_id` or `owner@user`."""
        return tuple(tag[len(PERMISSION_TAG) :].strip() for tag in self.tags if tag.startswith(PERMISSION_TAG))

    def column(self, name: str) -> AssetColumn | None:
        """Return the column of that name, whatever its case."""
        return next((column for column in self.columns if column.name.lower() == name.strip().lower()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSummary:
    """An asset as lists show it. Identity fields are None for anonymous callers."""

    id: int
    asset_name: str
    asset_type: str
    asset_category: str
    description: str
    tags: str
    sensitivity_level: Sensitivity
    allow_subscription: bool
    team_name: str | None
    record_count: int | None
    last_updated: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetDetail(AssetSummary):
    """An asset with its columns and the rules of reading it."""

    columns: tuple["ColumnShown", ...]
    key_columns: tuple[str, ...]
    partition_column: str | None
    row_filter: str | None
    created_by: str | None
    created_date: datetime | None
    data_source: str | None
    source_description: str
    job_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnShown:
    """A column as schemas show it."""

    name: str
    type: ColumnKind


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetList:
    """One page of the assets a caller may read."""

    items: tuple[AssetSummary, ...]
    page_size: int
    current_page: int
    total_elements: int
    total_pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaMeta:
    """When the columns were last read from the table itself."""

    last_schema_sync_at: datetime | None
    refreshed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSchema:
    """The columns of an asset, in order."""

    columns: tuple[ColumnShown, ...]
    meta: SchemaMeta


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetMetadata:
    """The twenty facts about an asset. Those a desk does not have (job, cadence, cron) are None."""

    asset_id: int
    asset_name: str
    asset_type: str
    asset_category: str
    description: str
    tags: str
    sensitivity_level: Sensitivity
    allow_subscription: bool
    team_name: str | None
    created_date: datetime | None
    created_by: str | None
    record_count: int | None
    size_bytes: int | None
    last_updated: datetime | None
    last_schema_sync_at: datetime | None
    job_code: str | None
    expected_update_cadence: str | None
    cron_expression: str | None
    data_source: str | None
    source_description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionNote:
    """The newest partition was read because no filter named the partition column."""

    column: str
    value: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnonymousLimits:
    """What was cut from an anonymous read. `removed` names the arguments that were left aside."""

    page: int
    size: int
    removed: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataMeta(Provenance):
    """Where rows come from and everything the desk did beyond what was asked. A key is absent where it did nothing."""

    partition: PartitionNote | None = field(default=None, metadata=OMITTED)
    row_filter: str | None = field(default=None, metadata=OMITTED)
    default_operator: str | None = field(default=None, metadata=OMITTED)
    anonymous_limits: AnonymousLimits | None = field(default=None, metadata=OMITTED)
    empty_reason: str | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetPage:
    """One page of rows. `truncated` and `effective_page_size` are there only when a page was cut to 1,000 rows."""

    data: tuple[dict[str, Any], ...]
    page_size: int
    current_page: int
    total_elements: int
    total_pages: int
    truncated: bool | None = field(default=None, metadata=OMITTED)
    effective_page_size: int | None = field(default=None, metadata=OMITTED)
    meta: DataMeta


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetPatched:
    """What a patch changed, and which empty arguments it skipped."""

    asset: AssetMetadata
    applied: tuple[str, ...]
    skipped: tuple[str, ...]
