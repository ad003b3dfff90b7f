from datetime import date, datetime
from decimal import Decimal
from urllib.parse import parse_qs

import httpx
import numpy as np
import pytest

from core.clock import CHINA
from core.market.model import Adjustment, Board, Exchange
from core.market.providers.eastmoney import BAR_URLS, LIST_URLS, QUOTE_URLS, Eastmoney
from core.market.sources import SourceAnswerInvalid, SourceLacks, SourceUnavailable

pytestmark = pytest.mark.anyio
NOON = int(datetime(2026, 11, 20, 11, 29, 57, tzinfo=CHINA).timestamp())
MOUTAI = {
    "f2": 1301.5, "f5": 11131, "f6": 1451334748.0, "f12": "600519", "f13": 1, "f14": "贵州茅台",
    "f15": 1314.4, "f16": 1300.01, "f17": 1310.0, "f18": 1306.45, "f124": NOON,
}  # fmt: skip
IDLE = dict.fromkeys(MOUTAI, "-") | {
    "f12": "000002", "f13": 0, "f14": "万  科Ａ", "f18": 7.31, "f124": NOON
}  # fmt: skip


@pytest.fixture
def source(wire, clock):
    return Eastmoney(wire, clock)


def rows(*sent, total=None):
    return {"rc": 0, "data": {"total": len(sent) if total is None else total, "diff": list(sent)}}


async def test_quotes_in_shares_with_exact_prices(source, mocked):
    route = mocked.get(QUOTE_URLS[0]).respond(json=rows(MOUTAI))
    (quote,) = await source.quotes(["600519.SH", "AAPL.US"])
    assert (quote.symbol, quote.name, quote.source) == ("600519.SH", "贵州茅台", "eastmoney")
    assert [str(value) for value in (quote.last_price, quote.open, quote.high, quote.low, quote.reference_price)] == [
        "1301.50", "1310.00", "1314.40", "1300.01", "1306.45",
    ]  # fmt: skip
    assert (quote.volume, quote.amount) == (1113100, Decimal("1451334748.0"))
    assert quote.trade_date == date(2026, 11, 20)
    assert quote.at == datetime(2026, 11, 20, 11, 29, 57, tzinfo=CHINA)
    sent = parse_qs(route.calls.last.request.url.query.decode())
    assert sent["secids"] == ["1.600519"]
    assert route.calls.last.request.headers["Referer"] == "https://quote.eastmoney.com/"


async def test_a_day_stays_a_china_day_before_eight_in_the_morning_of_greenwich(source, mocked):
    opening = int(datetime(2026, 11, 20, 7, 30, tzinfo=CHINA).timestamp())
    mocked.get(QUOTE_URLS[0]).respond(json=rows(MOUTAI | {"f124": opening}))
    (quote,) = await source.quotes(["600519.SH"])
    assert quote.trade_date == date(2026, 11, 20)


async def test_a_suspended_share_keeps_its_reference(source, mocked):
    mocked.get(QUOTE_URLS[0]).respond(json=rows(IDLE))
    (quote,) = await source.quotes(["000002.SZ"])
    assert (quote.name, quote.last_price, quote.is_suspended, quote.volume) == ("万科A", Decimal("7.31"), True, 0)
    assert (quote.open, quote.high, quote.low) == (None, None, None)


async def test_hong_kong_counts_in_shares_and_dollars(source, mocked):
    tencent = MOUTAI | {
        "f12": "00700", "f13": 116, "f14": "腾讯控股", "f2": 432.0, "f15": 439.4, "f16": 431.6, "f17": 439.4,
        "f18": 439.8, "f5": 18015236, "f6": 7808702026.0,
    }  # fmt: skip
    mocked.get(QUOTE_URLS[0]).respond(json=rows(tencent))
    (quote,) = await source.quotes(["00700.HK"])
    assert (quote.volume, quote.currency) == (18015236, "HKD")


async def test_delisted_and_unasked_rows_are_left_out(source, mocked):
    gone = dict.fromkeys(MOUTAI, "-") | {"f12": "600001", "f13": 1, "f14": "邯郸钢铁"}
    mocked.get(QUOTE_URLS[0]).respond(json=rows(gone, MOUTAI))
    assert await source.quotes(["600001.SH"]) == []


async def test_no_data_means_nothing_known(source, mocked):
    mocked.get(QUOTE_URLS[0]).respond(json={"rc": 0, "data": None})
    assert await source.quotes(["600519.SH"]) == []


async def test_symbols_go_out_a_hundred_at_a_time(source, mocked):
    route = mocked.get(QUOTE_URLS[0]).respond(json={"rc": 0, "data": None})
    await source.quotes([f"{600000 + n}.SH" for n in range(250)])
    asked = [parse_qs(call.request.url.query.decode())["secids"][0].count(",") + 1 for call in route.calls]
    assert asked == [100, 100, 50]


