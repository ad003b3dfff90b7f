import asyncio
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from core.access.approval_store import approvals
from core.access.approvals import (
    REFUSALS,
    TRANSITIONS,
    ApprovalConsumed,
    ApprovalExpired,
    ApprovalNotFound,
    ApprovalNotPending,
    ApprovalParamsMismatch,
    PendingLimit,
    SecondPersonRequired,
)
from core.access.model import Approval, ApprovalState, Caller, CallerKind
from core.access.problems import ApproverRequired, SessionRequired, TextTooLong
from core.storage.unit_of_work import UnitOfWork, WriteRefused
from tests.support.access import AccessDesk, person

pytestmark = pytest.mark.anyio
S = ApprovalState
HASHES = [letter * 64 for letter in "abcdef"]


async def stored_states(desk: AccessDesk) -> list[ApprovalState]:
    async with desk.database.unit_of_work() as uow:
        return [row.state for row in await uow.fetch_all(select(approvals.c.state).order_by(approvals.c.created_at))]


async def finish(desk: AccessDesk, approval: Approval, state: ApprovalState, result_ref: str = "") -> bool:
    return await desk.do(lambda uow: desk.access.finish(uow, approval.approval_id, state=state, result_ref=result_ref))


async def withdraw(desk: AccessDesk, approval: Approval, caller: Caller) -> Approval:
    return await desk.do(lambda uow: desk.access.withdraw(uow, approval_id=approval.approval_id, caller=caller))


async def page(desk: AccessDesk, caller: Caller, **more) -> list[Approval]:
    async with desk.database.unit_of_work(read_only=True) as uow:
        return await desk.access.approvals(uow, caller=caller, **more)


# asking


async def test_a_request_is_stored_whole(desk: AccessDesk) -> None:
    approval = await desk.ask()
    assert await desk.look(approval) == approval
    assert approval.approval_id.startswith("apr_")
    assert (approval.state, approval.params, approval.preview["summary"]) == (
        S.PENDING,
        {"job_id": "job_1"},
        "Deletes job_1",
    )
    assert approval.expires_at - approval.created_at == timedelta(minutes=10)


async def test_a_repeated_request_gets_the_record_it_has(desk: AccessDesk) -> None:
    first = await desk.ask()
    desk.later(minutes=9)
    assert await desk.ask() == first
    other_requester = await desk.ask(requester=f"user:{desk.cyd.user_id}")
    assert other_requester.approval_id != first.approval_id
    desk.later(minutes=1)
    again = await desk.ask()
    assert again.approval_id not in {first.approval_id, other_requester.approval_id}
    assert await stored_states(desk) == [S.EXPIRED, S.PENDING, S.PENDING]


async def test_fifty_parallel_requests_make_one_record(desk: AccessDesk) -> None:
    found = await asyncio.gather(*(desk.ask() for _ in range(50)))
    assert len({approval.approval_id for approval in found}) == 1
    assert await stored_states(desk) == [S.PENDING]


