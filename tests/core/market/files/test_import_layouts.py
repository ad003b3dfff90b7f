"""Each layout, from a small file made here: symbol, day, units and adjustment come out right."""

# ruff: noqa: E501, DTZ001 - vendors' lines are long, and moments are naive China time

from datetime import date, datetime
from pathlib import Path

import pytest

from core.market.bar_store import MarketStore
from core.market.importers.model import FileStatus, Told
from core.market.importers.run import import_paths
from core.market.model import Adjustment
from tests.support.vendor_files import january, tdx_day, tdx_minute, tushare, write


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    return MarketStore(tmp_path / "market")


@pytest.fixture
def bring(store: MarketStore, clock):
    def run(*paths: Path, **more):
        report = import_paths(store, list(paths), clock=clock, **more)
        for file in report.files:
            placed = file.rows_added + file.rows_unchanged + file.rows_quarantined
            placed += file.rows_merged + file.rows_suspended + file.rows_replaced
            assert file.rows_read == placed
        return report

    return run


def only(store: MarketStore, dataset: str) -> dict:
    rows = store.table(dataset).to_pylist()
    assert len(rows) == 1
    return {name: value for name, value in rows[0].items() if value is not None}


def test_tushare_counts_lots_and_thousands_and_may_begin_with_a_mark(store, bring, tmp_path) -> None:
    report = bring(tushare(tmp_path, "a_raw.csv", *january(1), bom=True))
    assert report.files[0].layout == "tushare_daily"
    assert report.files[0].adjustment is Adjustment.RAW
    row = only(store, "daily")
    assert (row["symbol"], row["trade_date"], row["close"]) == ("600000.SH", date(2024, 1, 1), 10.0)
    assert (row["volume"], row["amount"], row["source"]) == (50_000, 500_000.0, "tushare")


@pytest.mark.parametrize(("word", "adjustment"), [("qfq", "forward"), ("hfq", "backward"), ("前复权", "forward")])
def test_adjusted_prices_are_kept_apart_from_raw_ones(store, bring, tmp_path, word, adjustment) -> None:
    bring(tushare(tmp_path, f"600000_{word}.csv", *january(6, scale=0.5)))
    assert store.table("daily").num_rows == 0
    rows = store.table("adjusted_daily").to_pylist()
    assert {(row["adjustment"], row["source"], row["close"]) for row in rows} == {(adjustment, "tushare", 5.0)}


def test_tushare_indices_need_no_word_about_adjustment(store, bring, tmp_path) -> None:
    bring(tushare(tmp_path, "x.csv", *january(1, symbol="000300.SH")))
    assert only(store, "index_daily")["symbol"] == "000300.SH"


@pytest.mark.parametrize(("flag", "dataset"), [("3", "daily"), ("2", "adjusted_daily"), ("1", "adjusted_daily")])
def test_baostock_says_its_adjustment_and_its_suspensions(store, bring, tmp_path, flag, dataset) -> None:
    header = "volume,code,adjustflag,tradestatus,isST,open,high,low,close,preclose,date,amount,turn"
    rows = [
        f"1000,sh.600519,{flag},1,1,10,11,9,10.5,10,2024-01-02,10500,0.5",
        f"0,sh.600519,{flag},0,1,10.5,10.5,10.5,10.5,10.5,2024-01-03,0,",
        f"0,sh.600519,{flag},0,1,10.5,10.5,10.5,10.5,10.5,2024-01-04,0,",
    ]
    report = bring(write(tmp_path, "b.csv", "\n".join([header, *rows]) + "\n"))
    row = only(store, dataset)
    assert (row["open"], row["high"], row["low"], row["close"], row["volume"]) == (10, 11, 9, 10.5, 1000)
    assert only(store, "suspensions")["last_date"] == date(2024, 1, 4)
    assert (only(store, "suspensions")["days"], report.files[0].rows_suspended) == (2, 2)
    assert report.quarantine_path is None
    if flag == "3":
        assert (row["is_st"], row["pre_close"], row["turnover_pct"]) == (True, 10.0, 0.5)


