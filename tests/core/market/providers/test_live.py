"""The order of the providers, through the real adapters."""

import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import httpx
import pytest

from core.clock import CHINA
from core.market.fallback import AllSourcesFailed
from core.market.model import Adjustment
from core.market.providers.live import live_market

ROOT = Path(__file__).resolve().parents[4]
EASTMONEY = {"url__regex": r"https://([0-9]+\.)?push2(his)?\.eastmoney\.com/.*"}
SINA = {"url__startswith": "https://hq.sinajs.cn/"}
TENCENT = {"url__startswith": "https://qt.gtimg.cn/"}
SINA_LINE = ["贵州茅台", "1300", "1302", "1304", "1310", "1297", "0", "0", "2111118", "2757527115", *["0"] * 20]
SINA_BODY = f'var hq_str_sh600519="{",".join([*SINA_LINE, "2026-11-20", "14:24:06", "00"])}";'.encode("gbk")
TENCENT_LINE = ["1", "贵州茅台", "600519", "1301.50", "1306.45", "1310.00", "11131", *["0"] * 23]
TENCENT_END = ["20261120104333", "0", "0", "1314.40", "1300.01", "1301.50/11131/1451334748", "11131", "145133"]
TENCENT_BODY = f'v_sh600519="{"~".join(TENCENT_LINE + TENCENT_END)}";'.encode("gbk")
MOMENT = int(datetime(2026, 11, 20, 14, 0, tzinfo=CHINA).timestamp())
EASTMONEY_ROW = {
    "f2": 1303, "f5": 11131, "f6": 1451334748, "f12": "600519", "f13": 1, "f14": "贵州茅台", "f15": 1314.4,
    "f16": 1300.01, "f17": 1310, "f18": 1306.45, "f124": MOMENT,
}  # fmt: skip


@pytest.fixture
async def market(clock, tmp_path):
    async with httpx.AsyncClient() as client:
        yield live_market(client, clock=clock, folder=tmp_path / "live")


@pytest.mark.anyio
async def test_eastmoney_then_sina_then_tencent_then_what_is_remembered(market, mocked, clock):
    """Each provider refuses in turn; a refused one rests and is not asked again."""
    routes = [mocked.get(**EASTMONEY), mocked.get(**SINA), mocked.get(**TENCENT)]
    eastmoney, sina, tencent = routes
    eastmoney.respond(json={"data": {"total": 1, "diff": [EASTMONEY_ROW]}})
    sina.respond(content=SINA_BODY)
    tencent.respond(content=TENCENT_BODY)
    answered, warned = [], []
    for refusing in (None, *routes):
        if refusing is not None:
            refusing.respond(403)
        answer = await market.quotes.quotes_sourced(["600519.SH"])
        answered.append((answer.value[0].source, str(answer.value[0].last_price)))
        warned.append([warning.partition(" ")[0] for warning in answer.provenance.warnings])
    assert answered == [
        ("eastmoney", "1303.00"),
        ("sina", "1304.00"),
        ("tencent", "1301.50"),
        ("tencent, remembered", "1301.50"),
    ]
    assert warned == [[], ["eastmoney"], ["eastmoney", "sina"], ["eastmoney", "sina", "tencent", "600519.SH:"]]
    assert [route.call_count for route in routes] == [2, 2, 2]


@pytest.mark.anyio
async def test_bars_fall_back_from_eastmoney_to_tencent(market, mocked):
    mocked.get(**EASTMONEY).respond(json={"rc": 100, "data": None})
    rows = [["2026-11-19", "10", "10.5", "11", "9.5", "7"]]
    mocked.get(url__startswith="https://web.ifzq.gtimg.cn/").respond(
        json={"code": 0, "data": {"sh600519": {"day": rows}}}
    )
    day = date(2026, 11, 19)
    series = await market.bars.bars("600519.SH", start=day, end=day, adjustment=Adjustment.RAW)
    assert (series.provenance.dataset, series.columns["volume"].tolist()) == ("tencent daily bars", [700])
    assert series.provenance.warnings == ("eastmoney did not answer: bars of 600519.SH",)


@pytest.mark.anyio
async def test_instruments_fall_back_to_the_exchanges(market, mocked):
    mocked.get(**EASTMONEY).respond(403)
    mocked.get(url__startswith="https://query.sse.com.cn/").respond(content=b"<html>")
    with pytest.raises(AllSourcesFailed, match=r"eastmoney: push2.eastmoney.com answered 403; exchange lists: no JSON"):
        await market.instruments.instruments()


def test_the_domain_does_not_load_the_http_client():
    """A desk with the live market off never imports what only the providers need."""
    code = "import sys, core.market.fallback, core.market.sources; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
