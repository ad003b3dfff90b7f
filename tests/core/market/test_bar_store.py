"""The market folder: commits whole or not at all, read back exactly, closed to everything outside."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from core.market.bar_store import MarketStore, TableChange
from core.market.datasets import DATASETS, TableUnfit
from core.market.manifest import MANIFEST, ManifestBroken, MarketBusy, Source
from tests.support.bars import daily_table

MOMENT = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
SOURCE = Source(name="a.csv", sha256="0" * 64, rows=2, adjustment="raw", imported_at=MOMENT.isoformat())


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    return MarketStore(tmp_path / "market")


def put(store: MarketStore, table: pa.Table, **more):
    return store.commit({"daily": TableChange(table, (SOURCE,))}, imported_at=MOMENT, **more)


def test_an_empty_folder_has_every_dataset_without_rows(store: MarketStore) -> None:
    assert store.manifest().datasets == {}
    assert {name: store.table(name).num_rows for name in DATASETS} == dict.fromkeys(DATASETS, 0)
    assert store.query("SELECT count(*) AS n FROM daily").to_pylist() == [{"n": 0}]
    assert store.panel(["close"]).symbols == ()


def test_a_commit_is_read_back_sorted_and_described(store: MarketStore) -> None:
    manifest = put(store, daily_table(("600519.SH", "2024-01-03", 11.0), ("000001.SZ", "2024-01-02", 9.5)))
    entry = manifest.datasets["daily"]
    assert (entry.rows, entry.first_date, entry.last_date) == (2, date(2024, 1, 2), date(2024, 1, 3))
    assert entry.sources == (SOURCE,)
    assert not entry.simulated
    assert store.table("daily", columns=["symbol", "close"]).to_pylist() == [
        {"symbol": "000001.SZ", "close": 9.5},
        {"symbol": "600519.SH", "close": 11.0},
    ]
    assert MarketStore(store.folder).manifest() == manifest


def test_the_same_content_again_changes_nothing(store: MarketStore) -> None:
    put(store, daily_table(("600519.SH", "2024-01-03", 11.0)))
    before = (store.folder / MANIFEST).read_bytes()
    table = store.table("daily")
    store.commit({"daily": TableChange(table)}, imported_at=datetime(2026, 11, 21, tzinfo=UTC))
    assert (store.folder / MANIFEST).read_bytes() == before


@pytest.mark.parametrize("few", [True, False])
def test_rows_are_chosen_by_symbol_and_by_days_both_included(
    store: MarketStore, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways of reading, the direct one and DuckDB's, give the same rows."""
    monkeypatch.setattr("core.market.bar_store.FEW_SYMBOLS", 32 if few else 0)
    days = [f"2024-01-{day:02}" for day in range(1, 11)]
    put(store, daily_table(*((symbol, day, 10.0) for symbol in ("000001.SZ", "600519.SH") for day in days)))
    found = store.table("daily", symbols=["600519.SH"], start=date(2024, 1, 3), end=date(2024, 1, 5))
    assert found["symbol"].to_pylist() == ["600519.SH"] * 3
    assert found["trade_date"].to_pylist() == [date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 5)]
    assert found.schema == DATASETS["daily"].schema()
    assert store.table("daily", symbols=["999999.SH"]).num_rows == 0
    assert store.table("daily", symbols=[]).num_rows == 0


def test_one_symbol_is_found_across_row_groups(store: MarketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.market.bar_store.ROWS_PER_GROUP", 4)
    days = [f"2024-01-{day:02}" for day in range(1, 11)]
    symbols = ("000001.SZ", "000002.SZ", "600519.SH")
    put(store, daily_table(*((symbol, day, 10.0) for symbol in symbols for day in days)))
    assert [store.table("daily", symbols=[symbol]).num_rows for symbol in symbols] == [10, 10, 10]


def test_readers_of_the_generation_before_keep_their_files(store: MarketStore) -> None:
    files = []
    for price in (1.0, 2.0, 3.0):
        files.append(put(store, daily_table(("600519.SH", "2024-01-03", price))).datasets["daily"].file)
    assert sorted(path.name for path in (store.folder / "data").iterdir()) == sorted(
        Path(name).name for name in files[1:]
    )
    assert store.query("SELECT close FROM daily").to_pylist() == [{"close": 3.0}]


def test_stray_files_go_with_the_next_commit(store: MarketStore) -> None:
    put(store, daily_table(("600519.SH", "2024-01-03", 1.0)))
    (store.folder / "data" / ".daily.new").write_bytes(b"half")
    (store.folder / "data" / "daily-ffff.parquet").write_bytes(b"never named")
    put(store, daily_table(("600519.SH", "2024-01-03", 2.0)))
    assert len(list((store.folder / "data").iterdir())) == 2


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT * FROM read_csv('/etc/hosts')", duckdb.PermissionException),
        ("SELECT * FROM read_text('/etc/hosts')", duckdb.PermissionException),
        ("COPY (SELECT 1) TO '/tmp/dingpan_probe.csv'", duckdb.PermissionException),
        ("ATTACH '/tmp/dingpan_probe.db'", duckdb.PermissionException),
        ("SET enable_external_access=true", duckdb.InvalidInputException),
        ("SET allowed_directories=['/']", duckdb.InvalidInputException),
    ],
)
def test_our_connection_sees_nothing_but_the_market_folder(store: MarketStore, sql: str, error: type) -> None:
    with pytest.raises(error):
        store.query(sql)