def test_baostock_with_two_adjustments_is_refused(bring, tmp_path) -> None:
    header = "date,code,open,high,low,close,volume,amount,adjustflag"
    rows = ["2024-01-02,sh.600519,1,1,1,1,100,100,3", "2024-01-03,sh.600519,1,1,1,1,100,100,2"]
    report = bring(write(tmp_path, "b.csv", "\n".join([header, *rows]) + "\n"))
    assert report.files[0].status is FileStatus.REFUSED
    assert "adjustflag has the values 2, 3" in report.files[0].message


def test_eastmoney_counts_lots_and_takes_the_symbol_from_the_name(store, bring, tmp_path) -> None:
    header = "日期,开盘,收盘,最高,最低,成交量,成交额,振幅,涨跌幅,涨跌额,换手率"
    rows = [f"2024-01-0{day},10,10.2,10.5,9.8,500,505000.0,1,1,0.2,0.5" for day in range(1, 7)]
    report = bring(write(tmp_path, "stock_600000.csv", "\n".join([header, *rows]) + "\n"))
    assert report.files[0].adjustment is Adjustment.RAW
    last = store.table("daily").to_pylist()[-1]
    assert (last["symbol"], last["volume"], last["amount"], last["pre_close"]) == ("600000.SH", 50_000, 505_000.0, 10.0)


def test_eastmoney_indices_are_told_by_the_word_in_the_name(store, bring, tmp_path) -> None:
    header = "日期,开盘,收盘,最高,最低,成交量,成交额,振幅,涨跌幅,涨跌额,换手率"
    bring(write(tmp_path, "em_index_000300.csv", f"{header}\n2024-01-02,1,1,1,1,5,6.0,0,0,0,0\n"))
    assert only(store, "index_daily")["symbol"] == "000300.SH"


def test_a_header_of_two_languages_is_read(store, bring, tmp_path) -> None:
    header = "date,日期,股票代码,open,close,high,low,volume,amount,振幅,涨跌幅,涨跌额,换手率"
    text = f"{header}\n2024-01-02,2024-01-02,000011,10,10.2,10.5,9.8,500,505000.0,1,1,0.2,0.5\n"
    bring(write(tmp_path, "m.csv", text), told=Told(adjustment=Adjustment.RAW))
    assert only(store, "daily")["symbol"] == "000011.SZ"


def test_a_table_of_quotes_takes_its_day_from_the_caller(store, bring, tmp_path) -> None:
    header = "序号,代码,名称,最新价,涨跌幅,涨跌额,成交量,成交额,最高,最低,今开,昨收,换手率,总市值"
    path = write(tmp_path, "s.csv", f"{header}\n1,300344,立方数科,6.58,1,1,81.0,5214.0,6.6,6.4,6.5,6.4,1,4222\n")
    refused = bring(path).files[0]
    assert (refused.status, refused.rows_read, refused.rows_quarantined) == (FileStatus.REFUSED, 0, 0)
    assert refused.message == "the file holds quotes and states no day; say --day 2026-11-20"
    bring(path, told=Told(day=date(2024, 1, 2)))
    row = only(store, "spot")
    assert (row["symbol"], row["name"], row["close"], row["volume"]) == ("300344.SZ", "立方数科", 6.58, 8100)
    assert row["trade_date"] == date(2024, 1, 2)


@pytest.mark.parametrize(("factor", "adjustment"), [("0.5", "forward"), ("2.0", "backward")])
def test_joinquant_tells_by_factor_and_gets_real_volumes(store, bring, tmp_path, factor, adjustment) -> None:
    header = ",open,close,high,low,volume,money,avg,high_limit,low_limit,pre_close,paused,factor"
    rows = [f"2024-01-02,10,10,10,10,2000,500,10,11,9,10,0.0,{factor}", "2024-01-03,,,,,0,0,,,,10,1.0,1.0"]
    bring(write(tmp_path, "000001.XSHE.csv", "\n".join([header, *rows]) + "\n"))
    row = only(store, "adjusted_daily")
    assert (row["symbol"], row["adjustment"], row["volume"]) == ("000001.SZ", adjustment, 2000 * float(factor))
    assert only(store, "suspensions")["first_date"] == date(2024, 1, 3)


