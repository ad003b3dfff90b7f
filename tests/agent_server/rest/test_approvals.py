"""Red calls over REST: asked by a token, decided by a person, run once."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from core.access.model import Role
from core.clock import FrozenClock
from tests.support.rest_desk import EXECUTE, Person, RestDesk, execute

pytestmark = pytest.mark.anyio
REVOKE = "subscription.token.revoke"


async def ask(desk: RestDesk, person: Person) -> tuple[httpx.AsyncClient, dict[str, Any], int]:
    """A token asks to revoke another token; returns the client, the 409 body and the victim's number."""
    victim = (await desk.mint(person.user, "feedback.list")).token.token_id
    agent = await desk.agent(person.user)
    answer = await execute(agent, REVOKE, token_id=victim)
    assert answer.status_code == 409, answer.text
    return agent, answer.json(), victim


async def test_the_409_says_what_to_do(desk: RestDesk, ada: Person) -> None:
    victim = (await desk.mint(ada.user)).token.token_id
    agent = await desk.agent(ada.user)
    answer = await execute(agent, REVOKE, token_id=victim)
    body = answer.json()
    approval_id = body["approvalId"]
    assert answer.headers["Location"] == f"/agent/approvals/{approval_id}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/problem+json"
    expected = {
        "success": False,
        "code": "approval_required",
        "kind": "conflict",
        "status": 409,
        "title": "Human approval required",
        "skillId": REVOKE,
        "riskTier": "red",
        "confirmRequired": True,
        "requiredScope": REVOKE,
        "next": "human-approves-then-resend-see-nextAction",
        "retryable": True,
    }
    assert body | expected == body
    assert body["nextAction"]["body"]["params"] == {"tokenId": victim, "approvalId": approval_id} or body["nextAction"][
        "body"
    ]["params"] == {"token_id": victim, "approvalId": approval_id}
    assert body["approval"]["url"] == f"{desk.settings.base_url}/approvals/{approval_id}"


async def test_the_whole_way(desk: RestDesk, ada: Person) -> None:
    agent, body, victim = await ask(desk, ada)
    status = f"/agent/approvals/{body['approvalId']}"
    assert (await agent.get(status)).json()["data"]["state"] == "pending"
    early = await agent.post(EXECUTE, json=body["nextAction"]["body"])
    assert (early.status_code, early.json()["code"]) == (409, "approval_pending")
    decided = await ada.decide(body["approvalId"], comment="fine")
    assert (decided.status_code, decided.json()["data"]["state"]) == (200, "approved")
    done = await agent.post(EXECUTE, json=body["nextAction"]["body"])
    assert done.status_code == 200, done.text
    again = await agent.post(EXECUTE, json=body["nextAction"]["body"])
    assert (again.status_code, again.json()["code"]) == (409, "approval_consumed")
    seen = (await agent.get(status)).json()["data"]
    assert (seen["state"], seen["comment"], seen["requester"]) == ("executed", "fine", "test")
    tokens = (await ada.browser.get("/api/subscription/tokens")).json()["data"]
    listed = tokens["items"] if isinstance(tokens, dict) else tokens
    assert {t["tokenId"]: t["status"] for t in listed}[victim] == "revoked"
    assert [event for event in await desk.events() if event.startswith("approval")][-1] == "approval.approved"


async def test_the_route_takes_the_approval_too(desk: RestDesk, ada: Person) -> None:
    victim = (await desk.mint(ada.user)).token.token_id
    agent = await desk.agent(ada.user)
    path = f"/api/subscription/tokens/{victim}"
    approval_id = (await agent.delete(path)).json()["approvalId"]
    await ada.decide(approval_id)
    assert (await agent.delete(path, params={"approvalId": approval_id})).status_code == 200


