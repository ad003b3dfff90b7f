"""The worker: looks for runs, has them delivered, and takes over those of workers that died."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import structlog

from core.clock import Clock
from core.durable.child import Children
from core.durable.runner import RunJob, Runner
from core.durable.slot import worker_slot
from core.durable.store import WorkerRuns
from core.durable.tidying import Forgetful, Tidying
from core.ids import IdSource, new_id
from core.storage.database import Database

SWEEP_SECONDS: Final = 2.0
AGAIN_SECONDS: Final = 30.0
"""After so long a run that was delivered and is still queued is looked after."""
BATCH: Final = 100
AHEAD: Final = 2
"""Runs delivered for each that can be carried out: the rest wait here, where teams take turns."""

log = structlog.get_logger("dingpan.runs")


class Executor(Forgetful, Protocol):
    """What hands runs out."""

    async def launch(self) -> None:
        """Begin to listen."""
        ...

    async def deliver(self, run_id: str, start: int, *, again: str = "") -> None:
        """Hand out the `start`-th beginning of a run, once."""
        ...

    async def has_ended(self, run_id: str, start: int) -> bool:
        """Tell whether a delivery is over."""
        ...

    async def close(self) -> None:
        """Give back what is in progress, and stop."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What a worker works with. `folder` holds its locks, `executor` makes what hands runs out to the runner.

    `days` is how long ended runs are kept; 0 for ever.
    """

    database: Database
    jobs: Mapping[str, RunJob]
    clock: Clock
    ids: IdSource
    folder: Path
    executor: Callable[[Runner], Awaitable[Executor]]
    children: Children = field(default_factory=Children)
    days: int = 0


class Worker:
    """One per process. Costs one small query every two seconds until the first run is there."""

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._news = asyncio.Event()
        self._delivered: dict[tuple[str, int], float] = {}
        self._tidying = Tidying(place.database, place.clock, place.days)
        self._executor: Executor | None = None
        self._runner: Runner | None = None

    def wake(self) -> None:
        """Look at once: a run was queued, or asked to stop."""
        self._news.set()
        if self._runner is not None:
            self._runner.nudge()

    async def work(self) -> None:
        """Carry out runs until cancelled; then give back what is in progress."""
        with ExitStack() as held:
            owner = await asyncio.to_thread(held.enter_context, worker_slot(self._place.folder, self._place.ids))
            place = self._place
            self._runner = Runner(
                place.database, jobs=place.jobs, clock=place.clock, ids=place.ids, children=place.children, owner=owner
            )
            self._runner.on_end = self._news.set
            try:
                await self._look_again_and_again(self._runner)
            finally:
                if self._executor is not None:
                    await asyncio.shield(self._executor.close())

    async def _look_again_and_again(self, runner: Runner) -> None:
        is_first = True
        while True:
            self._news.clear()
            try:
                if is_first:
                    await self._take_up(runner)
                await self.sweep(runner)
                is_first = False
                await self._tidying.if_due(self._executor)
            except Exception as error:  # noqa: BLE001 - the database may be back at the next look
                log.warning("the look for runs failed", kind=type(error).__name__, reason=str(error)[:200])
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):  # wait_for of Python 3.11 may swallow the end of a worker
                    await self._news.wait()

    async def _take_up(self, runner: Runner) -> None:
        """Queue again what an earlier life of this worker left behind."""
        async with self._place.database.unit_of_work() as uow:
            async with uow.write():
                count = await WorkerRuns(uow).requeue_owned(owner=runner.owner, session=runner.session)
            await uow.commit()
        if count:
            log.warning("runs begun anew", count=count)

    async def sweep(self, runner: Runner) -> None:
        """Deliver what waits; queue again what its worker abandoned."""
        now = self._place.clock.now()
        async with self._place.database.unit_of_work(read_only=True) as uow:
            runs = WorkerRuns(uow)
            waiting, is_abandoned = await runs.waiting(limit=BATCH), await runs.has_abandoned(now=now)
        if is_abandoned:
            async with self._place.database.unit_of_work() as uow:
                async with uow.write():
                    await WorkerRuns(uow).requeue_abandoned(now=now)
                await uow.commit()
            self._news.set()
        if waiting and self._executor is None:
            await asyncio.to_thread(self._place.children.warm)
            executor = await self._place.executor(runner)
            await executor.launch()
            self._executor = executor
        keys = [(run_id, starts + 1) for run_id, starts in waiting]
        self._delivered = {key: moment for key, moment in self._delivered.items() if key in keys}
        for key in keys:
            busy = len(runner.active) + len(self._delivered)
            if key in self._delivered or busy < worker_processes() * AHEAD:
                await self._deliver(*key)

    async def _deliver(self, run_id: str, start: int) -> None:
        """Hand a beginning out; one that was handed out long ago and is still queued is handed out again."""
        assert self._executor is not None
        moment, key = self._place.clock.monotonic(), (run_id, start)
        known = self._delivered.get(key)
        if known is None:
            await self._executor.deliver(run_id, start)
        elif moment - known > AGAIN_SECONDS and await self._executor.has_ended(run_id, start):
            await self._executor.deliver(run_id, start, again=f".{new_id(self._place.ids, 'again')}")
        else:
            return
        self._delivered[key] = moment


def worker_processes() -> int:
    """Return how many runs one worker carries out at once: as many as there are cores to use."""
    return max(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 1)
