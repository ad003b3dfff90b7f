"""The catalogue, the execute address, and the generated routes."""

import pytest

from tests.support.rest_desk import EXECUTE, Person, RestDesk, execute

pytestmark = pytest.mark.anyio
INTROSPECT = "auth.token.introspect"


async def test_catalogue_shows_everybody_everything_and_who_may_run_it(desk: RestDesk, ada: Person) -> None:
    reader = await desk.agent(ada.user, "feedback.list")
    everything = (await desk.client().get("/agent/skills")).json()
    granted = (await reader.get("/agent/skills?granted=true")).json()
    assert everything["success"] is True
    assert [entry["skillId"] for entry in everything["data"]] == [skill.skill_id for skill in desk.desk.registry.skills]
    assert everything["meta"] == {"total": len(desk.desk.registry)}
    assert [entry["skillId"] for entry in granted["data"]] == [INTROSPECT, "feedback.list"]
    entry = (await desk.client().get("/agent/skills?skillId=subscription.token.revoke")).json()["data"][0]
    assert (entry["risk"], entry["granted"], entry["method"]) == ("red", False, "DELETE")


async def test_catalogue_searches_and_names_presets(desk: RestDesk) -> None:
    client = desk.client()
    found = (await client.get("/agent/skills", params={"q": "令牌"})).json()["data"]
    assert INTROSPECT in [entry["skillId"] for entry in found]
    preset = (await client.get("/agent/skills?preset=read-data")).json()["data"]
    assert "dataasset.data.get" in [entry["skillId"] for entry in preset]
    assert "feedback.submit" not in [entry["skillId"] for entry in preset]