@pytest.mark.parametrize(
    "attack", ["bearer", "bearer and cookie", "no proof", "wrong proof", "foreign", "null", "no origin", "nobody"]
)
async def test_nobody_but_the_person_decides(desk: RestDesk, ada: Person, attack: str) -> None:
    agent, body, _ = await ask(desk, ada)
    approval_id, token = body["approvalId"], agent.headers["Authorization"]
    path, choice = f"/agent/approvals/{approval_id}/decision", {"decision": "approve"}
    own = {"Origin": desk.settings.base_url}
    calls = {
        "bearer": lambda: agent.post(path, json=choice, headers=own),
        "bearer and cookie": lambda: ada.decide(approval_id, headers={"Authorization": token}),
        "no proof": lambda: ada.decide(approval_id, headers={"X-CSRF-Token": None}),
        "wrong proof": lambda: ada.decide(approval_id, headers={"X-CSRF-Token": "0" * 52}),
        "foreign": lambda: ada.decide(approval_id, headers={"Origin": "http://evil.example"}),
        "null": lambda: ada.decide(approval_id, headers={"Origin": "null"}),
        "no origin": lambda: ada.decide(approval_id, headers={"Origin": None}),
        "nobody": lambda: desk.client().post(path, json=choice, headers=own),
    }
    answer = await calls[attack]()
    assert answer.status_code == 403
    expected = "session_required" if attack in {"bearer", "bearer and cookie", "nobody"} else "csrf_refused"
    assert answer.json()["code"] == expected
    assert (await agent.get(f"/agent/approvals/{approval_id}")).json()["data"]["state"] == "pending"


async def test_confirm_of_the_original_is_refused(desk: RestDesk, ada: Person) -> None:
    agent, body, _ = await ask(desk, ada)
    for client in (agent, ada.browser, desk.client()):
        answer = await client.post(f"/api/agent/approvals/{body['approvalId']}/confirm")
        assert (answer.status_code, answer.json()["code"]) == (403, "session_required")


async def test_looking_changes_nothing(desk: RestDesk, ada: Person) -> None:
    """A link scanner that opens every address, with or without the person's cookie."""
    agent, body, _ = await ask(desk, ada)
    approval_id = body["approvalId"]
    for client in (ada.browser, desk.client()):
        for path in (f"/approvals/{approval_id}", f"/agent/approvals/{approval_id}", f"/approvals/{approval_id}/run"):
            for query in ("", "?decision=approve", "?approve=1"):
                for method in ("GET", "HEAD", "OPTIONS"):
                    await client.request(method, path + query)
                await client.get(f"/agent/approvals/{approval_id}/decision{query}")
    assert (await agent.get(f"/agent/approvals/{approval_id}")).json()["data"]["state"] == "pending"


async def test_changed_parameters_do_not_burn_the_approval(desk: RestDesk, ada: Person) -> None:
    agent, body, victim = await ask(desk, ada)
    other = (await desk.mint(ada.user)).token.token_id
    await ada.decide(body["approvalId"])
    changed = await execute(agent, REVOKE, token_id=other, approvalId=body["approvalId"])
    assert (changed.status_code, changed.json()["code"]) == (409, "approval_params_mismatch")
    confirm = await execute(agent, REVOKE, token_id=other, confirm=True)
    assert confirm.json()["code"] == "approval_required"
    assert (await execute(agent, REVOKE, token_id=victim, approvalId=body["approvalId"])).status_code == 200


async def test_denied_and_expired(desk: RestDesk, ada: Person, clock: FrozenClock) -> None:
    agent, body, victim = await ask(desk, ada)
    assert (await ada.decide(body["approvalId"], "deny", comment="no")).json()["data"]["state"] == "denied"
    refused = await agent.post(EXECUTE, json=body["nextAction"]["body"])
    assert (refused.status_code, refused.json()["code"], refused.json()["comment"]) == (403, "approval_denied", "no")
    second = (await execute(agent, REVOKE, token_id=victim)).json()
    await ada.decide(second["approvalId"])
    clock.advance(timedelta(minutes=5))
    late = await agent.post(EXECUTE, json=second["nextAction"]["body"])
    assert (late.status_code, late.json()["code"]) == (409, "approval_expired")
    third = (await execute(agent, REVOKE, token_id=victim)).json()
    clock.advance(timedelta(minutes=10))
    answer = await ada.decide(third["approvalId"])
    assert (answer.status_code, answer.json()["code"]) == (409, "approval_expired")


