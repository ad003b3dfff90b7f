"""The pages, as a browser without scripts sees them."""

import re
from typing import Any

import pytest

from agent_server.web.text import LANGUAGES, TEXT, Words, preferred
from agent_server.web.views import fields_of, visible
from core.access.model import ApprovalState, TokenStatus
from tests.support.rest_desk import PASSWORD, Person, RestDesk, csrf_field, execute

BROWSER = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "en"}
REVOKE = "subscription.token.revoke"


async def ask(desk: RestDesk, person: Person) -> str:
    victim = (await desk.mint(person.user)).token.token_id
    answer = await execute(await desk.agent(person.user), REVOKE, token_id=victim)
    return str(answer.json()["approvalId"])


def own(desk: RestDesk) -> dict[str, str]:
    return BROWSER | {"Origin": desk.settings.base_url}


@pytest.mark.anyio
async def test_sign_in_by_form_leads_to_the_page_that_was_wanted(desk: RestDesk) -> None:
    await desk.user("ada")
    browser = desk.client(**own(desk))
    sent_away = await browser.get("/approvals/apr_1")
    assert (sent_away.status_code, sent_away.headers["Location"]) == (303, "/login?next=%2Fapprovals%2Fapr_1")
    form = await browser.get(sent_away.headers["Location"])
    assert 'name="next" value="/approvals/apr_1"' in form.text
    assert 'autocomplete="current-password"' in form.text
    wrong = await browser.post("/login", data={"username": "ada", "password": "x", "next": "/tokens"})
    assert wrong.headers["Location"] == "/login?failed=wrong&next=%2Ftokens"
    assert "The user name or the password is wrong." in (await browser.get(wrong.headers["Location"])).text
    right = await browser.post("/login", data={"username": "ada", "password": PASSWORD, "next": "/tokens"})
    assert (right.status_code, right.headers["Location"]) == (303, "/tokens")
    assert (await browser.get("/tokens")).status_code == 200
    out = await browser.post("/logout", data={"csrf_token": csrf_field((await browser.get("/tokens")).text)})
    assert (out.status_code, out.headers["Location"]) == (303, "/login")
    assert (await browser.get("/tokens")).headers["Location"].startswith("/login")


@pytest.mark.anyio
async def test_a_person_approves_by_form(desk: RestDesk, ada: Person) -> None:
    approval_id = await ask(desk, ada)
    listed = await ada.browser.get("/approvals", headers=BROWSER)
    assert f'href="/approvals/{approval_id}"' in listed.text
    assert 'class="tier red"' in listed.text
    page = await ada.browser.get(f"/approvals/{approval_id}", headers=BROWSER)
    for shown in (REVOKE, "Revokes", "token_id", "10 min 00 s", "Approve", "Deny", "python-httpx"):
        assert shown in page.text, shown
    proof = csrf_field(page.text)
    fields = {"csrf_token": proof, "decision": "approve", "comment": "fine"}
    decided = await ada.browser.post(f"/agent/approvals/{approval_id}/decision", data=fields, headers=own(desk))
    assert (decided.status_code, decided.headers["Location"]) == (303, f"/approvals/{approval_id}")
    after = await ada.browser.get(f"/approvals/{approval_id}", headers=BROWSER)
    assert 'class="state approved"' in after.text
    assert "fine" in after.text
    assert 'value="approve"' not in after.text


@pytest.mark.anyio
async def test_a_person_revokes_their_own_token_in_two_steps(desk: RestDesk, ada: Person) -> None:
    token = await desk.mint(ada.user)
    page = (await ada.browser.get("/tokens", headers=BROWSER)).text
    proof = {"csrf_token": csrf_field(page)}
    asked = await ada.browser.post(f"/tokens/{token.token.token_id}/revoke", data=proof, headers=own(desk))
    assert asked.status_code == 303
    where = asked.headers["Location"]
    assert (await desk.client(token.secret).get("/agent/skills")).status_code == 200
    too_early = await ada.browser.post(f"{where}/run", data=proof, headers=own(desk))
    assert too_early.status_code == 409
    await ada.browser.post(f"/agent{where}/decision", data=proof | {"decision": "approve"}, headers=own(desk))
    assert "Run it now" in (await ada.browser.get(where, headers=BROWSER)).text
    ran = await ada.browser.post(f"{where}/run", data=proof, headers=own(desk))
    assert (ran.status_code, ran.headers["Location"]) == (303, where)
    assert 'class="state executed"' in (await ada.browser.get(where, headers=BROWSER)).text
    assert (await desk.client(token.secret).get("/agent/skills")).status_code == 401


@pytest.mark.anyio
async def test_nobody_runs_the_call_of_somebody_else(desk: RestDesk, ada: Person) -> None:
    approval_id = await ask(desk, ada)
    await ada.decide(approval_id)
    proof = {"csrf_token": ada.csrf}
    answer = await ada.browser.post(f"/approvals/{approval_id}/run", data=proof, headers=own(desk))
    assert answer.status_code == 422
    assert "Only the requester" in answer.text


