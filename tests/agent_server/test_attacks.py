"""What a hostile caller tries at the doors. Each test is one attack that must fail, and must fail quickly."""

import io
import os
import subprocess
import sys
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent_server.json_text import JsonInvalid, decode
from agent_server.log_output import printable
from agent_server.rest.health import Metrics
from core.access.model import Role
from core.market import demo
from tests.support.rest_desk import EXECUTE, Person, RestDesk, execute

pytestmark = pytest.mark.anyio
REVOKE = "subscription.token.revoke"
IMPORT = "investment.stock.trading.import"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
TYPES = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def book(corner: str, row: int) -> bytes:
    """An Excel book with two cells: the first, and one that says where the sheet ends."""
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{TYPES}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{TYPES}/relationships"><Relationship Id="a" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{TYPES}/relationships"><Relationship Id="a" '
        f'Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="a" sheetId="1" r:id="a"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{SHEET}"><sheetData><row r="1"><c r="A1"><v>1</v></c></row>'
        f'<row r="{row}"><c r="{corner}"><v>1</v></c></row></sheetData></worksheet>',
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0"?>' + text)
    return written.getvalue()


@pytest.mark.parametrize(("corner", "row"), [("XFD1048576", 1_048_576), ("ZZ999999", 999_999)])
async def test_a_book_that_asks_for_half_a_terabyte_is_refused(
    desk: RestDesk, ada: Person, corner: str, row: int
) -> None:
    content = b64encode(book(corner, row)).decode()
    answer = await ada.execute(IMPORT, file_name="a.xlsx", content=content, dry_run=True)
    assert (answer.status_code, answer.json()["code"]) == (400, "statement_not_recognised"), answer.text
    assert "too large" in answer.json()["message"]


async def test_a_whole_file_does_not_go_into_the_audit(desk: RestDesk, ada: Person) -> None:
    await ada.execute(IMPORT, file_name="a.csv", content="x" * 50_000, encoding="text", dry_run=True)
    async with desk.desk.unit_of_work(read_only=True) as uow:
        rows = await desk.desk.services.audit.newest(uow, limit=10)
    opened = next(row for row in rows if row.event == "call.opened")
    assert opened.detail["params"]["content"].startswith("(50000 characters, sha256 ")


def test_a_key_given_twice_among_many_is_found_at_once() -> None:
    many = "{" + ",".join(f'"k{number}":1' for number in range(200_000)) + ',"k199999":2}'
    with pytest.raises(JsonInvalid, match="k199999"):
        decode(many.encode())


async def test_strangers_cannot_send_much(desk: RestDesk) -> None:
    stranger = desk.client()
    body = b'{"username":"' + b"a" * 70_000 + b'"}'
    for path in ("/login", EXECUTE, "/api/trading-records"):
        answer = await stranger.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large"), path


async def test_of_thousands_of_unknown_keys_some_are_named(desk: RestDesk, ada: Person) -> None:
    agent = await desk.agent(ada.user)
    flood = {f"key{number}": 1 for number in range(50_000)}
    for answer in (
        await execute(agent, "market.quote.get", **flood),
        await agent.post(EXECUTE, json={"skillId": "market.quote.get"} | flood),
    ):
        assert answer.status_code == 400
        assert 50 <= len(answer.json()["errors"]) <= 51


def test_invented_methods_do_not_fill_the_figures() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.observe(f"M{number}", "unmatched", 405, 0.1)
    text = metrics.text().decode()
    assert 'method="other"' in text
    assert "M99" not in text


def test_log_lines_cannot_be_forged_or_command_the_terminal() -> None:
    event: dict[str, Any] = {"path": "/a\n2026 forged\x1b[31m\u202e", "status": 404, "traceback": "one\ntwo\x1b[2J"}
    shown = printable(None, "info", event)
    assert shown == {"path": r"/a\n2026 forged\x1b[31m\u202e", "status": 404, "traceback": "one\ntwo\\x1b[2J"}