def test_parameters_are_values_never_sql(store: MarketStore) -> None:
    put(store, daily_table(("600519.SH", "2024-01-03", 1.0)))
    assert store.table("daily", symbols=["x' OR '1'='1"]).num_rows == 0
    assert store.query("SELECT * FROM daily WHERE symbol = ?", ["x' OR '1'='1"]).num_rows == 0


def test_tables_that_do_not_fit_are_refused(store: MarketStore) -> None:
    good = daily_table(("600519.SH", "2024-01-03", 1.0))
    with pytest.raises(TableUnfit, match="unknown columns \\['colour'\\]"):
        put(store, good.append_column("colour", pa.array(["red"])))
    with pytest.raises(TableUnfit, match="same symbol, trade_date"):
        put(store, pa.concat_tables([good, good]))
    with pytest.raises(TableUnfit, match="absent columns \\['close'\\]"):
        put(store, good.drop_columns(["close"]))
    with pytest.raises(TableUnfit, match="no such dataset"):
        store.commit({"weather": TableChange(good)}, imported_at=MOMENT)
    assert store.manifest().datasets == {}


def test_a_broken_or_newer_manifest_is_refused(store: MarketStore) -> None:
    store.folder.mkdir()
    (store.folder / MANIFEST).write_text('{"format": 99}')
    with pytest.raises(ManifestBroken, match="99"):
        store.manifest()
    (store.folder / MANIFEST).write_text("{half")
    with pytest.raises(ManifestBroken):
        store.manifest()


def test_a_second_writer_is_told_or_waits(store: MarketStore) -> None:
    other = MarketStore(store.folder)
    order: list[str] = []
    with store.writing():
        with pytest.raises(MarketBusy), other.writing(wait=False):
            pass
        thread = threading.Thread(
            target=lambda: (put(other, daily_table(("600519.SH", "2024-01-03", 2.0))), order.append("second"))
        )
        thread.start()
        put(store, daily_table(("600519.SH", "2024-01-03", 1.0)))
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
    assert store.table("daily")["close"].to_pylist() == [2.0]
    assert store.manifest().generation == 2


def test_simulated_data_are_marked(store: MarketStore) -> None:
    manifest = put(store, daily_table(("600519.SH", "2024-01-03", 1.0)), simulated=True)
    assert manifest.is_simulated
    assert manifest.datasets["daily"].simulated


CRASH = textwrap.dedent(
    """
    import os, signal, sys
    from datetime import UTC, datetime
    from pathlib import Path
    import core.market.bar_store as bar_store, core.market.manifest as manifest
    from tests.support.bars import daily_table

    steps = 0
    def counted(function):
        def wrapper(*args, **kwargs):
            global steps
            steps += 1
            if steps == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return wrapper
    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)
    Path.unlink = counted(Path.unlink)
    store = bar_store.MarketStore(Path(sys.argv[1]))
    changes = {"daily": bar_store.TableChange(daily_table(("600519.SH", "2024-01-03", 2.0)))}
    changes["index_daily"] = bar_store.TableChange(
        daily_table(("000300.SH", "2024-01-03", 3000.0)).drop_columns(["adj_factor", "is_st"]))
    store.commit(changes, imported_at=datetime(2026, 11, 20, tzinfo=UTC))
    """
)


@pytest.mark.parametrize(
    "step", [step if step in {2, 5, 7} else pytest.param(step, marks=pytest.mark.soak) for step in range(1, 12)]
)
def test_a_commit_killed_at_any_step_leaves_the_old_state_or_the_new(store: MarketStore, step: int) -> None:
    put(store, daily_table(("600519.SH", "2024-01-02", 0.5)))
    put(store, daily_table(("600519.SH", "2024-01-03", 1.0)))
    done = subprocess.run(
        [sys.executable, "-c", CRASH, str(store.folder), str(step)],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["."])},
        cwd=Path(__file__).resolve().parents[3],
    )
    assert done.returncode in {-signal.SIGKILL, 0}
    closes = store.table("daily")["close"].to_pylist()
    indices = store.table("index_daily").num_rows
    assert (closes, indices) in [([1.0], 0), ([2.0], 1)]
    put(store, daily_table(("600519.SH", "2024-01-03", 5.0)))
    assert store.table("daily")["close"].to_pylist() == [5.0]
    named = {Path(name).name for name in store.manifest().files}
    assert {path.name for path in (store.folder / "data").iterdir()} == named
