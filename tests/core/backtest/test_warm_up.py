"""Kernels compiled beforehand: all of them, for what drivers hand to them, and known to be there without a look."""

import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.backtest import kernel_stamp, tiny_runs, warm_up
from core.backtest.api import backtest
from core.backtest.panel import backtest_panel
from core.backtest.panel_decisions import TargetWeights
from core.backtest.strategies.built_in import built_in
from core.backtest.sweep import sweep
from core.backtest.walk_forward import walk_forward
from core.market.panel import Panel
from core.matching import compiled as machinery
from core.matching import integers, rolling
from tests.support.backtest_rows import crossing, walk

ROOT = Path(__file__).resolve().parents[3]
IS_COMPILED = pytest.mark.skipif(not hasattr(integers.mul_div, "stats"), reason="nothing is compiled in this run")


def other_runs() -> None:
    """What users might run first: other strategies, rows and terms than those of the tiny runs."""
    rows, rules = walk(60, seed=3), {"market_rules": "a_share", "listing": "000001.SZ"}
    backtest(crossing(3, 8), bars=rows, commission_bps=2.5).report("/dev/null")
    backtest(built_in("rsi_reversion", {}), bars=rows, fill="this_close", **rules).summary()
    closes = np.array([[row["close"]] for row in rows])
    panel = Panel(np.array([row["trade_date"] for row in rows], "datetime64[D]"), ("000001.SZ",), {"close": closes})
    weights = TargetWeights(np.where(np.arange(60)[:, None] % 7 == 0, 0.5, np.nan))
    backtest_panel(panel, weights, fill="this_close").summary()
    grid = {"fast": range(2, 5), "slow": range(6, 9)}
    sweep("dual_moving_average", grid, bars=rows, **rules).summary()
    walk_forward("dual_moving_average", grid, bars=rows, train=30, test=10).summary()
    rolling.rolling_std(closes, 5)
    run_against_books()


def run_against_books() -> None:
    """As `other_runs`, of kernels that load when they are needed."""
    rows = [row | {"trade_date": f"2024-03-01 09:{31 + place}"} for place, row in enumerate(walk(20, seed=4))]
    books = [
        {"ts": f"2024-03-01 09:{31 + place}:30", "bid_px1": 9.0, "bid_qty1": 500, "ask_px1": 9.1, "ask_qty1": 500}
        for place in range(20)
    ]
    result = backtest(crossing(2, 4), bars=rows, matching="counterparty_offer", ticks=books)
    assert result.reasons["partial_volume"] > 0


def signatures() -> dict[str, list[str]]:
    return {f"{one.__module__}.{one.__name__}": list(map(str, one.signatures)) for one in machinery.STAMPS}


@pytest.fixture(scope="module")
def after_the_tiny_runs() -> dict[str, list[str]]:
    for run in tiny_runs.STEPS.values():
        run()
    return signatures()


@IS_COMPILED
def test_users_runs_need_no_kernel_that_the_tiny_runs_did_not(after_the_tiny_runs: dict[str, list[str]]) -> None:
    other_runs()
    assert signatures() == after_the_tiny_runs


@IS_COMPILED
def test_the_tiny_runs_reach_every_kernel(after_the_tiny_runs: dict[str, list[str]]) -> None:
    """A kernel that none of them needs is compiled while a user waits: give `tiny_runs` a run that needs it."""
    for path in kernel_stamp.KERNELS.glob("*_kernel.py"):
        importlib.import_module(f"core.matching.{path.stem}")
    kernels = {one for one in machinery.STAMPS if one.__module__.startswith("core.")}
    called = [one for one in kernels if one.signatures]
    reached = set(called)
    while called:
        called = [inner for one in called for inner in called_by(one) if inner not in reached]
        reached.update(called)
    assert sorted(one.__name__ for one in kernels - reached) == []


def called_by(kernel: Any) -> Iterator[Any]:
    """Yield the kernels a kernel names, by themselves or out of a module."""
    space, names = kernel.py_func.__globals__, kernel.py_func.__code__.co_names
    modules = [space[name] for name in names if isinstance(space.get(name), ModuleType)]
    for name in names:
        found = [space.get(name), *(getattr(module, name, None) for module in modules)]
        yield from (one for one in found if one is not None and one in machinery.STAMPS)


@IS_COMPILED
def test_the_folder_is_the_one_that_numba_keeps_kernels_in() -> None:
    assert kernel_stamp.kernel_folder(os.environ.get("NUMBA_CACHE_DIR", "")) == machinery.kept_files()[0].folder


def test_the_folder_is_the_first_that_can_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, chosen = tmp_path / "matching", tmp_path / "chosen"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert kernel_stamp.kernel_folder(kernels=source) == source / "__pycache__"
    named = kernel_stamp.kernel_folder(str(chosen), kernels=source)
    assert named is not None
    assert named.parent == chosen
    (source / "__pycache__").rmdir()
    (source / "__pycache__").write_text("a file where a folder is needed, as unwritable for root as for others")
    assert kernel_stamp.kernel_folder(kernels=source) == tmp_path / "user" / "numba" / named.name
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert kernel_stamp.kernel_folder(kernels=source) is None


