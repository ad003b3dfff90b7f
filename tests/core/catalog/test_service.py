"""Who sees which asset and which rows of it, what is shown of it, and what a patch may change."""

from dataclasses import fields, replace
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from core.access.model import Caller
from core.catalog.filters import FilterSlot
from core.catalog.model import Asset, AssetMetadata, Sensitivity
from core.catalog.patching import AssetPatch
from core.catalog.problems import (
    AssetFileDamaged,
    AssetIdNeeded,
    AssetNameTaken,
    AssetNotFound,
    AssetReadOnly,
    FieldNotPatchable,
    NotPublishable,
    PermissionFieldRequired,
    QueryRefused,
)
from core.catalog.requests import DataRequest
from core.catalog.service import CatalogService, TableDraft
from core.catalog.tables import TableUnpublishable
from core.errors import ArgumentsInvalid
from core.storage.database import Database
from tests.support.small_market import ALPHA, ANONYMOUS, BETA, IMPORTED

pytestmark = pytest.mark.anyio

SIGNALS = pa.table(
    {
        "tenant_id": ["alpha", "beta", "beta", "gamma", None],
        "team_number": [1, 2, 2, 3, 2],
        "owner": ["anna", "ben", "bea", "ben", "ben"],
        "score": [0.1, 0.2, 0.3, 0.4, 0.5],
    }
)


class Desk:
    """The catalog with its unit of work opened and committed around each call."""

    def __init__(self, catalog: CatalogService, database: Database) -> None:
        self.catalog, self.database = catalog, database

    async def publish(self, name: str, caller: Caller = ALPHA, table: pa.Table = SIGNALS, **draft: object) -> Asset:
        draft.setdefault("key_columns", ("score",) if table is SIGNALS else ())
        async with self.database.unit_of_work() as uow:
            asset = await self.catalog.publish_table(
                uow, caller, draft=TableDraft(asset_name=name, **draft), table=table
            )
            await uow.commit()
        return asset

    async def patch(self, asset_id: int | str, caller: Caller = ALPHA, **patch: object):
        async with self.database.unit_of_work() as uow:
            result = await self.catalog.patch(uow, caller, asset_id=asset_id, patch=AssetPatch(**patch))
            await uow.commit()
        return result

    async def call(self, method: str, caller: Caller, **arguments: object):
        async with self.database.unit_of_work(read_only=True) as uow:
            return await getattr(self.catalog, method)(uow, caller, **arguments)

    async def scores(self, asset_id: int, caller: Caller, **request: object) -> list[float]:
        page = await self.call("data", caller, asset_id=asset_id, request=DataRequest(**request))
        return [row["score"] for row in page.data]


@pytest.fixture
async def house(catalog: CatalogService, desk: Database) -> Desk:
    return Desk(catalog, desk)


async def test_numbers_and_names_of_the_desks_assets_are_fixed(house: Desk):
    listed = await house.call("list_assets", ALPHA)
    assert [(item.id, item.asset_name) for item in listed.items] == [
        (1, "stock_day"),
        (2, "stock_day_hk"),
        (3, "stock_kline"),
        (4, "stock_kline_hk"),
        (5, "index_day"),
        (6, "stock_dividend"),
    ]
    assert (listed.total_elements, listed.total_pages, listed.current_page) == (6, 1, 1)
    second = await house.call("list_assets", ALPHA, page=2, size=4)
    assert [item.id for item in second.items] == [5, 6]
    for wrong in ({"page": 0}, {"size": 0}, {"size": 201}):
        with pytest.raises(ArgumentsInvalid):
            await house.call("list_assets", ALPHA, **wrong)


async def test_metadata_has_the_twenty_fields(house: Desk):
    facts = await house.call("metadata", ALPHA, asset_id=5)
    assert [field.name for field in fields(AssetMetadata)] == [
        "asset_id",
        "asset_name",
        "asset_type",
        "asset_category",
        "description",
        "tags",
        "sensitivity_level",
        "allow_subscription",
        "team_name",
        "created_date",
        "created_by",
        "record_count",
        "size_bytes",
        "last_updated",
        "last_schema_sync_at",
        "job_code",
        "expected_update_cadence",
        "cron_expression",
        "data_source",
        "source_description",
    ]
    assert (facts.asset_id, facts.asset_name, facts.sensitivity_level) == (5, "index_day", "PUBLIC")
    assert (facts.tags, facts.record_count, facts.team_name, facts.created_by) == ("market,daily", 4, "desk", "desk")
    assert facts.last_updated == IMPORTED