async def test_the_next_host_is_tried(source, mocked):
    mocked.get(QUOTE_URLS[0]).mock(side_effect=httpx.ConnectError("reset"))
    mocked.get(QUOTE_URLS[1]).respond(json=rows(MOUTAI))
    assert len(await source.quotes(["600519.SH"])) == 1


@pytest.mark.parametrize(
    ("defect", "named"),
    [
        ({"f2": "abc"}, "600519.SH: f2 is no number: 'abc'"),
        ({"f2": -1}, "600519.SH: f2 is negative"),
        ({"f5": -3}, "600519.SH: volume is negative"),
        ({"f6": 7}, "600519.SH: volume 11131 and amount 7 contradict"),
        ({"f12": ""}, "f12 is missing"),
        ({"f14": None}, "f14 is missing"),
        ({"f124": "-"}, "600519.SH: f124 is no moment"),
        ({"f124": 10**12}, "600519.SH: f124 is no moment"),
        ({"f15": 1}, "600519.SH: high 1.00 is below low 1300.01"),
    ],
)
async def test_malformed_rows_are_named(source, mocked, defect, named):
    mocked.get(QUOTE_URLS[0]).respond(json=rows(MOUTAI | defect))
    with pytest.raises(SourceAnswerInvalid) as caught:
        await source.quotes(["600519.SH"])
    assert named in str(caught.value)
    assert caught.value.data["source"] == "eastmoney"


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"[]", b'{"data": 3}', b'{"data": {"diff": {"0": {}}}}', b""])
async def test_answers_of_another_shape_are_invalid(source, mocked, body):
    mocked.get(QUOTE_URLS[0]).respond(content=body)
    with pytest.raises(SourceAnswerInvalid):
        await source.quotes(["600519.SH"])


def paged(listed, total=None):
    def answer(request):
        page = int(parse_qs(request.url.query.decode())["pn"][0])
        part = listed[(page - 1) * 100 : page * 100]
        data = {"total": total or len(listed), "diff": part} if part else None
        return httpx.Response(200, json={"rc": 0, "data": data})

    return answer


def listed_row(code, market, **changes):
    return MOUTAI | {"f12": code, "f13": market, "f14": f"股{code}", "f26": 20010827, "f100": "白酒Ⅱ"} | changes


async def test_the_whole_list_is_read_page_by_page(source, mocked):
    listed = [listed_row(f"{600000 + n}", 1) for n in range(230)]
    route = mocked.get(LIST_URLS[0]).mock(side_effect=paged(listed))
    found = await source.instruments()
    assert (len(found), route.call_count) == (230, 3)
    assert found[0].symbol == "600000.SH"
    assert (found[0].list_date, found[0].industry, found[0].board) == (date(2001, 8, 27), "白酒Ⅱ", Board.MAIN)
    assert len(await source.whole_market()) == 230


async def test_boards_and_absent_facts_of_the_list(source, mocked):
    listed = [
        listed_row("688981", 1),
        listed_row("300750", 0),
        listed_row("920118", 0, f26="-", f100="-"),
        listed_row("900901", 1),
    ]
    mocked.get(LIST_URLS[0]).mock(side_effect=paged(listed))
    star, chinext, beijing = await source.instruments()
    assert (star.board, chinext.board) == (Board.STAR, Board.CHINEXT)
    assert (beijing.symbol, beijing.exchange, beijing.list_date, beijing.industry) == (
        "920118.BJ",
        Exchange.BSE,
        None,
        None,
    )


async def test_an_empty_list_is_refused(source, mocked):
    mocked.get(LIST_URLS[0]).respond(json={"rc": 0, "data": None})
    with pytest.raises(SourceAnswerInvalid, match="holds 0"):
        await source.instruments()


async def test_a_list_cut_short_is_refused(source, mocked):
    mocked.get(LIST_URLS[0]).mock(side_effect=paged([listed_row("600000", 1)], total=5400))
    with pytest.raises(SourceAnswerInvalid, match="the list says 5400 instruments and holds 1"):
        await source.instruments()


LINES = [
    "2026-11-18,1300.00,1310.50,1320.00,1295.10,32100,4200000000.00",
    "2026-11-19,1310.00,1306.45,1318.00,1301.00,28000,3664000000.00",
]


async def ask_bars(source, **changes):
    asked = {"start": date(2026, 11, 18), "end": date(2026, 11, 20), "adjustment": Adjustment.RAW} | changes
    return await source.bars("600519.SH", **asked)


