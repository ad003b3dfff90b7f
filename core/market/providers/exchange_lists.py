"""The lists of shares that Shanghai and Shenzhen publish: the authority for codes, names and listing days.

Wire of Shanghai: JSON, `result` with A_STOCK_CODE, SEC_NAME_CN, LIST_DATE (YYYYMMDD), CSRC_CODE_DESC; one call per
board (STOCK_TYPE 1 main, 8 STAR), `pageHelp.total` says how many. Wire of Shenzhen: a workbook with one heading row in
Chinese; columns are found by their headings. Shares of Beijing are not in these lists; they come from Eastmoney.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from io import BytesIO
from typing import Any, Final

from core.market.model import Exchange, Instrument, InstrumentKind
from core.market.providers.codes import board_of
from core.market.providers.figures import Malformed, count, day, name_of, reading, text
from core.market.providers.wire import Wire, json_object

SHANGHAI_URL: Final = "https://query.sse.com.cn/sseQuery/commonQuery.do"
SHANGHAI_HEADERS: Final = {"Referer": "https://www.sse.com.cn/assortment/stock/list/share/"}
SHANGHAI_LISTS: Final = ("1", "8")
SHENZHEN_URL: Final = "https://www.szse.cn/api/report/ShowReport"
SHENZHEN_HEADERS: Final = {"Referer": "https://www.szse.cn/market/product/stock/list/index.html"}
SHENZHEN_PARAMS: Final = {"SHOWTYPE": "xlsx", "CATALOGID": "1110", "TABKEY": "tab1"}
CODE, NAME, LISTED, INDUSTRY = "A股代码", "A股简称", "A股上市日期", "所属行业"
ROWS_PER_CALL: Final = 10_000


class ExchangeLists:
    """Adapter of the instrument port: both exchanges, or nothing."""

    name = "exchange lists"

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def instruments(self) -> list[Instrument]:
        """Return the A shares of Shanghai and Shenzhen."""
        found: list[Instrument] = []
        for list_id in SHANGHAI_LISTS:
            found += await self._shanghai(list_id)
        return found + await self._shenzhen()

    async def _shanghai(self, list_id: str) -> list[Instrument]:
        params = {"sqlId": "COMMON_SSE_CP_GPJCTPZ_GPLB_GP_L", "STOCK_TYPE": list_id, "COMPANY_STATUS": "2,4,5,7,8"}
        params |= {"type": "inParams", "isPagination": "true", "pageHelp.pageSize": str(ROWS_PER_CALL)}
        params |= {f"pageHelp.{name}": "1" for name in ("cacheSize", "beginPage", "pageNo", "endPage")}
        body = await self._wire.get(self.name, [SHANGHAI_URL], params=params, headers=SHANGHAI_HEADERS)
        with reading(self.name):
            answer = json_object(body)
            rows = answer.get("result")
            if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
                raise Malformed("Shanghai: result is no list of rows")
            page = answer.get("pageHelp")
            total = count(page.get("total"), "Shanghai: pageHelp.total") if isinstance(page, dict) else None
            if total is not None and total != len(rows):
                raise Malformed(f"Shanghai: the list says {total} instruments and holds {len(rows)}")
            return [_shanghai_share(row) for row in rows]

    async def _shenzhen(self) -> list[Instrument]:
        body = await self._wire.get(self.name, [SHENZHEN_URL], params=SHENZHEN_PARAMS, headers=SHENZHEN_HEADERS)
        with reading(self.name):
            rows = await asyncio.to_thread(_sheet, body)
            return [_shenzhen_share(row) for row in rows]


def _shanghai_share(row: Mapping[str, Any]) -> Instrument:
    code = text(row, "A_STOCK_CODE")
    name = text(row, "SEC_NAME_CN") if row.get("SEC_NAME_CN") else text(row, "COMPANY_ABBR")
    listed = day(text(row, "LIST_DATE"), f"{code}: LIST_DATE")
    industry = row.get("CSRC_CODE_DESC")
    return _share(f"{code}.SH", name=name, listed=listed, industry=industry if isinstance(industry, str) else None)


def _shenzhen_share(row: Mapping[str, Any]) -> Instrument:
    written = row[CODE]
    code = f"{int(written):06d}" if isinstance(written, float | int) else str(written).strip()
    listed = row[LISTED]
    if isinstance(listed, datetime | date):
        list_date = listed.date() if isinstance(listed, datetime) else listed
    else:
        list_date = day(str(listed), f"{code}: {LISTED}")
    letter, _, industry = str(row[INDUSTRY]).strip().partition(" ")
    return _share(f"{code}.SZ", name=text(row, NAME), listed=list_date, industry=industry or letter or None)


def _share(symbol: str, *, name: str, listed: date, industry: str | None) -> Instrument:
    board = board_of(symbol)
    if board is None or len(symbol) != 9:
        raise Malformed(f"{symbol} is the code of no A share")
    exchange = Exchange(symbol.rpartition(".")[2])
    return Instrument(
        symbol=symbol,
        name=name_of(name),
        exchange=exchange,
        board=board,
        kind=InstrumentKind.STOCK,
        currency=exchange.currency,
        list_date=listed,
        industry=industry,
    )


def _sheet(body: bytes) -> list[dict[str, Any]]:
    """Read the first sheet as rows by heading, those with a code only."""
    import python_calamine  # noqa: PLC0415 - needed for this one list

    try:
        table = python_calamine.load_workbook(BytesIO(body)).get_sheet_by_index(0).to_python()
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise Malformed(f"Shenzhen: no workbook: {body[:20]!r}") from error
    headings: Sequence[object] = table[0] if table else ()
    absent = {CODE, NAME, LISTED, INDUSTRY}.difference(map(str, headings))
    if absent or len(table) < 2:
        raise Malformed(f"Shenzhen: the sheet lacks {', '.join(sorted(absent)) or 'rows'}")
    rows = [dict(zip(map(str, headings), row, strict=False)) for row in table[1:]]
    return [row for row in rows if str(row.get(CODE, "")).strip()]