async def test_identity_is_hidden_from_anonymous_callers(house: Desk):
    facts = await house.call("metadata", ANONYMOUS, asset_id=1)
    assert facts.team_name is facts.created_by is facts.created_date is facts.data_source is facts.job_code is None
    shown = await house.call("get", ANONYMOUS, asset_id=1)
    assert shown.team_name is shown.created_by is shown.created_date is shown.data_source is None
    assert (shown.id, shown.partition_column, shown.key_columns) == (1, "day_id", ("day_id", "STOCK_NUM", "MARKET"))


async def test_schema_and_its_refresh(house: Desk, clock):
    schema = await house.call("schema", ALPHA, asset_id="6")
    assert [(column.name, column.type.value) for column in schema.columns][:4] == [
        ("STOCK_NUM", "text"),
        ("MARKET", "text"),
        ("EX_DATE", "text"),
        ("CASH_PER_SHARE", "number"),
    ]
    assert (schema.meta.last_schema_sync_at, schema.meta.refreshed) == (IMPORTED, False)
    asset = await house.publish("signals")
    fresh = await house.call("schema", ALPHA, asset_id=asset.asset_id, refresh=True)
    assert [(column.name, column.type.value) for column in fresh.columns] == [
        ("tenant_id", "text"),
        ("team_number", "integer"),
        ("owner", "text"),
        ("score", "number"),
    ]
    assert (fresh.meta.last_schema_sync_at, fresh.meta.refreshed) == (clock.now(), True)


async def test_name_where_a_number_is_needed(house: Desk):
    with pytest.raises(AssetIdNeeded) as caught:
        await house.call("get", ALPHA, asset_id="Stock_Day")
    assert (caught.value.kind, caught.value.code) == ("invalid", "asset_id_needed")
    assert caught.value.extras()["asset_id"] == 1
    assert "stock_day is 1: send asset_id=1" in caught.value.message
    with pytest.raises(AssetIdNeeded) as caught:
        await house.call("data", ANONYMOUS, asset_id="stock_dy")
    assert caught.value.extras()["did_you_mean"][0] == "stock_day"
    secret = await house.publish("secret_signals")
    with pytest.raises(AssetIdNeeded) as caught:
        await house.call("get", BETA, asset_id="secret_signals")
    assert str(secret.asset_id) not in caught.value.message


async def test_team_assets_are_numbered_from_1001_and_private(house: Desk):
    asset = await house.publish("signals", description="Scores", source_description="made by hand")
    assert asset.asset_id == 1001
    assert (asset.sensitivity, asset.allow_subscription, asset.record_count) == ("INTERNAL", False, 5)
    assert await house.scores(1001, ALPHA) == [0.1, 0.2, 0.3, 0.4, 0.5]
    for caller in (BETA, ANONYMOUS):
        for method in ("get", "metadata", "schema", "data"):
            with pytest.raises(AssetNotFound) as caught:
                await house.call(method, caller, asset_id=1001)
            assert caught.value.message == "No data asset 1001."
        assert 1001 not in [item.id for item in (await house.call("list_assets", caller)).items]
    with pytest.raises(AssetNotFound):
        await house.call("get", ALPHA, asset_id=999_999_999_999_999)


async def test_rows_of_an_internal_asset_are_cut_to_the_reading_team(house: Desk):
    asset = await house.publish("signals", tags=("permission_field:tenant_id",), allow_subscription=True)
    assert await house.scores(asset.asset_id, BETA) == [0.2, 0.3]
    assert await house.scores(asset.asset_id, ALPHA) == [0.1, 0.2, 0.3, 0.4, 0.5]
    page = await house.call("data", BETA, asset_id=asset.asset_id)
    assert (page.total_elements, page.meta.row_filter) == (2, "only rows where tenant_id is 'beta'")
    sneaky = FilterSlot(column="tenant_id", value="alpha", operator="eq")
    assert await house.scores(asset.asset_id, BETA, first=sneaky) == []
    assert await house.scores(asset.asset_id, BETA, first=FilterSlot(column="score", value="0", operator="gt")) == [
        0.2,
        0.3,
    ]
    stranger = replace(BETA, team_id=9, team_name="nobody")
    empty = await house.call("data", stranger, asset_id=asset.asset_id)
    assert empty.data == ()
    assert empty.meta.empty_reason == "signals has no rows. The caller reads only rows where tenant_id is 'nobody'."
    for method in ("get", "metadata", "schema", "data"):
        with pytest.raises(AssetNotFound):
            await house.call(method, ANONYMOUS, asset_id=asset.asset_id)
    assert (await house.call("metadata", BETA, asset_id=asset.asset_id)).record_count is None
    assert (await house.call("metadata", ALPHA, asset_id=asset.asset_id)).record_count == 5


