"""DBOS: the queue that hands runs to workers, of this process and of others, and hands them out again after a crash.

The only module that knows DBOS. What it may be trusted with was found by trying it (3.4):

- Its default executor id is shared by all processes, which makes one "recover" the live work of another: ours is the
  worker's own, stable across restarts. Its default application version is a hash of the source, which would leave
  work of older code pending for ever: ours is a number.
- Enqueueing is not part of our transaction. The row is the truth: a delivery that finds no claimable row does nothing,
  and a row that was not delivered is delivered by the next sweep. Each beginning of a run is a workflow of its own, so
  a delivery repeated by DBOS's recovery is refused by the row.
- It is one per process, and takes 1.5 s to import: it is launched when the first run is there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from dbos import DBOS, SetWorkflowID

APPLICATION_VERSION: Final = "1"
QUEUE: Final = "runs"
POLL_SECONDS: Final = 0.5
LISTEN_SECONDS: Final = 2.0
SCHEDULER_SECONDS: Final = 3_600.0
LOOK_SECONDS: Final = 1.0
BATCH: Final = 500
ENDED: Final = {"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"}

Execute = Callable[[str, int], Awaitable[Any]]


@dataclass(slots=True)
class Bridge:
    """From DBOS's threads to the event loop that has the desk's connections."""

    loop: asyncio.AbstractEventLoop
    execute: Execute
    tasks: set["asyncio.Task[Any]"] = field(default_factory=set)
    is_closed: bool = False

    def carry_out(self, run_id: str, start: int) -> None:
        """Carry out one delivery on the loop, and wait for it."""
        if self.is_closed:
            return
        future = asyncio.run_coroutine_threadsafe(self._call(run_id, start), self.loop)
        while not self.loop.is_closed() and not future.done():
            with suppress(TimeoutError, CancelledError):
                future.result(LOOK_SECONDS)

    async def close(self) -> None:
        """Have every run in progress given back, and wait until it is."""
        self.is_closed = True
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _call(self, run_id: str, start: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self.execute(run_id, start)
        finally:
            self.tasks.discard(task)


@dataclass(slots=True)
class _Current:
    """DBOS is one per process, and so is what its workflow reaches."""

    bridge: Bridge | None = None


_current: Final = _Current()


@DBOS.workflow(name="dingpan.run")
def _carry_out(run_id: str, start: int) -> None:
    if _current.bridge is not None:
        _current.bridge.carry_out(run_id, start)


class DbosExecutor:
    """Delivers beginnings of runs; at most `concurrency` at once in this process. Launched by `launch`."""

    def __init__(self, *, url: str, owner: str, execute: Execute, concurrency: int) -> None:
        self._url, self._owner, self._concurrency = url, owner, concurrency
        self._bridge = Bridge(asyncio.get_running_loop(), execute)

    async def launch(self) -> None:
        """Open DBOS's own tables and listen to the queue."""
        _current.bridge = self._bridge
        try:
            await asyncio.to_thread(self._launch)
        except BaseException:
            await asyncio.to_thread(DBOS.destroy)  # the next try must not find half of this one
            raise

    async def deliver(self, run_id: str, start: int, *, again: str = "") -> None:
        """Hand out a beginning; one that was handed out already stays as it is, unless `again` makes it another."""
        await asyncio.to_thread(self._enqueue, run_id, start, again)

    async def has_ended(self, run_id: str, start: int) -> bool:
        """Tell whether DBOS holds a delivery for done."""
        status = await asyncio.to_thread(DBOS.get_workflow_status, _name(run_id, start))
        return status is None or status.status in ENDED

    async def forget(self, *, before: datetime) -> int:
        """Delete DBOS's rows of deliveries made before a moment that are over; return how many.

        Nothing needs them: our row tells whether a run may begin, and a delivery that is not there counts as ended.
        """
        return await asyncio.to_thread(self._forget, before)

    async def close(self) -> None:
        """Give back what is in progress, and stop."""
        await self._bridge.close()
        await asyncio.to_thread(DBOS.destroy)
        _current.bridge = None

    def _launch(self) -> None:
        DBOS(
            config={
                "name": "dingpan",
                "system_database_url": self._url,
                "executor_id": self._owner,
                "application_version": APPLICATION_VERSION,
                "log_level": "ERROR",
                "notification_listener_polling_interval_sec": LISTEN_SECONDS,
                "scheduler_polling_interval_sec": SCHEDULER_SECONDS,
            }
        )
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=self._concurrency, polling_interval_sec=POLL_SECONDS)

    @staticmethod
    def _forget(before: datetime) -> int:
        total = 0
        while True:
            over = DBOS.list_workflows(
                status=sorted(ENDED), end_time=before.isoformat(), limit=BATCH, load_input=False, load_output=False
            )
            if not over:
                return total
            DBOS.delete_workflows([one.workflow_id for one in over])
            total += len(over)

    @staticmethod
    def _enqueue(run_id: str, start: int, again: str) -> None:
        with SetWorkflowID(_name(run_id, start) + again):
            DBOS.enqueue_workflow(QUEUE, _carry_out, run_id, start)


def _name(run_id: str, start: int) -> str:
    return f"{run_id}.{start}"
