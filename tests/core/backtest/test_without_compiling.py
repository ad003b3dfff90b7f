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
