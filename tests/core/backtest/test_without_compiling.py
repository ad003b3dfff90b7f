"""The kernels as plain Python: the same results, so that what they do can be read, stepped through and covered."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

from tests.support.random_runs import random_run

SEEDS = 40


def digests() -> str:
    """Return what the random runs give, all of it."""
    told = [json.dumps(random_run(seed).fast().to_dict(), sort_keys=True, default=str) for seed in range(SEEDS)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


@pytest.mark.soak
def test_plain_python_gives_the_same_results() -> None:
    program = f"import runpy; print(runpy.run_path({__file__!r})['digests']())"
    plain = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": "."},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert plain.stdout.strip() == digests()


PROGRAM = """
from tests.support.random_runs import random_run
from core.backtest.api import backtest
from tests.support.backtest_rows import walk
chosen = lambda bar, ctx: ctx.buy(100) if bar.dt[-1] in {"1", "3", "5", "7"} else None
print(random_run(1).fast().metrics["fingerprint"], backtest(chosen, bars=walk(9)).metrics["fingerprint"])
"""


@pytest.mark.soak
def test_fingerprints_are_the_same_in_every_process() -> None:
    """Sets have another order in every process; a fingerprint may not show it."""
    printed = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(printed) == 1
