"""Who sees an asset, and which of its rows: the one place that decides."""

from dataclasses import dataclass

from core.access.model import Caller
from core.catalog.model import Asset, AssetColumn, ColumnKind, Sensitivity

BY_USER = "@user"


@dataclass(frozen=True, slots=True)
class RowRule:
    """Only rows whose `column` equals `value` may be read; None matches no row."""

    column: AssetColumn
    value: str | int | None

    def __str__(self) -> str:
        return f"only rows where {self.column.name} is {self.value!r}" if self.value is not None else "no row"


def is_visible(asset: Asset, caller: Caller) -> bool:
    """Say whether the asset exists for this caller.

    The desk's own and the team's own do. Another team's does when it is published and public, or published, internal
    and filtered by row: an internal asset that lost its filter is closed, not open. For anonymous callers only public
    ones exist: no row of an internal one could be theirs, and its name and columns are not for everybody.
    """
    if asset.is_own or (caller.team_id is not None and asset.team_id == caller.team_id):
        return True
    if not asset.allow_subscription:
        return False
    if asset.sensitivity is Sensitivity.PUBLIC:
        return True
    is_known = caller.team_id is not None
    return is_known and asset.sensitivity is Sensitivity.INTERNAL and bool(asset.permission_fields)


def row_rules(asset: Asset, caller: Caller) -> list[RowRule]:
    """Return the rules every read of the asset by this caller obeys, all of them at once.

    A team reads its own table whole: it wrote the rows. A rule by user binds everybody. A tag that names no column
    lets no row through.
    """
    rules = []
    for tag in asset.permission_fields:
        name, by_user = tag.removesuffix(BY_USER), tag.endswith(BY_USER)
        if not by_user and caller.team_id is not None and caller.team_id == asset.team_id:
            continue
        column = asset.column(name)
        if column is None:
            rules.append(RowRule(AssetColumn(name=name, kind=ColumnKind.TEXT), None))
        else:
            rules.append(RowRule(column, _identity(column, caller, by_user=by_user)))
    return rules


def _identity(column: AssetColumn, caller: Caller, *, by_user: bool) -> str | int | None:
    if column.kind is ColumnKind.INTEGER:
        return caller.user_id if by_user else caller.team_id
    if column.kind is ColumnKind.TEXT:
        return caller.username if by_user else caller.team_name
    return None
