from datetime import date, datetime
from decimal import Decimal
from urllib.parse import parse_qs

import httpx
import numpy as np
import pytest

from core.clock import CHINA
from core.market.model import Adjustment
from core.market.providers.tencent import BAR_URL, HONG_KONG_BAR_URL, NOT_ADJUSTED, QUOTE_URL, Tencent
from core.market.sources import SourceAnswerInvalid, SourceLacks

pytestmark = pytest.mark.anyio


def line(code, changes=None):
    fields = ["1", "贵州茅台", "600519", "1301.50", "1306.45", "1310.00", "11131", "4592", "6525"] + ["0"] * 21
    fields += ["20261120104333", "-4.95", "-0.38", "1314.40", "1300.01", "1301.50/11131/1451334748", "11131", "145133"]
    for place, value in (changes or {}).items():
        fields[place] = value
    return f'v_{code}="{"~".join(fields)}~0.09~";\n'


STAR = {
    1: "中芯国际", 2: "688981", 3: "119.98", 4: "121.39", 5: "121.10", 6: "18660976", 33: "121.39", 34: "119.63",
    35: "119.98/18660976/2246348480",
}  # fmt: skip
HONG_KONG = {
    0: "100", 1: "腾讯控股", 2: "00700", 3: "479.200", 4: "473.800", 5: "474.600", 6: "19321018.0",
    30: "2026/11/20 16:08:43", 33: "480.600", 34: "474.600", 35: "479.200", 37: "9231869057.790",
}  # fmt: skip


@pytest.fixture
def source(wire, clock):
    return Tencent(wire, clock)


async def test_lots_shares_and_hong_kong_in_one_call(source, mocked):
    text = line("sh600519") + line("sh688981", STAR) + line("hk00700", HONG_KONG) + 'v_pv_none_match="1";\n'
    mocked.get(QUOTE_URL + "sh600519,sh688981,hk00700,sz000099").respond(content=text.encode("gbk"))
    moutai, star, tencent = await source.quotes(["600519.SH", "688981.SH", "00700.HK", "000099.SZ"])
    assert (moutai.volume, moutai.amount, str(moutai.last_price)) == (1113100, 1451334748, "1301.50")
    assert (moutai.open, moutai.high, moutai.low) == (1310, Decimal("1314.40"), Decimal("1300.01"))
    assert (moutai.reference_price, moutai.at) == (
        Decimal("1306.45"),
        datetime(2026, 11, 20, 10, 43, 33, tzinfo=CHINA),
    )
    assert (star.name, star.volume) == ("中芯国际", 18660976)
    assert (tencent.volume, tencent.amount, tencent.currency) == (19321018, Decimal("9231869057.790"), "HKD")
    assert (tencent.trade_date, tencent.source) == (date(2026, 11, 20), "tencent")


async def test_without_the_exact_amount_the_rounded_one_counts(source, mocked):
    mocked.get(QUOTE_URL + "sh600519").respond(content=line("sh600519", {35: ""}).encode("gbk"))
    (quote,) = await source.quotes(["600519.SH"])
    assert (quote.amount, quote.volume) == (1451330000, 1113100)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({2: "600000"}, "600519.SH: the line is about '600000'"),
        ({30: ""}, "600519.SH: field 30 is no time: ''"),
        ({3: "?"}, "600519.SH: field 3 is no number"),
        ({35: "1/2/x"}, "600519.SH: field 35 is no number"),
    ],
)
async def test_malformed_quotes_are_named(source, mocked, changes, named):
    mocked.get(QUOTE_URL + "sh600519").respond(content=line("sh600519", changes).encode("gbk"))
    with pytest.raises(SourceAnswerInvalid) as caught:
        await source.quotes(["600519.SH"])
    assert named in str(caught.value)


async def test_a_line_cut_short(source, mocked):
    mocked.get(QUOTE_URL + "sh600519").respond(content='v_sh600519="1~贵州茅台~600519";'.encode("gbk"))
    with pytest.raises(SourceAnswerInvalid, match=r"600519.SH: the line ends after 3 fields"):
        await source.quotes(["600519.SH"])


ROWS = [
    ["2026-11-18", "1300.00", "1310.50", "1320.00", "1295.10", "32100.000"],
    ["2026-11-19", "1310.00", "1306.45", "1318.00", "1301.00", "28000.000", {"FHcontent": "10派276.24元"}],
]