async def test_fifty_parallel_different_requests_keep_the_limit(desk: AccessDesk) -> None:
    results = await asyncio.gather(*(desk.ask(f"{n:064d}") for n in range(50)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Approval"] * 5 + ["PendingLimit"] * 45
    assert await stored_states(desk) == [S.PENDING] * 5


async def test_the_limit_tells_how_long_to_wait_and_counts_each_requester(desk: AccessDesk) -> None:
    for params_hash in HASHES[:5]:
        await desk.ask(params_hash)
        desk.later(minutes=1)
    with pytest.raises(PendingLimit) as caught:
        await desk.ask(HASHES[5])
    error = caught.value
    assert (error.code, error.kind) == ("pending_limit", "limited")
    assert error.extras() == {"bucket": "pending_approvals", "retry_after_seconds": 300, "limit": 5}
    await desk.ask(HASHES[0])
    await desk.ask(HASHES[5], requester=f"user:{desk.cyd.user_id}")
    desk.later(minutes=5)
    await desk.ask(HASHES[5])


async def test_long_client_names_fit(desk: AccessDesk) -> None:
    approval = await desk.ask(client="\0" + "x" * 1000, requester_name="y" * 500)
    assert (len(approval.client), len(approval.requester_name)) == (200, 128)
    assert (await desk.look(approval)).client == "\ufffd" + "x" * 199


# looking


async def test_another_team_cannot_tell_an_approval_from_none(desk: AccessDesk) -> None:
    approval = await desk.ask()
    local = Caller(kind=CallerKind.LOCAL, user_id=desk.cyd.user_id, team_id=desk.cyd.team_id)
    for caller in (person(desk.eve), local, Caller(kind=CallerKind.ANONYMOUS)):
        with pytest.raises(ApprovalNotFound):
            await desk.look(approval, caller)
        assert await page(desk, caller) == []
    for caller in (person(desk.cyd), person(desk.ben), person(desk.ada), desk.token_caller):
        assert await desk.look(approval, caller) == approval
        assert await page(desk, caller) == [approval]


@pytest.mark.parametrize("approval_id", ["", "apr_1", "apr_" + "0" * 26, "a\0", "\ud800", "x" * 10_000])
async def test_made_up_ids_are_not_found(desk: AccessDesk, approval_id: str) -> None:
    with pytest.raises(ApprovalNotFound):
        await desk.do(lambda uow: desk.access.approval(uow, approval_id=approval_id, caller=desk.token_caller))


async def test_pages_are_newest_first_and_states_are_those_of_now(desk: AccessDesk) -> None:
    made = []
    for params_hash in HASHES[:4]:
        made.append(await desk.ask(params_hash))
        desk.later(minutes=1)
    await desk.decide(made[3], person(desk.cyd), approve=False)
    await desk.decide(made[2], person(desk.cyd))
    desk.later(minutes=5, seconds=30)
    caller = desk.token_caller
    assert [one.state for one in await page(desk, caller)] == [S.DENIED, S.EXPIRED, S.PENDING, S.PENDING]
    assert [one.approval_id for one in await page(desk, caller, limit=1, offset=1)] == [made[2].approval_id]
    assert len(await page(desk, caller, limit=0, offset=-5)) == 1
    assert await page(desk, caller, offset=10**30) == []
    for state, count in ((S.PENDING, 2), (S.EXPIRED, 1), (S.APPROVED, 0), (S.DENIED, 1), (S.EXECUTED, 0)):
        assert [one.state for one in await page(desk, caller, state=state)] == [state] * count


# deciding


async def test_an_approver_or_the_own_user_decides(desk: AccessDesk) -> None:
    for params_hash, user in zip(HASHES, (desk.ada, desk.ben, desk.cyd), strict=False):
        decided = await desk.decide(await desk.ask(params_hash), person(user), comment="fine")
        assert (decided.state, decided.decided_by, decided.comment) == (S.APPROVED, user.user_id, "fine")
        assert decided.decided_at == desk.clock.now()
        assert decided.expires_at == desk.clock.now() + timedelta(minutes=5)
    denied = await desk.decide(await desk.ask(HASHES[3]), person(desk.ada), approve=False)
    assert (denied.state, denied.finished_at) == (S.DENIED, desk.clock.now())


async def test_a_plain_member_does_not_see_another_members_request(desk: AccessDesk) -> None:
    own = await desk.ask(requester=f"user:{desk.ada.user_id}", requester_user_id=desk.ada.user_id)
    with pytest.raises(ApprovalNotFound):
        await desk.decide(own, person(desk.cyd))
    with pytest.raises(ApprovalNotFound):
        await desk.decide(own, person(desk.eve))


@pytest.mark.parametrize("kind", [kind for kind in CallerKind if kind is not CallerKind.SESSION])
async def test_nothing_but_a_session_decides(desk: AccessDesk, kind: CallerKind) -> None:
    approval = await desk.ask()
    caller = Caller(kind=kind, user_id=desk.ada.user_id, team_id=desk.ada.team_id, role=desk.ada.role, all_scopes=True)
    with pytest.raises(SessionRequired) as caught:
        await desk.decide(approval, caller)
    assert (caught.value.code, caught.value.kind) == ("session_required", "forbidden")
    assert (await desk.look(approval)).state is S.PENDING


async def test_two_persons_means_another_person(desk: AccessDesk) -> None:
    approval = await desk.ask(two_persons=True)
    with pytest.raises(SecondPersonRequired):
        await desk.decide(approval, person(desk.cyd))
    with pytest.raises(SecondPersonRequired):
        await desk.decide(approval, person(desk.cyd), approve=False)
    assert (await desk.decide(approval, person(desk.ben))).state is S.APPROVED


async def test_a_decision_is_made_once_and_in_time(desk: AccessDesk) -> None:
    approval = await desk.approved(HASHES[0])
    with pytest.raises(ApprovalNotPending) as caught:
        await desk.decide(approval, person(desk.ada), approve=False)
    assert caught.value.extras() == {"approval_id": approval.approval_id, "state": "approved"}
    late = await desk.ask(HASHES[1])
    desk.later(minutes=10)
    with pytest.raises(ApprovalExpired):
        await desk.decide(late, person(desk.ada))
    assert (await desk.look(late)).state is S.EXPIRED


async def test_fifty_parallel_decisions_leave_one(desk: AccessDesk) -> None:
    approval = await desk.ask()
    decisions = (desk.decide(approval, person(desk.ada), approve=number % 2 == 0) for number in range(50))
    results = await asyncio.gather(*decisions, return_exceptions=True)
    names = [type(result).__name__ for result in results]
    assert sorted(names) == ["Approval"] + ["ApprovalNotPending"] * 49
    won = results[names.index("Approval")]
    assert await desk.look(approval) == won


async def test_comments_have_a_length_and_survive_any_character(desk: AccessDesk) -> None:
    approval = await desk.ask()
    with pytest.raises(TextTooLong):
        await desk.decide(approval, person(desk.ada), comment="x" * 501)
    decided = await desk.decide(approval, person(desk.ada), comment="好\0\ud800")
    assert decided.comment == "好\ufffd?"


# using


async def test_use_in_one_transaction_with_the_effect(desk: AccessDesk) -> None:
    approval = await desk.approved()
    await desk.use(approval, result_ref="job:1")
    used = await desk.look(approval)
    assert (used.state, used.result_ref, used.finished_at) == (S.EXECUTED, "job:1", desk.clock.now())
    with pytest.raises(ApprovalConsumed) as caught:
        await desk.use(approval)
    assert caught.value.extras() == {"approval_id": approval.approval_id, "result_ref": "job:1"}


async def test_a_reference_known_only_after_the_effect_is_added_in_the_same_write(desk: AccessDesk) -> None:
    approval = await desk.approved()

    async def step(uow: UnitOfWork) -> None:
        async with uow.write():
            await consume(desk, uow, approval)
        assert await desk.access.finish(uow, approval.approval_id, state=S.EXECUTED, result_ref="job:2")

    await desk.do(step)
    assert (await desk.look(approval)).result_ref == "job:2"


async def consume(desk: AccessDesk, uow: UnitOfWork, approval: Approval, params_hash: str = "") -> None:
    await desk.access.consume(
        uow,
        approval_id=approval.approval_id,
        params_hash=params_hash or approval.params_hash,
        now=desk.clock.now(),
        external=False,
    )


async def test_a_failing_effect_leaves_it_approved_until_it_is_recorded(desk: AccessDesk) -> None:
    approval = await desk.approved()
    async with desk.database.unit_of_work() as uow:
        with pytest.raises(ZeroDivisionError):
            async with uow.write():
                await consume(desk, uow, approval)
                raise ZeroDivisionError
    assert (await desk.look(approval)).state is S.APPROVED
    assert await finish(desk, approval, S.FAILED)
    assert (await desk.look(approval)).state is S.FAILED
    assert not await finish(desk, approval, S.EXECUTED)


async def test_consumption_needs_an_open_write(desk: AccessDesk) -> None:
    approval = await desk.approved()
    with pytest.raises(WriteRefused):
        await desk.do(lambda uow: consume(desk, uow, approval))


async def test_other_parameters_do_not_burn_it(desk: AccessDesk) -> None:
    approval = await desk.approved()

    async def step(uow: UnitOfWork) -> None:
        async with uow.write():
            await consume(desk, uow, approval, params_hash="0" * 64)

    with pytest.raises(ApprovalParamsMismatch):
        await desk.do(step)
    await desk.use(approval)


@pytest.mark.parametrize("external", [False, True])
async def test_fifty_parallel_uses_are_one(desk: AccessDesk, external: bool) -> None:
    approval = await desk.approved()
    results = await asyncio.gather(*(desk.use(approval, external=external) for _ in range(50)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["ApprovalConsumed"] * 49 + ["NoneType"]


async def test_an_external_effect_is_executing_until_it_is_finished(desk: AccessDesk) -> None:
    done, failed = await desk.approved(HASHES[0]), await desk.approved(HASHES[1])
    for approval in (done, failed):
        await desk.use(approval, external=True)
        assert (await desk.look(approval)).state is S.EXECUTING
    assert await finish(desk, done, S.EXECUTED, "run:1")
    assert await finish(desk, failed, S.FAILED)
    assert [(await desk.look(one)).state for one in (done, failed)] == [S.EXECUTED, S.FAILED]
    assert (await desk.look(done)).result_ref == "run:1"
    assert not await finish(desk, done, S.FAILED)


async def test_use_expires_five_minutes_after_the_decision(desk: AccessDesk) -> None:
    approval = await desk.approved()
    desk.later(minutes=5)
    with pytest.raises(ApprovalExpired):
        await desk.use(approval)
    assert (await desk.look(approval)).state is S.EXPIRED


async def test_an_unknown_id_cannot_be_used(desk: AccessDesk) -> None:
    async def step(uow: UnitOfWork) -> None:
        async with uow.write():
            await desk.access.consume(uow, approval_id="apr_x", params_hash="", now=desk.clock.now(), external=False)

    with pytest.raises(ApprovalNotFound):
        await desk.do(step)


# taking back


async def test_taking_back(desk: AccessDesk) -> None:
    pending, approved = await desk.ask(HASHES[0]), await desk.approved(HASHES[1])
    assert (await withdraw(desk, pending, desk.token_caller)).state is S.WITHDRAWN
    assert (await withdraw(desk, approved, person(desk.ben))).state is S.REVOKED
    with pytest.raises(ApprovalNotPending):
        await withdraw(desk, pending, desk.token_caller)
    with pytest.raises(REFUSALS[S.REVOKED]):
        await desk.use(approved)
    with pytest.raises(ApprovalNotFound):
        await withdraw(desk, pending, person(desk.eve))


# starting again


async def test_recovery_marks_orphans_and_what_timed_out(desk: AccessDesk) -> None:
    executing = await desk.approved(HASHES[0])
    desk.later(minutes=1)
    approved = await desk.approved(HASHES[1])
    await desk.use(executing, external=True)
    desk.later(minutes=5)
    waiting = await desk.ask(HASHES[2])
    assert await desk.do(desk.access.recover) == 1
    assert [(await desk.look(one)).state for one in (executing, approved, waiting)] == [
        S.UNKNOWN,
        S.EXPIRED,
        S.PENDING,
    ]
    assert await stored_states(desk) == [S.UNKNOWN, S.EXPIRED, S.PENDING]
    assert await desk.do(desk.access.recover) == 0


# the halt switch


async def test_an_approver_in_a_session_halts_the_team(desk: AccessDesk) -> None:
    async def switch(caller: Caller, *, on: bool, reason: str = ""):
        return await desk.do(lambda uow: desk.access.set_halt(uow, caller=caller, on=on, reason=reason))

    async def halted(team_id: int):
        return await desk.do(lambda uow: desk.access.halted(uow, team_id))

    assert await halted(desk.ada.team_id) is None
    halt = await switch(person(desk.ben), on=True, reason="odd prices")
    assert (halt.reason, halt.set_by, halt.set_at) == ("odd prices", desk.ben.user_id, desk.clock.now())
    assert await halted(desk.ada.team_id) == halt
    assert await halted(desk.eve.team_id) is None
    assert (await switch(person(desk.ada), on=True, reason="still")).set_by == desk.ada.user_id
    await asyncio.gather(*(switch(person(desk.ada), on=True) for _ in range(10)))
    with pytest.raises(ApproverRequired):
        await switch(person(desk.cyd), on=False)
    with pytest.raises(SessionRequired):
        await switch(desk.token_caller, on=False)
    with pytest.raises(TextTooLong):
        await switch(person(desk.ada), on=True, reason="x" * 501)
    assert await switch(person(desk.ada), on=False) is None
    assert await halted(desk.ada.team_id) is None


async def test_a_failure_noted_after_the_time_ran_out_leaves_it_expired(desk: AccessDesk) -> None:
    approval = await desk.approved(HASHES[0])
    desk.later(minutes=6)
    assert (await desk.look(approval)).state is S.EXPIRED
    await finish(desk, approval, S.FAILED)
    assert await stored_states(desk) == [S.EXPIRED]


# any order of steps, against the table of transitions


STEPS = ("approve", "deny", "withdraw", "use", "use_external", "executed", "failed", "wait", "recover")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=7))
async def test_no_order_of_steps_leaves_the_table(desk: AccessDesk, steps: list[str]) -> None:
    approval = await desk.ask(f"{await count(desk):064d}")
    state = approval.state
    for step in steps:
        await attempt(desk, approval, step)
        reached = (await desk.look(approval)).state
        assert reached is state or reached in TRANSITIONS[state] or in_one_write(state, reached), (state, reached)
        state = reached
    await attempt(desk, approval, "withdraw")


def in_one_write(source: ApprovalState, target: ApprovalState) -> bool:
    return source is S.APPROVED and target in {S.EXECUTED, S.FAILED}


async def count(desk: AccessDesk) -> int:
    async with desk.database.unit_of_work() as uow:
        return (await uow.fetch_one(select(func.count()).select_from(approvals)))[0]


async def attempt(desk: AccessDesk, approval: Approval, step: str) -> None:
    refused = (*REFUSALS.values(), ApprovalNotPending)
    try:
        match step:
            case "approve" | "deny":
                await desk.decide(approval, person(desk.ada), approve=step == "approve")
            case "withdraw":
                await withdraw(desk, approval, desk.token_caller)
            case "use" | "use_external":
                await desk.use(approval, external=step == "use_external")
            case "executed" | "failed":
                await finish(desk, approval, S(step))
            case "wait":
                desk.later(minutes=6)
            case "recover":
                await desk.do(desk.access.recover)
    except refused:
        pass
