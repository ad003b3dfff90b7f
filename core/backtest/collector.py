"""The interpreter's cycle collector during a run: it would walk over thousands of living bars again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

RARELY: Final = 200_000
"""New objects between two collections while a run lasts; a strategy's own cycles are still found."""


@contextmanager
def rare_collection() -> Iterator[None]:
    """Collect rarely inside the block; nothing is collected on purpose."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], RARELY) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