async def test_catalogue_is_not_sent_twice(desk: RestDesk, ada: Person) -> None:
    first = await desk.client().get("/agent/skills")
    tag = first.headers["ETag"]
    again = await desk.client().get("/agent/skills", headers={"If-None-Match": f'"other", W/{tag}'})
    other_caller = await (await desk.agent(ada.user)).get("/agent/skills", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert other_caller.status_code == 200
    assert first.headers["Vary"] == "Authorization, Cookie"


@pytest.mark.parametrize(
    ("query", "code", "shown"),
    [
        ("grantd=true", "validation_failed", {"path": "grantd", "suggestion": "granted"}),
        ("granted=yes", "validation_failed", {"path": "granted", "got": "yes"}),
        ("preset=read-dta", "validation_failed", {"path": "preset", "suggestion": "read-data"}),
        ("q=a&q=b", "validation_failed", {"path": "q"}),
        ("q=%00", "validation_failed", {"path": "q"}),
        ("q=%ff", "validation_failed", {"path": "query"}),
    ],
)
async def test_catalogue_refuses_what_it_does_not_understand(
    desk: RestDesk, query: str, code: str, shown: dict[str, str]
) -> None:
    answer = await desk.client().get(f"/agent/skills?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["errors"][0] | shown == answer.json()["errors"][0]


async def test_unknown_skill_is_400_with_what_was_meant(desk: RestDesk) -> None:
    for answer in (
        await execute(desk.client(), "auth.token.introspct"),
        await desk.client().get("/agent/skills?skillId=auth.token.introspct"),
    ):
        assert answer.status_code == 400
        assert answer.json()["code"] == "skill_not_found"
        assert answer.json()["didYouMean"][0] == INTROSPECT


async def test_both_spellings_and_the_route_run_the_same_skill(desk: RestDesk, ada: Person) -> None:
    agent = await desk.agent(ada.user, "feedback.list")
    answers = [
        await execute(agent, INTROSPECT),
        await execute(agent, "auth_token_introspect"),
        await agent.get("/api/public/agent/token-introspect"),
    ]
    bodies = [{k: v for k, v in answer.json().items() if k != "traceId"} for answer in answers]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert bodies[0] == bodies[1] == bodies[2]
    shown = {"username": "ada", "teamName": "tenant_ada", "tokenName": "test", "status": "active", "expiresAt": None}
    assert bodies[0] | shown | {"success": True, "message": "OK"} == bodies[0]
    assert bodies[0]["scopes"] == ["feedback.list"]


FEEDBACK = {"category": "general", "subject": "000135", "message": "hello", "contact_email": "a@b.cn"}


@pytest.mark.parametrize(
    "body",
    [
        {"params": FEEDBACK},
        {"params": {"body": FEEDBACK}},
        {"body": FEEDBACK},
        {"params": {"category": "other", "subject": "000135", "body": FEEDBACK}},
        {"params": {k: v for k, v in FEEDBACK.items() if k != "contact_email"} | {"contactEmail": "a@b.cn"}},
    ],
    ids=["flat", "envelope", "folded", "mixed", "camel"],
)
async def test_every_shape_of_a_request_gives_one_answer(desk: RestDesk, ada: Person, body: dict) -> None:
    agent = await desk.agent(ada.user)
    answer = await agent.post(EXECUTE, json={"skillId": "feedback.submit"} | body)
    assert answer.status_code == 200, answer.text
    kept = ("category", "subject", "message", "contactEmail")
    assert [answer.json()["data"][name] for name in kept] == ["general", "000135", "hello", "a@b.cn"]


async def test_a_route_reads_path_query_and_body(desk: RestDesk, ada: Person) -> None:
    agent = await desk.agent(ada.user)
    sent = await agent.post("/api/feedback", json=FEEDBACK)
    listed = await agent.get("/api/feedback", params={"page": "1", "size": "5"})
    unknown = await agent.get("/api/feedback", params={"pge": "1"})
    assert (sent.status_code, listed.status_code) == (200, 200)
    assert [item["subject"] for item in listed.json()["data"]] == ["000135"]
    assert (unknown.status_code, unknown.json()["errors"][0]["suggestion"]) == (400, "page")


@pytest.mark.parametrize("place", ["approvalId", "idempotencyKey"])
async def test_steering_keys_outside_params_are_refused_and_make_nothing(
    desk: RestDesk, ada: Person, place: str
) -> None:
    agent = await desk.agent(ada.user)
    answer = await agent.post(
        EXECUTE, json={"skillId": "subscription.token.revoke", "params": {"token_id": 1}, place: "apr_x"}
    )
    assert (answer.status_code, answer.json()["errors"][0]["suggestion"]) == (400, f"params.{place}")
    assert (await agent.get("/agent/approvals")).json()["data"] == []


async def test_idempotency_key_in_header_or_params_gives_the_stored_answer(desk: RestDesk, ada: Person) -> None:
    agent = await desk.agent(ada.user)
    key = {"Idempotency-Key": "k1"}
    first = await agent.post("/api/feedback", json=FEEDBACK, headers=key)
    again = await execute(agent, "feedback.submit", **FEEDBACK, idempotencyKey="k1")
    other = await agent.post("/api/feedback", json=FEEDBACK | {"subject": "x"}, headers=key)
    differing = await agent.post("/api/feedback", json=FEEDBACK | {"idempotencyKey": "k2"}, headers=key)
    assert first.json()["data"] == again.json()["data"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert (differing.status_code, differing.json()["errors"][0]["path"]) == (400, "Idempotency-Key")
    assert len((await agent.get("/api/feedback")).json()["data"]) == 1


async def test_a_session_needs_its_proof_to_run_a_skill(desk: RestDesk, ada: Person) -> None:
    bare = await ada.browser.post(EXECUTE, json={"skillId": INTROSPECT})
    foreign = await ada.browser.post(
        EXECUTE, json={"skillId": INTROSPECT}, headers={"X-CSRF-Token": ada.csrf, "Origin": "https://evil.example"}
    )
    proven = await ada.execute(INTROSPECT)
    read = await ada.browser.get("/api/public/agent/token-introspect")
    assert [bare.status_code, foreign.status_code, proven.status_code, read.status_code] == [403, 403, 200, 200]
    assert bare.json()["code"] == foreign.json()["code"] == "csrf_refused"


async def test_missing_scope_says_what_would_help(desk: RestDesk, ada: Person) -> None:
    answer = await execute(await desk.agent(ada.user, "feedback.list"), "dataasset.list")
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert answer.json()["requiredScope"] == "dataasset.list"
    assert answer.json()["grantedScopes"] == ["feedback.list"]
    assert "read-data" in answer.json()["presetsGrantingScope"]
