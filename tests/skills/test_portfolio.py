"""The skills about holdings, as every door runs them."""

from pathlib import Path
from typing import Any

import pytest

from core.clock import FrozenClock
from core.errors import Conflict
from core.portfolio.refusals import AssetClassUnavailable, MarketMismatch, PositionNotFound
from core.storage.database import Database
from skills.investment import portfolio
from tests.support.fake_market import quote
from tests.support.ledger_skills import ANNA, BEN, SkillDesk
from tools.context import SkillContext

pytestmark = pytest.mark.anyio
OPENING: dict[str, Any] = {"stock_num": "600519", "market": "SH", "qty": 100, "cost": "1500"}


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, tmp_path: Path) -> SkillDesk:
    made = await SkillDesk.make(database, clock, tmp_path)
    made.market.quotes_by_symbol["600519.SH"] = quote("600519.SH", "1510", reference="1500")
    return made


async def test_create_list_update(desk: SkillDesk) -> None:
    made = await desk.run("investment.stock.portfolio.create", asset_class="stock", **OPENING)
    assert (made.data["symbol"], made.data["market"], made.data["unrealizedPnl"]) == ("600519.SH", "SH", "1000.00")
    listed = await desk.run("investment.stock.portfolio.list", accountType="real", stockNum="600519")
    assert listed.data == [made.data]
    assert listed.beside == {"total": 1, "limit": 100, "offset": 0}
    assert (listed.meta["dataset"], listed.meta["currency"]) == ("daily", "CNY")
    position = made.data["positionId"]
    changed = await desk.run("investment.stock.portfolio.update", position_id=position, qty=200)
    assert (changed.data["quantity"], changed.data["totalCost"]) == (200, "300000.00")
    assert (await desk.run("investment.stock.portfolio.list", BEN)).data == []


async def test_profit_and_loss_and_its_explanation(desk: SkillDesk) -> None:
    made = await desk.run("investment.stock.portfolio.create", openedOn="2026-11-02", **OPENING)
    report = await desk.run("investment.stock.portfolio.pnl.get")
    assert (report.data["asOf"], report.data["total"]["todayPnl"]) == ("2026-11-20", "1000.00")
    assert report.data["currencies"][0]["unrealizedPnl"] == "1000.00"
    assert report.meta["simulated"] is True
    known = await desk.run("investment.stock.portfolio.explain", position_id=made.data["positionId"])
    assert [fact["kind"] for fact in known.data["facts"]] == ["opening"]
    assert known.data["methods"]["averageCost"] == "total cost / quantity"


@pytest.mark.parametrize("asset_class", ["fund", "gold"])
async def test_funds_and_gold_do_not_exist_yet(desk: SkillDesk, asset_class: str) -> None:
    with pytest.raises(AssetClassUnavailable, match="keeps stocks only"):
        await desk.run("investment.stock.portfolio.list", asset_class=asset_class)
    with pytest.raises(AssetClassUnavailable):
        await desk.run("investment.stock.portfolio.create", asset_class=asset_class, **OPENING)


async def test_a_code_of_another_market_is_refused(desk: SkillDesk) -> None:
    with pytest.raises(MarketMismatch):
        await desk.run("investment.stock.portfolio.create", **(OPENING | {"stock_num": "600519.SH", "market": "SZ"}))


async def test_delete_asks_a_person_first(desk: SkillDesk, database: Database, clock: FrozenClock) -> None:
    made = await desk.run("investment.stock.portfolio.create", **OPENING)
    position_id = made.data["positionId"]
    with pytest.raises(Conflict) as caught:
        await desk.run("investment.stock.portfolio.delete", position_id=position_id)
    assert "100 shares become 0" in caught.value.extras()["preview"]["summary"]
    with pytest.raises(PositionNotFound):
        await desk.run("investment.stock.portfolio.delete", BEN, position_id=position_id)
    async with database.unit_of_work() as uow:
        ctx = SkillContext(services=desk.services, uow=uow, caller=ANNA, clock=clock, trace_id="trc_1")
        assert (await portfolio.portfolio_delete(ctx, position_id=position_id)).quantity_after == 0
        await uow.commit()
    assert (await desk.run("investment.stock.portfolio.list")).data == []
