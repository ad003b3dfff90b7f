"""Every spelling of a code, code changes, lost zeros, names and ST spells by day, search."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.instruments import CodeZerosLost, InstrumentNotFound, SecurityMaster
from core.market.instruments_spelling import board_of, fold, kind_of, read_spelling
from core.market.model import Board, CodeChange, Exchange, Instrument, InstrumentKind, Spell


def instrument(symbol: str, name: str, **more) -> Instrument:
    exchange = Exchange(symbol[-2:])
    given = {"kind": kind_of(symbol), "board": board_of(symbol)} | more
    return Instrument(symbol=symbol, name=name, exchange=exchange, currency=exchange.currency, **given)


MASTER = SecurityMaster.build(
    [
        instrument("600519.SH", "贵州茅台"),
        instrument("000001.SZ", "平安银行"),
        instrument("000001.SH", "上证指数"),
        instrument("000878.SZ", "云南铜业"),
        instrument("000700.SZ", "模塑科技"),
        instrument("00700.HK", "腾讯控股"),
        instrument("920047.BJ", "诺思兰德"),
        instrument("830799.BJ", "新来者"),
        instrument("920799.BJ", "艾融软件"),
        instrument("510300.SH", "沪深300ETF"),
        instrument("000300.SH", "沪深300"),
        instrument("600001.SH", "邯郸钢铁", delist_date=date(2009, 12, 29)),
    ],
    changes=[
        CodeChange("430047.BJ", "920047.BJ", date(2025, 10, 9)),
        CodeChange("830799.BJ", "920799.BJ", date(2025, 10, 9)),
    ],
    names=[
        Spell("000001.SZ", date(1991, 1, 3), date(2006, 9, 29), "深发展Ａ"),
        Spell("000001.SZ", date(2006, 10, 9), date(2012, 8, 1), "S深发展A"),
        Spell("000001.SZ", date(2012, 8, 2), date(2022, 1, 14), "平安 银行"),
        Spell("430047.BJ", date(2021, 11, 15), None, "诺思兰德"),
    ],
    st_spells=[
        Spell("000878.SZ", date(2020, 4, 1), date(2021, 3, 31), "ST"),
        Spell("430047.BJ", date(2026, 1, 5), None, "ST"),
    ],
)


@pytest.mark.parametrize(
    "given",
    [
        "600519.SH",
        "600519",
        "sh600519",
        "600519.XSHG",
        "sh.600519",
        "600519.ss",
        "SH600519",
        " 600519.sh ",
        "６００５１９",
    ],
)
def test_every_spelling_of_a_mainland_code(given) -> None:
    assert MASTER.resolve(given).symbol == "600519.SH"


@pytest.mark.parametrize("given", ["00700.HK", "0700.HK", "700.HK", "hk00700", "hk.00700", "00700", "00700.XHKG"])
def test_every_spelling_of_a_hong_kong_code(given) -> None:
    assert MASTER.resolve(given).symbol == "00700.HK"


@pytest.mark.parametrize(
    ("given", "kind", "symbol"),
    [
        ("000001", None, "000001.SZ"),
        ("000001", InstrumentKind.INDEX, "000001.SH"),
        ("000001", InstrumentKind.STOCK, "000001.SZ"),
        ("sh000001", None, "000001.SH"),
        ("sz000001", None, "000001.SZ"),
        ("000300", None, "000300.SH"),
        ("510300", None, "510300.SH"),
    ],
)
def test_a_shared_code_means_the_stock_unless_said_otherwise(given, kind, symbol) -> None:
    assert MASTER.resolve(given, kind=kind).symbol == symbol


@pytest.mark.parametrize("given", ["430047.BJ", "430047", "bj430047", "920047", "920047.BJ"])
def test_a_former_code_leads_to_the_present_one(given) -> None:
    assert MASTER.resolve(given).symbol == "920047.BJ"


def test_a_code_given_up_and_used_again_depends_on_the_day() -> None:
    assert MASTER.resolve("830799.BJ").name == "新来者"
    assert MASTER.resolve("830799.BJ", day=date(2025, 10, 9)).name == "新来者"
    assert MASTER.resolve("830799.BJ", day=date(2025, 10, 8)).name == "艾融软件"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("878", ["000878.SZ"]),
        ("878.SZ", ["000878.SZ"]),
        ("1", ["000001.SZ", "000001.SH"]),
        ("700", ["000700.SZ", "00700.HK"]),
        ("00878", ["000878.SZ"]),
    ],
)
def test_a_code_with_lost_zeros_is_refused_with_its_full_form(given, named) -> None:
    with pytest.raises(CodeZerosLost) as caught:
        MASTER.resolve(given)
    assert caught.value.extras() == {"did_you_mean": named}
    assert repr(named[0]) in caught.value.message
    assert MASTER.restore(given).symbol == named[0]


def test_restoring_a_whole_code_changes_nothing() -> None:
    assert MASTER.restore("600519").symbol == "600519.SH"
    with pytest.raises(InstrumentNotFound):
        MASTER.restore("77")


@pytest.mark.parametrize(
    ("given", "kind", "suggested"),
    [
        ("600591", None, ["600519.SH"]),
        ("600519.SZ", None, ["600519.SH"]),
        ("000001.SH", InstrumentKind.STOCK, ["000001.SZ", "000001.SH"]),
        ("贵州茅台", None, ["600519.SH"]),
        ("600519.TO", None, []),
        ("", None, []),
        ("'; drop table", None, []),
    ],
)
def test_an_unknown_code_comes_with_suggestions(given, kind, suggested) -> None:
    with pytest.raises(InstrumentNotFound) as caught:
        MASTER.resolve(given, kind=kind)
    assert caught.value.extras()["did_you_mean"][: len(suggested)] == suggested
    assert caught.value.code == "unknown_instrument"


def test_an_empty_master_says_that_nothing_was_imported() -> None:
    with pytest.raises(InstrumentNotFound, match="No market data has been imported"):
        SecurityMaster.build([]).resolve("600519")


def test_symbols_over_time() -> None:
    assert MASTER.all_symbols("430047.BJ") == ["920047.BJ", "430047.BJ"]
    assert MASTER.symbol_on("920047.BJ", date(2025, 10, 8)) == "430047.BJ"
    assert MASTER.symbol_on("920047.BJ", date(2025, 10, 9)) == "920047.BJ"
    assert MASTER.all_symbols("600519.SH") == ["600519.SH"]


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(1990, 1, 1), "深发展Ａ"),
        (date(2006, 9, 29), "深发展Ａ"),
        (date(2006, 10, 5), "深发展Ａ"),
        (date(2006, 10, 9), "S深发展A"),
        (date(2022, 1, 14), "平安 银行"),
        (date(2026, 1, 5), "平安银行"),
    ],
)
def test_names_by_day(day, name) -> None:
    assert MASTER.name_on("000001.SZ", day) == name


def test_names_where_no_spell_is_known() -> None:
    assert MASTER.name_on("600519.SH", date(2020, 1, 2)) == "贵州茅台"
    assert MASTER.name_on("999999.SH", date(2020, 1, 2)) == "999999.SH"


@pytest.mark.parametrize(
    ("symbol", "day", "is_st"),
    [
        ("000878.SZ", date(2020, 3, 31), False),
        ("000878.SZ", date(2020, 4, 1), True),
        ("000878.SZ", date(2021, 3, 31), True),
        ("000878.SZ", date(2021, 4, 1), False),
        ("920047.BJ", date(2026, 11, 20), True),
    ],
)
def test_st_by_day(symbol, day, is_st) -> None:
    assert MASTER.is_st_on(symbol, day) is is_st


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("茅台", ["600519.SH"]),
        ("贵州", ["600519.SH"]),
        ("000001", ["000001.SZ", "000001.SH"]),
        ("深发展A", ["000001.SZ"]),
        ("430047", ["920047.BJ"]),
        ("平安银行", ["000001.SZ"]),
        ("沪深300", ["000300.SH", "510300.SH"]),
        ("6000", ["600001.SH"]),
        ("600", ["600519.SH", "600001.SH"]),
        ("  ", []),
        ("没有这个", []),
    ],
)
def test_search(text, symbols) -> None:
    assert [entry.symbol for entry in MASTER.search(text, limit=20)][: max(len(symbols), 1)] == symbols


def test_search_is_limited() -> None:
    assert len(MASTER.search("0", limit=3)) == 3


@pytest.mark.parametrize(
    ("symbol", "board"),
    [
        ("600519.SH", Board.MAIN),
        ("605580.SH", Board.MAIN),
        ("688001.SH", Board.STAR),
        ("002594.SZ", Board.MAIN),
        ("300750.SZ", Board.CHINEXT),
        ("302132.SZ", Board.CHINEXT),
        ("430047.BJ", Board.BSE),
        ("920047.BJ", Board.BSE),
        ("00700.HK", Board.HK_MAIN),
        ("000300.SH", None),
        ("510300.SH", None),
    ],
)
def test_boards_by_code(symbol, board) -> None:
    assert board_of(symbol) is board


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("000300.SH", InstrumentKind.INDEX),
        ("000300.SZ", InstrumentKind.STOCK),
        ("399006.SZ", InstrumentKind.INDEX),
        ("510300.SH", InstrumentKind.FUND),
        ("159915.SZ", InstrumentKind.FUND),
        ("899050.BJ", InstrumentKind.INDEX),
    ],
)
def test_kinds_by_code(symbol, kind) -> None:
    assert kind_of(symbol) is kind


def test_code_changes_in_a_circle_end() -> None:
    circle = [CodeChange("A.BJ", "B.BJ", date(2025, 1, 1)), CodeChange("B.BJ", "A.BJ", date(2025, 1, 2))]
    assert SecurityMaster.build([], changes=circle).current_symbol("A.BJ") == "B.BJ"


@given(st.text(max_size=12))
def test_any_text_is_found_or_refused_and_never_breaks(text) -> None:
    with suppress(InstrumentNotFound, CodeZerosLost):
        assert MASTER.resolve(text).symbol in MASTER.by_symbol
    MASTER.search(text, limit=5)


@given(st.from_regex(r"[0-9]{6}", fullmatch=True), st.sampled_from(["SH", "SZ", "BJ"]))
def test_spellings_of_one_code_are_read_alike(digits, suffix) -> None:
    spellings = [f"{digits}.{suffix}", f"{suffix}{digits}", f"{suffix.lower()}.{digits}"]
    assert {read_spelling(text).symbol for text in spellings} == {f"{digits}.{suffix}"}


def test_text_is_compared_without_width_case_and_blanks() -> None:
    assert fold("万 科Ａ") == fold("万科a") == "万科A"


def test_a_short_code_with_the_wrong_exchange_is_told_where_it_belongs_and_never_completed() -> None:
    rows = [
        Instrument(
            symbol="000878.SZ",
            name="云南铜业",
            exchange=Exchange.SZSE,
            board=None,
            kind=InstrumentKind.STOCK,
            currency="CNY",
        )
    ]
    master = SecurityMaster.build(rows)
    with pytest.raises(CodeZerosLost, match=r"000878\.SZ"):
        master.resolve("878.SH")
    with pytest.raises(CodeZerosLost, match=r"000878\.SZ"):
        master.restore("878.SH")
    with pytest.raises(InstrumentNotFound, match=r"market\.instrument\.search finds"):
        master.resolve("999999")
