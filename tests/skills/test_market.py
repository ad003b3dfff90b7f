"""The skills about the market, as every door runs them."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from core.clock import CHINA, FrozenClock
from core.errors import ArgumentsInvalid
from core.market.bar_store import MarketStore, TableChange
from core.market.datasets import DATASETS
from core.market.instruments import CodeZerosLost, InstrumentNotFound
from core.market.service import MarketService
from core.market.service_answers import DayInFuture, NoSuchPage, TooMuchAsked
from core.market.trading_calendar import CalendarEnds
from core.storage.database import Database
from skills import market as market_skills
from tests.support.catalog_desk import CatalogDesk
from tools.risk import RiskTier

pytestmark = pytest.mark.anyio
LAST = date(2026, 11, 20)


def bar(symbol: str, day: date, close: float, pre_close: float | None = None, factor: float = 1.0) -> dict:
    shape = {"symbol": symbol, "trade_date": day, "open": close, "high": close + 0.5, "low": close - 0.5}
    return {**shape, "close": close, "pre_close": pre_close, "volume": 100, "adj_factor": factor, "source": "test"}


def long_history() -> list[dict]:
    days = [LAST - timedelta(days=back) for back in reversed(range(1200))]
    rows = [bar("600519.SH", day, 100.0 + nth / 100, factor=2.0) for nth, day in enumerate(days)]
    return [*rows[:-1], bar("600519.SH", LAST, 50.0, 55.0, factor=4.0)]


def named(symbol: str, name: str, kind: str = "stock") -> dict:
    board = "main" if kind == "stock" else None
    return {"symbol": symbol, "name": name, "exchange": symbol[-2:], "board": board, "kind": kind, "currency": "CNY"}


CONTENT = {
    "daily": [*long_history(), bar("000001.SZ", LAST, 10.0, 9.5)],
    "index_daily": [bar("000001.SH", LAST, 4000.123, 3990.0)],
    "instruments": [
        named("600519.SH", "贵州茅台"),
        named("000001.SZ", "平安银行"),
        named("000001.SH", "上证指数", "index"),
        named("000878.SZ", "云南铜业"),
    ],
}
for row in CONTENT["index_daily"]:
    del row["adj_factor"]


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, tmp_path: Path) -> CatalogDesk:
    made = await CatalogDesk.make(database, clock, tmp_path, modules=[market_skills])
    store = MarketStore(tmp_path / "own_market")
    changes = {name: TableChange(pa.Table.from_pylist(rows, DATASETS[name].schema())) for name, rows in CONTENT.items()}
    store.commit(changes, imported_at=datetime(2026, 11, 20, tzinfo=CHINA))
    made.services.market = MarketService(store, clock)
    return made


async def test_all_are_green(desk: CatalogDesk):
    assert {skill.skill_id: skill.tier for skill in desk.registry.skills} == dict.fromkeys(
        ("market.bars.get", "market.calendar.get", "market.instrument.search", "market.quote.get"), RiskTier.GREEN
    )


async def test_search(desk: CatalogDesk):
    found = await desk.run("market.instrument.search", text="茅台")
    assert [entry["symbol"] for entry in found.value["instruments"]] == ["600519.SH"]
    assert found.value["isCut"] is False
    assert found.meta["dataset"] == "instruments"
    cut = await desk.run("market.instrument.search", q="0000", limit=1)
    assert (len(cut.value["instruments"]), cut.value["isCut"]) == (1, True)
    with pytest.raises(TooMuchAsked, match="limit asks for 101"):
        await desk.run("market.instrument.search", text="0", limit=101)


async def test_quotes(desk: CatalogDesk):
    found = await desk.run("market.quote.get", symbols=["sz000001", "000001.SH", "000878", "000001.SZ"])
    assert [(q["symbol"], q["lastPrice"], q["referencePrice"]) for q in found.value["quotes"]] == [
        ("000001.SZ", "10.00", "9.50"),
        ("000001.SH", "4000.123", "3990.00"),
    ]
    assert found.value["withoutPrice"] == ["000878.SZ"]
    assert found.meta["asOf"] == "2026-11-20"
    assert found.meta["currency"] == "CNY"
    older = await desk.run("market.quote.get", symbols=["600519"], asOf="2026-11-19")
    assert older.value["quotes"][0]["lastPrice"] == "111.98"


async def test_bad_questions_about_prices(desk: CatalogDesk):
    with pytest.raises(InstrumentNotFound, match=r"Did you mean 600519\.SH"):
        await desk.run("market.quote.get", symbols=["600591"])
    with pytest.raises(CodeZerosLost, match=r"000878\.SZ"):
        await desk.run("market.quote.get", symbols=["878"])
    with pytest.raises(ArgumentsInvalid):
        await desk.run("market.quote.get", symbols=[878])
    with pytest.raises(DayInFuture):
        await desk.run("market.quote.get", symbols=["600519"], as_of="2026-11-21")
    with pytest.raises(TooMuchAsked, match="asks for 51"):
        await desk.run("market.quote.get", symbols=["600519"] * 51)
    with pytest.raises(TooMuchAsked):
        await desk.run("market.quote.get", symbols=[])


async def test_bars_without_a_page_are_the_newest_and_say_what_was_cut(desk: CatalogDesk):
    found = (await desk.run("market.bars.get", symbol="600519")).value
    assert (len(found["bars"]), found["total"], found["pages"], found["isCut"]) == (1000, 1200, 2, True)
    assert found["page"] is None
    assert found["bars"][-1] == {
        "time": "2026-11-20",
        "open": "50.00",
        "high": "50.50",
        "low": "49.50",
        "close": "50.00",
        "preClose": "55.00",
        "volume": 100,
        "amount": None,
    }
    assert found["meta"]["warnings"] == [
        "Only the newest 1000 of 1200 bars are shown; give page=1 and on for all, from the oldest."
    ]


async def test_pages_of_bars_make_the_whole(desk: CatalogDesk):
    pages = [(await desk.run("market.bars.get", symbol="600519", page=page, size=500)).value for page in (1, 2, 3)]
    assert [len(page["bars"]) for page in pages] == [500, 500, 200]
    times = [bar["time"] for page in pages for bar in page["bars"]]
    assert times == sorted(set(times))
    assert len(times) == 1200
    with pytest.raises(NoSuchPage, match="there are pages 1 to 3"):
        await desk.run("market.bars.get", symbol="600519", page=4, size=500)
    with pytest.raises(TooMuchAsked, match="size asks for 1001"):
        await desk.run("market.bars.get", symbol="600519", size=1001)


async def test_adjusted_bars_and_the_index_of_a_shared_code(desk: CatalogDesk):
    found = await desk.run("market.bars.get", symbol="600519", start="2026-11-19", adjustment="forward")
    assert [bar["close"] for bar in found.value["bars"]] == ["55.99", "50.00"]
    assert found.meta["adjustment"] == "forward"
    index = (await desk.run("market.bars.get", symbol="000001", kind="index")).value
    assert (index["symbol"], index["name"], index["isCut"]) == ("000001.SH", "上证指数", False)


async def test_no_bars_say_so(desk: CatalogDesk):
    found = (await desk.run("market.bars.get", symbol="600519", end="2001-01-01", page=1)).value
    assert (found["bars"], found["total"], found["isCut"]) == ([], 0, False)
    assert found["meta"]["warnings"] == ["No bars of 600519.SH are stored for these days."]


async def test_calendar(desk: CatalogDesk):
    found = (await desk.run("market.calendar.get", start="2026-12-24", end="2026-12-28", exchange="HK")).value
    assert [(day["day"], day["isOpen"], day["isHalfDay"]) for day in found["days"]] == [
        ("2026-12-24", True, True),
        ("2026-12-25", False, False),
        ("2026-12-26", False, False),
        ("2026-12-27", False, False),
        ("2026-12-28", True, False),
    ]
    assert found["tradingDays"] == 2
    opened = (await desk.run("market.calendar.get", openOnly=True)).value
    assert (opened["start"], opened["end"], len(opened["days"])) == ("2026-11-20", "2026-12-20", 21)
    with pytest.raises(CalendarEnds):
        await desk.run("market.calendar.get", start="2026-12-30", end="2027-01-05")
    with pytest.raises(TooMuchAsked):
        await desk.run("market.calendar.get", start="2020-01-01", end="2026-01-01")