def test_xbx_has_a_comment_above_its_header(store, bring, tmp_path) -> None:
    header = "股票代码,股票名称,交易日期,开盘价,最高价,最低价,收盘价,前收盘价,成交量,成交额,流通市值,总市值"
    bring(
        write(
            tmp_path, "x.csv", f"数据由邢不行整理\n{header}\nsz000005,ST星源,2024-01-02,2,2,2,2,2.1,100,200,2000,4000\n"
        )
    )
    row = only(store, "daily")
    assert (row["symbol"], row["is_st"], row["float_shares"], row["total_shares"]) == ("000005.SZ", True, 1000, 2000)


def test_old_xbx_is_gbk_and_its_reference_price_is_worked_out(store, bring, tmp_path) -> None:
    header = "股票代码,股票名称,交易日期,开盘价,最高价,最低价,收盘价,后复权价,涨跌幅,成交量,成交额,换手率,是否涨停"
    text = (
        f"{header}\nsh600000,浦发银行,2017-05-12,14.75,15.23,14.73,15.21,149.6,0.031186,45733426,687468466,0.002115,0\n"
    )
    report = bring(write(tmp_path, "x.csv", text, encoding="gbk"))
    row = only(store, "daily")
    assert (row["name"], row["pre_close"], row["turnover_pct"]) == ("浦发银行", 14.75, pytest.approx(0.2115))
    assert report.files[0].unknown_columns == ()


def test_netease_quotes_codes_and_writes_none(store, bring, tmp_path) -> None:
    header = "日期,股票代码,名称,收盘价,最高价,最低价,开盘价,前收盘,涨跌额,涨跌幅,成交量,成交金额"
    text = f"{header}\n2010-06-01,'399006,创业板指,973.2,994.8,948.1,986.0,None,None,None,1356,4924.5\n"
    bring(write(tmp_path, "n.csv", text, encoding="gbk"))
    row = only(store, "index_daily")
    assert (row["symbol"], row["name"], row.get("pre_close")) == ("399006.SZ", "创业板指", None)


def test_tdx_text_has_a_title_a_footer_and_may_go_below_zero(store, bring, tmp_path) -> None:
    rows = "2006/08/01,0.54,0.54,-0.35,-0.32,614436357,3525562368.00\n2006/08/02,-0.30,-0.02,-0.32,-0.11,9,9.00\n"
    head = "601006 大秦铁路 日线 前复权\n      日期\t    开盘\t    最高\t    最低\t    收盘\t    成交量\t    成交额\n"
    report = bring(write(tmp_path, "t.txt", head + rows + "数据来源:通达信\n", encoding="gbk"))
    assert (report.files[0].rows_read, report.files[0].adjustment) == (2, Adjustment.FORWARD)
    assert store.table("adjusted_daily")["close"].to_pylist() == [-0.32, -0.11]


def test_tdx_minutes_as_text_are_refused(bring, tmp_path) -> None:
    text = "601006 大秦铁路 5分钟线 前复权\n日期,开盘,最高,最低,收盘,成交量,成交额\n2006/08/01,1,1,1,1,1,1\n"
    assert "日线" in bring(write(tmp_path, "t.txt", text)).files[0].message


@pytest.mark.parametrize("suffix", ["day", "DAY", "bin"])
def test_tdx_days_are_known_by_their_records(store, bring, tmp_path, suffix) -> None:
    path = tmp_path / f"sh600000.{suffix}"
    path.write_bytes(tdx_day((20240102, 1050, 20_000)))
    bring(path)
    row = only(store, "daily")
    assert (row["symbol"], row["trade_date"], row["close"], row["volume"]) == (
        "600000.SH", date(2024, 1, 2), 10.5, 20_000,
    )  # fmt: skip