async def test_rows_by_number_by_user_and_by_both(house: Desk):
    number = await house.publish("by_number", tags=("permission_field:team_number",), allow_subscription=True)
    assert await house.scores(number.asset_id, BETA) == [0.2, 0.3, 0.5]
    tags = ("permission_field:tenant_id", "permission_field:owner@user")
    both = await house.publish("by_both", tags=tags, allow_subscription=True)
    assert await house.scores(both.asset_id, BETA) == [0.2]
    assert await house.scores(both.asset_id, ALPHA) == [0.1]
    score = await house.publish("by_score", tags=("permission_field:score",), allow_subscription=True)
    assert await house.scores(score.asset_id, BETA) == []


async def test_users_sql_reads_the_same_rows_and_no_others(house: Desk):
    await house.publish("signals", tags=("permission_field:tenant_id",), allow_subscription=True)
    await house.publish("secret_signals")
    count = "SELECT count(*) AS n, sum(score) AS s FROM signals"
    assert (await house.call("query", BETA, sql=count)).to_pylist() == [{"n": 2, "s": 0.5}]
    assert (await house.call("query", ALPHA, sql=count)).to_pylist()[0]["n"] == 5
    days = await house.call(
        "query", BETA, sql="SELECT STOCK_NUM, max(CLOSE_PRICE) AS x FROM stock_day GROUP BY 1 ORDER BY 2 DESC LIMIT 2"
    )
    assert days.to_pylist() == [{"STOCK_NUM": "1B0300", "x": 3420.0}, {"STOCK_NUM": "600519", "x": 1720.0}]
    assert (await house.call("query", BETA, sql="SELECT count(*) AS n FROM stock_day_hk")).to_pylist() == [{"n": 0}]
    for sql in ("SELECT * FROM secret_signals", "SELECT * FROM daily", "SELECT * FROM _team_table_1002"):
        with pytest.raises(QueryRefused):
            await house.call("query", BETA, sql=sql)
    with pytest.raises(QueryRefused):
        await house.call("query", ANONYMOUS, sql="SELECT * FROM secret_signals")


async def test_own_name_goes_before_another_teams(house: Desk):
    await house.publish("signals", BETA, sensitivity=Sensitivity.PUBLIC, allow_subscription=True)
    await house.publish("signals", ALPHA, table=SIGNALS.slice(0, 1))
    count = "SELECT count(*) AS n FROM signals"
    assert (await house.call("query", ALPHA, sql=count)).to_pylist() == [{"n": 1}]
    assert (await house.call("query", BETA, sql=count)).to_pylist() == [{"n": 5}]


async def test_patch_changes_what_is_given_and_skips_what_is_empty(house: Desk):
    asset = await house.publish("signals", tags=("old",), description="before")
    result = await house.patch(asset.asset_id, description="  after ", tags=["a", " b", "a", ""])
    assert (result.applied, result.skipped) == (("description", "tags"), ())
    assert (result.asset.description, result.asset.tags) == ("after", "a,b")
    skipped = await house.patch(str(asset.asset_id), description="", tags="", allow_subscription=None)
    assert (skipped.applied, skipped.skipped) == ((), ("description", "tags"))
    stored = await house.call("metadata", ALPHA, asset_id=asset.asset_id)
    assert (stored.description, stored.tags, stored.allow_subscription) == ("after", "a,b", False)


async def test_refused_patch_leaves_nothing_applied(house: Desk):
    asset = await house.publish("signals", description="before")
    for field, patch in (
        ("sensitivityLevel", {"refused": {"sensitivityLevel": "PUBLIC", "assetName": None}}),
        ("assetName", {"refused": {"assetName": "other"}}),
    ):
        with pytest.raises(FieldNotPatchable) as caught:
            await house.patch(asset.asset_id, description="after", **patch)
        assert (caught.value.code, caught.value.data["fields"]) == ("field_not_patchable", field)
    with pytest.raises(PermissionFieldRequired) as needed:
        await house.patch(asset.asset_id, description="after", allow_subscription=True)
    assert needed.value.code == "permission_field_required"
    assert needed.value.extras() == {"columns": ["tenant_id", "team_number", "owner", "score"]}
    with pytest.raises(ArgumentsInvalid):
        await house.patch(asset.asset_id, description="after", tags="permission_field:tenant")
    with pytest.raises(ArgumentsInvalid):
        await house.patch(asset.asset_id, description="x" * 4001)
    assert (await house.call("metadata", ALPHA, asset_id=asset.asset_id)).description == "before"