async def test_bars_in_shares_oldest_first(source, mocked):
    route = mocked.get(BAR_URLS[0]).respond(json={"data": {"code": "600519", "klines": LINES}})
    series = await ask_bars(source)
    assert series.times.astype(str).tolist() == ["2026-11-18", "2026-11-19"]
    assert series.columns["open"].tolist() == [1300.0, 1310.0]
    assert series.columns["close"].tolist() == [1310.5, 1306.45]
    assert series.columns["high"].tolist() == [1320.0, 1318.0]
    assert series.columns["low"].tolist() == [1295.1, 1301.0]
    assert series.columns["volume"].tolist() == [3210000, 2800000]
    assert series.columns["volume"].dtype == np.int64
    assert series.columns["amount"].tolist() == [4.2e9, 3.664e9]
    assert (series.provenance.as_of, series.provenance.currency) == ("2026-11-19", "CNY")
    sent = parse_qs(route.calls.last.request.url.query.decode())
    assert (sent["secid"], sent["fqt"], sent["beg"], sent["end"]) == (["1.600519"], ["0"], ["20261118"], ["20261120"])


@pytest.mark.parametrize(("adjustment", "mode"), [(Adjustment.FORWARD, "1"), (Adjustment.BACKWARD, "2")])
async def test_adjusted_bars_are_labelled_and_not_checked_against_the_amount(source, mocked, adjustment, mode):
    line = "2026-11-18,-3.00,-2.50,-2.00,-4.10,32100,4200000000.00"
    route = mocked.get(BAR_URLS[0]).respond(json={"data": {"klines": [line]}})
    series = await ask_bars(source, adjustment=adjustment)
    assert (series.adjustment, series.provenance.adjustment) == (adjustment, adjustment)
    assert series.columns["volume"].tolist() == [3210000]
    assert parse_qs(route.calls.last.request.url.query.decode())["fqt"] == [mode]


async def test_days_outside_the_range_are_dropped_and_none_is_an_empty_series(source, mocked):
    mocked.get(BAR_URLS[0]).respond(json={"data": {"klines": LINES}})
    assert len(await ask_bars(source, start=date(2026, 11, 19))) == 1
    mocked.get(BAR_URLS[0]).respond(json={"data": {"klines": []}})
    empty = await ask_bars(source)
    assert (len(empty), empty.provenance.as_of, empty.columns["close"].shape) == (0, None, (0,))


async def test_what_it_does_not_have(source, mocked):
    mocked.get(BAR_URLS[0]).respond(json={"rc": 100, "data": None})
    with pytest.raises(SourceLacks, match=r"bars of 600519.SH"):
        await ask_bars(source)
    with pytest.raises(SourceLacks, match=r"split_only bars of 600519.SH"):
        await ask_bars(source, adjustment=Adjustment.SPLIT_ONLY)
    with pytest.raises(SourceLacks):
        await source.bars("X.US", start=date(2026, 1, 1), end=date(2026, 1, 2), adjustment=Adjustment.RAW)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["2026-11-18,1,2"], "a bar of 3 fields"),
        (["2026-11-18,1300,1310,1200,1295,1,1"], "600519.SH 2026-11-18: open 1300, high 1200"),
        (["2026-11-18,-,1310,1320,1295,1,1"], "2026-11-18: open is missing"),
        (["2026-11-18,0,0,0,0,0,0"], "low 0 is not above zero"),
        (["yesterday,1,1,1,1,1,1"], "day is no time: 'yesterday'"),
        ([LINES[1], LINES[0]], "2026-11-18 comes after 2026-11-19"),
        ([LINES[0], LINES[0]], "2026-11-18 comes after 2026-11-18"),
        (["2026-11-18,1300.00,1310.50,1320.00,1295.10,32100,42.00"], "contradict prices"),
        ([7], "no list of lines"),
        ("text", "no list of lines"),
    ],
)
async def test_malformed_bars_are_named(source, mocked, lines, named):
    mocked.get(BAR_URLS[0]).respond(json={"data": {"klines": lines}})
    with pytest.raises(SourceAnswerInvalid) as caught:
        await ask_bars(source)
    assert named in str(caught.value)


async def test_an_outage_is_unavailable(source, mocked):
    for url in BAR_URLS:
        mocked.get(url).respond(503)
    with pytest.raises(SourceUnavailable, match="answered 503"):
        await ask_bars(source)


async def test_a_list_that_never_ends_is_given_up(source, mocked, monkeypatch):
    monkeypatch.setattr("core.market.providers.eastmoney.MOST_PAGES", 3)
    route = mocked.get(LIST_URLS[0]).respond(json=rows(listed_row("600000", 1), total=5400))
    with pytest.raises(SourceAnswerInvalid, match="says 5400 instruments and holds 1"):
        await source.instruments()
    assert route.call_count == 3


async def test_index_bars_are_counted_in_shares(source, mocked):
    line = "2026-11-19,3890.1,3900.2,3910.3,3880.4,400000000,500000000000.00"
    mocked.get(BAR_URLS[0]).respond(json={"data": {"klines": [line]}})
    series = await source.bars("000001.SH", start=date(2026, 11, 19), end=date(2026, 11, 19), adjustment=Adjustment.RAW)
    assert series.columns["volume"].tolist() == [40_000_000_000]
