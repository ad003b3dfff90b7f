"""A talk in a terminal: what is shown where, exit codes, approvals, leaving."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent_server.chat.desk_chat import DeskChat
from agent_server.cli import chat_session
from agent_server.cli.chat_screen import plain
from agent_server.cli.chat_session import ChatSession, Options
from agent_server.cli.context import local_caller
from core.clock import FrozenClock
from core.llm.model import ModelUnavailable, TextDelta
from core.llm.scripted import ScriptedClient, call, calls, fault
from core.llm.scripted import say as says
from tests.support.chat_desk import until
from tests.support.chat_tools import HangingModel
from tests.support.rest_desk import Person, RestDesk, rest_desk, settings_in

pytestmark = pytest.mark.anyio
LIST, REVOKE = "subscription_token_list", "subscription_token_revoke"


@pytest.fixture
async def desk(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[RestDesk]:
    async with rest_desk(settings_in(tmp_path), clock) as made:
        yield made


@pytest.fixture
async def ada(desk: RestDesk) -> Person:
    return await desk.person("ada")


def session(desk: RestDesk, person: Person, *steps: Any, model: Any = None, **options: Any) -> ChatSession:
    chat = DeskChat(desk.desk, model or ScriptedClient(steps))
    return ChatSession(chat, local_caller(person.user), Options(**options))


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    waiting = list(lines)

    def read(_: str) -> str:
        if not waiting:
            raise EOFError
        return waiting.pop(0)

    monkeypatch.setattr("builtins.input", read)


async def test_the_answer_is_output_and_the_calls_are_notices(desk: RestDesk, ada: Person, capsys: Any) -> None:
    talk = session(desk, ada, calls(call(LIST), call("nothing")), says("You have\nnone.\x1b[31m"))
    assert await talk.once("Which tokens?") == 0
    shown = capsys.readouterr()
    assert shown.out.endswith("You have\nnone.[31m\n")
    assert f"-> {LIST} {{}}\n" in shown.err
    assert "<- skill_not_found: There is no tool 'nothing'." in shown.err


async def test_every_event_is_a_line_of_json(desk: RestDesk, ada: Person, capsys: Any) -> None:
    assert await session(desk, ada, says("好"), as_json=True).once("你好") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [(line["id"], line["event"]) for line in lines] == [(1, "user"), (2, "text"), (3, "usage"), (4, "done")]
    assert lines[1]["data"] == {"text": "好"}


async def test_a_failed_turn_is_told_by_the_exit_code(desk: RestDesk, ada: Person, capsys: Any) -> None:
    assert await session(desk, ada, fault(ModelUnavailable(model="m", reason="529"))).once("hi") == 1
    assert "The model m does not answer: 529 (model_unavailable)" in capsys.readouterr().err


async def test_who_does_not_wait_is_told_where_to_approve(desk: RestDesk, ada: Person, capsys: Any) -> None:
    await desk.mint(ada.user)
    talk = session(desk, ada, calls(call(REVOKE, {"token_id": 1})), wait=False)
    assert await talk.once("Revoke token 1") == 3
    shown = capsys.readouterr().err
    assert "A person must approve subscription.token.revoke: " in shown
    assert f"   open {desk.settings.base_url}/approvals/apr_" in shown


async def test_who_waits_sees_the_approved_call_run(
    desk: RestDesk, ada: Person, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_session, "LOOK_SECONDS", 0.01)
    await desk.mint(ada.user)
    talk = session(desk, ada, calls(call(REVOKE, {"token_id": 1})), says("Revoked."))
    asking = asyncio.ensure_future(talk.once("Revoke token 1"))

    async def pending() -> Any:
        return (await ada.browser.get("/agent/approvals", params={"state": "pending"})).json()["data"]

    await ada.decide((await until(pending))[0]["id"])
    assert await asking == 0
    shown = capsys.readouterr()
    assert shown.out.endswith("Revoked.\n")
    assert "The call that waited: executed" in shown.err


async def test_a_conversation_goes_on_and_begins_anew(
    desk: RestDesk, ada: Person, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "one", "", "two", "/what", "/new", "three", "/exit", "never")
    model = ScriptedClient([says("1"), says("2"), says("3")])
    talk = session(desk, ada, model=model)
    assert await talk.converse() == 0
    assert [len(prompt.messages) for prompt in model.prompts] == [1, 3, 1]
    assert "Go on later with: dingpan chat --conversation cnv_" in capsys.readouterr().err


async def test_ctrl_c_stops_the_answer(
    desk: RestDesk, ada: Person, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops: list[Any] = []

    class Interrupt:
        def __init__(self, action: Any) -> None:
            stops.append(action)

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(chat_session, "_on_interrupt", Interrupt)
    hanging = HangingModel(TextDelta("Well"))
    asking = asyncio.ensure_future(session(desk, ada, model=hanging).once("hi"))

    async def spoken() -> bool:
        return "Well" in capsys.readouterr().out

    await until(spoken)
    stops[0]()
    assert await asking == 1
    assert hanging.is_closed
    assert "(stopped)" in capsys.readouterr().err


def test_nothing_steers_the_terminal() -> None:
    assert plain("a\x1b[2Jb\x07\r\u202ec\n\td长") == "a[2Jbc\n\td长"
