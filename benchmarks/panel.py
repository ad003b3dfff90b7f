"""Panels of the size of the whole market: 5,000 symbols, 2,430 days, 8 columns; first built, then mapped again."""

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness import Row, summarise, timed

SYMBOLS, DAYS = 5_000, 2_430
COLUMNS = ("open", "high", "low", "close", "pre_close", "volume", "amount", "adj_factor")


def rows() -> dict[str, Callable[[], Row]]:
    return {"panel_build": panel_build, "panel_map": panel_map}


def panel_build() -> Row:
    with tempfile.TemporaryDirectory() as folder:
        store = whole_market(Path(folder))
        samples = []
        for _ in range(3):
            shutil.rmtree(Path(folder) / "panels", ignore_errors=True)
            samples.append(timed(lambda: store.panel(COLUMNS)))
    return summarise("panel_build", samples, unit="s", target=8.0, note=f"{SYMBOLS} x {DAYS} x {len(COLUMNS)}")


def panel_map() -> Row:
    with tempfile.TemporaryDirectory() as folder:
        store = whole_market(Path(folder))
        store.panel(COLUMNS)

        def map_and_read() -> object:
            return store.panel(COLUMNS)["close"][-1].sum()

        samples = [timed(map_and_read) * 1000 for _ in range(20)]
    return summarise("panel_map", samples, unit="ms", target=50.0, note="mapped, and one day of one column read")


def whole_market(folder: Path):
    """Commit made-up bars of the whole market, two places as in quotes."""
    import numpy as np
    import pyarrow as pa

    from core.market.bar_store import MarketStore, TableChange

    generator = np.random.default_rng(20261120)
    count = SYMBOLS * DAYS
    names = pa.array([f"{number:06d}.{'SH' if number >= 600000 else 'SZ'}" for number in code_numbers()])
    symbol = pa.DictionaryArray.from_arrays(np.repeat(np.arange(SYMBOLS, dtype=np.int32), DAYS), names).cast(
        pa.string()
    )
    first = np.datetime64("2016-11-21", "D")
    days = np.tile(np.busday_offset(first, np.arange(DAYS), roll="forward"), SYMBOLS)
    close = np.round(generator.uniform(3, 200, count), 2)
    columns = dict.fromkeys(("open", "high", "low", "close", "pre_close"), close)
    columns |= {
        "volume": generator.integers(100, 10**8, count),
        "amount": np.round(close * 1e6, 2),
        "adj_factor": np.ones(count),
        "symbol": symbol,
        "trade_date": pa.array(days),
        "source": pa.repeat(pa.scalar("made"), count),
    }
    store = MarketStore(folder)
    store.commit({"daily": TableChange(pa.table(columns))}, imported_at=datetime(2026, 11, 20, tzinfo=UTC))
    return store


def code_numbers() -> list[int]:
    """Return ascending code numbers of Shenzhen, then Shanghai."""
    return [*range(1, SYMBOLS // 2 + 1), *range(600000, 600000 + SYMBOLS - SYMBOLS // 2)]