async def test_publishing_with_a_row_filter_and_losing_it(house: Desk):
    asset = await house.publish("signals")
    result = await house.patch(asset.asset_id, tags="permission_field:tenant_id", allow_subscription=True)
    assert result.asset.allow_subscription is True
    assert await house.scores(asset.asset_id, BETA) == [0.2, 0.3]
    with pytest.raises(PermissionFieldRequired):
        await house.patch(asset.asset_id, tags="plain")
    await house.patch(asset.asset_id, allow_subscription=False)
    with pytest.raises(AssetNotFound):
        await house.scores(asset.asset_id, BETA)
    secret = await house.publish("secret", sensitivity=Sensitivity.CONFIDENTIAL)
    with pytest.raises(NotPublishable):
        await house.patch(secret.asset_id, tags="permission_field:tenant_id", allow_subscription=True)


async def test_only_the_owner_patches(house: Desk):
    asset = await house.publish("signals", sensitivity=Sensitivity.PUBLIC, allow_subscription=True)
    with pytest.raises(AssetReadOnly) as caught:
        await house.patch(1, description="x")
    assert "the desk" in caught.value.message
    with pytest.raises(AssetReadOnly):
        await house.patch(asset.asset_id, BETA, description="x")
    hidden = await house.publish("hidden")
    with pytest.raises(AssetNotFound):
        await house.patch(hidden.asset_id, BETA, description="x")


async def test_names_are_unique_per_team_and_never_the_desks(house: Desk):
    await house.publish("signals")
    await house.publish("signals", BETA)
    for name in ("signals", "stock_day", "Daily"):
        with pytest.raises(AssetNameTaken):
            await house.publish(name)
    with pytest.raises(ArgumentsInvalid):
        await house.publish("keyed", key_columns=("nothing",))
    for name in ("", "1st", "a-b", "x" * 65, "a\nb"):
        with pytest.raises(ArgumentsInvalid):
            await house.publish(name)


async def test_types_of_published_columns(house: Desk):
    table = pa.table(
        {
            "day": [date(2024, 1, 2)],
            "at": [datetime.fromisoformat("2024-01-02T09:30:00")],
            "price": [Decimal("10.25")],
            "kind": pa.array(["a"]).dictionary_encode(),
            "flag": [True],
            "small": pa.array([3], pa.int8()),
            "nan": [float("nan")],
        }
    )
    asset = await house.publish("types", table=table)
    page = await house.call("data", ALPHA, asset_id=asset.asset_id)
    assert page.data[0] == {
        "day": "2024-01-02",
        "at": "2024-01-02 09:30:00.000000",
        "price": 10.25,
        "kind": "a",
        "flag": True,
        "small": 3,
        "nan": None,
    }
    assert (page.meta.dataset, page.meta.simulated, page.meta.currency) == ("types", False, None)
    for wrong in (pa.table({"x": [[1]]}), pa.table({"a": [1], "A": [2]}), pa.table({"_x": [1]}), pa.table({})):
        with pytest.raises(TableUnpublishable):
            await house.publish("wrong", table=wrong)


@pytest.mark.parametrize(("damage", "reason"), [("remove", "its file is missing"), ("cut", "its file is damaged")])
async def test_damaged_table_is_told(house: Desk, tmp_path, damage: str, reason: str):
    asset = await house.publish("signals")
    path = tmp_path / "assets" / asset.file
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(AssetFileDamaged) as caught:
        await house.call("data", ALPHA, asset_id=asset.asset_id)
    assert reason in caught.value.message


async def test_patch_judges_what_is_stored_when_it_writes(house: Desk, monkeypatch: pytest.MonkeyPatch):
    """Another writer takes the row filter away between this writer's read and its write."""
    asset = await house.publish("signals", tags=("permission_field:tenant_id",))
    find = house.catalog._find

    async def find_then_lose_the_filter(*arguments: object) -> Asset:
        seen = await find(*arguments)
        monkeypatch.undo()
        await house.patch(asset.asset_id, tags="plain")
        return seen

    monkeypatch.setattr(house.catalog, "_find", find_then_lose_the_filter)
    with pytest.raises(PermissionFieldRequired):
        await house.patch(asset.asset_id, allow_subscription=True)
    stored = await house.call("metadata", ALPHA, asset_id=asset.asset_id)
    assert (stored.tags, stored.allow_subscription) == ("plain", False)
