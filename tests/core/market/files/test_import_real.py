"""The real files: each is recognised, and its figures are the known ones."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.clock import CHINA, FrozenClock
from core.market.bar_store import MarketStore
from core.market.importers.model import FileStatus, ImportReport, Told
from core.market.importers.run import import_paths

VENDOR_FILES = {
    "akshare_em_index_000300.csv": ("eastmoney_daily", "index_daily", "raw", 4558),
    "akshare_em_spot_all.csv": ("eastmoney_spot", "spot", None, 5527),
    "akshare_em_stock_mixed_header_000011.csv": ("eastmoney_daily_mixed_header", "adjusted_daily", "forward", 3724),
    "baostock_qfq_000001.SZ.csv": ("baostock", "adjusted_daily", "forward", 5002),
    "baostock_raw_sh.600519.csv": ("baostock", "daily", "raw", 1273),
    "joinquant_qfq_000001.XSHE.csv": ("joinquant", "adjusted_daily", "forward", 4492),
    "l2_sse_entrust_600519_first2000.csv": ("sse_level2_order", "level2_orders", None, 2000),
    "l2_sse_snapshot_600519_first2000.csv": ("sse_level2_snapshot", "level2_snapshots", None, 2000),
    "l2_sse_trade_600519_first2000.csv": ("sse_level2_trade", "level2_trades", None, 2000),
    "netease_gbk_index_399006.csv": ("netease", "index_daily", "raw", 2521),
    "tdx_export_qfq_601003.csv": ("tdx_csv", "adjusted_daily", "forward", 3365),
    "tdx_export_qfq_gbk_601006.txt": ("tdx_text", "adjusted_daily", "forward", 3664),
    "tdx_sh688001.lc1": ("tdx_minute", "minute", "raw", 2880),
    "tdx_sh688001.lc5": ("tdx_minute", "minute", "raw", 144),
    "tushare_daily_hfq_600036.SH.csv": ("tushare_daily", "adjusted_daily", "backward", 2095),
    "tushare_daily_qfq_600036.SH.csv": ("tushare_daily", "adjusted_daily", "forward", 2095),
    "tushare_daily_raw_600036.SH.csv": ("tushare_daily", "daily", "raw", 2095),
    "tushare_index_daily_000300.SH.csv": ("tushare_daily", "index_daily", "raw", 500),
    "tushare_probar_qfq_desc_600519.SH.csv": ("tushare_daily", "adjusted_daily", "forward", 5156),
    "xbx_old_gbk_flags_sh600000.csv": ("xbx", "daily", "raw", 4119),
    "xbx_raw_utf8_sz000005.csv": ("xbx", "daily", "raw", 6654),
    "yahoo_0700.HK.csv": ("yahoo", "hk_daily", "split_only", 4514),
}
DAY = Told(day=date(2023, 2, 1))


def clock() -> FrozenClock:
    from datetime import datetime

    return FrozenClock(datetime(2026, 11, 20, 15, 30, tzinfo=CHINA))


@pytest.fixture(scope="module")
def parquet(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[MarketStore, ImportReport]:
    """A market folder with every Parquet file."""
    store = MarketStore(tmp_path_factory.mktemp("real"))
    return store, import_paths(store, sorted(shared_data.glob("*.parquet")), clock=clock())


def test_every_parquet_file_is_imported(parquet) -> None:
    store, report = parquet
    assert {file.path.name: file.status for file in report.files if file.status is not FileStatus.IMPORTED} == {}
    assert len(report.files) == 23
    rows = {name: entry.rows for name, entry in store.manifest().datasets.items()}
    assert rows["daily"] == 1_154_515
    assert rows["hk_daily"] == 16_899 - 67 - 15
    assert rows["suspensions"] == 1_959 + 2
    assert rows["instruments"] + rows["code_changes"] == 5_947
    assert sum(file.rows_quarantined for file in report.files) == 82


def test_the_anchors_hold(parquet) -> None:
    store, _ = parquet
    bars = {row["trade_date"]: row for row in store.table("daily", symbols=["600519.SH"]).to_pylist()}
    closes = {
        date(2021, 12, 31): 2050.0,
        date(2022, 12, 30): 1727.0,
        date(2023, 12, 29): 1726.0,
        date(2025, 4, 7): 1500.0,
    }
    assert {day: bars[day]["close"] for day in closes} == closes
    assert bars[date(2023, 6, 30)]["pre_close"] == 1687.80
    assert bars[date(2023, 2, 1)]["volume"] == 3_397_389
    traded = store.query(
        "SELECT sum(qty) AS qty FROM level2_trades WHERE symbol = '600519.SH' AND CAST(ts AS DATE) = '2023-02-01'"
    )
    assert traded.to_pylist() == [{"qty": 3_397_389}]


def test_importing_the_parquet_files_again_changes_nothing(parquet, shared_data: Path) -> None:
    store, _ = parquet
    before = (store.folder / "manifest.json").read_bytes()
    assert not import_paths(store, sorted(shared_data.glob("*.parquet")), clock=clock()).committed
    assert (store.folder / "manifest.json").read_bytes() == before


@pytest.fixture(scope="module")
def vendors(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[MarketStore, ImportReport]:
    """A market folder with every vendor file."""
    store = MarketStore(tmp_path_factory.mktemp("vendors"))
    return store, import_paths(store, sorted((shared_data / "vendor_csv").iterdir()), clock=clock(), told=DAY)


def test_every_vendor_file_is_recognised(vendors) -> None:
    _, report = vendors
    found = {
        file.path.name: (file.layout, file.dataset, file.adjustment and file.adjustment.value, file.rows_read)
        for file in report.files
        if file.status is not FileStatus.REFUSED
    }
    assert found == VENDOR_FILES
    assert [file.path.name for file in report.files if file.unknown_columns] == []


def test_what_is_refused_is_refused_for_a_reason(vendors) -> None:
    """The eastmoney file is backward adjusted without saying so; the TDX day file holds the Shanghai index."""
    _, report = vendors
    refused = {file.path.name: file.message for file in report.files if file.status is FileStatus.REFUSED}
    assert sorted(refused) == [
        "akshare_em_stock_601127.csv",
        "broker_statement_expected.json",
        "broker_statement_flat_utf8.csv",
        "broker_statement_flow_gbk.csv",
        "tdx_sh688001.day",
    ]
    assert "backward adjusted" in refused["akshare_em_stock_601127.csv"]
    assert "not raw bars of this instrument" in refused["tdx_sh688001.day"]
    assert "statement" in refused["broker_statement_flat_utf8.csv"]


def test_vendors_agree_with_the_daily_bars(vendors, parquet) -> None:
    """Closes, shares and money of tushare, baostock and XBX equal those of the Parquet file on every common day."""
    mine, theirs = vendors[0], parquet[0]
    for symbol, days in (("600036.SH", 2095), ("600519.SH", 1273), ("600000.SH", 500), ("000005.SZ", 1600)):
        one = {row["trade_date"]: row for row in mine.table("daily", symbols=[symbol]).to_pylist()}
        other = {row["trade_date"]: row for row in theirs.table("daily", symbols=[symbol]).to_pylist()}
        common = sorted(one.keys() & other.keys())
        assert len(common) >= days
        for name, tolerance in (("close", 0.00501), ("pre_close", 0.00501)):
            gaps = [abs(one[day][name] - other[day][name]) for day in common if one[day][name] is not None]
            assert max(gaps) <= tolerance, (symbol, name)
        ratios = np.array([one[day]["volume"] / other[day]["volume"] for day in common])
        assert np.abs(ratios - 1).max() < 0.002
        ratios = np.array([one[day]["amount"] / other[day]["amount"] for day in common])
        assert np.abs(ratios - 1).max() < 0.002


def test_factors_worked_out_equal_the_given_ones(parquet, shared_data: Path) -> None:
    from core.market.importers.factors import with_factors

    columns = ["symbol", "trade_date", "close", "pre_close", "adj_factor"]
    given = pq.read_table(shared_data / "daily_bars.parquet", columns=columns)
    import pyarrow as pa

    empty = given.set_column(4, "adj_factor", pa.nulls(given.num_rows, pa.float64()))
    mine, theirs = with_factors(empty)["adj_factor"].to_numpy(), given["adj_factor"].to_numpy()
    symbols = given["symbol"].to_numpy(zero_copy_only=False)
    first = np.r_[True, symbols[1:] != symbols[:-1]]
    level = theirs[first][np.cumsum(first) - 1]
    assert np.abs(mine * level / theirs - 1).max() < 1e-6
    assert with_factors(given)["adj_factor"].equals(given["adj_factor"])
