"""Carrying out one run: claim it, work, renew the lease, write how it ended - once, whatever dies meanwhile.

The row is the truth. Every write names the beginning (`starts`) it belongs to, so a worker that lost its lease, or a
second delivery of the same run, changes nothing. What a run leaves behind is written in the same transaction that
ends it.
"""

import asyncio
import json
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, Protocol

import structlog

from core.clock import Clock
from core.durable.child import ChildBroken, Children
from core.durable.model import DEATHS, Claim, RunFailure, RunLost, RunState, failure_of
from core.durable.store import WorkerRuns
from core.durable.workbench import Workbench, finished
from core.errors import DeskError
from core.ids import IdSource, new_id
from core.storage.database import Database
from core.storage.unit_of_work import UnitOfWork

LEASE: Final = timedelta(seconds=20)
RENEW_SECONDS: Final = 5.0
NEWS_SECONDS: Final = 0.5

log = structlog.get_logger("dingpan.runs")


class RunJob(Protocol):
    """Who carries out the runs of one kind."""

    @property
    def kind(self) -> str:
        """The kind of its runs."""
        ...

    async def carry_out(self, bench: Workbench) -> Any:
        """Do the work; nothing may be written to the database here. Raises `DeskError` when it cannot be done."""
        ...

    async def keep(self, uow: UnitOfWork, claim: Claim, outcome: Any) -> dict[str, Any]:
        """Write what the work led to, inside the write that ends the run; return where it is, as plain values."""
        ...


class Runner:
    """Carries out runs in this process; made once by a worker. `owner` names the worker across restarts.

    `on_end` is called whenever a place is free again.
    """

    def __init__(
        self,
        database: Database,
        *,
        jobs: Mapping[str, RunJob],
        clock: Clock,
        ids: IdSource,
        children: Children,
        owner: str,
    ) -> None:
        self._database, self._jobs, self._children = database, jobs, children
        self._clock, self._ids = clock, ids
        self.owner, self.session = owner, new_id(ids, "ses")
        self._nudges: dict[str, asyncio.Event] = {}
        self.on_end: Callable[[], None] = _nothing

    @property
    def active(self) -> frozenset[str]:
        """The runs in this worker's hands."""
        return frozenset(self._nudges)

    def nudge(self) -> None:
        """Have every run look at once whether it was asked to stop."""
        for nudge in self._nudges.values():
            nudge.set()

    async def execute(self, run_id: str, start: int) -> RunState | None:
        """Carry out the `start`-th beginning of a run; None when it is not there to be had."""
        claim = await self._claim(run_id, start)
        if claim is None:
            return None
        bench = Workbench(claim, self._clock, self._children)
        self._nudges[run_id] = asyncio.Event()
        try:
            return await self._carry_out(claim, bench)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(claim))
            raise
        finally:
            self._nudges.pop(run_id)
            self.on_end()

    async def _claim(self, run_id: str, start: int) -> Claim | None:
        now = self._clock.now()
        async with self._database.unit_of_work() as uow:
            async with uow.write():
                claim = await WorkerRuns(uow).claim(
                    run_id, start=start, owner=self.owner, session=self.session, now=now, lease_until=now + LEASE
                )
            await uow.commit()
        return claim

    async def _carry_out(self, claim: Claim, bench: Workbench) -> RunState | None:
        work = asyncio.create_task(self._work(claim, bench))
        try:
            is_ours = await self._accompany(claim, bench, work)
        finally:
            if not work.done():
                work.cancel()
                with suppress(asyncio.CancelledError, DeskError, ChildBroken):
                    await work
        if not is_ours:
            return None
        if work.cancelled():
            return await self._end(claim, bench, RunState.CANCELLED)
        try:
            return await self._succeed(claim, bench, work.result())
        except DeskError as error:
            return await self._fail(claim, bench, failure_of(error))
        except Exception as error:  # noqa: BLE001 - a defect of a job must end its run, not the worker
            return await self._fail(claim, bench, self._defect(claim, error))

    async def _work(self, claim: Claim, bench: Workbench) -> Any:
        if claim.deaths >= DEATHS:
            raise RunLost(deaths=claim.deaths)
        return await self._jobs[claim.kind].carry_out(bench)

    async def _accompany(self, claim: Claim, bench: Workbench, work: "asyncio.Task[Any]") -> bool:
        """Renew the lease and write the news until the work ends; stop it when asked. False when the lease is lost."""
        renewed, nudge = self._clock.monotonic(), self._nudges[claim.run_id]
        while not await finished(work, NEWS_SECONDS):
            news = bench.news()
            is_due = self._clock.monotonic() - renewed >= RENEW_SECONDS
            if not news and not is_due and not nudge.is_set():
                continue
            nudge.clear()
            renewed = self._clock.monotonic()
            is_cancelled = await self._renew(claim, news)
            if is_cancelled is None:
                log.warning("run lost to another worker", run_id=claim.run_id)
                return False
            if is_cancelled:
                work.cancel()
                await finished(work, RENEW_SECONDS)
        return True

    async def _renew(self, claim: Claim, news: dict[str, Any]) -> bool | None:
        async with self._database.unit_of_work() as uow:
            async with uow.write():
                lease = self._clock.now() + LEASE
                is_cancelled = await WorkerRuns(uow).renew(claim, lease_until=lease, **news)
            await uow.commit()
        return is_cancelled

    async def _succeed(self, claim: Claim, bench: Workbench, outcome: Any) -> RunState | None:
        """End the run and write what it led to, both or neither: only who still holds the run gets that far."""
        async with self._database.unit_of_work() as uow:
            async with uow.write():
                done = {**bench.kept(), "progress": 1.0}
                runs = WorkerRuns(uow)
                if not await runs.end(claim, state=RunState.SUCCEEDED, now=self._clock.now(), **done):
                    return None
                await runs.set_result(claim, await self._jobs[claim.kind].keep(uow, claim, outcome))
            await uow.commit()
        return RunState.SUCCEEDED

    async def _fail(self, claim: Claim, bench: Workbench, failure: RunFailure) -> RunState | None:
        plain = json.loads(json.dumps(failure.details, default=str))
        kept = {"code": failure.code, "kind": failure.kind, "message": failure.message, "details": plain}
        bench.log(failure.message)
        return await self._end(claim, bench, RunState.FAILED, failure=kept)

    async def _end(self, claim: Claim, bench: Workbench, state: RunState, **news: Any) -> RunState | None:
        async with self._database.unit_of_work() as uow:
            async with uow.write():
                has_ended = await WorkerRuns(uow).end(
                    claim, state=state, now=self._clock.now(), **{**bench.kept(), **news}
                )
            await uow.commit()
        return state if has_ended else None

    async def _give_back(self, claim: Claim) -> None:
        async with self._database.unit_of_work() as uow:
            async with uow.write():
                await WorkerRuns(uow).give_back(claim)
            await uow.commit()

    def _defect(self, claim: Claim, error: BaseException) -> RunFailure:
        incident = new_id(self._ids, "inc")
        told = str(error) if isinstance(error, ChildBroken) else "".join(traceback.format_exception(error))
        log.error("incident", incident_id=incident, run_id=claim.run_id, kind=claim.kind, traceback=told)
        return RunFailure(
            code="internal",
            kind="internal",
            message="Something failed inside the desk.",
            details={"incident_id": incident},
        )


def _nothing() -> None:
    """Nobody waits for free places."""
