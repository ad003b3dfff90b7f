"""The skills over data assets, as every door runs them."""

from pathlib import Path

import pyarrow as pa
import pytest

from core.catalog.problems import (
    AssetIdNeeded,
    AssetNotFound,
    AssetReadOnly,
    FieldNotPatchable,
    OrderNeeded,
    PermissionFieldRequired,
)
from core.clock import FrozenClock
from core.errors import ArgumentsInvalid, Forbidden
from core.storage.database import Database
from skills import dataasset
from tests.support.catalog_desk import ANNA, BEN, CatalogDesk
from tests.support.small_market import ANONYMOUS

pytestmark = pytest.mark.anyio
TABLE = pa.table({"tenant_id": ["alpha", "beta"], "score": [0.5, 0.75]})


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, tmp_path: Path) -> CatalogDesk:
    return await CatalogDesk.make(database, clock, tmp_path, modules=[dataasset])


async def test_list_stands_at_the_top_of_the_envelope(desk: CatalogDesk):
    result = await desk.run("dataasset.list", size=2)
    assert [(row["id"], row["assetName"]) for row in result.data] == [(1, "stock_day"), (2, "stock_day_hk")]
    assert result.beside == {"pageSize": 2, "currentPage": 1, "totalElements": 6, "totalPages": 3}
    assert sorted(result.data[0]) == [
        "allowSubscription",
        "assetCategory",
        "assetName",
        "assetType",
        "description",
        "id",
        "lastUpdated",
        "recordCount",
        "sensitivityLevel",
        "tags",
        "teamName",
    ]


async def test_metadata_has_exactly_the_twenty_keys(desk: CatalogDesk):
    result = await desk.run("dataasset.metadata.get", id="1")
    assert list(result.data) == [
        "assetId",
        "assetName",
        "assetType",
        "assetCategory",
        "description",
        "tags",
        "sensitivityLevel",
        "allowSubscription",
        "teamName",
        "createdDate",
        "createdBy",
        "recordCount",
        "sizeBytes",
        "lastUpdated",
        "lastSchemaSyncAt",
        "jobCode",
        "expectedUpdateCadence",
        "cronExpression",
        "dataSource",
        "sourceDescription",
    ]


async def test_detail_and_schema(desk: CatalogDesk):
    detail = await desk.run("dataasset.get", id=6)
    assert detail.data["columns"][0] == {"name": "STOCK_NUM", "type": "text"}
    assert (detail.data["keyColumns"], detail.data["partitionColumn"]) == (["EX_DATE", "STOCK_NUM", "MARKET"], None)
    schema = await desk.run("dataasset.schema.get", asset_id="6", refresh="true")
    assert schema.data == {"columns": detail.data["columns"]}
    assert schema.meta["refreshed"] is True


@pytest.mark.parametrize(
    "params",
    [
        {"filter_column": "STOCK_NUM", "filter_value": "600519", "filter_column_2": "day_id", "filter_op_2": "gte"},
        {"filterColumn": "STOCK_NUM", "filterValue": "600519", "filterColumn2": "day_id", "filterOp2": "gte"},
    ],
)
async def test_rows_in_both_spellings(desk: CatalogDesk, params: dict[str, str]):
    value = {"filter_value_2" if "filter_column" in params else "filterValue2": "20240103"}
    result = await desk.run("dataasset.data.get", id="1", **params, **value, order_by="day_id", size="1")
    assert [(row["day_id"], row["STOCK_NUM"], row["CLOSE_PRICE"]) for row in result.data] == [
        ("20240103", "600519", 1710.5)
    ]
    assert result.beside == {"pageSize": 1, "currentPage": 1, "totalElements": 2, "totalPages": 2}
    assert result.meta["defaultOperator"].startswith("eq was used for STOCK_NUM:")
    assert (result.meta["dataset"], result.meta["simulated"]) == ("stock_day", False)
    assert not {"partition", "anonymousLimits", "emptyReason", "rowFilter"} & set(result.meta)


async def test_lists_and_numbers_as_filter_values(desk: CatalogDesk):
    listed = await desk.run(
        "dataasset.data.get", id=1, filter_column="STOCK_NUM", filter_op="in", filter_value=["000878", "600519"]
    )
    assert [row["STOCK_NUM"] for row in listed.data] == ["000878", "600519"]
    number = await desk.run(
        "dataasset.data.get", id=1, filter_column="CLOSE_PRICE", filter_op="between", filter_value=[10, 11]
    )
    assert [row["STOCK_NUM"] for row in number.data] == ["000878"]
    with pytest.raises(ArgumentsInvalid) as caught:
        await desk.run("dataasset.data.get", id=1, filter_column="STOCK_NUM", filter_value=878)
    assert caught.value.faults[0].suggestion == "000878"


