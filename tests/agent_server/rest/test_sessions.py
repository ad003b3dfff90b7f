"""Signing in and out, minting, users, the halt switch."""

from datetime import timedelta

import pytest

from agent_server.rest.sessions import own_page
from core.access.model import Role
from core.clock import FrozenClock
from tests.support.rest_desk import PASSWORD, Person, RestDesk, execute

pytestmark = pytest.mark.anyio


async def test_sign_in_by_script(desk: RestDesk) -> None:
    user = await desk.user("ada")
    client = desk.client()
    answer = await client.post("/login", json={"username": "ADA", "password": PASSWORD})
    assert answer.status_code == 200
    shown = answer.json()["data"]
    assert (
        shown | {"userId": user.user_id, "username": "ada", "teamName": "tenant_ada", "role": "administrator"} == shown
    )
    assert answer.headers["Set-Cookie"].endswith("; HttpOnly; Max-Age=43200; Path=/; SameSite=lax")
    assert (await client.get("/api/session")).json()["data"] == shown
    assert await desk.events() == ["session.opened"]


async def test_sign_in_rotates_the_session(desk: RestDesk, ada: Person) -> None:
    before = ada.browser.cookies["dingpan_session"]
    await ada.browser.post("/login", json={"username": "ada", "password": PASSWORD})
    after = ada.browser.cookies["dingpan_session"]
    old = await desk.client(Cookie=f"dingpan_session={before}").get("/api/session")
    assert before != after
    assert (old.status_code, old.json()["message"]) == (401, "The session has ended. Sign in again.")


async def test_failures_tell_nothing_and_are_counted(desk: RestDesk) -> None:
    await desk.user("ada")
    client = desk.client(address="203.0.113.7")
    wrong = [await client.post("/login", json={"username": n, "password": "x" * 12}) for n in ("ada", "nobody", "a\nb")]
    assert [answer.status_code for answer in wrong] == [401] * 3
    assert len({answer.json()["message"] for answer in wrong}) == 1
    for _ in range(2):
        await client.post("/login", json={"username": "ada", "password": "x" * 12})
    limited = await client.post("/login", json={"username": "ada", "password": PASSWORD})
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "900")
    assert "session.refused" in await desk.events()
    assert "x" * 12 not in str(await desk.events())


async def test_sessions_end_when_idle_and_when_signed_out(desk: RestDesk, ada: Person, clock: FrozenClock) -> None:
    clock.advance(timedelta(hours=11, minutes=59))
    assert (await ada.browser.get("/api/session")).status_code == 200
    cookie = ada.browser.cookies["dingpan_session"]
    bare = await ada.browser.post("/logout", json={})
    assert (bare.status_code, bare.json()["code"]) == (403, "csrf_refused")
    assert (await ada.browser.post("/logout", json={}, headers={"X-CSRF-Token": ada.csrf})).status_code == 200
    assert (await desk.client(Cookie=f"dingpan_session={cookie}").get("/agent/skills")).status_code == 401
    other = await desk.signed_in(ada.user)
    clock.advance(timedelta(hours=12))
    assert (await other.browser.get("/api/session")).status_code == 401


async def test_two_session_cookies_are_refused(desk: RestDesk, ada: Person) -> None:
    cookie = ada.browser.cookies["dingpan_session"]
    tossed = desk.client(Cookie=f"dingpan_session={cookie}; dingpan_session=planted")
    assert (await tossed.get("/api/session")).status_code == 401


async def test_sign_in_from_another_site_is_refused(desk: RestDesk) -> None:
    await desk.user("ada")
    body = {"username": "ada", "password": PASSWORD}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await desk.client().post("/login", json=body, headers=headers)).json()["code"] == "csrf_refused"


@pytest.mark.parametrize(
    ("target", "page"),
    [
        ("/tokens", "/tokens"),
        ("/approvals/apr_1?lang=zh", "/approvals/apr_1?lang=zh"),
        ("", "/approvals"),
        ("//evil.example", "/approvals"),
        ("/\\evil.example", "/approvals"),
        ("https://evil.example", "/approvals"),
        ("/a\r\nSet-Cookie: x", "/approvals"),
        ("javascript:alert(1)", "/approvals"),
    ],
)
def test_after_signing_in_only_our_own_pages(target: str, page: str) -> None:
    assert own_page(target) == page


async def test_minting_is_for_sessions_and_shows_the_secret_once(desk: RestDesk, ada: Person) -> None:
    headers = {"X-CSRF-Token": ada.csrf}
    body = {"name": "my agent", "presets": ["read-data"], "scopes": ["feedback.list"], "expiresInDays": 7}
    made = await ada.browser.post("/api/subscription/tokens", json=body, headers=headers)
    assert made.status_code == 201
    secret, token = made.json()["data"]["secret"], made.json()["data"]["token"]
    assert (token["tokenName"], token["expiresAt"]) == ("my agent", "2026-11-27T07:30:00+00:00")
    assert set(token["scopes"]) == {"feedback.list", *desk.desk.registry.presets[0].scopes}
    agent = desk.client(secret)
    assert (await agent.get("/api/feedback")).status_code == 200
    by_token = await agent.post("/api/subscription/tokens", json=body)
    assert (by_token.status_code, by_token.json()["code"]) == (403, "session_required")
    assert secret not in (await ada.browser.get("/api/subscription/tokens")).text
    assert "token.minted" in await desk.events()


