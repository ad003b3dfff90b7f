"""Approvals and idempotency keys around an effect: once, whole or not at all, also under fifty calls at a time."""

import asyncio
from decimal import Decimal

import pytest

from core.access.approvals import (
    ApprovalConsumed,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalFailed,
    ApprovalNotFound,
    ApprovalOutcomeUnknown,
    ApprovalParamsMismatch,
    ApprovalStillPending,
    PendingLimit,
)
from core.access.model import Caller
from core.errors import ArgumentsInvalid, DeskError, NotPossible
from core.storage.unit_of_work import UnitOfWork
from tests.support.sample_skills import JarNotFound, SampleDesk
from tools.context import SkillResult
from tools.errors import ApprovalRequired, IdempotencyConflict, IdempotencyUnfinished, Incident, TimedOut

pytestmark = pytest.mark.anyio
BREAK = "sample.jar.break"
RING = "sample.bell.ring"


async def ask(desk: SampleDesk, caller: Caller, skill_id: str = BREAK, **params: object) -> str:
    """Send a call that needs a person and return the approval's id."""
    with pytest.raises(ApprovalRequired) as caught:
        await desk.run(skill_id, caller, **params)
    return str(caught.value.data["approval_id"])


async def approved(desk: SampleDesk, caller: Caller, skill_id: str = BREAK, **params: object) -> str:
    approval = await ask(desk, caller, skill_id, **params)
    await desk.decide(approval)
    return approval


@pytest.fixture
async def caller(desk: SampleDesk) -> Caller:
    await desk.put_jar("honey")
    return await desk.token()


async def test_the_whole_409(desk: SampleDesk, caller: Caller) -> None:
    with pytest.raises(ApprovalRequired) as caught:
        await desk.run(BREAK, caller, name="honey", weight=Decimal("1.50"))
    extras = caught.value.extras()
    approval_id = extras["approval_id"]
    assert caught.value.message == (
        "sample.jar.break is red. A person must approve it in the browser; "
        "then send the same call with params.approvalId."
    )
    digest = extras["approval"].pop("paramsHash")
    assert len(digest) == 64
    assert extras.pop("hint").startswith("Show approval.url to the user and wait.")
    assert extras == {
        "title": "Human approval required",
        "skill_id": BREAK,
        "risk_tier": "red",
        "confirm_required": True,
        "required_scope": BREAK,
        "approval_id": approval_id,
        "approval": {
            "id": approval_id,
            "state": "pending",
            "url": f"https://desk.example/approvals/{approval_id}",
            "statusUrl": f"/agent/approvals/{approval_id}",
            "createdAt": "2026-11-20T07:30:00+00:00",
            "expiresAt": "2026-11-20T07:40:00+00:00",
        },
        "expires_at": "2026-11-20T07:40:00+00:00",
        "preview": {"summary": "Breaks honey.", "changes": [{"jar": "honey", "to": None}]},
        "next": "human-approves-then-resend-see-nextAction",
        "next_action": {
            "method": "POST",
            "url": "/agent/skills/execute",
            "body": {
                "skillId": BREAK,
                "params": {"name": "honey", "weight": "1.50", "approvalId": approval_id},
            },
        },
        "retryable": True,
    }
    assert await desk.jars() == ["honey"]
    assert await ask(desk, caller, name="honey", weight="1.50") == approval_id  # the same call, the same record


async def test_the_red_story(desk: SampleDesk, caller: Caller) -> None:
    approval = await ask(desk, caller, name="honey")
    with pytest.raises(ApprovalStillPending):
        await desk.run(BREAK, caller, approval=approval, name="honey")
    await desk.decide(approval)
    result = await desk.run(BREAK, caller, approval=approval, name="honey")
    assert result.value == {"name": "honey", "run": 1, "price": "1.50"}
    assert (await desk.jars(), await desk.state(approval)) == ([], "executed")
    with pytest.raises(ApprovalConsumed) as caught:
        await desk.run(BREAK, caller, approval=approval, name="honey")
    assert caught.value.extras() == {"approval_id": approval, "result_ref": f"trc_{desk.calls - 1}"}
    rows = [(event, detail.get("code"), detail.get("approval_id")) for event, _, detail in await desk.audit_rows()]
    assert rows == [
        ("call.refused", "approval_required", approval),
        ("call.refused", "approval_pending", approval),
        ("call.opened", None, None),
        ("call.closed", None, None),
        ("call.refused", "approval_consumed", approval),
    ]


