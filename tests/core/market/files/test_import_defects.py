"""What is wrong with files and rows is told, and nothing wrong gets in."""

# ruff: noqa: E501 - vendors' lines are long, and moments are naive China time

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.market.bar_store import MarketStore, TableChange
from core.market.importers.codes import parse_code, restore_zeros, symbols_in_name
from core.market.importers.model import FileStatus, Told
from core.market.importers.run import MarketSimulated, import_paths
from core.market.manifest import MANIFEST
from core.market.model import Adjustment
from core.market.quarantine import read_quarantine
from tests.support.bars import daily_table
from tests.support.vendor_files import TUSHARE_HEADER, january, tdx_day, tushare, tushare_row, write

RAW = Told(adjustment=Adjustment.RAW)


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    return MarketStore(tmp_path / "market")


@pytest.fixture
def bring(store: MarketStore, clock):
    return lambda *paths, **more: import_paths(store, list(paths), clock=clock, **more)


def reasons(report) -> list[tuple[int, str]]:
    return (
        []
        if report.quarantine_path is None
        else [(row.row, row.reason) for row in read_quarantine(report.quarantine_path)]
    )


@pytest.mark.parametrize(
    ("prices", "reason"),
    [
        ("NaN,10,10,10", "open is missing or not finite"),
        ("10,10,10,", "close is missing or not finite"),
        ("10,10,-1,-1", "low is not positive"),
        ("0,10,0,10", "open is not positive"),
        ("10,9,11,10", "high is below low"),
        ("10,10,9,11", "high is below open or close"),
        ("10,11,10.5,11", "low is above open or close"),
        ("ten,10,10,10", "open is not a number"),
    ],
)
def test_a_row_that_breaks_a_rule_is_quarantined_with_its_text(store, bring, tmp_path, prices, reason) -> None:
    bad = f"600000.SH,20240102,{prices},10,0,0,500,5000"
    report = bring(write(tmp_path, "x.csv", f"{TUSHARE_HEADER}\n{tushare_row('20240103')}\n{bad}\n"), told=RAW)
    (row,) = read_quarantine(report.quarantine_path)
    assert (row.row, row.reason, row.original) == (3, reason, bad)
    assert (report.files[0].rows_added, report.files[0].rows_quarantined) == (1, 1)
    assert store.table("daily")["trade_date"].to_pylist() == [date(2024, 1, 3)]


@pytest.mark.parametrize("day", ["20240230", "yesterday", "", "2024010", "2024-1/02"])
def test_a_day_that_is_none_is_quarantined(bring, tmp_path, day) -> None:
    assert reasons(bring(tushare(tmp_path, "x.csv", tushare_row(day)), told=RAW)) == [(2, "trade_date is not a day")]


def test_a_day_to_come_is_quarantined(bring, tmp_path) -> None:
    assert reasons(bring(tushare(tmp_path, "x.csv", tushare_row("20261121")), told=RAW)) == [
        (2, "the day lies in the future")
    ]


def test_the_same_row_twice_is_merged_and_two_different_ones_are_both_kept_out(store, bring, tmp_path) -> None:
    rows = [tushare_row("20240102"), tushare_row("20240102"), tushare_row("20240103", 10), tushare_row("20240103", 12)]
    report = bring(tushare(tmp_path, "x.csv", *rows), told=RAW)
    assert (report.files[0].rows_added, report.files[0].rows_merged, report.files[0].rows_quarantined) == (1, 1, 2)
    assert reasons(report) == [(line, "the same key twice in the file with different values") for line in (4, 5)]


def test_a_torn_last_line_is_quarantined_whether_short_or_merely_unended(bring, tmp_path) -> None:
    whole = "\n".join([TUSHARE_HEADER, *january(3)])
    assert reasons(bring(write(tmp_path, "short.csv", whole[:-40]), told=RAW))[0][0] == 4
    report = bring(write(tmp_path, "unended.csv", whole), told=RAW)
    assert reasons(report) == [
        (4, "the last line has no line end: the file may have been cut there; add the line end to accept it")
    ]
    assert report.files[0].rows_unchanged == 2
    assert "torn" in report.files[0].message


def test_a_line_with_a_field_too_many_is_torn(bring, tmp_path) -> None:
    report = bring(tushare(tmp_path, "x.csv", tushare_row("20240102"), tushare_row("20240103") + ",7"), told=RAW)
    assert reasons(report) == [(3, "12 fields where the header has 11")]


