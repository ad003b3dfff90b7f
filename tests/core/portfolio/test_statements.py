"""Statements, hand made: layouts, encodings, books, damage, repetition, derived events."""

import io
import zipfile
from datetime import date
from decimal import Decimal

import pytest

from core.portfolio.model import FactKind
from core.portfolio.refusals import StatementNotRecognised
from core.portfolio.requests import StatementFile
from core.portfolio.statements.layouts import read_statement
from core.portfolio.statements.model import RowOutcome, StatementImport
from tests.support.fake_market import action
from tests.support.ledger_desk import LedgerDesk

pytestmark = pytest.mark.anyio

FLAT = (
    "成交日期,证券代码,证券名称,买卖标志,成交价格,成交数量,成交金额,发生金额,佣金,印花税,过户费,其他费,成交编号,"
    "备注,手续费"
)
FLOW = (
    "交易日期,业务类型,币种,证券代码,证券名称,买卖标志,成交价格,发生数量,成交金额,成交数量,发生金额,后资金额,后证券额,"
    "成交时间,业务名称,佣金,印花税,过户费,其他费"
)
BUY = "20261109,519,甲,买入,10.00,100,1000.00,-1005.02,5,0,0.02,0,{number},证券买入,5"
SELL = "20261110,519,甲,卖出,11.00,-40,440.00,434.55,5,0.44,0.01,0,{number},证券卖出,5.44"


def flat(*rows: str) -> bytes:
    return "\n".join([FLAT, *rows, ""]).encode("utf-8-sig")


def flow(*rows: str, encoding: str = "gbk") -> bytes:
    return "\r\n".join([FLOW, *rows, ""]).encode(encoding)


def outcomes(result: StatementImport) -> list[tuple[int | None, RowOutcome]]:
    return [(line.row, line.outcome) for line in result.lines]


@pytest.fixture
def desk(desk: LedgerDesk) -> LedgerDesk:
    desk.market.symbols = ("000519.SZ", "600519.SH", "000001.SZ", "00700.HK")
    return desk


async def test_flat_rows_become_trades_with_zeros_restored(desk: LedgerDesk) -> None:
    done = await desk.statement(flat(BUY.format(number=1), SELL.format(number=2)), opening_cash=Decimal(5000))
    assert outcomes(done) == [(None, RowOutcome.ADDED), (2, RowOutcome.ADDED), (3, RowOutcome.ADDED)]
    assert (done.layout, done.written, done.fees) == ("flat", True, Decimal("10.47"))
    assert done.closing_cash == Decimal(5000) - Decimal("1005.02") + Decimal("434.55")
    (holding,) = (await desk.holdings()).values()
    assert (holding.symbol, holding.quantity, holding.total_cost) == ("000519.SZ", 60, Decimal("603.01"))


async def test_importing_twice_changes_nothing_and_a_longer_export_adds_the_rest(desk: LedgerDesk) -> None:
    first = flat(BUY.format(number=1))
    await desk.statement(first)
    again = await desk.statement(first)
    assert (again.written, again.skipped, again.lines[0].reason) == (False, 1, "imported before as record 1")
    longer = await desk.statement(flat(BUY.format(number=1), SELL.format(number=2)))
    assert (longer.added, longer.skipped) == (1, 1)
    assert (await desk.holdings())["000519.SZ"].quantity == 60


async def test_a_row_taken_back_stays_away_and_the_import_says_why(desk: LedgerDesk) -> None:
    await desk.statement(flat(BUY.format(number=1)))
    await desk.call(desk.service.delete_trade, record_id=1)
    again = await desk.statement(flat(BUY.format(number=1)))
    assert again.lines[0].reason == "imported before as record 1 and taken back since"


