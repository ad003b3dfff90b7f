"""The life of an approval: which state may follow which, who sees it, and when it may be used. Pure.

    pending  -> approved | denied | expired (10 min) | withdrawn
    approved -> executing | expired (5 min) | revoked
    executing -> executed | failed | unknown

A database effect passes through `executing` inside one transaction: seen from outside, `approved` becomes `executed`,
or `failed` when the body fails and its transaction is rolled back.
"""

import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from core.access.model import Approval, ApprovalState, Caller
from core.access.problems import ApproverRequired, SessionRequired
from core.errors import Conflict, DeskError, Forbidden, Limited, NotFound

S = ApprovalState

TRANSITIONS: Final[Mapping[ApprovalState, frozenset[ApprovalState]]] = {
    S.PENDING: frozenset({S.APPROVED, S.DENIED, S.EXPIRED, S.WITHDRAWN}),
    S.APPROVED: frozenset({S.EXECUTING, S.EXPIRED, S.REVOKED}),
    S.EXECUTING: frozenset({S.EXECUTED, S.FAILED, S.UNKNOWN}),
    S.DENIED: frozenset(),
    S.EXPIRED: frozenset(),
    S.WITHDRAWN: frozenset(),
    S.REVOKED: frozenset(),
    S.EXECUTED: frozenset(),
    S.FAILED: frozenset(),
    S.UNKNOWN: frozenset(),
}
TIMED: Final = frozenset({S.PENDING, S.APPROVED})
"""States that end by themselves at `expires_at`."""

FINISHES: Final[Mapping[ApprovalState, frozenset[ApprovalState]]] = {
    S.EXECUTED: frozenset({S.EXECUTING, S.EXECUTED}),
    S.FAILED: frozenset({S.EXECUTING, S.APPROVED}),
    S.UNKNOWN: frozenset({S.EXECUTING}),
}
"""From where `finish` may reach a state; `executed` to itself adds the result's reference in the same transaction."""


class ApprovalNotFound(NotFound):
    """No such approval, or one of somebody else."""

    code = "approval_not_found"
    template = "No approval {approval_id}."


class ApprovalStillPending(Conflict):
    """Nobody has decided yet."""

    code = "approval_pending"
    template = "Approval {approval_id} still waits for a person. Have it approved, then send the same call again."
    shown = ("approval_id", "expires_at")


class ApprovalParamsMismatch(Conflict):
    """The call is not the one that was approved. The approval stays usable for that one."""

    code = "approval_params_mismatch"
    template = (
        "Approval {approval_id} was given for other parameters. Send exactly the approved call, "
        "or leave out approvalId to ask for this one."
    )
    shown = ("approval_id",)


class ApprovalExpired(Conflict):
    """The time to decide or to use it is over."""

    code = "approval_expired"
    template = "Approval {approval_id} has expired. Send the call without approvalId to ask again."
    shown = ("approval_id",)


class ApprovalConsumed(Conflict):
    """The approved call has run, or is running, already."""

    code = "approval_consumed"
    template = "Approval {approval_id} has been used already; an approval runs one call once."
    shown = ("approval_id", "result_ref")


class ApprovalRevoked(Conflict):
    """Approved, then taken back."""

    code = "approval_revoked"
    template = "Approval {approval_id} was revoked before it was used."
    shown = ("approval_id",)


class ApprovalWithdrawn(Conflict):
    """The request was taken back."""

    code = "approval_withdrawn"
    template = "Approval {approval_id} was withdrawn by its requester."
    shown = ("approval_id",)


class ApprovalFailed(Conflict):
    """The approved call ran and failed."""

    code = "approval_failed"
    template = "The call of approval {approval_id} has failed. Send it without approvalId to ask again."
    shown = ("approval_id", "result_ref")


class ApprovalOutcomeUnknown(Conflict):
    """The desk stopped while the approved call was running."""

    code = "approval_outcome_unknown"
    template = (
        "The desk stopped while the call of approval {approval_id} was running, so whether it took effect is unknown. "
        "Look before you ask again."
    )
    shown = ("approval_id", "result_ref")


