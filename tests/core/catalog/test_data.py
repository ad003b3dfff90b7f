"""Reading rows of the desk's own assets."""

from pathlib import Path

import pytest

from core.access.model import Caller
from core.catalog.filters import FilterSlot
from core.catalog.model import AssetPage
from core.catalog.problems import OrderNeeded
from core.catalog.requests import DataRequest
from core.catalog.service import CatalogService
from core.clock import FrozenClock
from core.market.bar_store import MarketStore, TableChange
from core.market.service import MarketService
from core.storage.database import Database
from tests.support.small_market import ALPHA, ANONYMOUS, IMPORTED, bars

pytestmark = pytest.mark.anyio


@pytest.fixture
def read(catalog: CatalogService, desk: Database):
    async def run(asset_id: int | str = 1, *, caller: Caller = ALPHA, **request: object) -> AssetPage:
        async with desk.unit_of_work(read_only=True) as uow:
            return await catalog.data(uow, caller, asset_id=asset_id, request=DataRequest(**request))

    return run


def where(column: object, value: object, operator: str | None = "eq", suffix: str = "") -> FilterSlot:
    return FilterSlot(column=column, value=value, operator=operator, suffix=suffix)


ALL_DAYS = where("day_id", "20240101", "gte", "2")


async def test_row_has_the_columns_clients_know(read):
    page = await read(first=where("STOCK_NUM", "600519"), second=where("day_id", "20240103", suffix="2"))
    assert page.data == (
        {
            "day_id": "20240103",
            "STOCK_NUM": "600519",
            "MARKET": "SH",
            "STOCK_NAME": "贵州茅台",
            "OPEN_PRICE": 1710.5,
            "HIGH_PRICE": 1711.5,
            "LOW_PRICE": 1709.5,
            "CLOSE_PRICE": 1710.5,
            "PRE_CLOSE_PRICE": None,
            "VOLUME": 500,
            "AMOUNT": None,
            "TURNOVER_PCT": None,
            "ADJ_FACTOR": None,
            "IS_ST": None,
            "source": "test",
        },
    )
    assert (page.page_size, page.current_page, page.total_elements, page.total_pages) == (50, 1, 1, 1)
    assert page.truncated is page.effective_page_size is page.meta.partition is page.meta.empty_reason is None
    assert (page.meta.dataset, page.meta.as_of, page.meta.simulated) == ("stock_day", "2024-01-03", False)
    assert (page.meta.adjustment, page.meta.currency) == ("raw", "CNY")
    assert page.meta.warnings[0].startswith("The newest bar in daily is of 2024-01-04;")


async def test_newest_partition_only_when_no_filter_names_it_and_says_so(read):
    page = await read()
    assert [row["STOCK_NUM"] for row in page.data] == ["000878", "1B0300", "600519", "920002"]
    assert {row["day_id"] for row in page.data} == {"20240104"}
    assert page.meta.partition is not None
    assert (page.meta.partition.column, page.meta.partition.value) == ("day_id", "20240104")
    single = await read(first=where("STOCK_NUM", "600519"))
    assert [row["CLOSE_PRICE"] for row in single.data] == [1720.0]
    assert single.meta.partition is not None


async def test_stock_day_holds_four_indices_and_index_day_all(read):
    days = await read(first=where("STOCK_NUM", "1B0300"), second=ALL_DAYS)
    assert [row["CLOSE_PRICE"] for row in days.data] == [3400.25, 3410.5, 3420.0]
    fifty = await read(first=where("STOCK_NUM", "1B0016"), second=ALL_DAYS)
    assert fifty.data == ()
    index = await read(5)
    assert [(row["day_id"], row["STOCK_NUM"]) for row in index.data] == [
        ("20240103", "1B0300"),
        ("20240104", "1B0016"),
        ("20240104", "1B0300"),
        ("20240105", "1B0300"),
    ]
    assert index.meta.partition is None