def test_the_stamp_counts_until_a_source_a_library_or_the_processor_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_stamp, "KERNELS", tmp_path)
    monkeypatch.setattr(kernel_stamp, "PROCESSOR", tmp_path / "cpuinfo")
    (tmp_path / "rules_kernel.py").write_text("RATE = 3")
    (tmp_path / "cpuinfo").write_text("processor: 0\nflags: sse avx\nMHz: 2000\n\nprocessor: 1\nflags: sse avx\n\n")
    assert not kernel_stamp.is_ready(tmp_path)
    kernel_stamp.mark_ready(tmp_path, kernel_stamp.stamp())
    assert kernel_stamp.is_ready(tmp_path)
    (tmp_path / "cpuinfo").write_text("processor: 0\nflags: sse avx\nMHz: 3000\n\n")
    assert kernel_stamp.is_ready(tmp_path), "the clock of a processor changes all the time"
    (tmp_path / "cpuinfo").write_text("processor: 0\nflags: sse\n\n")
    assert not kernel_stamp.is_ready(tmp_path)
    kernel_stamp.mark_ready(tmp_path, kernel_stamp.stamp())
    (tmp_path / "rules_kernel.py").write_text("RATE = 40")
    assert not kernel_stamp.is_ready(tmp_path)
    kernel_stamp.mark_ready(tmp_path, kernel_stamp.stamp())
    monkeypatch.setattr(kernel_stamp, "version", lambda name: "0.99")
    assert not kernel_stamp.is_ready(tmp_path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for kernels of which none is compiled."""
    monkeypatch.setattr(warm_up, "kept_files", lambda: [SimpleNamespace(folder=tmp_path)])
    monkeypatch.setattr(warm_up, "forget_old", lambda files: 0)
    return tmp_path


def test_steps_are_told_and_done_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(
        warm_up, "STEPS", {"one": lambda: told.append("ran one"), "two": lambda: told.append("ran two")}
    )
    assert warm_up.warm_up(lambda *said: told.append(said))
    assert told == [(0, 2, "one"), "ran one", (1, 2, "two"), "ran two", (2, 2, "")]
    told.clear()
    assert not warm_up.warm_up(lambda *said: told.append(said))
    assert told == []


def test_code_of_kernels_that_load_while_it_runs_is_not_forgotten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, kept = [SimpleNamespace(folder=folder)], []
    monkeypatch.setattr(warm_up, "kept_files", lambda: list(loaded))
    monkeypatch.setattr(warm_up, "forget_old", kept.extend)
    monkeypatch.setattr(warm_up, "STEPS", {"one": lambda: loaded.append(SimpleNamespace(folder=folder))})
    warm_up.warm_up(lambda *said: None)
    assert kept == loaded


def test_what_was_compiled_of_older_sources_does_not_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = ["old"]
    monkeypatch.setattr(warm_up, "stamp", lambda: sources[-1])
    monkeypatch.setattr(kernel_stamp, "stamp", lambda: sources[-1])
    monkeypatch.setattr(warm_up, "STEPS", {"one": lambda: sources.append("new")})
    assert warm_up.warm_up(lambda *said: None)
    assert not kernel_stamp.is_ready(folder), "the program was updated while the old one compiled"


def test_a_step_that_fails_leaves_nothing_that_looks_ready(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_up, "STEPS", {"one": lambda: 1 // 0})
    with pytest.raises(ZeroDivisionError):
        warm_up.warm_up(lambda *said: None)
    assert not kernel_stamp.is_ready(folder)


def test_one_process_compiles_and_others_wait_for_it(folder: Path) -> None:
    told: list[Any] = []
    has_waited, results = threading.Event(), []

    def tell(*said: Any) -> None:
        told.append(said)
        has_waited.set()

    other = threading.Thread(target=lambda: results.append(warm_up.warm_up(tell)))
    with kernel_stamp.one_at_a_time(folder, lambda: None):
        other.start()
        assert has_waited.wait(30)
        kernel_stamp.mark_ready(folder, kernel_stamp.stamp())
    other.join(30)
    assert (results, told) == ([False], [(0, len(tiny_runs.STEPS), warm_up.WAITING)])


def test_nowhere_to_keep_them_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_up, "kept_files", list)
    with pytest.raises(warm_up.KernelsNotKept, match="Set NUMBA_CACHE_DIR"):
        warm_up.warm_up(lambda *said: None)


SECOND = """
import sys, runpy
sys.path.insert(0, {root!r})
space = runpy.run_path({file!r})
space["other_runs"]()
from core.matching.compiled import STAMPS
print({{one.__name__: [str(key) for key in one.stats.cache_misses] for one in STAMPS if one.stats.cache_misses}})
"""


@IS_COMPILED
@pytest.mark.soak
def test_a_process_after_the_warm_up_of_a_fresh_machine_compiles_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "agent_server", "backtest", "warm-up", "--json"]
    first = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in first.stdout.splitlines()]
    assert [line["step"] for line in lines] == [*tiny_runs.STEPS, ""]
    again = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert again.stdout == ""
    code = SECOND.format(root=str(ROOT), file=__file__)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{}"