class ApprovalDenied(Forbidden):
    """A person said no."""

    code = "approval_denied"
    template = "Approval {approval_id} was denied."
    shown = ("approval_id", "comment")


class ApprovalNotPending(Conflict):
    """It cannot be decided or taken back: that has happened already."""

    code = "approval_not_pending"
    template = "Approval {approval_id} is {state} already."
    shown = ("approval_id", "state")


class SecondPersonRequired(Forbidden):
    """The skill asks for two persons and the requester's own user tried to decide."""

    code = "second_person_required"
    template = "Approval {approval_id} needs another person than the one who asks."
    shown = ("approval_id",)


class PendingLimit(Limited):
    """The requester has too many open questions."""

    code = "pending_limit"
    template = "{limit} approvals are waiting already. Have them decided, or withdraw one."
    shown = ("bucket", "retry_after_seconds", "limit")


REFUSALS: Final[Mapping[ApprovalState, type[DeskError]]] = {
    S.PENDING: ApprovalStillPending,
    S.DENIED: ApprovalDenied,
    S.EXPIRED: ApprovalExpired,
    S.WITHDRAWN: ApprovalWithdrawn,
    S.REVOKED: ApprovalRevoked,
    S.EXECUTING: ApprovalConsumed,
    S.EXECUTED: ApprovalConsumed,
    S.FAILED: ApprovalFailed,
    S.UNKNOWN: ApprovalOutcomeUnknown,
}


def at_moment(approval: Approval, now: datetime) -> Approval:
    """Return the approval as it is at `now`: expired when its time is over, whether or not that was written down."""
    if approval.state in TIMED and approval.expires_at <= now:
        return replace(approval, state=S.EXPIRED)
    return approval


def refusal(approval: Approval) -> DeskError:
    """Make the error that says why an approval cannot be used; for an approved one, that another call was faster."""
    return REFUSALS.get(approval.state, ApprovalConsumed)(
        approval_id=approval.approval_id,
        result_ref=approval.result_ref,
        comment=approval.comment,
        expires_at=approval.expires_at,
    )


def check_usable(
    approval: Approval | None, *, approval_id: str = "", params_hash: str, requester: str, now: datetime
) -> None:
    """Return when the call with `params_hash` may run now under this approval; raise the reason otherwise.

    In this order: `ApprovalNotFound` for none or another requester's, `ApprovalParamsMismatch` (which leaves the
    approval as it is), then the error of its state.
    """
    if approval is None or approval.requester != requester:
        raise ApprovalNotFound(approval_id=approval.approval_id if approval else approval_id)
    if not hmac.compare_digest(approval.params_hash, params_hash):
        raise ApprovalParamsMismatch(approval_id=approval.approval_id)
    current = at_moment(approval, now)
    if current.state is not S.APPROVED:
        raise refusal(current)


def is_visible(approval: Approval, caller: Caller) -> bool:
    """Tell whether the caller may know of it: the requester, its user in a session, an approver of the team."""
    if caller.team_id != approval.team_id:
        return False
    own = caller.requester == approval.requester
    own_user = caller.is_person and caller.user_id == approval.requester_user_id
    return own or own_user or caller.may_approve


def check_decider(approval: Approval, caller: Caller) -> None:
    """Raise unless this person, who sees the approval, may decide it."""
    if approval.two_persons and caller.user_id == approval.requester_user_id:
        raise SecondPersonRequired(approval_id=approval.approval_id)


def check_approver(caller: Caller) -> tuple[int, int]:
    """Return the team and user of a signed-in approver or administrator; raise for everybody else."""
    if not caller.is_person:
        raise SessionRequired
    if not caller.may_approve or caller.team_id is None or caller.user_id is None:
        raise ApproverRequired
    return caller.team_id, caller.user_id
