"""The state machine as a table, and as a walk of random steps compared with it."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access import approvals as rules
from core.access.approvals import FINISHES, REFUSALS, TRANSITIONS, at_moment, check_usable, is_visible
from core.access.model import Approval, ApprovalState, Caller, CallerKind, Role
from core.errors import ErrorKind

S = ApprovalState
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
APPROVAL = Approval(
    approval_id="apr_1",
    team_id=1,
    skill_id="job.delete",
    skill_version="1",
    risk="red",
    state=S.APPROVED,
    params={},
    params_hash="hash",
    preview={},
    requester="token:7",
    requester_user_id=3,
    requester_name="cyd",
    client="",
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=5),
    comment="not today",
    result_ref="job:1",
)


def test_the_transitions_are_those_of_the_contract() -> None:
    allowed = {(source, target) for source, targets in TRANSITIONS.items() for target in targets}
    assert allowed == {
        (S.PENDING, S.APPROVED),
        (S.PENDING, S.DENIED),
        (S.PENDING, S.EXPIRED),
        (S.PENDING, S.WITHDRAWN),
        (S.APPROVED, S.EXECUTING),
        (S.APPROVED, S.EXPIRED),
        (S.APPROVED, S.REVOKED),
        (S.EXECUTING, S.EXECUTED),
        (S.EXECUTING, S.FAILED),
        (S.EXECUTING, S.UNKNOWN),
    }
    assert set(TRANSITIONS) == set(S)


def test_what_finish_may_do_is_one_or_two_transitions() -> None:
    for target, sources in FINISHES.items():
        for source in sources - {target}:
            direct = target in TRANSITIONS[source]
            through_executing = S.EXECUTING in TRANSITIONS[source] and target in TRANSITIONS[S.EXECUTING]
            assert direct or through_executing


@given(st.lists(st.sampled_from(list(S)), max_size=8))
def test_no_walk_leaves_an_end(steps: list[S]) -> None:
    state, seen = S.PENDING, [S.PENDING]
    for step in steps:
        if step in TRANSITIONS[state]:
            state = step
            seen.append(state)
    assert len(seen) == len(set(seen)) <= 4
    assert (S.EXECUTED in seen) <= (S.APPROVED in seen and S.EXECUTING in seen)


@pytest.mark.parametrize(
    ("state", "code", "kind"),
    [
        (S.PENDING, "approval_pending", "conflict"),
        (S.DENIED, "approval_denied", "forbidden"),
        (S.EXPIRED, "approval_expired", "conflict"),
        (S.WITHDRAWN, "approval_withdrawn", "conflict"),
        (S.REVOKED, "approval_revoked", "conflict"),
        (S.EXECUTING, "approval_consumed", "conflict"),
        (S.EXECUTED, "approval_consumed", "conflict"),
        (S.FAILED, "approval_failed", "conflict"),
        (S.UNKNOWN, "approval_outcome_unknown", "conflict"),
    ],
)
def test_each_state_has_its_refusal(state: S, code: str, kind: str) -> None:
    with pytest.raises(REFUSALS[state]) as caught:
        use(replace(APPROVAL, state=state))
    assert (caught.value.code, caught.value.kind) == (code, ErrorKind(kind))
    assert caught.value.extras()["approval_id"] == "apr_1"
    assert "apr_1" in caught.value.message


def use(approval: Approval | None, *, params_hash: str = "hash", requester: str = "token:7", now: datetime = NOW):
    check_usable(approval, approval_id="apr_1", params_hash=params_hash, requester=requester, now=now)


def test_every_state_but_approved_is_refused_and_extras_carry_the_result() -> None:
    assert set(REFUSALS) == set(S) - {S.APPROVED}
    use(APPROVAL)
    consumed = rules.refusal(replace(APPROVAL, state=S.EXECUTED))
    assert consumed.extras() == {"approval_id": "apr_1", "result_ref": "job:1"}
    denied = rules.refusal(replace(APPROVAL, state=S.DENIED))
    assert denied.extras() == {"approval_id": "apr_1", "comment": "not today"}


@pytest.mark.parametrize("state", list(S))
def test_foreign_comes_before_mismatch_and_mismatch_before_state(state: S) -> None:
    approval = replace(APPROVAL, state=state)
    with pytest.raises(rules.ApprovalNotFound):
        use(None)
    with pytest.raises(rules.ApprovalNotFound) as caught:
        use(approval, requester="token:8", params_hash="other")
    assert caught.value.message == "No approval apr_1."
    with pytest.raises(rules.ApprovalParamsMismatch):
        use(approval, params_hash="other")


@pytest.mark.parametrize(("state", "runs_out"), [(state, state in {S.PENDING, S.APPROVED}) for state in S])
def test_time_ends_only_what_waits(state: S, runs_out: bool) -> None:
    approval = replace(APPROVAL, state=state)
    before, moment = approval.expires_at - timedelta(microseconds=1), approval.expires_at
    assert at_moment(approval, before).state is state
    assert at_moment(approval, moment).state is (S.EXPIRED if runs_out else state)


def test_an_approved_call_expires_too() -> None:
    with pytest.raises(rules.ApprovalExpired):
        use(APPROVAL, now=APPROVAL.expires_at)


@pytest.mark.parametrize(
    ("kind", "team_id", "same_user", "same_token", "role"),
    list(itertools.product(CallerKind, (1, 2, None), (True, False), (True, False), Role)),
)
def test_who_sees_an_approval(kind: CallerKind, team_id: int | None, same_user: bool, same_token: bool, role: Role):
    caller = Caller(
        kind=kind,
        team_id=team_id,
        user_id=3 if same_user else 4,
        token_id=7 if same_token else 8,
        role=role,
    )
    is_requester = kind in {CallerKind.TOKEN, CallerKind.PROCESS} and same_token
    is_person = kind is CallerKind.SESSION and (same_user or role in {Role.APPROVER, Role.ADMINISTRATOR})
    assert is_visible(APPROVAL, caller) is (team_id == 1 and (is_requester or is_person))
