"""kill -9 while a model speaks, while a call waits for a person, and while the approved call runs.

What was shown is there after the restart; the approved call has run once; the audit chain verifies.
"""

import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from evals.wire import WireCall, WireTurn
from tests.support.model_server import model_server
from tests.support.real_desk import RealDesk, RealPerson, real_desk

pytestmark = pytest.mark.soak
CHAT = "/agent/chat"
REVOKE = "subscription_token_revoke"
ROUNDS = 2
LONG = "The market was calm. " * 200


def rule(asked: list[dict[str, Any]]) -> WireTurn:
    newest = asked[-1]
    if newest.get("type") == "function_call_output":
        return WireTurn(text="It is done.", input_tokens=10)
    text = json.dumps(newest)
    number = re.search(r"Revoke token (\d+)", text)
    if number is None:
        return WireTurn(text=LONG, input_tokens=10)
    call = WireCall("call_1", REVOKE, json.dumps({"token_id": int(number[1])}))
    return WireTurn(text="I ask.", calls=(call,), input_tokens=10)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[RealDesk]:
    with model_server(rule, pause=0.005) as settings, real_desk(tmp_path / "desk", **settings) as opened:
        opened.add_user("ada")
        opened.start()
        yield opened


def read_until(client: httpx.Client, message: str, wanted: str, count: int = 1) -> str:
    """Say something and read the stream until an event was there so often; return what was read."""
    seen = ""
    with client.stream("POST", CHAT, json={"message": message}) as stream:
        for text in stream.iter_text():
            seen += text
            if seen.count(f"event: {wanted}\n") >= count:
                return seen
    raise AssertionError(seen)


def conversation(client: httpx.Client, name: str) -> dict[str, Any]:
    return dict(client.get(f"{CHAT}/{name}").json()["data"])


def ended(client: httpx.Client, name: str, stop: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = conversation(client, name)
        dones = [event["data"]["stop"] for event in found["events"] if event["event"] == "done"]
        if found["state"] == "idle" and dones and dones[-1] == stop:
            return found
        time.sleep(0.1)
    raise AssertionError(conversation(client, name))


def name_in(stream: str) -> str:
    return re.findall(r"cnv_\w+", stream)[0]


def test_what_was_shown_is_there_after_a_kill(desk: RealDesk) -> None:
    with desk.agent(desk.token("ada")) as client:
        seen = read_until(client, "Tell me a long story", "text", count=8)
        desk.kill()
        desk.start()
        shown = re.findall(r"^data: (\{.*\})$", seen, re.MULTILINE)
        kept = conversation(client, name_in(seen))["events"]
        assert [event["data"] for event in kept][: len(shown)] == [json.loads(data) for data in shown]
        found = ended(client, name_in(seen), "interrupted")
        assert [event["event"] for event in found["events"]][-2:] == ["error", "done"]


def test_an_approved_call_runs_once_whenever_the_desk_is_killed(desk: RealDesk) -> None:
    dice = random.Random(20261121)
    client = desk.agent(desk.token("ada"))
    for _ in range(ROUNDS):
        desk.token("ada")
        newest = max(token["tokenId"] for token in tokens(desk.person("ada")))
        seen = read_until(client, f"Revoke token {newest}", "approval_required")
        approval = re.findall(r"apr_\w+", seen)[0]
        desk.kill()
        desk.start()
        person = desk.person("ada")
        assert person.decide(approval).status_code == 200
        time.sleep(dice.uniform(0.0, 0.4))
        desk.kill()
        desk.start()
        found = ended(client, name_in(seen), "end")
        states = [event["data"]["state"] for event in found["events"] if event["event"] == "approval_resolved"]
        assert states == ["executed"]
        status = client.get(f"/agent/approvals/{approval}").json()["data"]["state"]
        assert status == "executed"
        assert next(token for token in tokens(desk.person("ada")) if token["tokenId"] == newest)["status"] == "revoked"
    client.close()
    desk.audit_is_whole()


def tokens(person: RealPerson) -> list[dict[str, Any]]:
    return list(person.browser.get("/api/subscription/tokens").json()["data"])