async def test_two_equal_trades_stay_two_and_a_copied_row_counts_once(desk: LedgerDesk) -> None:
    """The broker numbers the fills in one layout; in the other the balances tell them apart."""
    flat_file = flat(BUY.format(number=1), BUY.format(number=1), BUY.format(number=2))
    result = await desk.statement(flat_file)
    assert [line.reason for line in result.lines] == ["", "repeats row 2 exactly", ""]
    assert (await desk.holdings())["000519.SZ"].quantity == 200
    row = "20261109,证券买卖,人民币,519,甲,买入,10,100,1000,100,-1005,{cash},{held},9:30:00,证券买入,5,0,0,0"
    one, two = row.format(cash=8995, held=100), row.format(cash=7990, held=200)
    done = await desk.statement(flow(one, one, two), account_id="flow")
    assert (done.added, done.skipped, done.closing_cash) == (3, 1, Decimal(7990))
    assert (await desk.statement(flow(one, two), account_id="flow")).added == 0


async def test_flow_rows_of_every_kind(desk: LedgerDesk) -> None:
    done = await desk.statement(
        flow(
            "20261102,银行转存,人民币,,,,0,0,0,0,5000,5000,0,9:00:00,银行转存,0,0,0,0",
            "20261102,证券买卖,人民币,519,甲,买入,10,100,1000,100,-1005,3995,100,9:30:00,证券买入,5,0,0,0",
            "20261103,,人民币,,,买入,0,0,92066.92,0,0,3995,0,0,交收资金冻结,0,0,0,0",
            "20261103,申购配号,人民币,,,买入,0,0,0,0,0,3995,0,0,申购配号,0,0,0,0",
            "20261104,股息入账,人民币,519,甲,卖出,0,0,50,0,50,4045,100,15:00:00,股息入账,0,0,0,0",
            "20261104,红股入账,人民币,519,甲,买入,0,30,0,30,0,4045,130,15:00:00,红股入账,0,0,0,0",
            "20261105,证券买卖,人民币,519,甲,卖出,9,-130,1170,130,1163.83,5208.83,0,9:31:00,证券卖出,5,1.17,0,0",
            "20261109,股息红利税补缴,人民币,519,甲,卖出,0,0,10,0,-10,5198.83,0,0,股息红利税补缴,0,0,0,0",
            "20261110,结算资金,人民币,,,买入,0,0,0,0,-1.5,5197.33,0,0,港股通组合费收取,0,0,0,0",
            "20261110,利息归本,人民币,,,买入,0,0,0,0,0.67,5198,0,0,利息归本,0,0,0,0",
            "20261110,银行转取,人民币,,,,0,0,0,0,-198,5000,0,0,银行转取,0,0,0,0",
        )
    )
    kinds = [line.kind for line in done.lines if line.outcome is RowOutcome.ADDED]
    assert kinds == [
        FactKind.CASH_IN,
        FactKind.BUY,
        FactKind.DIVIDEND,
        FactKind.BONUS,
        FactKind.SELL,
        FactKind.TAX,
        FactKind.FEE,
        FactKind.INTEREST,
        FactKind.CASH_OUT,
    ]
    assert (done.skipped, done.closing_cash, done.warnings) == (2, 5000, ())
    (closed,) = (await desk.pnl()).holdings
    assert (closed.realized_pnl, closed.income, closed.other_charges) == (Decimal("158.83"), 50, 10)


async def test_one_refused_row_stops_the_whole_file_and_every_fault_is_listed(desk: LedgerDesk) -> None:
    content = flat(
        BUY.format(number=1),
        "20261110,519,甲,卖出,11.00,-400,4400.00,4390.55,5,4.40,0.05,0,2,证券卖出,9.40",
        BUY.format(number=3).replace("519", "777777"),
        BUY.format(number=4).replace("20261109", "20261108"),
        BUY.format(number=5).replace("10.00", "NaN"),
        BUY.format(number=6).replace("-1005.02", "-1005.03"),
        BUY.format(number=7).replace("1000.00", "1200.00").replace("-1005.02", "-1205.02"),
        BUY.format(number=8).replace("20261109", "2026-13-40"),
        BUY.format(number=9).replace("证券买入", "").replace("买入", "神秘业务"),
        BUY.format(number=10).replace(",100,", ",100.5,"),
    )
    result = await desk.statement(content)
    assert (result.written, result.added, result.refused) == (False, 1, 9)
    reasons = [line.reason for line in result.lines[1:]]
    fragments = [
        "400 000519.SZ cannot leave on 2026-11-10: only 100 are held",
        "No instrument 777777",
        "closed on 2026-11-08",
        "is not a finite number",
        "is not the amount 1000.00 with the charges",
        "is not price 10.00 times quantity 100",
        "'2026-13-40' is not a day",
        "'神秘业务' is not known",
        "not a whole number of shares",
    ]
    assert all(fragment in reason for fragment, reason in zip(fragments, reasons, strict=True)), reasons
    assert (await desk.pnl()).holdings == ()


