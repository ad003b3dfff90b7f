"""Advice written, read and measured."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import insert

from core.access.store import teams
from core.clock import CHINA, FrozenClock
from core.errors import ArgumentsInvalid
from core.market.bar_store import MarketStore, TableChange
from core.market.service import MarketService
from core.recommendation.model import RecommendationDraft, RecommendationsInvalid
from core.recommendation.service import RecommendationService
from core.storage.database import Database

pytestmark = pytest.mark.anyio

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9, 10, 11, 12, 15)]


def bars(symbol: str, closes: list[float], **more: list[float]) -> dict[str, list]:
    count = len(closes)
    columns = dict.fromkeys(("open", "high", "low", "close"), closes)
    base = {"symbol": [symbol] * count, "trade_date": DAYS[:count], "volume": [1] * count, "source": ["made"] * count}
    return base | columns | more


@pytest.fixture
def market(tmp_path: Path, clock: FrozenClock) -> MarketService:
    """600519 pays a dividend on 4 January (factor 1.1), 000878 has no factors, CSI 300 rises by one percent a day."""
    store = MarketStore(tmp_path / "market")
    factor = [1.0, 1.0] + [1.1] * 8
    moutai = pa.table(bars("600519.SH", [100, 100, 90, 99, 99, 99, 99, 110, 110, 110.0], adj_factor=factor))
    steel = pa.table(bars("000878.SZ", [10.0] * 10, adj_factor=[None] * 10))
    tencent = pa.table(bars("00700.HK", [300.0 + place for place in range(10)], adj_factor=[1.0] * 10))
    index = pa.table(bars("000300.SH", [3000 * 1.01**place for place in range(10)]))
    instruments = [
        ("600519.SH", "贵州茅台", "SH", "main", "stock", "CNY"),
        ("000878.SZ", "云南铜业", "SZ", "main", "stock", "CNY"),
        ("00700.HK", "腾讯控股", "HK", "hk_main", "stock", "HKD"),
        ("000300.SH", "沪深300", "SH", None, "index", "CNY"),
    ]
    names = ("symbol", "name", "exchange", "board", "kind", "currency")
    master = pa.table({name: [row[place] for row in instruments] for place, name in enumerate(names)})
    daily = pa.concat_tables([moutai, steel.cast(moutai.schema)])
    tables = {"daily": daily, "hk_daily": tencent, "index_daily": index, "instruments": master}
    store.commit({name: TableChange(table) for name, table in tables.items()}, imported_at=clock.now())
    return MarketService(store, clock)


@pytest.fixture
def service(market: MarketService, clock: FrozenClock) -> RecommendationService:
    return RecommendationService(market, clock)


@pytest.fixture
async def desk(database: Database, clock: FrozenClock) -> Database:
    async with database.unit_of_work() as uow:
        async with uow.write():
            for name in ("alpha", "beta"):
                await uow.execute(insert(teams).values(name=name, name_key=name, created_at=clock.now()))
        await uow.commit()
    return database


async def write(service: RecommendationService, desk: Database, *items: RecommendationDraft, team: int = 1):
    async with desk.unit_of_work() as uow:
        written = await service.write(uow, team, items=items)
        await uow.commit()
    return written


async def history(service: RecommendationService, desk: Database, code: str, *, team: int = 1, **paging: int):
    async with desk.unit_of_work(read_only=True) as uow:
        return await service.history(uow, team, code=code, **paging)


def draft(symbol: str = "600519", action: str = "HOLD", **fields: object) -> RecommendationDraft:
    return RecommendationDraft(symbol=symbol, action=action, **fields)


async def test_every_field_comes_back(service, desk, clock):
    item = draft(
        "sh600519",
        " ADD ",
        priority=3,
        add1=Decimal("1450.00"),
        add2=Decimal("1400.00000001"),
        reduce1=Decimal(1800),
        reduce2=Decimal(1900),
        no_more_add=Decimal("1600.5"),
        market="sh",
        note="跌破再看",
        process_id="p-7",
        execution_id="e-9",
    )
    written = await write(service, desk, item)
    (stored,) = written.items
    assert written.written == 1
    assert (stored.recommendation_id, stored.symbol, stored.market, stored.action) == (1, "600519.SH", "SH", "ADD")
    assert (stored.add1, stored.add2, stored.no_more_add) == (
        Decimal(1450),
        Decimal("1400.00000001"),
        Decimal("1600.5"),
    )
    assert (stored.reduce1, stored.reduce2, stored.priority) == (Decimal(1800), Decimal(1900), 3)
    assert (stored.note, stored.process_id, stored.execution_id) == ("跌破再看", "p-7", "e-9")
    assert stored.created_at == clock.now()
    async with desk.unit_of_work(read_only=True) as uow:
        assert await service.latest(uow, 1, ["600519.SH"]) == {"600519.SH": stored}


async def test_latest_is_the_newest_per_stock_and_team(service, desk):
    await write(service, desk, draft(action="ONE"), draft("000878", action="OTHER"), draft(action="TWO"))
    await write(service, desk, draft(action="THREE"))
    await write(service, desk, draft(action="FOREIGN"), team=2)
    async with desk.unit_of_work(read_only=True) as uow:
        latest = await service.latest(uow, 1, ["600519.SH", "000878.SZ", "00700.HK"])
        assert {symbol: item.action for symbol, item in latest.items()} == {"600519.SH": "THREE", "000878.SZ": "OTHER"}
        assert await service.latest(uow, 1, []) == {}
        assert {item.action for item in (await service.latest(uow, 2)).values()} == {"FOREIGN"}
        listed = await service.list_latest(uow, 1)
        assert [item.symbol for item in listed.items] == ["000878.SZ", "600519.SH"]
        assert [item.action for item in (await service.list_latest(uow, 1, code="600519.SH")).items] == ["THREE"]
        assert (await service.list_latest(uow, 1, code="00700")).items == ()


async def test_one_fault_stores_nothing_and_all_faults_are_listed(service, desk):
    items = [
        draft(action="FINE"),
        draft("878"),
        draft("NOPE", action=" ", add1=Decimal(-1), no_more_add=Decimal("NaN")),
        draft(market="SZ", note="x" * 2001, priority=101),
    ]
    with pytest.raises(RecommendationsInvalid) as caught:
        await write(service, desk, *items)
    assert [fault.path for fault in caught.value.faults] == [
        "items[1].symbol",
        "items[2].add1",
        "items[2].noMoreAdd",
        "items[2].action",
        "items[2].symbol",
        "items[3].note",
        "items[3].priority",
        "items[3].market",
    ]
    assert "000878" in caught.value.faults[0].message
    assert (await history(service, desk, "600519")).total_elements == 0


async def test_number_of_items_is_bounded(service, desk):
    for items in ([], [draft()] * 501):
        with pytest.raises(RecommendationsInvalid) as caught:
            await write(service, desk, *items)
        assert caught.value.faults[0].path == "items"


async def test_history_is_paged_newest_first(service, desk):
    await write(service, desk, *(draft(action=f"A{number}") for number in range(5)))
    first = await history(service, desk, "600519", size=2)
    assert [item.action for item in first.items] == ["A4", "A3"]
    assert (first.total_elements, first.total_pages, first.page_size, first.current_page) == (5, 3, 2, 1)
    last = await history(service, desk, "600519", size=2, page=3)
    assert [item.action for item in last.items] == ["A0"]
    assert (await history(service, desk, "600519", team=2)).items == ()
    for wrong in ({"page": 0}, {"size": 0}, {"size": 201}):
        with pytest.raises(ArgumentsInvalid):
            await history(service, desk, "600519", **wrong)


async def test_outcomes_are_measured_on_adjusted_closes(service, desk, clock):
    clock.moment = datetime(2024, 1, 3, 20, 0, tzinfo=CHINA)
    await write(service, desk, draft())
    (item,) = (await history(service, desk, "600519")).items
    outcome = item.outcome
    assert outcome is not None
    assert (outcome.base_date, outcome.benchmark) == (date(2024, 1, 3), "000300.SH")
    assert outcome.return_1 == Decimal("-0.010000")
    assert outcome.return_5 == Decimal("0.089000")
    assert outcome.excess_1 == Decimal("-0.020000")
    assert outcome.excess_5 == Decimal(repr(1.089 - 1.01**5)).quantize(Decimal("0.000001"))
    assert outcome.return_20 is outcome.excess_20 is None


async def test_advice_of_a_weekend_starts_from_friday(service, desk, clock):
    clock.moment = datetime(2024, 1, 6, 12, 0, tzinfo=CHINA)
    await write(service, desk, draft())
    (item,) = (await history(service, desk, "600519")).items
    assert item.outcome is not None
    assert (item.outcome.base_date, item.outcome.return_1) == (date(2024, 1, 5), Decimal("0.000000"))


async def test_what_cannot_be_measured_is_none(service, desk, clock):
    clock.moment = datetime(2024, 1, 3, 20, 0, tzinfo=CHINA)
    await write(service, desk, draft("00700"), draft("000878"))
    (hong_kong,) = (await history(service, desk, "00700")).items
    assert hong_kong.outcome is not None
    assert hong_kong.outcome.return_1 == Decimal(repr(302 / 301 - 1)).quantize(Decimal("0.000001"))
    assert hong_kong.outcome.benchmark is hong_kong.outcome.excess_1 is None
    assert (await history(service, desk, "000878")).items[0].outcome is None
    clock.advance(timedelta(days=365))
    await write(service, desk, draft())
    newest = (await history(service, desk, "600519")).items[0].outcome
    assert newest is not None
    assert newest.return_1 is newest.return_5 is newest.return_20 is None
