"""What a patch may change in an asset, and what stands in its way: pure rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from core.catalog.model import PERMISSION_TAG, Asset, Sensitivity
from core.catalog.problems import FieldNotPatchable, NotPublishable, PermissionFieldRequired
from core.catalog.row_rules import BY_USER
from core.errors import ArgumentsInvalid, FieldFault

PATCHABLE: Final = ("description", "tags", "allowSubscription")
DESCRIPTION_LENGTH: Final = 4000
TAG_LENGTH: Final = 128
MAXIMUM_TAGS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetPatch:
    """What a caller asked for. None and empty texts mean "leave as it is"; `refused` holds what no patch changes."""

    description: str | None = None
    tags: str | Sequence[str] | None = None
    allow_subscription: bool | None = None
    refused: Mapping[str, object] | None = None

    def tag_list(self) -> tuple[str, ...]:
        """Return the tags one by one, without blanks and repetitions."""
        given = self.tags.split(",") if isinstance(self.tags, str) else list(self.tags or ())
        return tuple(dict.fromkeys(tag.strip() for tag in given if tag.strip()))

    def applied(self) -> tuple[str, ...]:
        """Return the fields that are given."""
        given = (bool((self.description or "").strip()), bool(self.tag_list()), self.allow_subscription is not None)
        return tuple(name for name, is_given in zip(PATCHABLE, given, strict=True) if is_given)


def patched(asset: Asset, patch: AssetPatch) -> Asset:
    """Return the asset as the patch leaves it. Raises before anything is changed when any part is refused."""
    refused = [name for name, value in (patch.refused or {}).items() if value not in (None, "")]
    if refused:
        raise FieldNotPatchable(fields=", ".join(refused), patchable=list(PATCHABLE))
    _check_sizes(patch)
    applied = patch.applied()
    changed = asset
    if "description" in applied:
        changed = replace(changed, description=(patch.description or "").strip())
    if "tags" in applied:
        changed = replace(changed, tags=patch.tag_list())
    if patch.allow_subscription is not None:
        changed = replace(changed, allow_subscription=patch.allow_subscription)
    check_publication(changed)
    return changed


def check_publication(asset: Asset) -> None:
    """Refuse an asset that would show rows to teams that may not see them, and row filters that name no column."""
    for tag in asset.permission_fields:
        if asset.column(tag.removesuffix(BY_USER)) is None:
            names = ", ".join(column.name for column in asset.columns)
            message = f"{PERMISSION_TAG}{tag} names no column of {asset.asset_name}"
            raise ArgumentsInvalid([FieldFault("tags", message, expected=names, got=tag)])
    if not asset.allow_subscription or asset.sensitivity is Sensitivity.PUBLIC:
        return
    if asset.sensitivity is not Sensitivity.INTERNAL:
        raise NotPublishable(asset_name=asset.asset_name, sensitivity=asset.sensitivity.value)
    if not asset.permission_fields:
        columns = [column.name for column in asset.columns]
        raise PermissionFieldRequired(asset_name=asset.asset_name, columns=columns)


def _check_sizes(patch: AssetPatch) -> None:
    faults = []
    if len(patch.description or "") > DESCRIPTION_LENGTH:
        faults.append(FieldFault("description", f"is longer than {DESCRIPTION_LENGTH} characters"))
    tags = patch.tag_list()
    if len(tags) > MAXIMUM_TAGS or any(len(tag) > TAG_LENGTH for tag in tags):
        faults.append(FieldFault("tags", f"at most {MAXIMUM_TAGS} tags of at most {TAG_LENGTH} characters are kept"))
    if faults:
        raise ArgumentsInvalid(faults)