def test_half_a_parquet_file_and_half_a_record(store, bring, tmp_path) -> None:
    pq.write_table(daily_table(("600000.SH", "2024-01-02", 10.0)), tmp_path / "bars.parquet")
    content = (tmp_path / "bars.parquet").read_bytes()
    (tmp_path / "bars.parquet").write_bytes(content[: len(content) // 2])
    assert "damaged or was cut" in bring(tmp_path / "bars.parquet").files[0].message
    (tmp_path / "sh600000.day").write_bytes(tdx_day((20240102, 1000, 20_000), (20240103, 1000, 20_000))[:-5])
    report = bring(tmp_path / "sh600000.day")
    assert reasons(report) == [(2, "the last record has 27 of 32 bytes")]
    assert store.table("daily").num_rows == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"a,b,c\n1,2,3\n", "no known layout has this header: 'a,b,c'"),
        (b"\x89PNG\x00\x00" * 40, "neither text nor a binary layout"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
        (b"\xff\xfa\x81\n,\xff\xff\n", "neither UTF-8 nor GBK"),
        ("成交日期,证券代码,买卖标志,发生金额\n".encode(), "broker's statement"),
    ],
)
def test_a_file_of_the_wrong_kind_is_refused_and_nothing_is_made(store, bring, tmp_path, content, message) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    report = bring(tmp_path / "x.csv")
    assert report.files[0].status is FileStatus.REFUSED
    assert message in report.files[0].message
    assert not (store.folder / MANIFEST).exists()


def test_a_missing_file_is_refused_and_the_others_are_imported(store, bring, tmp_path) -> None:
    report = bring(tmp_path / "absent.csv", tushare(tmp_path, "x.csv", *january(1)), told=RAW)
    assert [file.status for file in report.files] == [FileStatus.REFUSED, FileStatus.IMPORTED]
    assert store.manifest().generation == 1


def test_lost_zeros_come_back_only_when_the_master_knows_one(store, bring, tmp_path, clock) -> None:
    header = "date,日期,股票代码,open,close,high,low,volume,amount,振幅,涨跌幅,涨跌额,换手率"
    path = write(tmp_path, "m.csv", f"{header}\n2024-01-02,2024-01-02,11,10,10,10,10,500,500000,1,1,0,0\n")
    assert reasons(bring(path, told=RAW)) == [
        (2, "the code has lost its leading zeros and the security master knows no single match")
    ]
    row = {"symbol": "000011.SZ", "name": "深物业A", "exchange": "SZ", "kind": "stock", "currency": "CNY"}
    store.commit({"instruments": TableChange(pa.Table.from_pylist([row]))}, imported_at=clock.now())
    assert "leading zeros back" in bring(path, told=RAW).files[0].message
    assert store.table("daily")["symbol"].to_pylist() == ["000011.SZ"]


def test_stored_rows_stay_unless_replacing_was_asked_for(store, bring, tmp_path) -> None:
    bring(tushare(tmp_path, "a.csv", *january(12)), told=RAW)
    other = tushare(tmp_path, "b.csv", *january(11), tushare_row("20240112", 12.0), tushare_row("20240113"))
    report = bring(other, told=RAW)
    assert reasons(report) == [(13, "differs from stored (source tushare)")]
    assert (report.files[0].rows_added, report.files[0].rows_unchanged) == (1, 11)
    assert store.table("daily")["close"].to_pylist()[11] == 10.0
    assert bring(other, told=RAW, replace_stored=True).files[0].rows_replaced == 1
    assert store.table("daily")["close"].to_pylist()[11] == 12.0


def test_importing_twice_changes_not_a_byte(store, bring, tmp_path) -> None:
    paths = [tushare(tmp_path, "raw.csv", *january(6), "broken"), tushare(tmp_path, "qfq.csv", *january(6, scale=0.5))]
    first = bring(*paths)
    before = {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}
    second = bring(*paths)
    assert (first.committed, second.committed) == (True, False)
    assert second.quarantine_path == first.quarantine_path
    assert {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()} == before
    assert [file.rows_unchanged for file in second.files] == [6, 6]


def test_a_dry_run_reports_and_leaves_nothing(store, bring, tmp_path) -> None:
    report = bring(tushare(tmp_path, "raw.csv", *january(3), "broken"), dry_run=True)
    assert (report.files[0].rows_added, report.files[0].rows_quarantined) == (3, 1)
    assert {path.name for path in store.folder.iterdir()} == {".lock"}


@pytest.mark.parametrize(
    ("name", "scale", "told", "outcome"),
    [
        ("plain.csv", 1.0, None, Adjustment.RAW),
        ("plain.csv", 2.0, None, "lie above the money paid"),
        ("plain.csv", 0.5, None, "nothing tells how the prices were adjusted"),
        ("x_raw.csv", 0.5, None, "called raw, but amount divided by volume"),
        ("x_qfq.csv", 2.0, Adjustment.BACKWARD, Adjustment.BACKWARD),
        ("x_qfq_hfq.csv", 2.0, None, "lie above the money paid"),
    ],
)
def test_adjustment_is_told_found_or_asked_for(bring, tmp_path, name, scale, told, outcome) -> None:
    file = bring(tushare(tmp_path, name, *january(10, scale=scale)), told=Told(adjustment=told)).files[0]
    if isinstance(outcome, Adjustment):
        assert file.adjustment is outcome
    else:
        assert file.status is FileStatus.REFUSED
        assert outcome in file.message


def test_prices_below_the_money_that_meet_it_in_the_end_are_forward_adjusted(bring, tmp_path) -> None:
    old = [tushare_row(f"2023{month:02}{day:02}", scale=0.5) for month in range(1, 5) for day in range(1, 28)]
    file = bring(tushare(tmp_path, "plain.csv", *old, *january(20))).files[0]
    assert file.adjustment is Adjustment.FORWARD