async def test_minutes_and_dividends(read):
    minutes = await read(3)
    assert [(row["STOCK_NUM"], row["interval_type"], row["bar_time"], row["is_final"]) for row in minutes.data] == [
        ("1B0300", "15m", "2024-01-04 09:45:00", False),
        ("1B0300", "1m", "2024-01-04 09:31:00", True),
        ("1B0300", "30m", "2024-01-04 10:00:00", False),
        ("1B0300", "5m", "2024-01-04 09:35:00", False),
        ("1B0300", "60m", "2024-01-04 10:30:00", False),
        ("600519", "5m", "2024-01-04 15:00:00", True),
    ]
    five = await read(3, first=where("interval_type", "5m"), second=where("STOCK_NUM", "1B0300"))
    assert [(row["bar_time"], row["source"]) for row in five.data] == [("2024-01-04 09:35:00", "test, from 1m")]
    assert {row["STOCK_NUM"] for row in (await read(4)).data} == {"00700"}
    dividends = await read(6)
    assert dividends.data[0]["EX_DATE"] == "20230630"
    assert dividends.data[0]["CASH_PER_SHARE"] == 25.911


async def test_the_newest_day_comes_from_memory_and_follows_the_folder(read, market_store, monkeypatch):
    """The whole newest day is read from the store once per commit; other days and other assets are not kept."""
    queries: list[str] = []
    query = type(market_store).query
    monkeypatch.setattr(
        type(market_store), "query", lambda store, sql, values=(): queries.append(sql) or query(store, sql, values)
    )
    assert [row["STOCK_NUM"] for row in (await read(1)).data] == ["000878", "1B0300", "600519", "920002"]
    for filters in ({}, {"first": where("day_id", "20240104")}, {"first": where("STOCK_NUM", "600519")}):
        page = await read(1, **filters)
        assert {row["day_id"] for row in page.data} == {"20240104"}
    page = await read(1, size=2, page=2, order_by="CLOSE_PRICE", order_direction="desc")
    assert (page.total_elements, [row["STOCK_NUM"] for row in page.data]) == (4, ["920002", "000878"])
    assert len(queries) == 1
    assert len((await read(1, first=where("day_id", "20240103"))).data) == 3
    assert len(queries) == 2
    changed = bars([("000878.SZ", 5, "11", 100)])
    market_store.commit({"daily": TableChange(changed)}, imported_at=IMPORTED)
    assert [(row["day_id"], row["STOCK_NUM"]) for row in (await read(1)).data] == [
        ("20240105", "000878"),
        ("20240105", "1B0300"),
    ]
    assert len(queries) == 3


async def test_filter_without_operator_is_equality_and_says_so(read):
    page = await read(first=where("STOCK_NUM", "600519", None), second=ALL_DAYS)
    assert page.total_elements == 3
    assert page.meta.default_operator == "eq was used for STOCK_NUM: a filter without an operator means equality"
    assert (await read(first=where("STOCK_NUM", "600519"))).meta.default_operator is None


async def test_order_is_stable_and_ties_are_broken_by_the_key(read):
    everything = where("day_id", "20240101", "gte")
    up = await read(first=everything, order_by="day_id")
    assert [(row["day_id"], row["STOCK_NUM"]) for row in up.data[:4]] == [
        ("20240102", "000878"),
        ("20240102", "600519"),
        ("20240103", "000878"),
        ("20240103", "1B0300"),
    ]
    down = await read(first=everything, order_by="close_price", order_direction="DESC", size=2)
    assert [row["CLOSE_PRICE"] for row in down.data] == [3420.0, 3410.5]
    nulls = await read(first=everything, order_by="STOCK_NAME", order_direction="desc", size=3, page=4)
    assert [row["STOCK_NAME"] for row in nulls.data] == [None]


async def test_pages_cover_every_row_once(read):
    everything = where("day_id", "20240101", "gte")
    pages = [await read(first=everything, size=4, page=number) for number in (1, 2, 3)]
    rows = [(row["day_id"], row["STOCK_NUM"]) for page in pages for row in page.data]
    assert len(rows) == len(set(rows)) == 10
    assert [len(page.data) for page in pages] == [4, 4, 2]
    assert {page.total_pages for page in pages} == {3}


