"""Approvals: ask, look, decide, take back, use once; and the halt switch."""

import re
from datetime import datetime, timedelta
from typing import Final

from core.access.approval_store import ApprovalStore
from core.access.approvals import (
    FINISHES,
    ApprovalExpired,
    ApprovalNotFound,
    ApprovalNotPending,
    ApprovalParamsMismatch,
    PendingLimit,
    at_moment,
    check_approver,
    check_decider,
    check_usable,
    is_visible,
    refusal,
)
from core.access.model import Approval, ApprovalDraft, ApprovalState, Caller, Halt
from core.access.problems import SessionRequired, TextTooLong
from core.access.sessions import forgotten_before
from core.access.store import AccessStore
from core.access.token_service import TokenService
from core.clock import Clock
from core.errors import DeskError
from core.ids import ALPHABET, new_id
from core.storage.unit_of_work import UnitOfWork

APPROVAL_ID: Final = re.compile(rf"apr_[{ALPHABET}]{{26}}")
LONGEST_TEXT: Final = 500
LARGEST_PAGE: Final = 200
LARGEST_OFFSET: Final = 1_000_000


class ApprovalService(TokenService):
    """Consent of persons to single calls."""

    check_usable = staticmethod(check_usable)

    async def request_approval(self, uow: UnitOfWork, draft: ApprovalDraft) -> Approval:
        """Ask for consent. The same call of the same requester, while pending, gets the record it has already.

        Raises `PendingLimit` when the requester has `settings.pending_limit` others waiting.
        """
        now = self.clock.now()
        async with uow.join_write():
            await AccessStore(uow).lock_user(draft.requester_user_id)
            store = ApprovalStore(uow).for_team(draft.team_id)
            await store.expire(now, requester=draft.requester)
            waiting = await store.pending(draft.requester, now=now)
            same = next((approval for approval in waiting if approval.params_hash == draft.params_hash), None)
            if same is not None:
                return same
            if len(waiting) >= self.settings.pending_limit:
                seconds = max(1, round((waiting[0].expires_at - now).total_seconds()))
                limit = self.settings.pending_limit
                raise PendingLimit(limit=limit, bucket="pending_approvals", retry_after_seconds=seconds)
            approval = self._from_draft(draft)
            await store.add(approval)
            return approval

    async def approval(self, uow: UnitOfWork, *, approval_id: str, caller: Caller) -> Approval:
        """Return an approval as it is now. Raises `ApprovalNotFound` also when the caller may not know of it."""
        return at_moment(await self._visible(uow, approval_id, caller), self.clock.now())

    async def approvals(
        self,
        uow: UnitOfWork,
        *,
        caller: Caller,
        state: ApprovalState | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[Approval]:
        """Return a page of those the caller may know of, newest first; at most 200 of them."""
        if caller.team_id is None:
            return []
        now = self.clock.now()
        visible_to = None if caller.may_approve else (caller.requester, caller.user_id if caller.is_person else None)
        start = min(max(offset, 0), LARGEST_OFFSET)
        span = slice(start, start + min(max(limit, 1), LARGEST_PAGE))
        store = ApprovalStore(uow).for_team(caller.team_id)
        found = await store.page(visible_to=visible_to, state=state, now=now, span=span)
        return [at_moment(approval, now) for approval in found]

    async def waiting(self, uow: UnitOfWork, team_id: int) -> list[Approval]:
        """Return what waits for the approvers of a team, for the desk's own notices to them; at most 200."""
        span = slice(0, LARGEST_PAGE)
        store = ApprovalStore(uow).for_team(team_id)
        return await store.page(visible_to=None, state=ApprovalState.PENDING, now=self.clock.now(), span=span)

    async def decide(
        self, uow: UnitOfWork, *, approval_id: str, caller: Caller, approve: bool, comment: str = ""
    ) -> Approval:
        """Record a person's decision; an approved call may then be sent for five minutes.

        Raises `SessionRequired` for anything but a session, `ApprovalNotFound`, `SecondPersonRequired`,
        `ApprovalExpired`, and `ApprovalNotPending` when it is decided already.
        """
        if not caller.is_person:
            raise SessionRequired
        text = check_text("comment", comment)
        async with uow.join_write():
            approval = await self._visible(uow, approval_id, caller)
            check_decider(approval, caller)
            now = self.clock.now()
            values = {"decided_at": now, "decided_by": caller.user_id, "comment": text}
            if approve:
                ends = now + timedelta(minutes=self.settings.approval_use_minutes)
                values |= {"state": ApprovalState.APPROVED, "expires_at": ends}
            else:
                values |= {"state": ApprovalState.DENIED, "finished_at": now}
            store = ApprovalStore(uow).for_team(approval.team_id)
            if not await store.change(approval_id, sources={ApprovalState.PENDING}, now=now, values=values):
                raise not_pending(await self._visible(uow, approval_id, caller), self.clock)
            return await self._visible(uow, approval_id, caller)

    async def withdraw(self, uow: UnitOfWork, *, approval_id: str, caller: Caller) -> Approval:
        """Take back: a pending one becomes withdrawn, an approved and unused one revoked.

        For the requester, its user, and approvers of the team. Raises `ApprovalNotFound`, `ApprovalExpired`,
        `ApprovalNotPending`.
        """
        async with uow.join_write():
            approval = await self._visible(uow, approval_id, caller)
            store = ApprovalStore(uow).for_team(approval.team_id)
            now = self.clock.now()
            for source, end in (
                (ApprovalState.PENDING, ApprovalState.WITHDRAWN),
                (ApprovalState.APPROVED, ApprovalState.REVOKED),
            ):
                values = {"state": end, "finished_at": now}
                if await store.change(approval_id, sources={source}, now=now, values=values):
                    return await self._visible(uow, approval_id, caller)
            raise not_pending(await self._visible(uow, approval_id, caller), self.clock)

    async def consume(
        self,
        uow: UnitOfWork,
        *,
        approval_id: str,
        params_hash: str,
        now: datetime,
        external: bool,
        result_ref: str = "",
    ) -> None:
        """Use an approval up, inside an open write: to `executing` for an external effect, else to `executed`.

        One conditional update: of any number of parallel calls one succeeds and the others raise `ApprovalConsumed`,
        or the error of the state it is in by then.
        """
        state = ApprovalState.EXECUTING if external else ApprovalState.EXECUTED
        values = {"state": state} | ({} if external else {"finished_at": now, "result_ref": result_ref[:200]})
        store, sources = ApprovalStore(uow), {ApprovalState.APPROVED}
        if await store.change(approval_id, sources=sources, now=now, params_hash=params_hash, values=values):
            return
        approval = await store.one(approval_id)
        if approval is None:
            raise ApprovalNotFound(approval_id=approval_id)
        if approval.params_hash != params_hash:
            raise ApprovalParamsMismatch(approval_id=approval_id)
        raise refusal(at_moment(approval, now))

    async def finish(self, uow: UnitOfWork, approval_id: str, *, state: ApprovalState, result_ref: str = "") -> bool:
        """Record how an approved call ended: `executed`, `failed` or `unknown`.

        `failed` also ends an approved one, whose database effect was rolled back. Returns False, changing nothing,
        when the approval has reached another end meanwhile; one whose time ran out during the call stays expired.
        """
        now = self.clock.now()
        values = {"state": state, "finished_at": now}
        if result_ref:
            values["result_ref"] = result_ref[:200]
        async with uow.join_write():
            store = ApprovalStore(uow)
            await store.expire(now)
            return await store.change(approval_id, sources=FINISHES[state], values=values)

    async def recover(self, uow: UnitOfWork) -> int:
        """Put things straight at start; return how many calls have an unknown outcome now.

        A call that was executing when the desk stopped is of unknown outcome; timed-out approvals and idle sessions
        are written down as such.
        """
        now = self.clock.now()
        async with uow.join_write():
            store = ApprovalStore(uow)
            await store.expire(now)
            lost = await store.lose_executing(now)
            forgotten = forgotten_before(now, idle_hours=self.settings.session_idle_hours)
            await AccessStore(uow).delete_idle_sessions(forgotten)
            return lost

    async def halted(self, uow: UnitOfWork, team_id: int) -> Halt | None:
        """Return the team's halt while it is on."""
        return await AccessStore(uow).halt(team_id)

    async def set_halt(self, uow: UnitOfWork, *, caller: Caller, on: bool, reason: str = "") -> Halt | None:
        """Switch the team's halt. Raises `SessionRequired`, `ApproverRequired`."""
        team_id, user_id = check_approver(caller)
        text = check_text("reason", reason)
        async with uow.join_write():
            store = AccessStore(uow)
            await store.lock_team(team_id)
            if not on:
                await store.clear_halt(team_id)
                return None
            halt = Halt(team_id=team_id, reason=text, set_by=user_id, set_at=self.clock.now())
            await store.set_halt(halt)
            return halt

    async def _visible(self, uow: UnitOfWork, approval_id: str, caller: Caller) -> Approval:
        found = await self._stored(uow, approval_id, caller.team_id)
        if found is None or not is_visible(found, caller):
            raise ApprovalNotFound(approval_id=approval_id)
        return found

    async def _stored(self, uow: UnitOfWork, approval_id: str, team_id: int | None) -> Approval | None:
        if team_id is None or not APPROVAL_ID.fullmatch(approval_id):
            return None
        return await ApprovalStore(uow).for_team(team_id).one(approval_id)

    def _from_draft(self, draft: ApprovalDraft) -> Approval:
        now = self.clock.now()
        return Approval(
            approval_id=new_id(self.ids, "apr"),
            team_id=draft.team_id,
            skill_id=draft.skill_id,
            skill_version=draft.skill_version,
            risk=draft.risk,
            state=ApprovalState.PENDING,
            params=draft.params,
            params_hash=draft.params_hash,
            preview=draft.preview,
            requester=draft.requester,
            requester_user_id=draft.requester_user_id,
            requester_name=draft.requester_name[:128],
            client=draft.client.replace("\0", "\ufffd")[:200],
            created_at=now,
            expires_at=now + timedelta(minutes=self.settings.approval_minutes),
            two_persons=draft.two_persons,
        )


def not_pending(approval: Approval, clock: Clock) -> DeskError:
    """Make the error that says why an approval can no longer be decided or taken back."""
    current = at_moment(approval, clock.now())
    if current.state is ApprovalState.EXPIRED:
        return ApprovalExpired(approval_id=approval.approval_id)
    return ApprovalNotPending(approval_id=approval.approval_id, state=current.state.value)


def check_text(field: str, text: str) -> str:
    """Return a person's text as the database can hold it. Raises `TextTooLong` beyond 500 characters."""
    if len(text) > LONGEST_TEXT:
        raise TextTooLong(field=field, longest=LONGEST_TEXT, length=len(text))
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
