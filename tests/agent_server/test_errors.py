"""Every failure has a status, and one body."""

import pytest

from agent_server.errors import CODE_TITLES, STATUS, TITLES, problem_body, status_of
from core.errors import DeskError, ErrorKind, Limited
from tests.support.rest_desk import EXECUTE, Person, RestDesk, execute

COMMON = {"success", "code", "kind", "message", "traceId", "type", "title", "status", "detail", "instance"}


def test_the_mapping_of_kinds_is_total() -> None:
    assert set(STATUS) == set(TITLES) == set(ErrorKind)
    assert {kind.value: status for kind, status in STATUS.items()} == {
        "invalid": 400,
        "unauthenticated": 401,
        "forbidden": 403,
        "not_found": 404,
        "conflict": 409,
        "not_possible": 422,
        "limited": 429,
        "internal": 500,
        "unavailable": 503,
    }


def test_extras_never_hide_the_common_fields() -> None:
    class Loud(DeskError):
        template = "{status}"
        shown = ("status", "success", "retry_after_seconds")

    body = problem_body(Loud(status="mine", success=True, retry_after_seconds=3), trace_id="t", instance="/x")
    assert (body["status"], body["success"], body["retryAfterSeconds"]) == (500, False, 3)
    assert set(body) == COMMON | {"retryAfterSeconds"}
    assert CODE_TITLES["approval_required"] == "Human approval required"
    assert status_of(Limited(bucket="burst", retry_after_seconds=1)) == 429


pytest_anyio = pytest.mark.anyio


@pytest_anyio
@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "route_not_found"),
        ("GET", "/agent/skills/", 404, "route_not_found"),
        ("DELETE", "/agent/skills", 405, "method_not_allowed"),
        ("GET", EXECUTE, 405, "method_not_allowed"),
        ("GET", "/static/../app.py", 404, "route_not_found"),
        ("GET", "/docs", 404, "route_not_found"),
    ],
)
async def test_what_the_framework_refuses_has_the_same_body(
    desk: RestDesk, method: str, path: str, status: int, code: str
) -> None:
    answer = await desk.client().request(method, path)
    body = answer.json()
    assert (answer.status_code, body["code"], body["status"]) == (status, code, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(body) == COMMON
    assert body["traceId"] == answer.headers["X-Trace-Id"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest_anyio
@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "body_invalid"),
        (b'{"skillId": NaN}', "application/json", 400, "body_invalid"),
        (b'{"skillId": "a.b", "params": {"x": -Infinity}}', "application/json", 400, "body_invalid"),
        (b'{"skillId": "a.b", "skillId": "c.d"}', "application/json", 400, "body_invalid"),
        (b'{"skillId": "a.b", "params": {"x": 1, "x": 1}}', "application/json", 400, "body_invalid"),
        (b'{"skillId": "\\u0000"}', "application/json", 400, "body_invalid"),
        (b'{"skillId": "\\ud800"}', "application/json", 400, "body_invalid"),
        (b'{"skillId": "\xff"}', "application/json", 400, "body_invalid"),
        (b'{"skillId": 1e999999}', "application/json", 400, "body_invalid"),
        (b'{"skillId": ' + b"9" * 5000 + b"}", "application/json", 400, "body_invalid"),
        (b"[" * 60_000, "application/json", 400, "body_invalid"),
        (b"[]", "application/json", 400, "validation_failed"),
        (b'"text"', "application/json", 400, "validation_failed"),
        (b"{}", "application/json", 400, "validation_failed"),
        (b'{"skillId": "a.b", "parms": {}}', "application/json", 400, "validation_failed"),
        (b"skillId=a.b", "application/x-www-form-urlencoded", 400, "content_type_invalid"),
        (b"{}", "text/plain", 400, "content_type_invalid"),
        (b"{}", "", 400, "content_type_invalid"),
        (b" " * (10 * 1024 * 1024 + 1), "application/json", 413, "body_too_large"),
    ],
    ids=str,
)
async def test_bodies_that_cannot_be_read(desk: RestDesk, content: bytes, kind: str, status: int, code: str) -> None:
    answer = await desk.client().post(EXECUTE, content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert set(answer.json()) >= COMMON


@pytest_anyio
async def test_a_body_without_declared_length_is_cut_off_too(desk: RestDesk) -> None:
    async def endless():
        for _ in range(11):
            yield b" " * 1024 * 1024

    headers = {"Content-Type": "application/json"}
    answer = await desk.client().post(EXECUTE, content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["code"], answer.json()["limitBytes"]) == (413, "body_too_large", 65536)


@pytest_anyio
@pytest.mark.parametrize(
    "value",
    ["Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "lgatk_x", "Bearer lgatk_wrong", "Bearer é", "bearer lgatk_"],
)
async def test_a_bad_bearer_is_never_anonymous(desk: RestDesk, value: str) -> None:
    for path in ("/agent/skills", "/api/feedback"):
        answer = await desk.client().get(path, headers={"Authorization": value.encode()})
        assert (answer.status_code, answer.json()["message"]) == (401, "Invalid token")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="dingpan"'


@pytest_anyio
async def test_two_authorization_headers_are_refused(desk: RestDesk, ada: Person) -> None:
    token = (await desk.mint(ada.user)).secret
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    answer = await desk.client().get("/agent/skills", headers=headers)
    assert answer.status_code == 401


@pytest_anyio
async def test_expired_and_revoked_tokens_are_refused(desk: RestDesk, ada: Person, clock) -> None:
    from datetime import timedelta

    expiring, revoked = await desk.mint(ada.user, days=1), await desk.mint(ada.user)
    async with desk.desk.unit_of_work() as uow:
        await desk.desk.services.access.revoke_token(uow, ada.user.team_id, revoked.token.token_id)
        await uow.commit()
    assert (await desk.client(revoked.secret).get("/agent/skills")).status_code == 401
    assert (await desk.client(expiring.secret).get("/agent/skills")).status_code == 200
    clock.advance(timedelta(days=1))
    assert (await desk.client(expiring.secret).get("/agent/skills")).status_code == 401


@pytest_anyio
async def test_token_wins_over_cookie(desk: RestDesk, ada: Person) -> None:
    token = (await desk.mint(ada.user, "feedback.list")).secret
    answer = await ada.browser.get("/api/public/agent/token-introspect", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["scopes"] == ["feedback.list"]


@pytest_anyio
async def test_a_defect_shows_its_incident_and_nothing_else(desk: RestDesk, ada: Person, monkeypatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(desk.desk.services.feedback), "submit", broken)
    body = {"category": "general", "subject": "s", "message": "m"}
    answer = await execute(await desk.agent(ada.user), "feedback.submit", **body)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret detail" not in answer.text
    assert answer.json()["incidentId"]


@pytest_anyio
async def test_a_defect_outside_the_dispatcher_is_500_in_the_same_body(desk: RestDesk, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(desk.desk.registry), "catalogue_entry", broken)
    answer = await desk.client().get("/agent/skills")
    assert (answer.status_code, answer.json()["code"], set(answer.json())) == (500, "internal", COMMON)
    assert "secret detail" not in answer.text
