"""How long the real daily bars (1.15 million rows) take to import into an empty desk."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Row, summarise, timed

ROOT = Path(__file__).resolve().parent.parent


def rows() -> dict[str, Callable[[], Row]]:
    return {"import_daily": import_daily}


def real_data() -> Path:
    """The folder of real market data, which is not part of the project."""
    return Path(os.environ.get("DINGPAN_TEST_DATA", ROOT.parent / "shared" / "data"))


def import_daily() -> Row:
    from core.clock import SystemClock
    from core.market.bar_store import MarketStore
    from core.market.importers.run import import_paths

    bars = real_data() / "daily_bars.parquet"
    if not bars.exists():
        return summarise("import_daily", [0.0], unit="s", target=10.0, note="not measured: the real data is absent")
    samples = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            store = MarketStore(Path(folder))
            samples.append(timed(lambda store=store: import_paths(store, [bars], clock=SystemClock())))
    return summarise("import_daily", samples, unit="s", target=10.0, note="1,154,517 rows into an empty folder")