async def test_more_than_a_thousand_rows_need_an_order_and_are_cut(catalog, desk, market_store, read):
    many = [("600519.SH", 2 + place % 2, "1", place) for place in range(2)]
    table = bars(many)
    codes = [f"6{number:05}.SH" for number in range(1500)]
    wide = table.slice(0, 1).take([0] * 1500).set_column(0, "symbol", [codes])
    market_store.commit({"daily": TableChange(wide)}, imported_at=IMPORTED)
    with pytest.raises(OrderNeeded) as caught:
        await read(size=1001)
    assert (caught.value.code, caught.value.faults[0].suggestion) == ("order_by_required", "day_id")
    first = await read(size=5000, order_by="STOCK_NUM", first=where("day_id", "20240102"))
    second = await read(size=5000, page=2, order_by="STOCK_NUM", first=where("day_id", "20240102"))
    assert (first.truncated, first.effective_page_size, len(first.data)) == (True, 1000, 1000)
    assert (first.total_elements, first.total_pages, first.page_size) == (1500, 2, 5000)
    assert [row["STOCK_NUM"] for row in (first.data[-1], second.data[0], second.data[-1])] == [
        "600999",
        "601000",
        "601499",
    ]
    whole = await read(size=1000, first=where("day_id", "20240102"))
    assert whole.truncated is None
    assert len(whole.data) == 1000


async def test_empty_answers_say_why(read):
    assert (await read(2)).meta.empty_reason == "No data has been imported for stock_day_hk yet."
    nothing = await read(first=where("STOCK_NUM", "600000"))
    assert nothing.meta.empty_reason == "No row matches STOCK_NUM eq 600000 and day_id eq 20240104."
    beyond = await read(page=9, first=where("STOCK_NUM", "600519"), second=ALL_DAYS)
    assert beyond.meta.empty_reason == "The page lies beyond the last one: there are 3 rows on 1 pages."
    index = await read(first=where("STOCK_NUM", "000300"), second=ALL_DAYS)
    assert index.meta.empty_reason is not None
    assert index.meta.empty_reason.endswith("If the index 000300 was meant: it is 1B0300 here.")


async def test_anonymous_callers_get_the_first_page_and_are_told(read):
    page = await read(caller=ANONYMOUS, page=3, size=500, first=where("STOCK_NUM", "878"), order_by="VOLUME")
    assert [row["STOCK_NUM"] for row in page.data] == ["000878", "1B0300", "600519", "920002"]
    limits = page.meta.anonymous_limits
    assert limits is not None
    assert (limits.page, limits.size) == (1, 25)
    assert limits.removed == ("page", "size", "filterColumn", "orderBy")
    plain = await read(caller=ANONYMOUS, size=25)
    assert plain.meta.anonymous_limits is not None
    assert plain.meta.anonymous_limits.removed == ()


async def test_simulated_market_is_labelled(clock: FrozenClock, desk: Database, tmp_path: Path):
    store = MarketStore(tmp_path / "demo")
    store.commit({"daily": TableChange(bars([("600519.SH", 2, "1", 1)]))}, imported_at=IMPORTED, simulated=True)
    catalog = CatalogService(MarketService(store, clock), clock, folder=tmp_path / "assets")
    async with desk.unit_of_work(read_only=True) as uow:
        page = await catalog.data(uow, ALPHA, asset_id=1)
        facts = await catalog.metadata(uow, ALPHA, asset_id=1)
    assert page.meta.simulated is True
    assert page.meta.warnings == ("The market is simulated: every figure is invented.",)
    assert facts.source_description.startswith("Simulated market")


async def test_empty_market_answers_without_failing(clock: FrozenClock, desk: Database, tmp_path: Path):
    catalog = CatalogService(MarketService(MarketStore(tmp_path / "none"), clock), clock, folder=tmp_path / "assets")
    async with desk.unit_of_work(read_only=True) as uow:
        for asset_id in range(1, 7):
            page = await catalog.data(uow, ALPHA, asset_id=asset_id)
            assert (page.data, page.total_elements, page.total_pages) == ((), 0, 0)
            assert page.meta.empty_reason is not None
            assert page.meta.empty_reason.startswith("No data has been imported")
