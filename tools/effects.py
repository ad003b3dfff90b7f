"""Running a body, and what must be kept together with its effect.

A database effect is one transaction: the approval's consumption, the idempotency row, the effect, the stored answer and
the audit's `call.closed`. If any fails, none happened, and a second transaction marks the approval failed. A crash in
between leaves the approval usable.

An external effect cannot be rolled back. The approval and the key are used up in a transaction of their own first; a
crash afterwards leaves them `executing`, which the next start turns into `unknown`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from core.access.audit_log import AuditLog
from core.access.model import ApprovalState
from core.access.service import AccessService
from core.clock import Clock
from core.errors import DeskError
from core.settings import Settings
from core.storage.database import Database
from core.storage.unit_of_work import UnitOfWork
from tools import audit
from tools.approvals import default_preview
from tools.call import Job, result_of
from tools.context import Preview, SkillCall, SkillContext, SkillResult
from tools.errors import CallCancelled, IdempotencyUnfinished, ResponseTooLarge, TimedOut
from tools.idempotency import answer_for
from tools.idempotency_store import IdempotencyStore, KeyClaimed
from tools.risk import Effect, RiskTier
from tools.wire import exceeds, to_wire

if TYPE_CHECKING:
    from core.bootstrap import Services

RESPONSE_LIMIT: Final = 5_000_000
"""Largest answer, in characters of JSON; doors with smaller caps shorten it themselves."""

MakeIncident = Callable[[SkillCall, BaseException], DeskError]


class Effects:
    """Runs bodies for the dispatcher."""

    def __init__(
        self,
        *,
        services: "Services",
        database: Database,
        access: AccessService,
        audit: AuditLog,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._services, self._database, self._access, self._audit = services, database, access, audit
        self._clock, self._settings = clock, settings

    async def read(self, job: Job) -> SkillResult:
        """Run a green body in a read-only unit of work."""
        async with self._database.unit_of_work(read_only=True) as uow:
            return result_of(job.skill, await self._body(job, uow))

    async def preview(self, job: Job) -> Preview:
        """Return what the call would change, without changing it."""
        if job.skill.preview is None:
            return default_preview(job.skill)
        async with self._database.unit_of_work(read_only=True) as uow, self._deadline(job):
            preview: Preview = await job.skill.preview(self._context(job, uow), **job.arguments)
            return preview

    async def write(self, job: Job, *, incident: MakeIncident) -> SkillResult:
        """Run a body with an effect, and record its end whatever it is."""
        act = self._outside if job.skill.effect is Effect.EXTERNAL else self._inside
        try:
            return await act(job)
        except KeyClaimed:
            return await self._answer_of_the_first(job)
        except asyncio.CancelledError:
            job.was_stopped = job.was_cancelled = True
            await asyncio.shield(self._fail(job, CallCancelled(skill_id=job.skill.skill_id)))
            raise
        except DeskError as error:
            await self._fail(job, error)
            raise
        except Exception as error:
            defect = incident(job.call, error)
            await self._fail(job, defect)
            raise defect from error

    async def stored_answer(self, job: Job) -> dict[str, Any] | None:
        """Return the answer kept under the call's idempotency key. Raises the conflicts of `tools.idempotency`."""
        if job.key is None:
            return None
        async with self._database.unit_of_work(read_only=True) as uow:
            stored = await self._keys(job, uow).find(job.key, now=self._clock.now())
        return answer_for(stored, key=job.key, params_hash=job.digest)

    async def _inside(self, job: Job) -> SkillResult:
        """Run a database effect: everything in the body's own write transaction."""
        async with self._database.unit_of_work() as uow:
            uow.on_write(partial(self._claim, job))
            wire = await self._body(job, uow)
            return await self._close(job, uow, wire)

    async def _outside(self, job: Job) -> SkillResult:
        """Run an external effect: use up approval and key first, in a transaction that stays."""
        async with self._database.unit_of_work() as uow:
            async with uow.write():
                await self._claim(job, uow)
            await uow.commit()
        job.has_begun = True
        async with self._database.unit_of_work() as uow:
            wire = await self._body(job, uow)
            return await self._close(job, uow, wire)

    async def _claim(self, job: Job, uow: UnitOfWork) -> None:
        """Use up the approval and take the idempotency key. Runs first in the write transaction."""
        now = self._clock.now()
        if job.approval_id is not None:
            try:
                await self._access.consume(
                    uow,
                    approval_id=job.approval_id,
                    params_hash=job.digest,
                    now=now,
                    external=job.skill.effect is Effect.EXTERNAL,
                    result_ref=job.call.trace_id,
                )
            except DeskError:
                job.has_lost = True
                raise
        if job.key is not None:
            keys = self._keys(job, uow)
            await keys.claim(job.key, params_hash=job.digest, skill_id=job.skill.skill_id, now=now)

    async def _close(self, job: Job, uow: UnitOfWork, wire: dict[str, Any]) -> SkillResult:
        """Keep the answer, the approval's end and the audit row with the effect, and commit all of it."""
        async with uow.join_write():  # a body that wrote nothing uses its approval and key up all the same
            if job.key is not None:
                await self._keys(job, uow).finish(job.key, wire)
            if job.approval_id is not None and job.skill.effect is Effect.EXTERNAL:
                reference = job.call.trace_id
                await self._access.finish(uow, job.approval_id, state=ApprovalState.EXECUTED, result_ref=reference)
            if job.skill.tier is not RiskTier.GREEN:
                await self._audit.append(uow, audit.closed(job.call, job.skill.skill_id))
        await uow.commit()
        return result_of(job.skill, wire)

    async def _fail(self, job: Job, error: DeskError) -> None:
        """Record, after the rollback, that a call failed and what became of its approval and key."""
        is_unknown = job.has_begun and (job.has_run or job.was_stopped)
        async with self._database.unit_of_work() as uow:
            async with uow.write():
                if job.has_begun and job.key is not None and not is_unknown:
                    await self._keys(job, uow).release(job.key)
                if self._ends_approval(job):
                    state = ApprovalState.UNKNOWN if is_unknown else ApprovalState.FAILED
                    await self._access.finish(uow, str(job.approval_id), state=state, result_ref=job.call.trace_id)
                await self._audit.append(uow, audit.closed(job.call, job.skill.skill_id, error=error))
            await uow.commit()

    @staticmethod
    def _ends_approval(job: Job) -> bool:
        """Return whether a failure ends the approval: not one that another call used, nor an effect merely cut off."""
        if job.approval_id is None or job.has_lost:
            return False
        return job.has_begun or not job.was_cancelled

    async def _answer_of_the_first(self, job: Job) -> SkillResult:
        """Answer with the result of the call that claimed the key first."""
        answer = await self.stored_answer(job)
        if answer is None:  # it was rolled back after all: its caller was told, and this one may repeat
            raise IdempotencyUnfinished(key=job.key, idempotency_key=job.key)
        return result_of(job.skill, answer, replayed=True)

    async def _body(self, job: Job, uow: UnitOfWork) -> dict[str, Any]:
        """Run the body under the timeout and return its result in wire form."""
        async with self._deadline(job):
            value = await job.skill.body(self._context(job, uow), **job.arguments)
        job.has_run = True
        wire: dict[str, Any] = to_wire(value)
        if exceeds(wire, RESPONSE_LIMIT):
            raise ResponseTooLarge(skill_id=job.skill.skill_id, limit=RESPONSE_LIMIT)
        return wire

    @asynccontextmanager
    async def _deadline(self, job: Job) -> AsyncIterator[None]:
        seconds = self._settings.call_timeout_seconds
        try:
            async with asyncio.timeout(seconds) as deadline:
                yield
        except TimeoutError as error:
            if not deadline.expired():
                raise
            job.was_stopped = True
            raise TimedOut(skill_id=job.skill.skill_id, seconds=seconds, consequence=_consequence(job)) from error

    def _context(self, job: Job, uow: UnitOfWork) -> SkillContext:
        call = job.call
        return SkillContext(self._services, uow, call.caller, self._clock, call.trace_id, call.progress)

    @staticmethod
    def _keys(job: Job, uow: UnitOfWork) -> IdempotencyStore:
        caller = job.call.caller
        return IdempotencyStore(uow).for_requester(caller.team_id or 0, caller.requester)


def _consequence(job: Job) -> str:
    if job.has_begun:
        return "Whether it took effect is unknown: look before you repeat it."
    return "Nothing was changed."