async def test_an_address_that_begins_with_two_slashes_leads_nowhere_else(desk: RestDesk) -> None:
    page = await desk.client().get(f"{desk.settings.base_url}//evil.example/x", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert 'href="?lang=' in page.text
    assert 'href="//evil' not in page.text


async def test_no_changing_skill_answers_get(desk: RestDesk) -> None:
    for skill in desk.desk.registry.skills:
        assert skill.tier.value == "green" or skill.method != "GET", skill.skill_id


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("bearer beside the cookie", {"headers": {"Authorization": "Bearer nonsense"}}),
        ("no origin", {"headers": {"Origin": None}}),
        ("null origin", {"headers": {"Origin": "null"}}),
        ("sub-domain", {"headers": {"Origin": "http://evil.127.0.0.1:8765"}}),
        ("other port", {"headers": {"Origin": "http://127.0.0.1:8766"}}),
        ("other scheme", {"headers": {"Origin": "https://127.0.0.1:8765"}}),
        ("prefix", {"headers": {"Origin": "http://127.0.0.1:8765.evil.example"}}),
        ("no csrf", {"headers": {"X-CSRF-Token": ""}}),
        ("csrf of another session", {"headers": {"X-CSRF-Token": "a" * 52}}),
    ],
)
async def test_a_decision_by_anybody_but_the_page_is_refused(
    desk: RestDesk, ada: Person, name: str, changes: dict[str, Any]
) -> None:
    victim = (await desk.mint(ada.user)).token.token_id
    agent = await desk.agent(ada.user)
    approval_id = (await execute(agent, REVOKE, token_id=victim)).json()["approvalId"]
    answer = await ada.decide(approval_id, **changes)
    assert answer.status_code == 403, name
    state = (await agent.get(f"/agent/approvals/{approval_id}")).json()["data"]["state"]
    assert state == "pending"


async def test_an_approval_is_worth_nothing_to_others(desk: RestDesk, ada: Person) -> None:
    victim = (await desk.mint(ada.user)).token.token_id
    agent = await desk.agent(ada.user)
    next_call = (await execute(agent, REVOKE, token_id=victim)).json()["nextAction"]["body"]
    approval_id = next_call["params"]["approvalId"]
    await ada.decide(approval_id)
    mate = await desk.user("mate", team=ada.user.team_name, role=Role.ADMINISTRATOR)
    stranger = await desk.user("stranger")
    for other in (await desk.agent(ada.user), await desk.agent(mate), await desk.agent(stranger)):
        answer = await other.post(EXECUTE, json=next_call)
        assert (answer.status_code, answer.json()["code"]) == (404, "approval_not_found")
    changed = {"skillId": REVOKE, "params": {"token_id": victim + 1, "approvalId": approval_id}}
    assert (await agent.post(EXECUTE, json=changed)).json()["code"] == "approval_params_mismatch"
    spelled = {"skillId": REVOKE, "params": {"approvalId": approval_id, "pathParams": {"tokenId": str(victim)}}}
    assert (await agent.post(EXECUTE, json=spelled)).status_code == 200
    assert (await agent.post(EXECUTE, json=next_call)).json()["code"] == "approval_consumed"


@pytest.mark.parametrize("place", ["pathParams", "query", "body"])
@pytest.mark.parametrize("key", ["approvalId", "idempotencyKey", "approval_id"])
async def test_steering_keys_in_the_wrong_place_are_refused(desk: RestDesk, ada: Person, place: str, key: str) -> None:
    agent = await desk.agent(ada.user)
    smuggled = {"skillId": REVOKE, "params": {"token_id": 1, place: {key: "apr_" + "0" * 26}}}
    beside = {"skillId": REVOKE, key: "x", "params": {"token_id": 1}}
    for body in (smuggled, beside):
        assert (await agent.post(EXECUTE, json=body)).json()["code"] == "validation_failed"
    assert (await agent.get("/agent/approvals")).json()["data"] == []


async def test_a_stored_answer_is_not_replayed_to_others(desk: RestDesk, ada: Person) -> None:
    params = {"category": "general", "subject": "private", "message": "secret words", "idempotency_key": "k1"}
    minted = await desk.mint(ada.user)
    mine = desk.client(minted.secret)
    first = await execute(mine, "feedback.submit", **params)
    assert (await execute(mine, "feedback.submit", **params)).headers["Idempotency-Replayed"] == "true"
    for other in (await desk.agent(ada.user), await desk.agent(await desk.user("stranger"))):
        answer = await execute(other, "feedback.submit", **params)
        assert "Idempotency-Replayed" not in answer.headers
        assert answer.json()["data"]["feedbackId"] != first.json()["data"]["feedbackId"]
    async with desk.desk.unit_of_work() as uow:
        await desk.desk.services.access.revoke_token(uow, ada.user.team_id, minted.token.token_id)
        await uow.commit()
    assert (await execute(mine, "feedback.submit", **params)).status_code == 401


