from datetime import date, datetime
from io import BytesIO
from urllib.parse import parse_qs
from xml.sax.saxutils import escape
from zipfile import ZipFile

import httpx
import pytest

from core.market.model import Board
from core.market.providers.exchange_lists import SHANGHAI_URL, SHENZHEN_URL, ExchangeLists, _shenzhen_share
from core.market.sources import SourceAnswerInvalid, SourceUnavailable

HEADINGS = ["板块", "公司全称", "A股代码", "A股简称", "A股上市日期", "A股总股本", "所属行业"]
SHENZHEN = [
    HEADINGS,
    ["主板", "平安银行股份有限公司", "000001", "平安银行", "1991-04-03", "19,405,918,198", "J 金融业"],
    ["创业板", "宁德时代", "300750", "宁德时代", "2018-06-11", "1", "C 制造业"],
    ["主板", "只有B股", "", "", "", "", "C 制造业"],
]
MAIN = [{"A_STOCK_CODE": "600000", "SEC_NAME_CN": "浦发银行", "LIST_DATE": "19991110", "CSRC_CODE_DESC": "金融业"}]
STAR = [{"A_STOCK_CODE": "688001", "COMPANY_ABBR": "华兴源创", "LIST_DATE": "20190722"}]


def workbook(rows):
    """Write the smallest workbook that holds these rows as inline texts."""
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{escape(text)}</t></is></c>' for text in row) + "</row>"
        for row in rows
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packaged = "http://schemas.openxmlformats.org/package/2006/relationships"
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        archive.writestr(
            "xl/worksheets/sheet1.xml", f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'
        )
        sheets = '<sheets><sheet name="A" sheetId="1" r:id="r1"/></sheets>'
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{office}">{sheets}</workbook>')
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{packaged}"><Relationship Id="r1" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{packaged}"><Relationship Id="r1" Type="{office}/worksheet" '
            'Target="worksheets/sheet1.xml"/></Relationships>',
        )
        archive.writestr(
            "[Content_Types].xml", '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
        )
    return packed.getvalue()


def shanghai(main=MAIN, star=STAR, total=None):
    def answer(request):
        rows = main if parse_qs(request.url.query.decode())["STOCK_TYPE"] == ["1"] else star
        return httpx.Response(200, json={"result": rows, "pageHelp": {"total": total or len(rows)}})

    return answer


@pytest.fixture
def source(wire):
    return ExchangeLists(wire)


@pytest.mark.anyio
async def test_both_exchanges(source, mocked):
    first = mocked.get(SHANGHAI_URL).mock(side_effect=shanghai())
    mocked.get(SHENZHEN_URL).respond(content=workbook(SHENZHEN))
    pudong, star, pingan, ningde = await source.instruments()
    assert (pudong.symbol, pudong.name, pudong.list_date) == ("600000.SH", "浦发银行", date(1999, 11, 10))
    assert (pudong.board, pudong.industry, star.board, star.name) == (Board.MAIN, "金融业", Board.STAR, "华兴源创")
    assert (pingan.symbol, pingan.name, pingan.list_date) == ("000001.SZ", "平安银行", date(1991, 4, 3))
    assert (pingan.industry, ningde.board, star.industry) == ("金融业", Board.CHINEXT, None)
    assert first.calls.last.request.headers["Referer"] == "https://www.sse.com.cn/assortment/stock/list/share/"


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({"main": []}, "result is no list of rows"),
        ({"total": 1700}, "the list says 1700 instruments and holds 1"),
        ({"main": [{"SEC_NAME_CN": "x"}]}, "A_STOCK_CODE is missing"),
        ({"main": [MAIN[0] | {"LIST_DATE": "-"}]}, "600000: LIST_DATE is no time"),
        ({"main": [MAIN[0] | {"A_STOCK_CODE": "900901"}]}, "900901.SH is the code of no A share"),
    ],
)
@pytest.mark.anyio
async def test_malformed_shanghai_lists_are_named(source, mocked, answer, named):
    mocked.get(SHANGHAI_URL).mock(side_effect=shanghai(**answer))
    with pytest.raises(SourceAnswerInvalid) as caught:
        await source.instruments()
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"<html>", "no workbook: b'<html>'"),
        (workbook([["板块"], ["主板"]]), "the sheet lacks A股上市日期, A股代码, A股简称, 所属行业"),
        (workbook([HEADINGS]), "the sheet lacks rows"),
        (workbook([HEADINGS, ["主板", "x", "000001", "", "1991-04-03", "", "J 金融业"]]), "A股简称 is missing"),
        (workbook([HEADINGS, ["主板", "x", "1", "x", "1991-04-03", "", "J 金融业"]]), "1.SZ is the code of no A share"),
    ],
)
@pytest.mark.anyio
async def test_malformed_shenzhen_lists_are_named(source, mocked, body, named):
    mocked.get(SHANGHAI_URL).mock(side_effect=shanghai())
    mocked.get(SHENZHEN_URL).respond(content=body)
    with pytest.raises(SourceAnswerInvalid) as caught:
        await source.instruments()
    assert named in str(caught.value)


@pytest.mark.anyio
async def test_one_exchange_down_is_no_list_at_all(source, mocked):
    mocked.get(SHANGHAI_URL).mock(side_effect=shanghai())
    mocked.get(SHENZHEN_URL).respond(500)
    with pytest.raises(SourceUnavailable, match="answered 500"):
        await source.instruments()


@pytest.mark.parametrize("listed", [date(1991, 4, 3), datetime(1991, 4, 3, 0, 0), "1991-04-03", "19910403"])  # noqa: DTZ001 - as the workbook gives it
def test_cells_that_a_workbook_holds_as_numbers_and_days(listed):
    row = {"A股代码": 1.0, "A股简称": "平安银行", "A股上市日期": listed, "所属行业": "J 金融业"}
    share = _shenzhen_share(row)
    assert (share.symbol, share.list_date) == ("000001.SZ", date(1991, 4, 3))