@pytest.mark.anyio
async def test_forms_without_proof_are_refused(desk: RestDesk, ada: Person) -> None:
    approval_id, token = await ask(desk, ada), await desk.mint(ada.user)
    forms = {
        f"/approvals/{approval_id}/run": {},
        f"/agent/approvals/{approval_id}/decision": {"decision": "approve"},
        "/tokens": {"name": "x", "presets": "read-data"},
        f"/tokens/{token.token.token_id}/revoke": {},
        "/logout": {},
    }
    for path, fields in forms.items():
        bare = await ada.browser.post(path, data=fields or {"csrf_token": ""}, headers=own(desk))
        foreign = await ada.browser.post(
            path, data=fields | {"csrf_token": ada.csrf}, headers=BROWSER | {"Origin": "http://evil.example"}
        )
        assert (bare.status_code, foreign.status_code) == (403, 403), path
    assert (await ada.browser.get(f"/agent/approvals/{approval_id}")).json()["data"]["state"] == "pending"


@pytest.mark.anyio
async def test_a_token_is_shown_once(desk: RestDesk, ada: Person) -> None:
    fields: dict[str, Any] = {
        "csrf_token": ada.csrf,
        "name": "<b>probe</b>",
        "presets": ["read-data", "portfolio"],
        "expiresInDays": "30",
    }
    made = await ada.browser.post("/tokens", data=fields, headers=own(desk))
    found = re.search(r"lgatk_[0-9a-z]+", made.text)
    assert made.status_code == 200
    assert found is not None
    assert (await desk.client(found[0]).get("/agent/skills")).status_code == 200
    listed = (await ada.browser.get("/tokens", headers=BROWSER)).text
    assert found[0] not in listed
    assert "&lt;b&gt;probe&lt;/b&gt;" in listed
    for bad in ({"presets": []}, {"expiresInDays": "0"}, {"expiresInDays": "soon"}, {"name": ""}, {"scopes": "x"}):
        assert (await ada.browser.post("/tokens", data=fields | bad, headers=own(desk))).status_code == 400


@pytest.mark.anyio
async def test_language_by_browser_by_switch_and_remembered(desk: RestDesk) -> None:
    browser = desk.client()
    chinese = await browser.get("/login", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert '<html lang="zh-Hans">' in chinese.text
    assert "用户名" in chinese.text
    switched = await browser.get("/login?lang=zh&next=%2Ftokens", headers={"Accept-Language": "en"})
    assert 'href="?next=%2Ftokens&amp;lang=en"' in switched.text
    assert "登录" in (await browser.get("/login", headers={"Accept-Language": "en"})).text


@pytest.mark.anyio
async def test_pages_have_no_script_and_no_inline_style(desk: RestDesk, ada: Person) -> None:
    approval_id = await ask(desk, ada)
    for path in ("/login", "/approvals", f"/approvals/{approval_id}", "/tokens", "/nothing"):
        page = await ada.browser.get(path, headers=BROWSER)
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", page.text), path
        assert page.headers["Cache-Control"] == "no-store"
        assert re.findall(r"(?:href|src)=\"(?:https?:)?//", page.text) == []


@pytest.mark.anyio
async def test_browsers_get_failures_as_pages_and_others_do_not(desk: RestDesk, ada: Person) -> None:
    page = await ada.browser.get("/approvals/apr_none", headers=BROWSER)
    assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert page.headers["X-Trace-Id"] in page.text
    body = await ada.browser.get("/approvals/apr_none")
    assert body.json()["code"] == "approval_not_found"
    assert (await ada.browser.get("/approvals?page=0", headers=BROWSER)).status_code == 400
    assert (await desk.client(Authorization="Bearer x").get("/approvals")).status_code == 403


def test_every_text_is_there_in_both_languages() -> None:
    assert all(len(pair) == len(LANGUAGES) and all(pair) for pair in TEXT.values())
    for state in ApprovalState:
        assert f"state_{state}" in TEXT
    for status in TokenStatus:
        assert f"token_{status}" in TEXT
    english, chinese = Words("en"), Words("zh")
    assert english("once", minutes=5) == "Approving lets exactly this call run once, within 5 minutes."
    assert chinese.other == "en"


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "en"), ("fr", "en"), ("zh", "zh"), ("en;q=0.5, zh-TW;q=0.6", "zh"), ("zh;q=x, en;q=0.1", "en"), ("*", "en")],
)
def test_the_browsers_wish(header: str, language: str) -> None:
    assert preferred(header) == language


def test_nothing_hides_in_parameters() -> None:
    words = Words("en")
    value = {"a": "x\u202ey\u200b\x07", "b": [], "c": {"d": [1, True, None, ""]}, "e\u2066": "<b>"}
    shown = [(field.path, field.value) for field in fields_of(value, words)]
    assert shown == [
        ("a", "x[U+202E]y[U+200B][U+0007]"),
        ("b", "[]"),
        ("c.d[0]", "1"),
        ("c.d[1]", "true"),
        ("c.d[2]", "(not given)"),
        ("c.d[3]", "(empty text)"),
        ("e[U+2066]", "<b>"),
    ]
    assert visible("平安\n银行") == "平安\n银行"
