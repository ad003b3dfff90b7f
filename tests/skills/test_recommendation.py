"""The skills about advice, as every door runs them."""

from datetime import datetime
from pathlib import Path

import pytest

from core.clock import CHINA, FrozenClock
from core.errors import ArgumentsInvalid, Forbidden
from core.recommendation.model import RecommendationsInvalid
from core.storage.database import Database
from skills.investment import recommendation
from tests.support.catalog_desk import BEN, CatalogDesk
from tests.support.small_market import ANONYMOUS

pytestmark = pytest.mark.anyio
PREFIX = "investment.stock.recommendation"


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, tmp_path: Path) -> CatalogDesk:
    return await CatalogDesk.make(database, clock, tmp_path, modules=[recommendation])


async def test_write_list_and_history(desk: CatalogDesk, clock: FrozenClock):
    clock.moment = datetime(2024, 1, 3, 18, 0, tzinfo=CHINA)
    items = [
        {"symbol": "600519", "action": "ADD", "add1": "1450.00", "noMoreAdd": "1600", "priority": 1},
        {"symbol": "000878", "action": "HOLD", "execution_id": "e1"},
    ]
    written = await desk.run(f"{PREFIX}.write", items=items)
    assert written.data["written"] == 2
    assert written.data["items"][0] == {
        "recommendationId": 1,
        "symbol": "600519.SH",
        "market": "SH",
        "action": "ADD",
        "priority": 1,
        "add1": "1450.00",
        "add2": None,
        "reduce1": None,
        "reduce2": None,
        "noMoreAdd": "1600.00",
        "note": "",
        "processId": None,
        "executionId": None,
        "createdAt": "2024-01-03T10:00:00+00:00",
    }
    assert [row["symbol"] for row in (await desk.run(f"{PREFIX}.list")).data] == ["000878.SZ", "600519.SH"]
    assert [row["action"] for row in (await desk.run(f"{PREFIX}.list", stock_num="600519")).data] == ["ADD"]
    assert (await desk.run(f"{PREFIX}.list", BEN)).data == []
    past = await desk.run(f"{PREFIX}.history", stockNum="600519")
    assert past.beside == {"pageSize": 20, "currentPage": 1, "totalElements": 1, "totalPages": 1}
    assert past.data[0]["outcome"] is None or past.data[0]["outcome"]["baseDate"] == "2024-01-03"
    assert past.meta["dataset"] == "daily"
    assert (await desk.run(f"{PREFIX}.history", BEN, stock_num="600519")).data == []


async def test_one_bad_item_stores_nothing(desk: CatalogDesk):
    with pytest.raises(RecommendationsInvalid) as caught:
        await desk.run(
            f"{PREFIX}.write", items=[{"symbol": "600519", "action": "ADD"}, {"symbol": "878", "action": "X"}]
        )
    assert caught.value.faults[0].path == "items[1].symbol"
    assert (await desk.run(f"{PREFIX}.list")).data == []
    for items in ([{"symbol": 600519, "action": "ADD"}], [{"symbol": "600519", "act": "ADD"}], "x"):
        with pytest.raises(ArgumentsInvalid):
            await desk.run(f"{PREFIX}.write", items=items)


async def test_anonymous_callers_are_sent_away(desk: CatalogDesk):
    for name in ("list", "history", "write"):
        with pytest.raises(Forbidden):
            await desk.run(f"{PREFIX}.{name}", ANONYMOUS)


def test_examples_bind():
    from tools.registry import Registry

    registry = Registry.collect([recommendation])
    assert [item.skill_id for item in registry] == [f"{PREFIX}.{name}" for name in ("history", "list", "write")]
    for item in registry:
        assert registry.schema(item).bind(item.example)