async def test_confirm_and_a_yellow_skill_that_asks(desk: SampleDesk, caller: Caller) -> None:
    approval = await ask(desk, caller, "sample.jar.seal", name="jam")
    await desk.decide(approval)
    assert (await desk.run("sample.jar.seal", caller, approval=approval, name="jam")).data["name"] == "jam"
    assert await desk.state(approval) == "executed"  # used up although the body wrote nothing


@pytest.mark.parametrize(
    "changed", [{"name": "hone"}, {"force": True}, {"weight": "1.0"}, {"weight": 2}, {"count": 2}], ids=str
)
async def test_one_changed_byte_is_a_mismatch_and_does_not_burn(desk, caller, changed) -> None:
    approval = await approved(desk, caller, name="honey", weight=1)
    with pytest.raises(ApprovalParamsMismatch):
        await desk.run(BREAK, caller, approval=approval, **{"name": "honey", "weight": 1} | changed)
    assert await desk.state(approval) == "approved"
    await desk.run(BREAK, caller, approval=approval, weight="1", count="1", force="false", name="honey")
    assert await desk.jars() == []


async def test_denied_expired_foreign_and_unknown(desk: SampleDesk, caller: Caller) -> None:
    denied = await ask(desk, caller, name="honey")
    await desk.decide(denied, approve=False)
    with pytest.raises(ApprovalDenied):
        await desk.run(BREAK, caller, approval=denied, name="honey")
    usable = await approved(desk, caller, name="honey")
    for other in (await desk.token(), await desk.token(await desk.new_user("berta")), desk.session()):
        with pytest.raises((ApprovalNotFound, ApprovalParamsMismatch)):
            if other.team_id != caller.team_id:
                await desk.put_jar("hers", other.team_id)
            await desk.run(BREAK, other, approval=usable, name="honey")
    with pytest.raises(ApprovalNotFound):
        await desk.run(BREAK, caller, approval="apr_nothing", name="honey")
    desk.clock.advance(desk_minutes(5))
    with pytest.raises(ApprovalExpired):
        await desk.run(BREAK, caller, approval=usable, name="honey")
    assert await desk.jars() == ["hers", "honey"]


def desk_minutes(minutes: int):
    from datetime import timedelta

    return timedelta(minutes=minutes)


async def test_at_most_five_wait_and_the_preview_sees_the_missing_jar_first(desk: SampleDesk, caller: Caller) -> None:
    with pytest.raises(JarNotFound):
        await desk.run(BREAK, caller, name="nothing")
    for count in range(5):
        await ask(desk, caller, name="honey", count=count)
    with pytest.raises(PendingLimit):
        await desk.run(BREAK, caller, name="honey", count=5)