async def test_truncated_pages_are_flagged_and_otherwise_silent(desk: CatalogDesk):
    with pytest.raises(OrderNeeded):
        await desk.run("dataasset.data.get", id=1, size=1001)
    result = await desk.run("dataasset.data.get", id=1, size=1001, order_by="VOLUME")
    assert (result.beside["truncated"], result.beside["effectivePageSize"]) == (True, 1000)
    assert result.meta["partition"]["value"] == "20240104"


async def test_name_is_answered_with_the_number(desk: CatalogDesk):
    with pytest.raises(AssetIdNeeded) as caught:
        await desk.run("dataasset.data.get", id="stock_day")
    assert caught.value.extras()["asset_id"] == 1


async def test_unknown_argument_is_refused(desk: CatalogDesk):
    with pytest.raises(ArgumentsInvalid) as caught:
        await desk.run("dataasset.data.get", id=1, filter_colum="STOCK_NUM")
    assert "filter" in caught.value.faults[0].suggestion


async def test_anonymous_callers(desk: CatalogDesk):
    result = await desk.run("dataasset.data.get", ANONYMOUS, id=1, page=2, filter_column="nothing")
    assert len(result.data) == 4
    assert result.meta["anonymousLimits"]["removed"] == ["page", "size", "filterColumn"]
    facts = await desk.run("dataasset.metadata.get", ANONYMOUS, id=1)
    assert (facts.data["teamName"], facts.data["createdBy"], facts.data["jobCode"]) == (None, None, None)
    for skill_id, params in (("dataasset.list", {}), ("dataasset.patch", {"id": 1, "description": "x"})):
        with pytest.raises(Forbidden):
            await desk.run(skill_id, ANONYMOUS, **params)
    asset_id = await desk.publish("signals", TABLE)
    for skill_id in ("dataasset.get", "dataasset.schema.get", "dataasset.metadata.get", "dataasset.data.get"):
        with pytest.raises(AssetNotFound):
            await desk.run(skill_id, ANONYMOUS, id=asset_id)


async def test_patch(desk: CatalogDesk):
    asset_id = await desk.publish("signals", TABLE)
    changed = await desk.run(
        "dataasset.patch", id=asset_id, tags="permission_field:tenant_id,daily", allowSubscription=True, description=""
    )
    assert (changed.data["applied"], changed.data["skipped"]) == (["tags", "allowSubscription"], ["description"])
    assert changed.data["asset"]["tags"] == "permission_field:tenant_id,daily"
    shared = await desk.run("dataasset.data.get", BEN, id=asset_id)
    assert [row["score"] for row in shared.data] == [0.75]
    assert shared.meta["rowFilter"] == "only rows where tenant_id is 'beta'"
    with pytest.raises(AssetReadOnly):
        await desk.run("dataasset.patch", BEN, id=asset_id, description="mine")
    with pytest.raises(PermissionFieldRequired):
        await desk.run("dataasset.patch", ANNA, id=asset_id, tags=["daily"])


@pytest.mark.parametrize(
    "field",
    [
        "sensitivityLevel",
        "sensitivity_level",
        "securityLevel",
        "level",
        "assetName",
        "assetType",
        "tableName",
        "teamName",
    ],
)
async def test_fields_no_patch_changes(desk: CatalogDesk, field: str):
    asset_id = await desk.publish("signals", TABLE)
    with pytest.raises(FieldNotPatchable) as caught:
        await desk.run("dataasset.patch", id=asset_id, description="after", **{field: "PUBLIC"})
    assert caught.value.code == "field_not_patchable"
    assert (await desk.run("dataasset.get", id=asset_id)).data["description"] == ""


def test_declarations():
    from tools.registry import Registry
    from tools.risk import RiskTier

    registry = Registry.collect([dataasset])
    tiers = {item.skill_id: item.tier for item in registry}
    assert tiers.pop("dataasset.patch") is RiskTier.YELLOW
    assert set(tiers.values()) == {RiskTier.GREEN}
    assert {item.skill_id for item in registry if item.anonymous} == {
        "dataasset.get",
        "dataasset.schema.get",
        "dataasset.metadata.get",
        "dataasset.data.get",
    }
    for item in registry:
        assert registry.schema(item).bind(item.example)
