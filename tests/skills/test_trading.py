"""The skills about trades, as every door runs them."""

import base64
from pathlib import Path
from typing import Any

import pytest

from core.clock import FrozenClock
from core.errors import ArgumentsInvalid, Conflict, DeskError
from core.portfolio.refusals import AssetClassUnavailable, SellExceedsHolding, StatementNotRecognised
from core.storage.database import Database
from skills.investment import trading
from tests.support.ledger_skills import ANNA, BEN, SkillDesk
from tools.context import SkillContext

pytestmark = pytest.mark.anyio
BUY: dict[str, Any] = {
    "stockNum": "600519",
    "market": "SH",
    "tradeType": "BUY",
    "qty": 100,
    "price": "1500.00",
    "tradeDate": "2026-11-18",
}
STATEMENT = (
    "成交日期,证券代码,证券名称,买卖标志,成交价格,成交数量,成交金额,发生金额,佣金,印花税,过户费,其他费,成交编号\n"
    "20261109,600519,贵州茅台,买入,10.00,100,1000.00,-1005,5,0,0,0,1\n"
)


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, tmp_path: Path) -> SkillDesk:
    return await SkillDesk.make(database, clock, tmp_path)


async def test_create_and_list_in_both_spellings(desk: SkillDesk) -> None:
    made = await desk.run("investment.stock.trading.create", asset_class="stock", fees="37.5", **BUY)
    assert {name: made.data[name] for name in ("recordId", "symbol", "tradeType", "quantity", "price", "fees")} == {
        "recordId": 1,
        "symbol": "600519.SH",
        "tradeType": "BUY",
        "quantity": 100,
        "price": "1500.00",
        "fees": "37.50",
    }
    snake = {"stock_num": "600519.SH", "trade_type": "BUY", "trade_date": "2026-11-19"}
    await desk.run("investment.stock.trading.create", qty=100, price="1500", market="SH", **snake)
    listed = await desk.run("investment.stock.trading.list", stockNum="600519", accountId="DEFAULT", size=1)
    assert [row["tradeDate"] for row in listed.data] == ["2026-11-19"]
    assert listed.beside == {"page": 1, "size": 1, "total": 2}
    assert (await desk.run("investment.stock.trading.list", BEN)).data == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"asset_class": "fund"}, AssetClassUnavailable),
        ({"asset_class": "gold"}, AssetClassUnavailable),
        ({"tradeType": "HOLD"}, ArgumentsInvalid),
        ({"stockNum": 600519}, ArgumentsInvalid),
        ({"stocknum": "600519"}, ArgumentsInvalid),
        ({"qty": "many"}, ArgumentsInvalid),
        ({"qty": True}, ArgumentsInvalid),
        ({"price": "NaN"}, ArgumentsInvalid),
        ({"tradeType": "SELL"}, SellExceedsHolding),
    ],
)
async def test_bad_trades_are_refused(desk: SkillDesk, change: dict[str, Any], error: type[DeskError]) -> None:
    with pytest.raises(error):
        await desk.run("investment.stock.trading.create", **(BUY | change))
    assert (await desk.run("investment.stock.trading.list")).beside["total"] == 0


async def test_delete_asks_a_person_and_previews_the_effect(desk: SkillDesk) -> None:
    await desk.run("investment.stock.trading.create", **BUY)
    with pytest.raises(Conflict) as caught:
        await desk.run("investment.stock.trading.delete", record_id=1)
    extras = caught.value.extras()
    assert extras["preview"]["summary"].startswith("Takes back 1 record of 600519.SH in account DEFAULT: 100 shares")
    assert (await desk.run("investment.stock.trading.list")).beside["total"] == 1


async def test_the_body_of_delete_takes_the_trade_back(desk: SkillDesk, database: Database, clock: FrozenClock) -> None:
    await desk.run("investment.stock.trading.create", **BUY)
    async with database.unit_of_work() as uow:
        ctx = SkillContext(services=desk.services, uow=uow, caller=ANNA, clock=clock, trace_id="trc_1")
        removal = await trading.trading_delete(ctx, record_id=1)
        await uow.commit()
    assert (removal.quantity_before, removal.quantity_after) == (100, 0)


async def test_import_takes_base64_or_text_and_a_dry_run_writes_nothing(desk: SkillDesk) -> None:
    encoded = base64.b64encode(STATEMENT.encode("gbk")).decode()
    dry = await desk.run("investment.stock.trading.import", fileName="a.csv", content=encoded, dryRun=True)
    assert (dry.data["written"], dry.data["added"], dry.data["closingCash"]) == (False, 1, "-1005.00")
    done = await desk.run("investment.stock.trading.import", fileName="a.csv", content=STATEMENT, encoding="text")
    assert (done.data["written"], done.data["layout"], done.data["lines"][0]["outcome"]) == (True, "flat", "added")
    with pytest.raises(StatementNotRecognised, match="not valid base64"):
        await desk.run("investment.stock.trading.import", fileName="a.csv", content="成交日期")
    with pytest.raises(AssetClassUnavailable):
        await desk.run("investment.stock.trading.import", fileName="a.csv", content=encoded, asset_class="gold")