async def test_half_a_file_is_refused_at_the_row_where_it_was_cut(desk: LedgerDesk) -> None:
    content = flat(BUY.format(number=1), SELL.format(number=2))
    result = await desk.statement(content[: len(content) - 60])
    assert not result.written
    assert "the file is cut or damaged here" in result.lines[-1].reason


async def test_a_gap_in_the_balances_is_said(desk: LedgerDesk) -> None:
    row = "202611{day},证券买卖,人民币,519,甲,买入,10,100,1000,100,-1005,{cash},{held},9:30:00,证券买入,5,0,0,0"
    done = await desk.statement(
        flow(row.format(day="09", cash=8995, held=100), row.format(day="10", cash=5980, held=300))
    )
    assert done.written
    assert "Row 3: the balance 5980 does not follow from 8995 and -1005" in done.warnings[0]
    assert "ends with 5980 in cash, the ledger with 7990" in done.warnings[1]


async def test_newest_first_and_titles_above_the_header(desk: LedgerDesk) -> None:
    lines = ["资金账号 ***1234", "", FLAT, SELL.format(number=2), BUY.format(number=1)]
    done = await desk.statement("\n".join(lines).encode("gbk"))
    assert (done.written, done.first_date, done.last_date) == (True, date(2026, 11, 9), date(2026, 11, 10))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
def test_every_usual_encoding_and_tabs_under_any_name(encoding: str) -> None:
    text = "\n".join([FLAT, BUY.format(number=1)]).replace(",", "\t").replace("\t519\t", '\t="000519"\t')
    layout, (row,) = read_statement(text.encode(encoding), "statement.xls")
    assert (layout.name, row.code, row.cash, row.kind) == ("flat", "000519", Decimal("-1005.02"), FactKind.BUY)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"symbol,trade_date,close\n600519,20261109,1500\n", "no known header line; it begins with: symbol"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xff\xfe", "neither text"),
        (b"PK\x03\x04 half a book", "the Excel book cannot be opened"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 half a book", "the Excel book cannot be opened"),
        ("成交日期,證券代碼".encode("big5hkscs"), "no known header line|neither text"),
    ],
)
async def test_files_of_the_wrong_kind(desk: LedgerDesk, content: bytes, reason: str) -> None:
    with pytest.raises(StatementNotRecognised, match=reason):
        await desk.statement(content, name="wrong.xls")


def workbook(rows: list[list[str | float]]) -> bytes:
    """Write the smallest valid XLSX by hand."""

    def cell(value: str | float) -> str:
        return f"<c><v>{value}</v></c>" if isinstance(value, float) else f'<c t="inlineStr"><is><t>{value}</t></is></c>'

    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    sheet = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        f'<sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>',
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def test_an_excel_book_with_numbers_for_codes() -> None:
    cells: list[str | float] = [float(text) if text.replace(".", "").isdigit() else text for text in BUY.split(",")]
    cells[7], cells[12] = -1005.02, 1.0
    layout, (row,) = read_statement(workbook([list(FLAT.split(",")), cells]), "statement.csv")
    assert (layout.name, row.code, row.price, row.day) == ("flat", "519", 10, date(2026, 11, 9))
    assert (row.kind, row.fees, row.cash) == (FactKind.BUY, Decimal("5.02"), Decimal("-1005.02"))


# Derived events