async def test_fifty_at_once_run_once(desk: RestDesk, ada: Person) -> None:
    agent, body, _ = await ask(desk, ada)
    await ada.decide(body["approvalId"])
    answers = await asyncio.gather(*(agent.post(EXECUTE, json=body["nextAction"]["body"]) for _ in range(50)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [409] * 49
    assert {answer.json().get("code") for answer in answers} == {None, "approval_consumed"}


async def test_who_sees_and_decides_whose(desk: RestDesk, ada: Person) -> None:
    ben = await desk.person("ben", team="tenant_ada", role=Role.APPROVER)
    cyd = await desk.person("cyd", team="tenant_ada")
    eve = await desk.person("eve")
    agent, body, _ = await ask(desk, cyd)
    path = f"/agent/approvals/{body['approvalId']}"
    other_agent = await desk.agent(cyd.user)
    seen = [await who.get(path) for who in (agent, cyd.browser, ben.browser, ada.browser)]
    unseen = [await who.get(path) for who in (other_agent, eve.browser, await desk.agent(eve.user))]
    assert [answer.status_code for answer in seen] == [200] * 4
    assert [(a.status_code, a.json()["code"]) for a in unseen] == [(404, "approval_not_found")] * 3
    assert (await desk.client().get(path)).status_code == 401
    assert (await eve.decide(body["approvalId"])).status_code == 404
    assert (await ben.decide(body["approvalId"])).status_code == 200
    assert (await agent.get("/agent/approvals")).json()["data"][0]["id"] == body["approvalId"]
    assert (await eve.browser.get("/agent/approvals")).json()["data"] == []


async def test_list_pages_and_filters(desk: RestDesk, ada: Person, clock: FrozenClock) -> None:
    _, first, _ = await ask(desk, ada)
    clock.advance(timedelta(seconds=1))
    _, second, _ = await ask(desk, ada)
    await ada.decide(first["approvalId"])

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in (await ada.browser.get(f"/agent/approvals?{query}")).json()["data"]]

    assert await ids("state=pending") == [second["approvalId"]]
    assert await ids("size=1&page=2") == [first["approvalId"]]
    for query in ("state=open", "size=0", "size=1e2", "page=-1", "stat=pending"):
        assert (await ada.browser.get(f"/agent/approvals?{query}")).status_code == 400


async def test_too_many_questions_and_bad_decisions(desk: RestDesk, ada: Person) -> None:
    agent = await desk.agent(ada.user)
    victims = [(await desk.mint(ada.user)).token.token_id for _ in range(6)]
    answers = [await execute(agent, REVOKE, token_id=victim) for victim in victims]
    assert [answer.status_code for answer in answers] == [409] * 5 + [429]
    assert answers[5].json()["code"] == "pending_limit"
    assert answers[5].headers["Retry-After"] == "600"
    approval_id = answers[0].json()["approvalId"]
    for body in ({"decision": "yes"}, {"decision": 1}, {"decision": "approve", "x": 1}, {"comment": "a" * 501}):
        assert (await ada.decide(approval_id, **{"decision": "approve"} | body)).status_code == 400
    twice = [await ada.decide(approval_id), await ada.decide(approval_id, "deny")]
    assert [answer.status_code for answer in twice] == [200, 409]
    assert twice[1].json()["code"] == "approval_not_pending"


async def test_a_token_takes_back_only_what_it_asked_for(desk: RestDesk, ada: Person) -> None:
    agent, body, _ = await ask(desk, ada)
    path = f"/agent/approvals/{body['approvalId']}"
    other = await desk.agent((await desk.person("bert")).user)
    assert (await other.post(f"{path}/withdraw")).json()["code"] == "approval_not_found"
    taken = await agent.post(f"{path}/withdraw")
    assert (taken.status_code, taken.json()["data"]["state"]) == (200, "withdrawn")
    assert (await agent.post(f"{path}/withdraw")).json()["code"] == "approval_not_pending"
    late = await ada.decide(body["approvalId"], "approve")
    assert (late.status_code, late.json()["code"]) == (409, "approval_not_pending")
    assert (await agent.post(EXECUTE, json=body["nextAction"]["body"])).json()["code"] == "approval_withdrawn"


async def test_what_is_approved_and_unused_can_be_revoked(desk: RestDesk, ada: Person) -> None:
    agent, body, _ = await ask(desk, ada)
    await ada.decide(body["approvalId"], "approve")
    taken = await agent.post(f"/agent/approvals/{body['approvalId']}/withdraw")
    assert taken.json()["data"]["state"] == "revoked"
    assert (await agent.post(EXECUTE, json=body["nextAction"]["body"])).json()["code"] == "approval_revoked"
