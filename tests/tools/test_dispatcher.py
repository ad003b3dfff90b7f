"""The nine steps in order: who may run what, what is written down, what callers are told."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from core.access.model import Caller, CallerKind
from core.errors import ArgumentsInvalid, DeskError, ErrorKind, Limited, NotPossible
from tests.support.sample_skills import JarNotFound, SampleDesk
from tools.errors import (
    ApprovalRequired,
    Incident,
    MissingScope,
    ResponseTooLarge,
    SkillNotFound,
    TimedOut,
    TradingHalted,
)

pytestmark = pytest.mark.anyio
ANONYMOUS = Caller(kind=CallerKind.ANONYMOUS, address="198.51.100.7")


async def test_a_green_call_answers_in_wire_form_and_leaves_no_audit(desk: SampleDesk) -> None:
    await desk.put_jar("honey")
    result = await desk.run("sample.jar.list", await desk.token())
    meta = {
        "dataset": "jars",
        "asOf": None,
        "simulated": True,
        "adjustment": None,
        "currency": None,
        "warnings": [],
    }
    assert result.data == ["honey"]
    assert result.beside == {"total": 1}
    assert result.meta == meta
    assert result.value == {"jarNames": ["honey"], "total": 1, "meta": meta}
    assert await desk.audit_rows() == []


async def test_the_wire_name_is_the_same_skill(desk: SampleDesk) -> None:
    assert (await desk.run("sample_jar_list", await desk.token())).skill_id == "sample.jar.list"


async def test_an_unknown_skill_is_suggested(desk: SampleDesk) -> None:
    with pytest.raises(SkillNotFound) as caught:
        await desk.run("sample.jars.list", await desk.token())
    assert caught.value.kind is ErrorKind.INVALID
    assert caught.value.code == "skill_not_found"
    assert caught.value.extras()["did_you_mean"][0] == "sample.jar.list"


async def test_a_missing_scope_says_everything_needed_and_is_audited(desk: SampleDesk) -> None:
    caller = await desk.token(scopes=("sample.jar.create",))
    with pytest.raises(MissingScope) as caught:
        await desk.run("sample.jar.list", caller)
    assert caught.value.extras() == {
        "required_scope": "sample.jar.list",
        "granted_scopes": ["sample.jar.create"],
        "presets_granting_scope": ["desk"],
        "remediation_url": "https://desk.example/tokens",
    }
    assert await desk.audit_rows() == [
        (
            "call.refused",
            "sample.jar.list",
            {"code": "missing_scope", "kind": "forbidden", "surface": "rest", "address": "203.0.113.5"},
        )
    ]


async def test_anonymous_callers_run_only_what_is_marked_and_are_invited_to_sign_in(desk: SampleDesk) -> None:
    assert (await desk.run("sample.notice.get", ANONYMOUS, length=3)).value == {"text": "xxx"}
    for skill_id in ("sample.jar.list", "sample.jar.create", "sample.jar.break"):
        with pytest.raises(MissingScope, match="Sign in, or send a token") as caught:
            await desk.run(skill_id, ANONYMOUS)
        assert caught.value.extras()["remediation_url"] == "https://desk.example/login"
    assert len(await desk.audit_rows()) == 1  # a flood of refusals must not fill the audit


async def test_tier_times_caller_kind(desk: SampleDesk) -> None:
    await desk.put_jar("honey")
    token = await desk.token()
    callers = [replace(token, kind=kind) for kind in (CallerKind.TOKEN, CallerKind.PROCESS, CallerKind.LOCAL)]
    for place, caller in enumerate([*callers, desk.session()]):
        assert (await desk.run("sample.jar.list", caller)).beside["total"] == place + 1
        await desk.run("sample.jar.create", caller, name=f"jam {place}")
        for skill_id, why in (("sample.jar.seal", "asks before it runs"), ("sample.jar.break", "is red")):
            with pytest.raises(ApprovalRequired, match=f"{skill_id} {why}. A person must approve it in the browser"):
                await desk.run(skill_id, caller, name="honey")
    assert await desk.jars() == ["honey", "jam 0", "jam 1", "jam 2", "jam 3"]


async def test_a_yellow_call_is_audited_with_secrets_hidden(desk: SampleDesk) -> None:
    caller = await desk.token()
    result = await desk.run("sample.jar.create", caller, name="lgatk_abcdefgh", pin="1234")
    assert result.value == {"name": "lgatk_abcdefgh", "run": 1, "price": "1.50"}
    assert await desk.audit_rows() == [
        (
            "call.opened",
            "sample.jar.create",
            {
                "params": {"name": "(hidden)", "pin": "(hidden)"},
                "surface": "rest",
                "address": "203.0.113.5",
                "client": "pytest",
            },
        ),
        ("call.closed", "sample.jar.create", {"outcome": "succeeded"}),
    ]


async def test_a_refused_and_a_failed_yellow_call_are_audited(desk: SampleDesk) -> None:
    caller = await desk.token()
    with pytest.raises(ArgumentsInvalid):
        await desk.run("sample.jar.create", caller, nam="jam")
    desk.outside.fail_with = NotPossible(reason="no shelf")
    with pytest.raises(NotPossible, match="no shelf"):
        await desk.run("sample.jar.create", caller, name="jam")
    rows = await desk.audit_rows()
    assert [(event, detail.get("code")) for event, _, detail in rows] == [
        ("call.refused", "validation_failed"),
        ("call.opened", None),
        ("call.closed", "not_possible_now"),
    ]
    assert await desk.jars() == []


async def test_a_green_body_cannot_write(desk: SampleDesk) -> None:
    await desk.put_jar("honey")
    with pytest.raises(Incident):
        await desk.run("sample.jar.peek", await desk.token())
    assert await desk.jars() == ["honey"]


@pytest.mark.parametrize("skill_id", ["sample.jar.list", "sample.jar.create"])
async def test_a_defect_becomes_an_incident_that_tells_nothing(desk: SampleDesk, skill_id: str) -> None:
    desk.outside.fail_with = RuntimeError("password of anna is lgatk_secretsecret")
    params = {"name": "jam"} if skill_id.endswith("create") else {}
    with capture_logs() as logs, pytest.raises(Incident) as caught:
        await desk.run(skill_id, await desk.token(), **params)
    incident = caught.value.extras()["incident_id"]
    assert caught.value.message == f"Something failed inside the desk. Quote incident {incident}."
    assert (caught.value.kind, caught.value.code) == (ErrorKind.INTERNAL, "internal")
    line = next(entry for entry in logs if entry["event"] == "incident")
    assert (line["incident_id"], line["skill_id"], line["trace_id"]) == (incident, skill_id, f"trc_{desk.calls}")
    assert "RuntimeError" in line["traceback"]
    assert "lgatk_secret" not in line["traceback"]


@pytest.mark.parametrize("skill_id", ["sample.jar.list", "sample.jar.create"])
async def test_a_body_that_hangs_is_stopped(desk: SampleDesk, skill_id: str) -> None:
    desk.dispatcher = desk.new_dispatcher(call_timeout_seconds=0.05)
    desk.outside.hang = True
    params = {"name": "jam"} if skill_id.endswith("create") else {}
    with pytest.raises(TimedOut, match=r"stopped after 0\.05 s\. Nothing was changed\.") as caught:
        await desk.run(skill_id, await desk.token(), **params)
    assert (caught.value.kind, caught.value.code) == (ErrorKind.UNAVAILABLE, "timed_out")


async def test_a_timeout_raised_by_the_body_itself_is_a_defect(desk: SampleDesk) -> None:
    desk.outside.fail_with = TimeoutError("upstream")
    with pytest.raises(Incident):
        await desk.run("sample.jar.list", await desk.token())


async def test_an_answer_that_is_too_long_is_refused(desk: SampleDesk) -> None:
    assert len((await desk.run("sample.notice.get", ANONYMOUS, length=4_999_000)).data["text"]) == 4_999_000
    with pytest.raises(ResponseTooLarge, match="longer than 5000000 bytes"):
        await desk.run("sample.notice.get", ANONYMOUS, length=5_000_000)


async def test_limits_count_invalid_and_unknown_calls_too(desk: SampleDesk) -> None:
    for place in range(60):
        with pytest.raises(DeskError) as caught:
            await desk.run("no.such.skill" if place % 2 else "sample.notice.get", ANONYMOUS, length="x")
        assert caught.value.code == ("skill_not_found" if place % 2 else "validation_failed")
    with pytest.raises(Limited) as limited:
        await desk.run("sample.notice.get", ANONYMOUS, length=1)
    assert limited.value.extras() == {"bucket": "general", "retry_after_seconds": 61}


async def test_limits_can_be_switched_off(desk: SampleDesk) -> None:
    desk.dispatcher = desk.new_dispatcher(rate_limits=False)
    for _ in range(61):
        await desk.run("sample.notice.get", ANONYMOUS, length=1)


async def test_the_halt_switch_stops_what_places_orders_and_nothing_else(desk: SampleDesk) -> None:
    caller = await desk.token()
    async with desk.database.unit_of_work() as uow:
        await desk.access.set_halt(uow, caller=desk.session(), on=True, reason="storm")
        await uow.commit()
    with pytest.raises(TradingHalted, match="storm") as caught:
        await desk.run("sample.jar.seal", caller, name="jam")
    assert (caught.value.kind, caught.value.code) == (ErrorKind.UNAVAILABLE, "trading_halted")
    await desk.run("sample.jar.create", caller, name="jam")


async def test_another_teams_jar_is_as_absent_as_none(desk: SampleDesk) -> None:
    other = await desk.new_user("berta")
    await desk.put_jar("hers", other.team_id)
    for name in ("hers", "nothing"):
        with pytest.raises(JarNotFound, match=f"No jar {name}"):
            await desk.run("sample.jar.break", await desk.token(), name=name)


async def test_a_caller_that_goes_away_leaves_no_effect(desk: SampleDesk) -> None:
    desk.outside.hang = True
    running = asyncio.create_task(desk.run("sample.jar.create", await desk.token(), name="jam"))
    await asyncio.wait_for(desk.outside.started.wait(), 30)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await desk.jars() == []
    assert [detail.get("code") for _, _, detail in await desk.audit_rows()] == [None, "call_cancelled"]