def answered(key, rows, code="sh600519"):
    return {"code": 0, "msg": "", "data": {code: {key: rows, "qt": {}, "version": "4"}}}


async def ask_bars(source, symbol="600519.SH", **changes):
    asked = {"start": date(2026, 11, 18), "end": date(2026, 11, 20), "adjustment": Adjustment.RAW} | changes
    return await source.bars(symbol, **asked)


async def test_raw_bars_in_shares_without_amounts(source, mocked):
    route = mocked.get(BAR_URL).respond(json=answered("day", ROWS))
    series = await ask_bars(source)
    assert series.times.astype(str).tolist() == ["2026-11-18", "2026-11-19"]
    assert series.columns["close"].tolist() == [1310.5, 1306.45]
    assert series.columns["volume"].tolist() == [3210000, 2800000]
    assert np.isnan(series.columns["amount"]).all()
    assert series.provenance.warnings == ()
    sent = parse_qs(route.calls.last.request.url.query.decode())
    assert sent["param"] == ["sh600519,day,2026-11-18,2026-11-20,640,"]


@pytest.mark.parametrize(("adjustment", "mode"), [(Adjustment.FORWARD, "qfq"), (Adjustment.BACKWARD, "hfq")])
async def test_adjusted_bars(source, mocked, adjustment, mode):
    route = mocked.get(BAR_URL).respond(json=answered(f"{mode}day", ROWS))
    series = await ask_bars(source, adjustment=adjustment)
    assert (series.adjustment, series.provenance.warnings) == (adjustment, ())
    assert parse_qs(route.calls.last.request.url.query.decode())["param"][0].endswith(f",{mode}")


async def test_unadjusted_bars_in_place_of_adjusted_ones_are_told(source, mocked):
    mocked.get(BAR_URL).respond(json=answered("day", ROWS))
    series = await ask_bars(source, adjustment=Adjustment.FORWARD)
    assert series.provenance.warnings == (NOT_ADJUSTED,)


async def test_star_bars_count_in_shares_and_hong_kong_has_its_own_address(source, mocked):
    mocked.get(BAR_URL).respond(json=answered("day", ROWS, code="sh688981"))
    assert (await ask_bars(source, "688981.SH")).columns["volume"].tolist() == [32100, 28000]
    mocked.get(HONG_KONG_BAR_URL).respond(json=answered("day", ROWS, code="hk00700"))
    series = await ask_bars(source, "00700.HK")
    assert (series.columns["volume"].tolist(), series.provenance.currency) == ([32100, 28000], "HKD")


async def test_long_ranges_go_out_in_spans_of_two_years(source, mocked):
    asked = []

    def answer(request):
        first, last = parse_qs(request.url.query.decode())["param"][0].split(",")[2:4]
        asked.append((first, last))
        return httpx.Response(200, json=answered("day", [[last, "1", "1", "1", "1", "5"]]))

    mocked.get(BAR_URL).mock(side_effect=answer)
    series = await ask_bars(source, start=date(2021, 3, 1), end=date(2026, 11, 20))
    assert asked == [("2021-03-01", "2022-12-31"), ("2023-01-01", "2024-12-31"), ("2025-01-01", "2026-11-20")]
    assert series.times.astype(str).tolist() == ["2022-12-31", "2024-12-31", "2026-11-20"]


@pytest.mark.parametrize(
    "answer",
    [{"code": 1, "msg": "param error"}, {"code": 0, "data": []}, {"code": 0, "data": {"sh600519": None}}],
)
async def test_what_it_does_not_have(source, mocked, answer):
    mocked.get(BAR_URL).respond(json=answer)
    with pytest.raises(SourceLacks, match="bars of sh600519"):
        await ask_bars(source)


async def test_modes_it_does_not_have(source):
    with pytest.raises(SourceLacks, match=r"split_only bars of 600519.SH"):
        await ask_bars(source, adjustment=Adjustment.SPLIT_ONLY)


@pytest.mark.parametrize(
    ("rows", "named"),
    [([["2026-11-18", "1"]], "a bar of 2 fields"), ("x", "no list of bars"), ([[1, 2, 3, 4, 5, 6]], "a bar of 6")],
)
async def test_malformed_bars_are_named(source, mocked, rows, named):
    mocked.get(BAR_URL).respond(json=answered("day", rows))
    with pytest.raises(SourceAnswerInvalid) as caught:
        await ask_bars(source)
    assert named in str(caught.value)
