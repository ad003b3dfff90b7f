"""An import killed at any moment leaves the market as it was, and succeeds when repeated."""

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from core.market.bar_store import MarketStore
from core.market.importers.run import import_paths
from tests.support.vendor_files import january, tushare, tushare_row

ROOT = Path(__file__).resolve().parents[4]
SCRIPT = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from core.clock import SystemClock
    from core.market.bar_store import MarketStore
    from core.market.importers.run import import_paths

    calls = 0
    def watch(frame, event, argument):
        global calls
        if event == "call" and "/core/market/" in frame.f_code.co_filename:
            calls += 1
            if calls == int(sys.argv[3]):
                os.kill(os.getpid(), signal.SIGKILL)
    store = MarketStore(Path(sys.argv[1]))
    sys.setprofile(watch)
    import_paths(store, [Path(sys.argv[2])], clock=SystemClock())
    sys.setprofile(None)
    print(calls)
    """
)


def run(market: Path, file: Path, step: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(market), str(file), str(step)],
        check=False, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def check(tmp_path: Path, clock, share: float) -> None:
    """Kill the import of a second file after `share` of its steps."""
    first = tushare(tmp_path, "a_raw.csv", *january(5))
    second = tushare(tmp_path, "b_raw.csv", *january(5), tushare_row("20240108"), "broken")
    trial, market = tmp_path / "trial", tmp_path / "market"
    for folder in (trial, market):
        import_paths(MarketStore(folder), [first], clock=clock)
    steps = int(run(trial, second, -1).stdout)
    before = (market / "manifest.json").read_bytes()
    done = run(market, second, max(1, int(steps * share)))
    assert done.returncode == -signal.SIGKILL
    store = MarketStore(market)
    if (market / "manifest.json").read_bytes() == before:
        assert store.table("daily").num_rows == 5
    else:
        assert store.table("daily").num_rows == 6
    import_paths(store, [second], clock=clock)
    assert store.table("daily").num_rows == 6
    assert {path.name for path in (market / "data").iterdir()} == {Path(name).name for name in store.manifest().files}


@pytest.mark.parametrize("share", [0.3, 0.9, 0.98])
def test_a_killed_import_leaves_the_state_before_it(tmp_path: Path, clock, share: float) -> None:
    check(tmp_path, clock, share)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(40))
def test_a_killed_import_leaves_the_state_before_it_anywhere(tmp_path: Path, clock, seed: int) -> None:
    check(tmp_path, clock, random.Random(seed).random())
