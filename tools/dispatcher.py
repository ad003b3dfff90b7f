"""The one way to run a skill: nine steps, in this order, the same for every door.

1 resolve, 2 limit, 3 authorize, 4 validate, 5 replay, 6 ask, 7 open, 8 run, 9 close. Green skills skip 5 to 7 and the
audit. What happens around an effect (8 and 9 of yellow and red skills) is in `tools.effects`.
"""

import json
import traceback
from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog

from core.access.audit_log import AuditLog
from core.access.service import AccessService
from core.clock import Clock
from core.errors import ArgumentsInvalid, DeskError, ErrorKind
from core.ids import IdSource, new_id
from core.settings import Settings
from core.storage.database import Database
from tools import approvals, audit, policy
from tools.call import Job, result_of
from tools.context import Preview, SkillCall, SkillResult
from tools.effects import Effects
from tools.envelope import key_fault
from tools.errors import ApprovalRequired, Incident, SkillNotFound
from tools.limits import Limits
from tools.redaction import mask
from tools.registry import Registry
from tools.risk import RiskTier
from tools.skill import Skill

if TYPE_CHECKING:
    from core.bootstrap import Services

log = structlog.get_logger("dingpan.calls")


class Dispatcher:
    """Runs skills. One per process; every transport calls `run` and nothing else calls a skill's body."""

    def __init__(
        self,
        *,
        registry: Registry,
        services: "Services",
        database: Database,
        access: AccessService,
        audit: AuditLog,
        clock: Clock,
        ids: IdSource,
        settings: Settings,
    ) -> None:
        self.registry = registry
        self.limits = Limits(clock, enabled=settings.rate_limits)
        self._database, self._access, self._audit = database, access, audit
        self._clock, self._ids, self._settings = clock, ids, settings
        self._effects = Effects(
            services=services, database=database, access=access, audit=audit, clock=clock, settings=settings
        )

    async def run(self, call: SkillCall) -> SkillResult:
        """Run one call to its end. Raises `DeskError` and nothing else; a defect of the desk becomes an `Incident`."""
        try:
            return await self._steps(call)
        except DeskError:
            raise
        except Exception as error:
            raise self._incident(call, error) from error

    async def _steps(self, call: SkillCall) -> SkillResult:
        skill = self.resolve(call)
        with ExitStack() as held:
            try:
                self.limit(call, skill, held)
                self.authorize(call, skill)
                job = self.validate(call, skill)
                if skill.tier is not RiskTier.GREEN or policy.needs_person(skill):
                    stored = await self.replay(job)
                    if stored is not None:
                        return stored
                    await self.ask(job)
            except DeskError as refusal:
                await self._record_refusal(call, skill, refusal)
                raise
            await self.open(job)
            return await self.run_and_close(job)

    def resolve(self, call: SkillCall) -> Skill:
        """1. Find the skill. An unknown name counts against the limit like any call."""
        skill = self.registry.find(call.skill_id)
        if skill is None:
            self.limits.check(call.caller, call.skill_id)
            raise SkillNotFound(skill_id=call.skill_id, did_you_mean=self.registry.suggest(call.skill_id))
        return skill

    def limit(self, call: SkillCall, skill: Skill, held: ExitStack) -> None:
        """2. Count the call, and take one of the caller's places until it ends."""
        self.limits.check(call.caller, skill.skill_id)
        held.enter_context(self.limits.running(call.caller))

    def authorize(self, call: SkillCall, skill: Skill) -> None:
        """3. Check the scope."""
        policy.check_scope(skill, call.caller, registry=self.registry, base_url=self._settings.base_url)

    def validate(self, call: SkillCall, skill: Skill) -> Job:
        """4. Read the parameters into arguments."""
        schema = self.registry.schema(skill)
        job = Job(call, skill, schema, schema.bind(call.params))
        if skill.tier is RiskTier.GREEN and not policy.needs_person(skill):
            return job
        if call.idempotency_key is not None and (fault := key_fault(call.idempotency_key)) is not None:
            raise ArgumentsInvalid([fault])
        job.canonical = schema.canonical(job.arguments)
        fingerprints = {name: self._audit.fingerprint(json.dumps(job.canonical[name])) for name in schema.secrets}
        job.digest = approvals.params_hash(skill, call.caller, job.canonical | fingerprints)
        return job

    async def replay(self, job: Job) -> SkillResult | None:
        """5. Return the stored answer of a call that was made under the same idempotency key."""
        if job.key is None:
            return None
        answer = await self._effects.stored_answer(job)
        return None if answer is None else result_of(job.skill, answer, replayed=True)

    async def ask(self, job: Job) -> None:
        """6. Stop what the halt switch stops; where a person must agree, check the approval given or ask for one."""
        caller = job.call.caller
        if job.skill.places_orders and caller.team_id is not None:
            async with self._database.unit_of_work(read_only=True) as uow:
                policy.check_halt(job.skill, await self._access.halted(uow, caller.team_id))
        if not policy.needs_person(job.skill):
            return
        if job.call.approval_id is None:
            raise await self._request_approval(job)
        async with self._database.unit_of_work(read_only=True) as uow:
            approval = await self._access.approval(uow, approval_id=job.call.approval_id, caller=caller)
        self._access.check_usable(approval, params_hash=job.digest, requester=caller.requester, now=self._clock.now())
        job.approval_id = approval.approval_id

    async def open(self, job: Job) -> None:
        """7. Write down that a yellow or red call begins."""
        if job.skill.tier is not RiskTier.GREEN:
            await self._audit.record(self._database, audit.opened(job.call, job.schema, job.canonical))

    async def run_and_close(self, job: Job) -> SkillResult:
        """8 and 9. Run the body, then serialise, keep what must be kept, and return the answer."""
        started = self._clock.monotonic()
        try:
            if job.skill.tier is RiskTier.GREEN and not policy.needs_person(job.skill):
                return await self._effects.read(job)
            return await self._effects.write(job, incident=self._incident)
        finally:
            seconds = self._clock.monotonic() - started
            log.debug("call", skill_id=job.skill.skill_id, trace_id=job.call.trace_id, seconds=round(seconds, 4))

    async def _request_approval(self, job: Job) -> ApprovalRequired:
        preview: Preview = await self._effects.preview(job)
        draft = approvals.draft(
            job.schema, job.call.caller, canonical_params=job.canonical, digest=job.digest, preview=preview
        )
        async with self._database.unit_of_work() as uow:
            approval = await self._access.request_approval(uow, draft)
            await uow.commit()
        return approvals.approval_required(
            job.skill,
            approval,
            sent_params=job.call.params,
            idempotency_key=job.key,
            base_url=self._settings.base_url,
        )

    async def _record_refusal(self, call: SkillCall, skill: Skill, refusal: DeskError) -> None:
        """Audit a refusal of a yellow or red call, or for a missing right; of a flood only the first in a minute."""
        log.info("call.refused", skill_id=skill.skill_id, trace_id=call.trace_id, code=refusal.code)
        if skill.tier is RiskTier.GREEN and refusal.kind is not ErrorKind.FORBIDDEN:
            return
        is_flood = refusal.kind is ErrorKind.LIMITED or call.caller.team_id is None
        if not is_flood or self.limits.is_worth_recording(call.caller):
            await self._audit.record(self._database, audit.refused(call, skill.skill_id, refusal))

    def _incident(self, call: SkillCall, error: BaseException) -> Incident:
        """Log a defect in full and return what callers are told: a number."""
        incident_id = new_id(self._ids, "inc")
        log.error(
            "incident",
            incident_id=incident_id,
            trace_id=call.trace_id,
            skill_id=call.skill_id,
            traceback=mask("".join(traceback.format_exception(error))),
        )
        return Incident(incident_id=incident_id)
