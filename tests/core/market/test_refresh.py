"""Refreshing a market folder, from the providers' wire formats to stored rows."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import httpx
import pyarrow as pa
import pytest
import respx

from core.clock import CHINA, FrozenClock
from core.market.bar_store import MarketStore, TableChange
from core.market.datasets import DATASETS
from core.market.importers.run import MarketSimulated
from core.market.model import Adjustment
from core.market.providers.live import live_market
from core.market.quarantine import read_quarantine
from core.market.refresh import LiveMarketOff, Refresher, RefreshProgress
from core.market.service import MarketService

pytestmark = pytest.mark.anyio
BARS = {"url__regex": r"https://([0-9]+\.)?push2his\.eastmoney\.com/.*"}
LIST = {"url__regex": r"https://([0-9]+\.)?push2\.eastmoney\.com/.*"}
TENCENT = {"url__startswith": "https://web.ifzq.gtimg.cn/"}
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (date(2026, 11, day) for day in range(16, 21))
CLOSES = {MONDAY: 10.0, TUESDAY: 10.5, WEDNESDAY: 10.0, THURSDAY: 10.2, FRIDAY: 10.4}
CASH = 0.5
"""Paid on Wednesday: its reference price is 10.00, and earlier prices lie 0.50 lower when adjusted forward."""


def line(day: date, close: float, volume: int = 1000) -> str:
    return f"{day},{close:.2f},{close:.2f},{close + 0.1:.2f},{close - 0.1:.2f},{volume},{close * volume * 100:.2f}"


def klines(closes: dict[date, float], *, less: float = 0.0, until: date = TUESDAY) -> dict:
    lines = [line(day, close - less if day <= until else close) for day, close in closes.items()]
    return {"data": {"code": "600519", "klines": lines}}


def answer_bars(mocked: respx.MockRouter, closes: dict[date, float] = CLOSES) -> respx.Route:
    def answer(request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        start, end = (datetime.strptime(asked[name], "%Y%m%d").date() for name in ("beg", "end"))  # noqa: DTZ007
        days = {day: close for day, close in closes.items() if start <= day <= end}
        return httpx.Response(200, json=klines(days, less=CASH if asked["fqt"] == "1" else 0.0))

    return mocked.get(**BARS).mock(side_effect=answer)


def stored_row(day: date, close: float, **more) -> dict:
    row = {"symbol": "600519.SH", "trade_date": day, "open": close, "high": close + 0.1, "low": close - 0.1}
    money = {"volume": 100_000, "amount": close * 100_000, "adj_factor": 2.0, "source": "xbx"}
    return row | {"close": close} | money | more


@dataclass
class Desk:
    store: MarketStore
    refresher: Refresher

    def rows(self, dataset: str = "daily", *names: str) -> list[tuple]:
        return [tuple(row[name] for name in names) for row in self.store.table(dataset).to_pylist()]

    def commit(self, rows: list[dict], dataset: str = "daily", **more) -> None:
        table = pa.Table.from_pylist(rows, DATASETS[dataset].schema())
        self.store.commit({dataset: TableChange(table)}, imported_at=datetime(2026, 11, 1, tzinfo=CHINA), **more)


@pytest.fixture
def mocked():
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture
async def desk(tmp_path, clock: FrozenClock) -> AsyncIterator[Desk]:
    store = MarketStore(tmp_path / "market")
    async with httpx.AsyncClient() as client:
        live = live_market(client, clock=clock, folder=tmp_path / "live")
        yield Desk(store, Refresher(MarketService(store, clock), live))


async def test_missing_days_join_the_stored_ones_and_the_factor_goes_on(desk: Desk, mocked) -> None:
    desk.commit([stored_row(MONDAY, 10.0), stored_row(TUESDAY, 10.5)])
    route = answer_bars(mocked)
    seen: list[RefreshProgress] = []
    report = await desk.refresher.run(["600519.SH"], progress=seen.append)
    (item,) = report.items
    assert (item.what, item.source, item.newest, item.reason) == ("600519.SH", "eastmoney", FRIDAY, None)
    assert (item.rows_added, item.rows_unchanged, item.rows_quarantined, report.committed) == (3, 2, 0, True)
    assert desk.rows("daily", "trade_date", "close", "pre_close", "source") == [
        (MONDAY, 10.0, None, "xbx"),
        (TUESDAY, 10.5, 10.0, "xbx"),
        (WEDNESDAY, 10.0, 10.0, "eastmoney"),
        (THURSDAY, 10.2, 10.0, "eastmoney"),
        (FRIDAY, 10.4, 10.2, "eastmoney"),
    ]
    assert [row[0] for row in desk.rows("daily", "adj_factor")] == [2.0, 2.0, 2.1, 2.1, 2.1]
    series = await desk.refresher.market.bars("600519.SH", adjustment=Adjustment.FORWARD)
    assert series.columns["close"].tolist() == pytest.approx([9.52380952, 10.0, 10.0, 10.2, 10.4])
    (source,) = desk.store.manifest().datasets["daily"].sources
    assert (source.name, source.rows, source.adjustment) == ("eastmoney 600519.SH", 4, "raw")
    assert [(step.what, step.done, step.total) for step in seen] == [("600519.SH", 0, 1), ("", 1, 1)]
    assert [call.request.url.params["beg"] for call in route.calls] == ["20261103", "20261116"]
    again = await desk.refresher.run(["600519.SH"])
    assert (again.items[0].newest, again.items[0].rows_added, again.committed) == (FRIDAY, 0, False)
    assert route.call_count == 2


async def test_a_day_that_is_not_over_is_left_out(desk: Desk, mocked, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=-1))
    answer_bars(mocked)
    report = await desk.refresher.run(["600519.SH"])
    assert (report.items[0].newest, report.items[0].rows_added) == (THURSDAY, 4)
    assert desk.rows("daily", "trade_date")[-1] == (THURSDAY,)


async def test_what_differs_from_stored_rows_stays_out_with_its_reason(desk: Desk, mocked) -> None:
    desk.commit([stored_row(MONDAY, 10.0), stored_row(TUESDAY, 10.6)])
    answer_bars(mocked, CLOSES | {THURSDAY: 9.9})
    report = await desk.refresher.run(["600519.SH"])
    assert (report.items[0].rows_added, report.items[0].rows_quarantined) == (3, 1)
    assert desk.rows("daily", "trade_date", "close")[1] == (TUESDAY, 10.6)
    (row,) = read_quarantine(report.quarantine_path)
    assert (row.file, row.row, row.reason) == ("eastmoney 600519.SH", 2, "differs from stored (source xbx)")
    assert '"close": 10.5' in row.original


async def test_what_cannot_be_had_is_told_and_keeps_nothing_back(desk: Desk, mocked) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        known = request.url.params["secid"] == "1.600519"
        return httpx.Response(200, json=klines(CLOSES, less=0.0) if known else {"rc": 100, "data": None})

    mocked.get(**BARS).mock(side_effect=answer)
    mocked.get(**TENCENT).respond(json={"code": 1, "msg": "bad"})
    report = await desk.refresher.run(["600999.SH", "600519.SH"])
    assert [item.what for item in report.failed] == ["600999.SH"]
    assert "eastmoney: bars of 600999.SH" in report.failed[0].reason
    assert report.items[1].rows_added == 5


async def test_bars_whose_dividends_cannot_be_looked_up_are_not_stored(desk: Desk, mocked) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=klines(CLOSES)) if request.url.params["fqt"] == "0" else httpx.Response(403)

    mocked.get(**BARS).mock(side_effect=answer)
    mocked.get(**TENCENT).respond(403)
    report = await desk.refresher.run(["600519.SH"])
    assert report.items[0].reason.startswith("its dividends and splits could not be looked up: No market data source")
    assert desk.store.manifest().datasets == {}


async def test_events_between_stored_and_fetched_days_must_be_understood(desk: Desk, mocked) -> None:
    desk.commit([stored_row(MONDAY, 10.0)])

    def answer(request: httpx.Request) -> httpx.Response:
        raw = request.url.params["fqt"] == "0"
        other = {day: close * (1 if raw else 0.5 + place / 10) for place, (day, close) in enumerate(CLOSES.items())}
        return httpx.Response(200, json=klines(other | {FRIDAY: 10.4}))

    mocked.get(**BARS).mock(side_effect=answer)
    report = await desk.refresher.run(["600519.SH"])
    assert "between 2026-11-16 and 2026-11-19 cannot be told from the prices" in report.items[0].reason
    assert len(desk.rows("daily", "trade_date")) == 1
    fresh = await desk.refresher.run(["600000.SH"])
    assert fresh.items[0].warnings == ("Bars before 2026-11-19 were left out: events before it are not understood.",)


async def test_no_bars_at_all(desk: Desk, mocked) -> None:
    mocked.get(**BARS).respond(json={"data": {"klines": []}})
    report = await desk.refresher.run(["600519.SH"])
    assert report.items[0].reason == "the source has no bars of 600519.SH for these days"


async def test_indices_need_no_adjusted_bars(desk: Desk, mocked) -> None:
    route = answer_bars(mocked)
    report = await desk.refresher.run(["000300.SH"], since=TUESDAY)
    assert (report.items[0].rows_added, route.call_count) == (4, 1)
    assert desk.rows("index_daily", "trade_date", "pre_close")[:2] == [(TUESDAY, None), (WEDNESDAY, 10.5)]


async def test_hong_kong_bars_of_another_kind_are_not_mixed(desk: Desk, mocked) -> None:
    row = stored_row(MONDAY, 500.0, symbol="00700.HK", adjustment="split_only")
    del row["adj_factor"]
    desk.commit([row], "hk_daily")
    report = await desk.refresher.run(["00700.HK"])
    assert report.items[0].reason == "its stored bars are split_only: raw ones cannot be mixed into them"
    answer_bars(mocked)
    assert (await desk.refresher.run(["00005.HK"])).items[0].newest == THURSDAY
    assert desk.rows("hk_daily", "symbol", "adjustment")[0] == ("00005.HK", "raw")


@pytest.mark.parametrize(
    ("stored", "since", "first"),
    [(None, None, "20240101"), (None, MONDAY, "20261116"), (TUESDAY, date(2026, 1, 5), "20260105"),
     (TUESDAY, WEDNESDAY, "20261103")],
)  # fmt: skip
async def test_where_fetching_begins(desk: Desk, mocked, stored, since, first) -> None:
    if stored:
        desk.commit([stored_row(stored, 10.5)])
    route = answer_bars(mocked)
    await desk.refresher.run(["600519.SH"], since=since)
    assert route.calls[0].request.url.params["beg"] == first


def listed(code: str, name: str) -> dict:
    moment = int(datetime(2026, 11, 20, 15, 0, tzinfo=CHINA).timestamp())
    prices = dict.fromkeys(("f2", "f15", "f16", "f17", "f18"), 10)
    return prices | {
        "f5": 1, "f6": 1000, "f12": code, "f13": 1, "f14": name, "f124": moment, "f26": 20010827, "f100": "白酒"
    }  # fmt: skip


async def test_the_master_and_bars_come_in_one_commit(desk: Desk, mocked) -> None:
    desk.commit(
        [{"symbol": "600519.SH", "name": "茅台", "exchange": "SH", "board": "main", "kind": "stock", "currency": "CNY",
          "industry": "食品饮料", "source": "file"}],
        "instruments",
    )  # fmt: skip
    rows = [listed("600519", "贵州茅台"), listed("600000", "浦发银行")]
    mocked.get(**LIST).respond(json={"data": {"total": 2, "diff": rows}})
    answer_bars(mocked)
    before = desk.store.manifest().generation
    report = await desk.refresher.run(["600519.SH"], with_master=True)
    assert [(item.what, item.source, item.rows_added, item.rows_replaced) for item in report.items] == [
        ("instruments", "eastmoney", 1, 1),
        ("600519.SH", "eastmoney", 5, 0),
    ]
    assert desk.store.manifest().generation == before + 1
    assert desk.rows("instruments", "symbol", "name", "industry", "list_date") == [
        ("600000.SH", "浦发银行", "白酒", date(2001, 8, 27)),
        ("600519.SH", "贵州茅台", "食品饮料", date(2001, 8, 27)),
    ]
    again = await desk.refresher.run([], with_master=True)
    assert (again.items[0].rows_unchanged, again.committed) == (2, False)
    assert await desk.refresher.stored_symbols() == {"600519.SH"}


async def test_the_remembered_master_stands_in_and_says_its_age(desk: Desk, mocked, clock: FrozenClock) -> None:
    mocked.get(**LIST).respond(json={"data": {"total": 1, "diff": [listed("600519", "贵州茅台")]}})
    await desk.refresher.run([], with_master=True)
    mocked.get(**LIST).respond(403)
    mocked.get(url__startswith="https://query.sse.com.cn/").respond(403)
    clock.advance(timedelta(hours=3))
    (item,) = (await desk.refresher.run([], with_master=True)).items
    assert (item.source, item.reason, item.rows_unchanged) == ("remembered", None, 1)
    assert item.warnings[-1].endswith("3 hours ago")


async def test_refusals(desk: Desk) -> None:
    with pytest.raises(LiveMarketOff, match="DINGPAN_LIVE_MARKET=true"):
        await Refresher(desk.refresher.market, None).run(["600519.SH"])
    assert (await desk.refresher.run([])).items == ()
    desk.commit([stored_row(MONDAY, 10.0)], simulated=True)
    with pytest.raises(MarketSimulated, match="holds the simulated market"):
        await desk.refresher.run(["600519.SH"])