async def test_minting_without_a_choice_reads_data_for_ninety_days(desk: RestDesk, ada: Person) -> None:
    made = await ada.browser.post(
        "/api/subscription/tokens", json={"name": "plain"}, headers={"X-CSRF-Token": ada.csrf}
    )
    token = made.json()["data"]["token"]
    assert token["expiresAt"] == "2027-02-18T07:30:00+00:00"
    assert tuple(token["scopes"]) == desk.desk.registry.default_scopes


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "validation_failed"),
        ({"name": "x", "scopes": ["paper.orders.write"]}, 403, "reserved_scope"),
        ({"name": "x", "scopes": ["feedback.lst"]}, 400, "validation_failed"),
        ({"name": "x", "presets": ["all"]}, 400, "validation_failed"),
        ({"name": "x", "scopes": "feedback.list"}, 400, "validation_failed"),
        ({"name": "x", "expiresInDays": 0}, 400, "validation_failed"),
        ({"name": "x", "expiresInDays": True}, 400, "validation_failed"),
        ({"name": "x", "expiresInDays": 99999}, 400, "token_request_invalid"),
        ({"name": "x", "scope": ["feedback.list"]}, 400, "validation_failed"),
    ],
)
async def test_minting_refuses(desk: RestDesk, ada: Person, body: dict, status: int, code: str) -> None:
    made = await ada.browser.post("/api/subscription/tokens", json=body, headers={"X-CSRF-Token": ada.csrf})
    assert (made.status_code, made.json()["code"]) == (status, code)


async def test_administrators_manage_their_own_team(desk: RestDesk, ada: Person) -> None:
    headers = {"X-CSRF-Token": ada.csrf}
    eve = await desk.person("eve")
    new = {"username": "ben", "password": PASSWORD, "email": "ben@example.com", "role": "approver"}
    added = await ada.browser.post("/api/users", json=new, headers=headers)
    assert (added.status_code, added.json()["data"]["teamName"], added.json()["data"]["role"]) == (
        201,
        "tenant_ada",
        "approver",
    )
    ben_id = added.json()["data"]["userId"]
    listed = (await ada.browser.get("/api/users")).json()["data"]
    assert [user["username"] for user in listed] == ["ada", "ben"]
    assert "password" not in str(listed).lower()
    assert (await ada.browser.post("/api/users", json=new, headers=headers)).json()["code"] == "name_taken"
    changed = await ada.browser.patch(f"/api/users/{ben_id}", json={"role": "member"}, headers=headers)
    assert changed.json()["data"]["role"] == "member"
    gone = await ada.browser.delete(f"/api/users/{ben_id}", headers=headers)
    assert gone.json()["data"]["isActive"] is False
    for user_id in (eve.user.user_id, 10**14, "x", "9" * 40):
        assert (await ada.browser.delete(f"/api/users/{user_id}", headers=headers)).status_code == 404
    last = await ada.browser.patch(f"/api/users/{ada.user.user_id}", json={"role": "member"}, headers=headers)
    assert (last.status_code, last.json()["code"]) == (422, "last_administrator")
    assert (await ada.browser.post("/api/users", json=new)).json()["code"] == "csrf_refused"


async def test_users_are_for_administrators_in_a_session(desk: RestDesk, ada: Person) -> None:
    ben = await desk.person("ben", team="tenant_ada", role=Role.APPROVER)
    assert (await ben.browser.get("/api/users")).json()["code"] == "administrator_required"
    assert (await (await desk.agent(ada.user)).get("/api/users")).json()["code"] == "session_required"
    assert (await desk.client().get("/api/users")).status_code == 403


async def test_the_halt_switch(desk: RestDesk, ada: Person) -> None:
    cyd = await desk.person("cyd", team="tenant_ada")
    headers = {"X-CSRF-Token": ada.csrf}
    assert (await ada.browser.get("/agent/halt")).json()["data"] == {"halted": False}
    on = await ada.browser.post("/agent/halt", json={"on": True, "reason": "storm"}, headers=headers)
    assert on.json()["data"]["halted"] is True
    assert (await ada.browser.get("/agent/halt")).json()["data"]["reason"] == "storm"
    for refused in (
        await cyd.browser.get("/agent/halt"),
        await cyd.browser.post("/agent/halt", json={"on": False}, headers={"X-CSRF-Token": cyd.csrf}),
        await (await desk.agent(ada.user)).post("/agent/halt", json={"on": False}),
        await ada.browser.post("/agent/halt", json={"on": False}),
    ):
        assert refused.status_code == 403
    assert (await ada.browser.post("/agent/halt", json={"on": 0}, headers=headers)).status_code == 400
    await ada.browser.post("/agent/halt", json={"on": False}, headers=headers)
    assert (await ada.browser.get("/agent/halt")).json()["data"] == {"halted": False}
    assert [event for event in await desk.events() if event.startswith("halt")] == ["halt.set", "halt.lifted"]


async def test_a_deactivated_person_is_out_at_once(desk: RestDesk, ada: Person) -> None:
    ben = await desk.person("ben", team="tenant_ada")
    agent = await desk.agent(ben.user)
    await ada.browser.delete(f"/api/users/{ben.user.user_id}", headers={"X-CSRF-Token": ada.csrf})
    assert (await execute(agent, "auth.token.introspect")).status_code == 401
    assert (await ben.browser.get("/api/session")).status_code == 401
