"""What anybody and the operator may ask, and the OpenAPI document."""

import pytest

from agent_server.app import flush
from agent_server.probe import mark_of
from agent_server.rest.presets import preset_views
from core.clock import FrozenClock
from tests.support.rest_desk import Person, RestDesk, rest_desk, settings_in

pytestmark = pytest.mark.anyio


async def test_public_addresses_need_no_key(desk: RestDesk) -> None:
    client = desk.client()
    version = (await client.get("/api/public/agent/skill-version")).json()
    assert {"version", "name", "description", "updatedAt", "success", "message", "traceId"} == set(version)
    manual = await client.get("/api/public/agent/skill-manifest")
    assert manual.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert manual.text.startswith("---\nname: dingpan\n")
    assert "@version@" not in manual.text
    assert "investment.stock.portfolio.pnl.get" in manual.text
    table = (await client.get("/api/public/agent/capabilities")).json()["data"]
    row = {"method": "GET", "path": "/api/profile/pnl", "scope": "investment.stock.portfolio.pnl.get"}
    assert row | {"skillId": "investment.stock.portfolio.pnl.get"} in table
    assert len(table) == len(desk.desk.registry)


async def test_presets_tell_what_is_satisfied(desk: RestDesk, ada: Person) -> None:
    reader = await desk.agent(ada.user, *desk.desk.registry.default_scopes)
    shown = (await reader.get("/agent/scope-presets")).json()
    assert shown["defaultScopes"] == list(desk.desk.registry.default_scopes) == shown["grantedScopes"]
    assert {p["id"]: p["satisfied"] for p in shown["presets"]} == {"read-data": True, "portfolio": False, "desk": False}
    session = (await ada.browser.get("/agent/scope-presets")).json()
    assert all(preset["satisfied"] for preset in session["presets"])
    assert (await desk.client().get("/agent/scope-presets")).status_code == 401
    assert (await reader.get("/agent/scope-presets?x=1")).status_code == 400
    assert preset_views is not None


async def test_alive_and_ready(desk: RestDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    client = desk.client()
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    ready = await client.get("/readyz")
    expected = {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "market": "ok"},
        "desk": mark_of(desk.settings),
    }
    assert (ready.status_code, ready.json()) == (200, expected)

    async def older(_: object) -> str:
        return "0000"

    monkeypatch.setattr(type(desk.desk.services.database), "revision", older)
    behind = await client.get("/readyz")
    assert (behind.status_code, behind.json()["status"]) == (503, "not ready")


async def test_figures_are_for_the_operator(desk: RestDesk, tmp_path, clock: FrozenClock) -> None:
    await desk.client().get("/agent/skills?skillId=auth.token.introspect")
    text = (await desk.client().get("/metrics")).text
    assert 'dingpan_requests_total{method="GET",route="/agent/skills",status="200"} 1.0' in text
    away = await desk.client(address="203.0.113.5").get("/metrics")
    assert (away.status_code, away.json()["code"]) == (403, "operator_required")
    guarded = settings_in(tmp_path / "b", public_url="https://desk.example", metrics_token="figures")
    async with rest_desk(guarded, clock) as other:
        assert (await other.client().get("/metrics")).status_code == 403
        assert (await other.client("wrong").get("/metrics")).status_code == 403
        assert (await other.client("figures").get("/metrics")).status_code == 200


async def test_the_document_names_every_route_and_points_nowhere_else(desk: RestDesk) -> None:
    document = (await desk.client().get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    for skill in desk.desk.registry:
        assert skill.method.lower() in document["paths"][skill.path]
    for path, method in (
        ("/login", "post"),
        ("/agent/approvals/{approval_id}/decision", "post"),
        ("/agent/halt", "get"),
        ("/api/users/{user_id}", "patch"),
        ("/agent/scope-presets", "get"),
        ("/agent/skills", "get"),
        ("/agent/skills/execute", "post"),
    ):
        assert method in document["paths"][path], path
    references = {line.split('"')[1] for line in str(document).replace("'", '"').split('"$ref": ')[1:]}
    for reference in references:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


async def test_the_lifespan_recovers_flushes_and_stops(desk: RestDesk, ada: Person) -> None:
    token = await desk.mint(ada.user)
    async with desk.app.router.lifespan_context(desk.app):
        await desk.client(token.secret).get("/agent/skills?skillId=feedback.list")
    async with desk.desk.unit_of_work(read_only=True) as uow:
        stored = await desk.desk.services.access.token(uow, ada.user.team_id, token.token.token_id)
    assert stored.last_used_at is not None
    await flush(desk.desk)
