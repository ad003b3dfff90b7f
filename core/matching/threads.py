"""Kernels side by side: they hold no lock of the interpreter, so plain threads use every processor.

Unlike numba's own parallel loops any number of callers may do this at once, in any process.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def default_threads() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(run: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """Yield the results in the order of the items."""
    if threads <= 1 or len(items) <= 1:
        yield from map(run, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(run, items)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def beside(work: Callable[[], Result], *, is_long: bool) -> Iterator[Callable[[], Result]]:
    """Yield what returns the result of the work: done in a thread while the block runs, or when asked if it is short.

    What the work raises is raised there. The block does not end before a thread that was begun.
    """
    if not is_long:
        yield work
        return
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work).result
