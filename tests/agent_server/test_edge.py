"""What every answer carries, and which hosts are answered for."""

import pytest

from agent_server.edge import CONTENT_SECURITY_POLICY, allowed_hosts, host_name
from core.clock import FrozenClock
from core.settings import Settings
from tests.support.rest_desk import RestDesk, rest_desk, settings_in

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "[::1", "a@127.0.0.1:x"]
)
async def test_other_hosts_are_refused(desk: RestDesk, host: str) -> None:
    answer = await desk.client().get("/healthz", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "host_not_allowed")


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost", "LOCALHOST:1", "[::1]:8765"])
async def test_names_of_this_machine_are_answered(desk: RestDesk, host: str) -> None:
    assert (await desk.client().get("/healthz", headers={"Host": host})).status_code == 200


def test_the_public_address_is_a_host_of_the_desk(tmp_path) -> None:
    settings = Settings(home=tmp_path, host="0.0.0.0", public_url="https://desk.example:8443")
    assert allowed_hosts(settings) == {"127.0.0.1", "::1", "localhost", "desk.example", "0.0.0.0"}
    assert host_name("DESK.example:8443") == "desk.example"


async def test_headers_of_every_answer(desk: RestDesk) -> None:
    for path in ("/login", "/agent/skills", "/nothing", "/static/desk.css"):
        answer = await desk.client().get(path)
        assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "Strict-Transport-Security" not in answer.headers
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Server" not in answer.headers


async def test_a_public_desk_insists_on_encryption(tmp_path, clock: FrozenClock) -> None:
    async with rest_desk(settings_in(tmp_path, public_url="https://desk.example"), clock) as desk:
        await desk.user("ada")
        answer = await desk.client().post("/login", json={"username": "ada", "password": "correct horse battery"})
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.headers["Set-Cookie"].endswith("; HttpOnly; Max-Age=43200; Path=/; SameSite=lax; Secure")


async def test_trace_ids_are_the_desks_own(desk: RestDesk) -> None:
    client = desk.client()
    answers = [await client.get("/healthz", headers={"X-Trace-Id": "mine", "traceparent": "x"}) for _ in range(2)]
    traces = {answer.headers["X-Trace-Id"] for answer in answers}
    assert len(traces) == 2
    assert all(trace.startswith("trc_") and len(trace) == 30 for trace in traces)


async def test_the_log_has_no_query_string_and_no_secret(desk: RestDesk, capsys: pytest.CaptureFixture[str]) -> None:
    import structlog

    with structlog.testing.capture_logs() as lines:
        client = desk.client("lgatk_secret")
        await client.get("/agent/skills?q=private")
        await client.get("/healthz")
    shown = [line for line in lines if line["event"] == "request"]
    assert [(line["path"], line["status"]) for line in shown] == [("/agent/skills", 401)]
    assert "private" not in str(lines)
    assert "lgatk_secret" not in str(lines)