def test_bars_called_raw_must_agree_with_the_stored_ones(bring, tmp_path) -> None:
    bring(tushare(tmp_path, "a.csv", *january(10)), told=RAW)
    message = bring(tushare(tmp_path, "b.csv", *january(10, close=11.0)), told=RAW).files[0].message
    assert "10 of 10 closes differ from the stored raw ones" in message


def test_bars_that_belong_to_something_else_are_refused(bring, tmp_path) -> None:
    """A file of an index under the name of a stock: its money says so."""
    (tmp_path / "sh688001.day").write_bytes(tdx_day(*((20240100 + day, 300000, 20_000) for day in range(1, 9))))
    raw = bytearray((tmp_path / "sh688001.day").read_bytes())
    for record in range(8):
        raw[record * 32 + 20 : record * 32 + 24] = b"\x00\x24\x74\x49"
    (tmp_path / "sh688001.day").write_bytes(bytes(raw))
    assert "not raw bars of this instrument" in bring(tmp_path / "sh688001.day").files[0].message


def test_unknown_columns_are_named(bring, tmp_path) -> None:
    path = write(tmp_path, "raw.csv", f"{TUSHARE_HEADER},mood\n{tushare_row('20240102')},good\n")
    assert bring(path, told=RAW).files[0].unknown_columns == ("mood",)


def test_real_files_are_not_mixed_into_the_simulated_market(store, bring, tmp_path, clock) -> None:
    table = TableChange(daily_table(("600000.SH", "2024-01-02", 1.0)))
    store.commit({"daily": table}, imported_at=clock.now(), simulated=True)
    with pytest.raises(MarketSimulated):
        bring(tushare(tmp_path, "raw.csv", *january(1)))


def test_factors_follow_the_reference_price_and_join_files(store, bring, tmp_path) -> None:
    rows = [
        tushare_row("20240102", 10.0),
        tushare_row("20240103", 8.0, pre_close=8.0),
        tushare_row("20240104", 8.0, pre_close=8.0),
    ]
    bring(tushare(tmp_path, "new_raw.csv", *rows[1:]))
    assert store.table("daily")["adj_factor"].to_pylist() == [1.0, 1.0]
    bring(tushare(tmp_path, "old_raw.csv", rows[0]))
    assert store.table("daily")["adj_factor"].to_pylist() == [0.8, 1.0, 1.0]


def test_old_beijing_codes_become_the_new_ones_also_in_stored_bars(store, bring, tmp_path) -> None:
    bring(tushare(tmp_path, "raw.csv", tushare_row("20240102", symbol="830839.BJ")))
    listed = date(2020, 11, 9)
    lines = [
        {
            "symbol": symbol,
            "name": "万通液压",
            "exchange": "BSE",
            "board": "bse",
            "list_date": listed,
            "delist_date": None,
        }
        for symbol in ("830839.BJ", "920839.BJ")
    ]
    schema = pa.schema(
        [
            ("symbol", pa.string()),
            ("name", pa.string()),
            ("exchange", pa.string()),
            ("board", pa.string()),
            ("list_date", pa.date32()),
            ("delist_date", pa.date32()),
        ]
    )
    pq.write_table(pa.Table.from_pylist(lines, schema=schema), tmp_path / "master.parquet")
    report = bring(tmp_path / "master.parquet")
    assert (report.files[0].rows_read, report.files[0].rows_added) == (2, 2)
    assert store.table("instruments")["symbol"].to_pylist() == ["920839.BJ"]
    assert store.table("daily")["symbol"].to_pylist() == ["920839.BJ"]
    assert store.table("code_changes").to_pylist()[0]["effective_date"] == date(2025, 10, 9)
    bring(tushare(tmp_path, "raw2.csv", tushare_row("20240103", symbol="830839.BJ")), told=RAW)
    assert set(store.table("daily")["symbol"].to_pylist()) == {"920839.BJ"}


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("600519", "600519.SH"), ("sh600519", "600519.SH"), ("sh.600519", "600519.SH"), ("600519.XSHG", "600519.SH"),
        ("'399006", "399006.SZ"), ("000300", "000300.SZ"), ("430047", "430047.BJ"), ("920839", "920839.BJ"),
        ("700.HK", "00700.HK"), ("00700", "00700.HK"), ("878", None), ("AAPL", None), ("1234567", None), ("600519.XX", None),
    ],
)  # fmt: skip
def test_codes_in_every_spelling(text, symbol) -> None:
    assert parse_code(text) == symbol


def test_codes_in_names_and_lost_zeros() -> None:
    assert symbols_in_name(Path("tushare_daily_raw_600036.SH.csv")) == ["600036.SH"]
    assert symbols_in_name(Path("ticks_201902.csv")) == []
    assert symbols_in_name(Path("em_index_000300.csv")) == ["000300.SH"]
    assert restore_zeros("878", {"000878.SZ"}) == "000878.SZ"
    assert restore_zeros("1", {"000001.SZ", "000001.SH"}) == "000001.SZ"
    assert restore_zeros("878", set()) is None