async def test_events_are_derived_for_the_shares_held_before_the_ex_date(desk: LedgerDesk) -> None:
    desk.market.corporate_actions = [
        action("000519.SZ", date(2026, 11, 10), cash="0.155", bonus="0.333"),
        action("000519.SZ", date(2026, 11, 11), cash="0.1", rights="0.3"),
        action("000519.SZ", date(2026, 11, 12), cash="9"),
        action("000519.SZ", date(2026, 11, 9), cash="9"),
    ]
    content = flat(BUY.format(number=1), SELL.format(number=2))
    done = await desk.statement(content)
    derived = [line for line in done.lines if line.outcome is RowOutcome.DERIVED]
    assert [(line.kind, line.quantity, line.amount) for line in derived] == [
        (FactKind.DIVIDEND, 0, Decimal("15.50")),
        (FactKind.BONUS, 33, 0),
        (FactKind.DIVIDEND, 0, Decimal("9.30")),  # the day after the last row: 100 + 33 - 40 were held at its close
    ]
    assert done.warnings == ("000519.SZ offered rights on 2026-11-11: not taken here; record them if you took them.",)
    assert (await desk.holdings())["000519.SZ"].quantity == 93
    assert (await desk.statement(content)).derived == 0


async def test_an_event_recorded_by_hand_or_by_another_layout_is_not_derived_again(desk: LedgerDesk) -> None:
    desk.market.corporate_actions = [action("000519.SZ", date(2026, 11, 10), cash="1")]
    await desk.statement(
        flow(
            "20261102,证券买卖,人民币,519,甲,买入,10,100,1000,100,-1005,3995,100,9:30:00,证券买入,5,0,0,0",
            "20261110,股息入账,人民币,519,甲,卖出,0,0,100,0,100,4095,100,15:00:00,股息入账,0,0,0,0",
        )
    )
    done = await desk.statement(flat(SELL.format(number=1).replace("20261110", "20261113")))
    assert (done.derived, (await desk.pnl()).holdings[0].income) == (0, 100)


EARLIER = "20261103,519,甲,买入,10.00,200,2000.00,-2005.02,5,0,0.02,0,{number},证券买入,5"


async def test_events_are_derived_again_when_earlier_trades_come_later(desk: LedgerDesk) -> None:
    """The second event rests on the bonus shares of the first, so both change."""
    desk.market.corporate_actions = [
        action("000519.SZ", date(2026, 11, 10), cash="0.155", bonus="0.333"),
        action("000519.SZ", date(2026, 11, 11), cash="0.1"),
    ]
    await desk.statement(flat(BUY.format(number=1), SELL.format(number=2)))
    late = flat(EARLIER.format(number=3))
    dry = await desk.statement(late, dry_run=True)
    done = await desk.statement(late)
    assert (dry.lines, dry.closing_cash, done.written) == (done.lines, done.closing_cash, True)
    derived = [line for line in done.lines if line.outcome is RowOutcome.DERIVED]
    assert [(line.kind, line.quantity, line.amount) for line in derived] == [
        (FactKind.REVERSAL, 0, 0),
        (FactKind.REVERSAL, 0, 0),
        (FactKind.REVERSAL, 0, 0),
        (FactKind.DIVIDEND, 0, Decimal("46.50")),
        (FactKind.BONUS, 99, 0),
        (FactKind.DIVIDEND, 0, Decimal("35.90")),
    ]
    assert done.dividends == Decimal("46.50") + Decimal("35.90") - Decimal("15.50") - Decimal("9.30")
    said = "000519.SZ: what was derived for 2026-11-10, 2026-11-11 rested on other holdings"
    assert [text.partition(";")[0] for text in done.warnings] == [said]
    (holding,) = (await desk.pnl()).holdings
    assert (holding.quantity, holding.income) == (359, Decimal("82.40"))
    assert (await desk.pnl()).cash[0].amount == done.closing_cash
    again = await desk.statement(late)
    assert (again.written, again.derived, again.warnings) == (False, 0, ())


async def test_the_order_of_imports_does_not_change_the_figures(desk: LedgerDesk) -> None:
    desk.market.corporate_actions = [action("000519.SZ", date(2026, 11, 9), cash="0.155", bonus="0.333")]
    rows = [EARLIER.format(number=1), BUY.format(number=2), SELL.format(number=3)]
    await desk.statement(flat(*rows), account_id="whole")
    for row in (rows[1], rows[2], rows[0]):
        assert (await desk.statement(flat(row), account_id="parts")).written
    one, other = await desk.pnl(account_id="whole"), await desk.pnl(account_id="parts")
    assert (one.total, one.cash[0].amount) == (other.total, other.cash[0].amount)
    assert one.holdings[0].quantity == other.holdings[0].quantity == 326