async def test_fifty_at_once_are_one_execution(desk: SampleDesk, caller: Caller) -> None:
    approval = await approved(desk, caller, name="honey")
    calls = [desk.run(BREAK, caller, approval=approval, name="honey") for _ in range(50)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert len([result for result in results if isinstance(result, SkillResult)]) == 1
    assert {type(result) for result in results if not isinstance(result, SkillResult)} == {ApprovalConsumed}
    assert (desk.outside.runs, await desk.jars(), await desk.state(approval)) == (["honey"], [], "executed")
    await desk.audit_rows()  # and the chain is sound


async def test_fifty_at_once_over_two_servers_are_one_execution(desk: SampleDesk, caller: Caller) -> None:
    approval = await approved(desk, caller, name="honey")
    servers = (desk.dispatcher, desk.new_dispatcher())
    calls = [desk.call(BREAK, caller, approval=approval, name="honey") for _ in range(50)]
    running = (servers[place % 2].run(call) for place, call in enumerate(calls))
    results = await asyncio.gather(*running, return_exceptions=True)
    assert [type(result) for result in results].count(SkillResult) == 1
    assert [type(result) for result in results].count(ApprovalConsumed) == 49
    assert (desk.outside.runs, await desk.jars(), await desk.state(approval)) == (["honey"], [], "executed")
    await desk.audit_rows()


async def test_a_failing_body_leaves_nothing_but_a_failed_approval(desk: SampleDesk, caller: Caller) -> None:
    approval = await approved(desk, caller, name="honey")
    desk.outside.fail_with = NotPossible(reason="too hard")
    with pytest.raises(NotPossible):
        await desk.run(BREAK, caller, approval=approval, key="k1", name="honey")
    assert (await desk.jars(), await desk.state(approval)) == (["honey"], "failed")
    desk.outside.fail_with = None
    with pytest.raises(ApprovalFailed):
        await desk.run(BREAK, caller, approval=approval, key="k1", name="honey")


@pytest.mark.parametrize("step", ["consume", "append", "commit"])
async def test_a_crash_between_steps_leaves_it_approved(desk, caller, step, monkeypatch) -> None:
    approval = await approved(desk, caller, name="honey")

    class Crash(BaseException):
        """The process ends here: nothing after it runs."""

    async def crash(*_: object, **__: object) -> None:
        raise Crash

    async def pass_by(*_: object, **__: object) -> None:
        return None

    owner, name = {
        "consume": (desk.access, "consume"),
        "append": (desk.audit, "append"),
        "commit": (UnitOfWork, "commit"),
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(desk.audit, "record", pass_by)
        patch.setattr(owner, name, crash)
        with pytest.raises(Crash):
            await desk.run(BREAK, caller, approval=approval, name="honey")
    assert (await desk.jars(), await desk.state(approval)) == (["honey"], "approved")
    await desk.run(BREAK, caller, approval=approval, name="honey")
    assert (await desk.jars(), await desk.state(approval)) == ([], "executed")


async def test_an_external_effect_uses_its_approval_first(desk: SampleDesk, caller: Caller) -> None:
    approval = await approved(desk, caller, RING, tone="c")
    desk.outside.gate = asyncio.Event()
    running = asyncio.create_task(desk.run(RING, caller, approval=approval, tone="c"))
    await asyncio.wait_for(desk.outside.started.wait(), 30)
    assert await desk.state(approval) == "executing"
    with pytest.raises(ApprovalConsumed):
        await desk.run(RING, caller, approval=approval, tone="c")
    desk.outside.gate.set()
    assert (await running).data["run"] == 1
    assert await desk.state(approval) == "executed"


@pytest.mark.parametrize(
    ("error", "raised", "state", "again"),
    [
        (NotPossible(reason="no bell"), NotPossible, "failed", ApprovalFailed),
        (RuntimeError("x"), Incident, "failed", ApprovalFailed),
        (None, TimedOut, "unknown", ApprovalOutcomeUnknown),
    ],
    ids=["refused", "defect", "stopped"],
)
async def test_how_an_external_effect_ends(desk, caller, error, raised, state, again) -> None:
    approval = await approved(desk, caller, RING, tone="c")
    desk.dispatcher = desk.new_dispatcher(call_timeout_seconds=5 if error else 0.5)
    desk.outside.fail_with, desk.outside.hang = error, error is None
    with pytest.raises(raised):
        await desk.run(RING, caller, approval=approval, key="k1", tone="c")
    assert await desk.state(approval) == state
    refused = IdempotencyUnfinished if state == "unknown" else again
    with pytest.raises(refused):
        await desk.run(RING, caller, approval=approval, key="k1", tone="c")
    with pytest.raises(again):
        await desk.run(RING, caller, approval=approval, tone="c")


async def test_a_cancelled_external_effect_is_of_unknown_outcome(desk: SampleDesk, caller: Caller) -> None:
    approval = await approved(desk, caller, RING, tone="c")
    desk.outside.hang = True
    running = asyncio.create_task(desk.run(RING, caller, approval=approval, tone="c"))
    await asyncio.wait_for(desk.outside.started.wait(), 30)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await desk.state(approval) == "unknown"


async def test_a_cancelled_database_effect_stays_approved(desk: SampleDesk, caller: Caller) -> None:
    approval = await approved(desk, caller, name="honey")
    desk.outside.hang = True
    running = asyncio.create_task(desk.run(BREAK, caller, approval=approval, name="honey"))
    await asyncio.wait_for(desk.outside.started.wait(), 30)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await desk.jars(), await desk.state(approval)) == (["honey"], "approved")


async def test_an_idempotency_key_gives_the_stored_answer_for_a_day(desk: SampleDesk, caller: Caller) -> None:
    first = await desk.run("sample.jar.create", caller, key="k1", name="jam")
    again = await desk.run("sample.jar.create", caller, key="k1", name="jam", pin="")
    assert (again.value, again.data, again.replayed) == (first.value, first.data, True)
    assert (first.replayed, desk.outside.runs) == (False, ["jam"])
    with pytest.raises(IdempotencyConflict) as caught:
        await desk.run("sample.jar.create", caller, key="k1", name="tea")
    assert (caught.value.code, caught.value.extras()) == ("idempotency_conflict", {"idempotency_key": "k1"})
    await desk.run("sample.jar.check", caller, key="k2", name="jam")
    assert (await desk.run("sample.jar.check", caller, key="k2", name="jam")).replayed
    desk.clock.advance(desk_minutes(24 * 60))
    assert not (await desk.run("sample.jar.create", caller, key="k1", name="tea")).replayed


async def test_keys_of_other_requesters_are_other_keys(desk: SampleDesk, caller: Caller) -> None:
    await desk.run("sample.jar.create", caller, key="k1", name="jam")
    assert not (await desk.run("sample.jar.create", await desk.token(), key="k1", name="tea")).replayed
    with pytest.raises(ArgumentsInvalid, match="at most 200 printable"):
        await desk.run("sample.jar.create", caller, key="k" * 201, name="milk")


async def test_only_finished_results_are_stored(desk: SampleDesk, caller: Caller) -> None:
    desk.outside.fail_with = NotPossible(reason="no shelf")
    with pytest.raises(NotPossible):
        await desk.run("sample.jar.create", caller, key="k1", name="jam")
    desk.outside.fail_with = None
    assert not (await desk.run("sample.jar.create", caller, key="k1", name="jam")).replayed


async def test_one_key_fifty_times_at_once_is_one_effect(desk: SampleDesk, caller: Caller) -> None:
    calls = [desk.run("sample.jar.create", caller, key="k1", name="jam") for _ in range(50)]
    results = await asyncio.gather(*calls)
    assert len({str(result.value) for result in results}) == 1
    assert [result.replayed for result in results].count(False) == 1
    assert await desk.jars() == ["honey", "jam"]


async def test_a_red_call_with_a_key_is_answered_again_without_asking(desk: SampleDesk, caller: Caller) -> None:
    approval = await approved(desk, caller, name="honey")
    first = await desk.run(BREAK, caller, approval=approval, key="k1", name="honey")
    assert (await desk.run(BREAK, caller, key="k1", name="honey")).value == first.value
    assert desk.outside.runs == ["honey"]


async def test_every_refusal_is_a_desk_error_with_a_stable_code(desk: SampleDesk, caller: Caller) -> None:
    approval = await ask(desk, caller, name="honey")
    with pytest.raises(DeskError) as caught:
        await desk.run(BREAK, caller, approval=approval, name="honey")
    assert caught.value.code == "approval_pending"
