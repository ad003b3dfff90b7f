"""How long ten years of one stock take to read, out of the whole market."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Row, duration
from benchmarks.panel import whole_market


def rows() -> dict[str, Callable[[], Row]]:
    return {"one_stock": one_stock}


def one_stock() -> Row:
    with tempfile.TemporaryDirectory() as folder:
        store = whole_market(Path(folder))

        def read() -> object:
            return store.table("daily", symbols=["600519.SH"])

        return duration("one_stock", read, target=20.0, unit="ms", repeat=30, warm=2, note="2,430 rows of 12 million")