async def test_two_authorization_headers_are_nobody(desk: RestDesk, ada: Person) -> None:
    secret = (await desk.mint(ada.user)).secret
    doubled = [("Authorization", f"Bearer {secret}"), ("Authorization", "Bearer lgatk_other")]
    answer = await desk.client().get("/agent/approvals", headers=httpx.Headers(doubled))
    assert answer.status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1:8765@evil.example", "[::1"])
async def test_other_hosts_are_refused(desk: RestDesk, host: str) -> None:
    answer = await desk.client().get("/login", headers={"Host": host, "X-Forwarded-Host": "127.0.0.1"})
    assert (answer.status_code, answer.json()["code"]) == (421, "host_not_allowed")


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
async def test_methods_are_not_overridden(desk: RestDesk, ada: Person, header: str) -> None:
    victim = (await desk.mint(ada.user)).token.token_id
    answer = await ada.browser.get(f"/api/subscription/tokens/{victim}?_method=DELETE", headers={header: "DELETE"})
    assert answer.status_code == 405


async def test_markup_in_parameters_stays_text(desk: RestDesk, ada: Person) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'\u202e"
    agent = await desk.agent(ada.user)
    agent.headers["User-Agent"] = "<b>agent</b>"
    demo.install(desk.desk.services.market_store, imported_at=desk.desk.services.clock.now())
    trade = {"stock_num": "600869", "market": "SH", "trade_type": "BUY", "qty": 100, "price": "10"}
    made = await execute(agent, "investment.stock.trading.create", **trade, trade_date="2026-11-19")
    record = made.json()["data"]["recordId"]
    asked = await execute(agent, "investment.stock.trading.delete", record_id=record, note=evil)
    assert asked.status_code == 409, asked.text
    page = await ada.browser.get(f"/approvals/{asked.json()['approvalId']}")
    assert "<script>" not in page.text
    assert "<img src=x" not in page.text
    assert "<b>agent" not in page.text
    assert "[U+202E]" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "value", ["[" + "1" * 5000 + "]", "[" * 20_000, "1e999999999", '["1e999999999"]', "[NaN]", "[1e99999]"]
)
async def test_filters_that_cannot_be_read_are_faults(desk: RestDesk, ada: Person, value: str) -> None:
    agent = await desk.agent(ada.user)
    asset = {"asset_id": 1, "filter_column": "CLOSE_PX", "filter_value": value, "filter_op": "in"}
    for operator in ("in", "eq", "between"):
        answer = await execute(agent, "dataasset.data.get", **(asset | {"filter_op": operator}))
        assert answer.status_code == 400, (operator, answer.text[:300])


async def test_every_number_beyond_all_bounds_is_a_fault_or_nothing(desk: RestDesk, ada: Person) -> None:
    agent = await desk.agent(ada.user)
    broken = []
    for skill in desk.desk.registry.skills:
        schema = desk.desk.registry.schema(skill)
        numbers = [argument for argument in schema.arguments if argument.type == "integer"]
        for argument in numbers:
            for value in (2**63 - 1, -(2**63) + 1, 10**18, 0, -1):
                answer = await execute(agent, skill.skill_id, **(dict(skill.example) | {argument.name: value}))
                if answer.status_code >= 500:
                    broken.append((skill.skill_id, argument.name, value))
    assert broken == []


@pytest.mark.skipif(os.name == "nt", reason="file modes are POSIX")
def test_what_the_command_writes_is_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "desk"
    home.mkdir(mode=0o755)
    command = [
        sys.executable,
        "-m",
        "agent_server",
        "user",
        "add",
        "eve",
        "--email",
        "eve@example.com",
        "--password-stdin",
    ]
    environment = os.environ | {"DINGPAN_HOME": str(home)}
    done = subprocess.run(
        command, env=environment, capture_output=True, input=b"correct horse battery\n", timeout=120, check=False
    )
    files = [path for path in home.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"desk.sqlite3", "audit.key"}, done.stderr
    assert {path.name: path.stat().st_mode & 0o077 for path in files if path.stat().st_mode & 0o077} == {}
