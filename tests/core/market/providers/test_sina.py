from datetime import date, datetime
from decimal import Decimal

import pytest

from core.clock import CHINA
from core.market.providers.sina import URL, Sina
from core.market.sources import SourceAnswerInvalid

pytestmark = pytest.mark.anyio


def line(code, *fields):
    return f'var hq_str_{code}="{",".join(fields)}";\n'


def mainland(name="贵州茅台", last="1304.000", volume="2111118", amount="2757527115.000", **changes):
    fields = [name, "1300.000", "1302.000", last, "1310.000", "1297.000", "1303.990", "1304.000", volume, amount]
    fields += ["100", "1303.990"] * 10 + ["2026-11-20", "14:24:06", "00"]
    for place, value in changes.items():
        fields[int(place[1:])] = value
    return fields


def hong_kong():
    fields = ["TENCENT", "腾讯控股", "439.400", "439.800", "439.400", "431.600", "432.000", "-7.800", "-1.774"]
    return [
        *fields,
        "432.000",
        "432.200",
        "7808702026.492",
        "18015236",
        "15.7",
        "0.0",
        "675",
        "411",
        "2026/11/20",
        "16:08",
    ]


@pytest.fixture
def source(wire, clock):
    return Sina(wire, clock)


async def test_both_markets_in_one_call(source, mocked):
    text = "\n" + line("sh600519", *mainland()) + line("rt_hk00700", *hong_kong()) + line("sz000001")
    route = mocked.get(URL + "sh600519,rt_hk00700,sz000001").respond(content=text.encode("gbk"))
    moutai, tencent = await source.quotes(["600519.SH", "00700.HK", "000001.SZ", "X.US"])
    assert (moutai.symbol, moutai.name, str(moutai.last_price)) == ("600519.SH", "贵州茅台", "1304.00")
    assert (moutai.open, moutai.high, moutai.low) == (Decimal(1300), Decimal(1310), Decimal(1297))
    assert (moutai.reference_price, moutai.volume, moutai.amount) == (1302, 2111118, Decimal(2757527115))
    assert moutai.at == datetime(2026, 11, 20, 14, 24, 6, tzinfo=CHINA)
    assert (tencent.name, str(tencent.last_price), tencent.reference_price) == ("腾讯控股", "432.00", Decimal("439.8"))
    assert (tencent.volume, tencent.currency, tencent.source) == (18015236, "HKD", "sina")
    assert tencent.at == datetime(2026, 11, 20, 16, 0, tzinfo=CHINA)
    assert route.calls.last.request.headers["Referer"] == "https://finance.sina.com.cn/"


async def test_a_suspended_share(source, mocked):
    idle = mainland(last="0.000", volume="0", amount="0.000", f1="0.000", f4="0.000", f5="0.000")
    mocked.get(URL + "sh600519").respond(content=line("sh600519", *idle).encode("gbk"))
    (quote,) = await source.quotes(["600519.SH"])
    assert (quote.last_price, quote.is_suspended, quote.high) == (1302, True, None)
    assert quote.trade_date == date(2026, 11, 20)


async def test_an_index_counted_in_lots(source, mocked):
    index = mainland(name="上证指数", last="3900.1", volume="400000000", amount="500000000000")
    mocked.get(URL + "sh000001").respond(content=line("sh000001", *index).encode("gbk"))
    (quote,) = await source.quotes(["000001.SH"])
    assert quote.volume == 40_000_000_000


async def test_codes_go_out_a_hundred_at_a_time(source, mocked):
    route = mocked.get(url__startswith=URL).respond(content=b"")
    assert await source.quotes([f"{600000 + n}.SH" for n in range(101)]) == []
    assert route.call_count == 2


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"<html>Forbidden</html>", "no quote line: '<html>"),
        (line("sh600519", *mainland()[:20]).encode("gbk"), "600519.SH: the line ends after 20 fields"),
        (line("sh600519", *mainland()).encode("utf-8")[:30] + b"\xff", "is not gb18030"),
        (line("sh600519", *mainland(last="x")).encode("gbk"), "600519.SH: field 3 is no number: 'x'"),
        (line("sh600519", *mainland(f30="2026-13-20")).encode("gbk"), "600519.SH: field 30 is no time"),
        (line("sh600519", *mainland(volume="nan")).encode("gbk"), "600519.SH: field 8 is out of range"),
    ],
)
async def test_malformed_answers_are_named(source, mocked, body, named):
    mocked.get(URL + "sh600519").respond(content=body)
    with pytest.raises(SourceAnswerInvalid) as caught:
        await source.quotes(["600519.SH"])
    assert named in str(caught.value)


async def test_lines_not_asked_for_are_ignored(source, mocked):
    text = line("sh600000", *mainland())
    mocked.get(URL + "sh600519").respond(content=text.encode("gbk"))
    assert await source.quotes(["600519.SH"]) == []