def test_tdx_funds_have_three_places_and_indices_count_lots(store, bring, tmp_path) -> None:
    for name, record in (("sh510300.day", (20240102, 3456, 20_000)), ("sh000001.day", (20240102, 300000, 20_000))):
        (tmp_path / name).write_bytes(tdx_day(record))
        bring(tmp_path / name)
    assert only(store, "daily")["close"] == 3.456
    assert (only(store, "index_daily")["close"], only(store, "index_daily")["volume"]) == (3000.0, 2_000_000)


def test_tdx_minutes_tell_one_from_five(store, bring, tmp_path) -> None:
    (tmp_path / "sh688001.lc1").write_bytes(tdx_minute((2021, 601, 571, 100, 37.69), (2021, 601, 572, 100, 37.5)))
    (tmp_path / "sh688001.lc5").write_bytes(tdx_minute((2021, 601, 575, 100, 37.69)))
    bring(tmp_path / "sh688001.lc1", tmp_path / "sh688001.lc5")
    rows = [(row["frequency"], row["bar_end"], row["open"]) for row in store.table("minute").to_pylist()]
    assert rows == [
        ("1m", datetime(2021, 6, 1, 9, 31), 37.69),
        ("1m", datetime(2021, 6, 1, 9, 32), 37.5),
        ("5m", datetime(2021, 6, 1, 9, 35), 37.69),
    ]


def test_yahoo_is_split_only_and_loses_its_float_noise(store, bring, tmp_path) -> None:
    text = "Date,High,Low,Open,Close,Volume,Adj Close\n2004-06-16,0.925000011920929,0.8149999976158142,0.875,0.8299999833106995,2198875000.0,0.7983641624450684\n"
    bring(write(tmp_path, "0700.HK.csv", text))
    row = only(store, "hk_daily")
    assert (row["symbol"], row["adjustment"], row["high"], row["adj_close"]) == (
        "00700.HK", "split_only", 0.925, 0.798364,
    )  # fmt: skip


def test_level2_streams_need_a_day(store, bring, tmp_path) -> None:
    trade = "DataStatus,TradeIndex,TradeChan,SecurityID,TradTime,TradPrice,TradVolume,TradeMoney,TradeBuyNo,TradeSellNo,TradeBSFlag,BizIndex,LocalTime,SeqNo\n0,8502,6,600519,09:25:00.940,1854.980000000000018,100,185498,113304,38420,N,78259,09:25:08.075,90265\n"
    assert "--day" in bring(write(tmp_path, "t.csv", trade)).files[0].message
    bring(write(tmp_path, "20230201/t.csv", trade))
    row = only(store, "level2_trades")
    assert (row["ts"], row["price"], row["qty"], row["side"]) == (
        datetime(2023, 2, 1, 9, 25, 0, 940000), 1854.98, 100, "N",
    )  # fmt: skip
    order = "DataStatus,OrderIndex,OrderChannel,SecurityID,OrderTime,OrderType,OrderNO,OrderPrice,Balance,OrderBSFlag,BizIndex,LocalTime,SeqNo\n0,68337,6,600519,09:15:00.020,A,90,1745,50,S,76838,09:25:26.145,560195\n"
    bring(write(tmp_path, "o.csv", order), told=Told(day=date(2023, 2, 1)))
    assert only(store, "level2_orders")["order_type"] == "A"


def test_an_instrument_no_row_names_can_be_told(store, bring, tmp_path) -> None:
    text = "date,open,high,low,close,volume,amount\n2024/01/02,10,10,10,10,500,5000\n"
    path = write(tmp_path, "prices_raw.csv", text)
    assert "--symbol" in bring(path).files[0].message
    bring(path, told=Told(symbol="600000.SH"))
    assert only(store, "daily")["symbol"] == "600000.SH"
