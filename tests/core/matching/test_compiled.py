"""Machine code on disk is as old as the oldest thing inside it."""

import importlib
import sys
from pathlib import Path

import pytest

from core.matching import compiled as machinery
from core.matching import fill_kernel, order_kernel, rules_kernel

RULES = """
from core.matching.compiled import compiled

RATE = {rate}

@compiled
def some_fee(amount):
    return amount * RATE
"""
CALLER = """
from core.matching.compiled import compiled
from some_rules import some_fee

@compiled
def some_cost(amount):
    return amount + some_fee(amount)
"""
IS_COMPILED = pytest.mark.skipif(not machinery.STAMPS, reason="nothing is compiled in this run")


def stamp_of_caller() -> str:
    for name in ("some_rules", "some_caller"):
        sys.modules.pop(name, None)
    return machinery.STAMPS[importlib.import_module("some_caller").some_cost]


@IS_COMPILED
def test_a_caller_is_old_when_the_rules_inside_it_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "some_caller.py").write_text(CALLER)
    (tmp_path / "some_rules.py").write_text(RULES.format(rate=3))
    first, again = stamp_of_caller(), stamp_of_caller()
    (tmp_path / "some_rules.py").write_text(RULES.format(rate=40))
    assert first == again != stamp_of_caller()


@IS_COMPILED
@pytest.mark.parametrize("kernel", [fill_kernel.buy, order_kernel.settle_order, rules_kernel.fees_of])
def test_numba_asks_for_the_stamp(kernel: object) -> None:
    asked = kernel._cache._cache_file._source_stamp
    assert asked[1] == machinery.STAMPS[kernel]
