"""What callers are shown of an asset: the same facts in four sizes."""

from core.access.model import Caller, CallerKind
from core.catalog.model import Asset, AssetDetail, AssetMetadata, AssetSummary, ColumnShown
from core.catalog.row_rules import row_rules


def summary(asset: Asset, caller: Caller) -> AssetSummary:
    """Return the line of a list."""
    return AssetSummary(
        id=asset.asset_id,
        asset_name=asset.asset_name,
        asset_type=asset.asset_type,
        asset_category=asset.asset_category,
        description=asset.description,
        tags=",".join(asset.tags),
        sensitivity_level=asset.sensitivity,
        allow_subscription=asset.allow_subscription,
        team_name=_identity(asset.team_name, caller),
        record_count=_record_count(asset, caller),
        last_updated=asset.last_updated,
    )


def detail(asset: Asset, caller: Caller) -> AssetDetail:
    """Return everything but the rows."""
    line = summary(asset, caller)
    return AssetDetail(
        **{name: getattr(line, name) for name in AssetSummary.__dataclass_fields__},
        columns=columns(asset),
        key_columns=asset.key_columns,
        partition_column=asset.partition_column,
        row_filter=row_filter(asset, caller),
        created_by=_identity(asset.created_by, caller),
        created_date=None if _is_anonymous(caller) else asset.created_at,
        data_source=_identity(_data_source(asset), caller),
        source_description=asset.source_description,
    )


def metadata(asset: Asset, caller: Caller) -> AssetMetadata:
    """Return the twenty facts."""
    return AssetMetadata(
        asset_id=asset.asset_id,
        asset_name=asset.asset_name,
        asset_type=asset.asset_type,
        asset_category=asset.asset_category,
        description=asset.description,
        tags=",".join(asset.tags),
        sensitivity_level=asset.sensitivity,
        allow_subscription=asset.allow_subscription,
        team_name=_identity(asset.team_name, caller),
        created_date=None if _is_anonymous(caller) else asset.created_at,
        created_by=_identity(asset.created_by, caller),
        record_count=_record_count(asset, caller),
        size_bytes=asset.size_bytes,
        last_updated=asset.last_updated,
        last_schema_sync_at=asset.schema_synced_at,
        job_code=None,
        expected_update_cadence=None,
        cron_expression=None,
        data_source=_identity(_data_source(asset), caller),
        source_description=asset.source_description,
    )


def columns(asset: Asset) -> tuple[ColumnShown, ...]:
    """Return the columns in order."""
    return tuple(ColumnShown(name=column.name, type=column.kind) for column in asset.columns)


def row_filter(asset: Asset, caller: Caller) -> str | None:
    """Say which rows the caller is limited to, or None."""
    return " and ".join(str(rule) for rule in row_rules(asset, caller)) or None


def _record_count(asset: Asset, caller: Caller) -> int | None:
    """Return the number of rows; not to callers who may read only some of them."""
    return None if row_rules(asset, caller) else asset.record_count


def _data_source(asset: Asset) -> str:
    return "market" if asset.is_own else "table"


def _identity(fact: str | None, caller: Caller) -> str | None:
    return None if _is_anonymous(caller) else fact


def _is_anonymous(caller: Caller) -> bool:
    return caller.kind is CallerKind.ANONYMOUS
