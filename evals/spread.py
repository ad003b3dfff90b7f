"""Plays over several processes, each with a world of its own: what a play comes to does not depend on who played it."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from core.durable.fan_out import ProcessPool
from core.matching.threads import default_threads
from evals.results import Play
from evals.runner import play_case, warm_up
from evals.suite import Run
from evals.world import World

WORTH_A_PROCESS: Final = 20
"""Plays that take about as long as a process takes to come up: imports, and the fixtures it prepares for itself."""


def processes_for(plays: int, *, asked: int = 0) -> int:
    """Return how many processes to play in: those asked for, else as many as pay off on this machine."""
    return asked or max(1, min(default_threads(), plays // WORTH_A_PROCESS))


def play_spread(planned: Sequence[Run], folder: Path, told: Callable[[Play], None], *, processes: int) -> list[Play]:
    """Play everything in worlds under a folder; return the plays, and tell of each, in the order they were planned."""
    plays = []
    with ProcessPool(processes) as pool:
        for play in pool.map(_play, ((str(folder), run) for run in planned)):
            told(play)
            plays.append(play)
    return plays


def _play(order: tuple[str, Run]) -> Play:
    folder, run = order
    return asyncio.run(play_case(_world(folder), run.case, wire=run.wire, transport=run.transport))


@cache
def _world(folder: str) -> World:
    """Return the world of this process."""
    import structlog  # noqa: PLC0415 - only the processes that play need it

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio.run(warm_up())
    return World(Path(folder) / str(os.getpid()))