async def test_an_earlier_sale_takes_a_derived_event_away_and_a_purchase_brings_it_back(desk: LedgerDesk) -> None:
    desk.market.corporate_actions = [action("000519.SZ", date(2026, 11, 11), cash="1")]
    await desk.statement(flat(BUY.format(number=1)))
    await desk.statement(flat("20261112" + BUY.format(number=4)[8:]))
    assert (await desk.pnl()).holdings[0].income == 100
    sold = "20261110,519,甲,卖出,11.00,-100,1100.00,1094.99,5,0,0.01,0,2,证券卖出,5"
    assert (await desk.statement(flat(sold))).dividends == -100
    assert (await desk.pnl()).holdings[0].income == 0
    await desk.statement(flat(EARLIER.format(number=3)))
    assert (await desk.pnl()).holdings[0].income == 200


async def test_a_derived_event_that_a_person_took_back_stays_away(desk: LedgerDesk) -> None:
    desk.market.corporate_actions = [action("000519.SZ", date(2026, 11, 10), cash="1")]
    await desk.statement(flat(BUY.format(number=1)))
    await desk.call(desk.service.delete_position, position_id=1)
    done = await desk.statement(flat(EARLIER.format(number=2)))
    assert (done.added, done.derived) == (1, 0)


async def test_a_back_dated_trade_says_which_derived_events_rest_on_less(desk: LedgerDesk) -> None:
    desk.market.corporate_actions = [action("000519.SZ", date(2026, 11, 10), cash="1")]
    await desk.statement(flat(BUY.format(number=1)))
    assert (await desk.trade("2026-11-11 buy 000519 100 @ 10.00")).warnings == ()
    late = await desk.trade("2026-11-03 buy 000519 200 @ 10.00")
    said = "Events derived for 2026-11-10 rest on the holding before; the next import corrects them."
    assert late.warnings == (said,)
    await desk.statement(flat(BUY.format(number=1)))
    assert (await desk.pnl()).holdings[0].income == 300


async def test_a_layout_with_events_renews_only_what_was_derived_before(desk: LedgerDesk) -> None:
    desk.market.corporate_actions = [action("000519.SZ", date(2026, 11, day), cash="1") for day in (5, 10)]
    await desk.statement(flat(BUY.format(number=1)))
    row = "20261102,证券买卖,人民币,519,甲,买入,10,100,1000,100,-1005,3995,100,9:30:00,证券买入,5,0,0,0"
    done = await desk.statement(flow(row))
    assert (done.derived, done.dividends) == (2, 100)
    assert "derived for 2026-11-10 rested on other holdings" in done.warnings[0]


@pytest.mark.parametrize(
    ("until", "said"), [(None, "no corporate actions at all"), (date(2026, 11, 1), "after 2026-11-01")]
)
async def test_holdings_without_event_data_are_named(desk: LedgerDesk, until: date | None, said: str) -> None:
    desk.market.actions_until = until
    done = await desk.statement(flat(BUY.format(number=1)))
    assert done.written
    assert said in done.warnings[0]
    assert "for 000519.SZ" in done.warnings[0]


async def test_the_statements_first_balance_is_the_opening_cash_and_a_wrong_one_is_said(desk: LedgerDesk) -> None:
    row = "20261109,证券买卖,人民币,519,甲,买入,10,100,1000,100,-1005,8995,100,9:30:00,证券买入,5,0,0,0"
    done = await desk.statement(flow(row))
    assert done.closing_cash == 8995
    other = await desk.statement(flow(row), account_id="other", opening_cash=Decimal(9000))
    assert "says the account began with 10000, not 9000" in other.warnings[0]
    file = StatementFile(name="a.csv", content=flow(row), account_id="other")
    assert (await desk.call(desk.service.import_statement, file=file)).added == 0
