"""What can go wrong with data assets."""

from core.errors import ArgumentsInvalid, Conflict, Forbidden, Invalid, NotFound, Unavailable


class AssetNotFound(NotFound):
    """No such asset, or one this caller may not see: callers cannot tell which."""

    code = "asset_not_found"
    template = "No data asset {asset_id}."


class AssetIdNeeded(Invalid):
    """A name stands where a number is needed."""

    code = "asset_id_needed"
    template = "{given!r} is a name; a data asset is called by its numeric id. {hint}"
    shown = ("asset_id", "did_you_mean")


class AssetReadOnly(Forbidden):
    """The asset is visible and belongs to somebody else."""

    code = "asset_read_only"
    template = "The asset {asset_name} belongs to {owner}; only its owner changes it."


class AssetNameTaken(Conflict):
    """The team has an asset of that name, or the name is one of the desk's own."""

    code = "name_taken"
    template = "There is already a data asset named {asset_name}."


class AssetFileDamaged(Unavailable):
    """The table behind an asset is missing or cannot be read."""

    code = "asset_unavailable"
    template = "The table of the asset {asset_name} cannot be read: {reason}. Publish it again."


class FieldNotPatchable(Invalid):
    """A patch names fields it may not change; nothing was changed."""

    code = "field_not_patchable"
    template = (
        "{fields} cannot be changed by a patch; it takes description, tags and allowSubscription. Nothing was changed."
    )
    shown = ("fields", "patchable")


class PermissionFieldRequired(Invalid):
    """An internal asset would be published without a row filter; nothing was changed."""

    code = "permission_field_required"
    template = (
        "{asset_name} is INTERNAL: to be published it needs a tag permission_field:<column> that says whose a row is. "
        "Its columns are {columns}. Nothing was changed."
    )
    shown = ("columns",)


class NotPublishable(Invalid):
    """A confidential or restricted asset would be published; nothing was changed."""

    code = "asset_not_publishable"
    template = "{asset_name} is {sensitivity}: it cannot be published. Nothing was changed."


class OrderNeeded(ArgumentsInvalid):
    """More rows than one page holds were asked for without an order."""

    code = "order_by_required"


class QueryRefused(Invalid):
    """Users' SQL that is more than one reading statement over assets."""

    code = "query_refused"
    template = "{reason}"
    shown = ("did_you_mean",)


class QueryFailed(Invalid):
    """Users' SQL that the engine could not run."""

    code = "query_failed"
    template = "The query failed: {reason}"


class QueryTooExpensive(Invalid):
    """Users' SQL that needs more time, memory or rows than one query may have."""

    code = "query_too_expensive"
    template = "The query was stopped: {reason}"
