"""Calls that wait for a person: parked, resumed by the desk itself, run once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_server.chat import desk_chat
from agent_server.chat.desk_chat import DeskChat
from agent_server.chat.toolbox import DeskToolbox
from core.access.model import Caller
from core.clock import FrozenClock
from core.llm.data_block import unmark
from core.llm.model import ToolCall, ToolMessage, UserMessage
from core.llm.scripted import call, calls
from core.llm.scripted import say as says
from tests.support.chat_desk import CHAT, ChatDesk, Event, chat_desk, kinds_of, say, until, waiting_in
from tests.support.databases import PostgresCluster
from tests.support.rest_desk import Person, settings_in

pytestmark = pytest.mark.anyio
REVOKE = "subscription_token_revoke"


class Parked:
    """Ada's agent has asked, in a chat, to revoke the token `victim`; the stream of that turn is still open."""

    def __init__(self, desk: ChatDesk, ada: Person, agent: Any, victim: int, caller: Caller) -> None:
        self.desk, self.ada, self.agent, self.victim, self.caller = desk, ada, agent, victim, caller
        self.stream: asyncio.Future[list[Event]]
        self.conversation: dict[str, Any] = {}

    @classmethod
    async def make(cls, desk: ChatDesk) -> "Parked":
        ada = await desk.rest.person("ada")
        victim = (await desk.rest.mint(ada.user, "feedback.list")).token.token_id
        minted = await desk.rest.mint(ada.user)
        caller = desk.rest.desk.services.access.token_caller(minted.token, ada.user)
        return cls(desk, ada, desk.rest.client(minted.secret), victim, caller)

    async def ask(self) -> None:
        self.stream = asyncio.ensure_future(say(self.agent, f"Revoke token {self.victim}"))
        self.conversation = await waiting_in(self.agent)

    @property
    def name(self) -> str:
        return str(self.conversation["conversationId"])

    @property
    def approval_id(self) -> str:
        return str(self.conversation["waiting"][0]["approvalId"])

    async def look(self, chat: DeskChat | None = None) -> None:
        chat = chat or self.desk.chat
        await chat.turns.look()
        await chat.turns.ended(self.name)

    async def victim_state(self) -> str:
        tokens = (await self.ada.browser.get("/api/subscription/tokens")).json()["data"]
        return str(next(token["status"] for token in tokens if token["tokenId"] == self.victim))

    async def runs(self) -> int:
        return (await self.desk.rest.events()).count("call.closed")


@pytest.fixture(params=["sqlite"])
async def parked(request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Parked]:
    more = {}
    if request.param == "postgres":
        cluster: PostgresCluster = request.getfixturevalue("postgres")
        more = {"database_url": await cluster.new_database(empty=True)}
    steps = [calls(call(REVOKE, {"token_id": 1}), text="I ask."), says("So be it."), says("More."), says("And more.")]
    async with chat_desk(settings_in(tmp_path, **more), clock, *steps) as desk:
        made = await Parked.make(desk)
        assert made.victim == 1
        await made.ask()
        yield made
        made.stream.cancel()


async def test_an_approved_call_runs_by_itself_and_the_open_stream_shows_it(parked: Parked) -> None:
    required = next(e for e in (await events(parked)) if e["event"] == "approval_required")["data"]
    assert required["skillId"] == "subscription.token.revoke"
    assert required["url"] == f"{parked.desk.rest.settings.base_url}/approvals/{parked.approval_id}"
    assert required["preview"]["summary"]
    assert required["expiresAt"] == parked.conversation["waiting"][0]["expiresAt"]
    await parked.look()  # nobody has decided: nothing happens
    assert len(parked.desk.model.prompts) == 1
    assert (await parked.ada.decide(parked.approval_id)).status_code == 200
    assert await parked.victim_state() == "active"
    await parked.look()
    seen = await parked.stream
    assert kinds_of(seen) == [
        *["user", "text", "usage", "tool_call", "approval_required", "done"],
        *["approval_resolved", "tool_result", "text", "usage", "done"],
    ]
    assert [event.data["stop"] for event in seen if event.kind == "done"] == ["waiting_approval", "end"]
    assert seen[6].data["state"] == "executed"
    assert await parked.victim_state() == "revoked"
    answer = parked.desk.model.prompts[1].messages[-1]
    assert isinstance(answer, ToolMessage)
    assert '"revokedAt":"2026-11-20' in unmark(answer.results[0].content)
    await parked.look()
    assert await parked.runs() == 1
    assert "approval.approved" in await parked.desk.rest.events()


async def events(parked: Parked) -> list[dict[str, Any]]:
    shown = await parked.agent.get(f"{CHAT}/{parked.name}")
    return list(shown.json()["data"]["events"])


async def test_a_denied_call_never_runs_and_the_model_is_told(parked: Parked) -> None:
    assert (await parked.ada.decide(parked.approval_id, "deny", comment="not this one")).status_code == 200
    await parked.look()
    seen = await parked.stream
    assert [event.data["state"] for event in seen if event.kind == "approval_resolved"] == ["denied"]
    assert "not this one" in parked.desk.model.prompts[1].messages[-1].results[0].content  # type: ignore[union-attr]
    assert (await parked.victim_state(), await parked.runs()) == ("active", 0)


async def test_time_runs_out_while_nobody_decides(parked: Parked, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=11))
    await parked.look()
    seen = await parked.stream
    assert [event.data["state"] for event in seen if event.kind == "approval_resolved"] == ["expired"]
    assert (await parked.victim_state(), await parked.runs()) == ("active", 0)


async def test_another_process_goes_on_after_a_restart(parked: Parked) -> None:
    await parked.desk.chat.close()
    later = parked.desk.another_process(says("Done after the restart."))
    await parked.ada.decide(parked.approval_id)
    await parked.look(later)
    assert (await parked.stream)[-1].data["text"] == "Done after the restart."
    assert (await parked.victim_state(), await parked.runs()) == ("revoked", 1)


async def test_a_stop_between_the_effect_and_its_note_runs_nothing_twice(parked: Parked) -> None:
    """The call ran and the process died before its answer was written down."""
    await parked.ada.decide(parked.approval_id)
    arguments = {"token_id": 1, "approvalId": parked.approval_id}
    toolbox = DeskToolbox(parked.desk.rest.desk, parked.caller)
    first = await toolbox.call(ToolCall("c", REVOKE, "", arguments))
    assert not first.is_error
    await parked.look()
    result = next(event for event in await parked.stream if event.kind == "tool_result")
    assert (result.data["isError"], result.data["structured"]) == (False, dict(first.structured or {}))
    assert await parked.runs() == 1


@pytest.mark.parametrize("parked", ["sqlite", "postgres"], indirect=True)
async def test_of_two_processes_that_race_one_goes_on(parked: Parked) -> None:
    others = [parked.desk.another_process(says("Mine.")) for _ in range(3)]
    await parked.ada.decide(parked.approval_id)
    await asyncio.gather(*(parked.look(chat) for chat in others))
    seen = await parked.stream
    assert kinds_of(seen).count("approval_resolved") == 1
    assert kinds_of(seen).count("done") == 2
    assert sum(len(chat.model.prompts) for chat in others) == 1  # type: ignore[attr-defined]
    assert (await parked.victim_state(), await parked.runs()) == ("revoked", 1)


async def test_the_talk_goes_on_while_a_call_waits(parked: Parked) -> None:
    second = asyncio.ensure_future(say(parked.agent, "What else?", parked.name))

    async def answered() -> bool:
        return len([event for event in await events(parked) if event["event"] == "done"]) == 2

    await until(answered)
    await parked.desk.chat.turns.ended(parked.name)
    told = parked.desk.model.prompts[1].messages
    assert [type(message).__name__ for message in told] == [
        *["UserMessage", "AssistantMessage", "ToolMessage", "UserMessage"]
    ]
    assert unmark(told[2].results[0].content).startswith("Not run. A person must approve")  # type: ignore[union-attr]
    await parked.ada.decide(parked.approval_id)
    await parked.look()
    seen = await second
    assert kinds_of(seen)[-5:] == ["approval_resolved", "tool_result", "text", "usage", "done"]
    note = parked.desk.model.prompts[2].messages[-1]
    assert isinstance(note, UserMessage)
    assert note.text.startswith("(From the desk, not from the user.)")
    assert '"revokedAt":"2026-11-20' in unmark(note.text)
    await parked.stream
    following = await say(parked.agent, "Thanks", parked.name)
    assert following[-1].data["stop"] == "end"
    messages = parked.desk.model.prompts[3].messages
    assert [type(message).__name__ for message in messages[3:]] == [
        *["UserMessage", "AssistantMessage", "UserMessage", "AssistantMessage", "UserMessage"]
    ]


async def test_what_was_taken_away_is_gone_when_the_turn_goes_on(parked: Parked) -> None:
    await parked.ada.decide(parked.approval_id)
    desk = parked.desk.rest.desk
    async with desk.unit_of_work() as uow:
        await desk.services.access.revoke_token(uow, parked.ada.user.team_id, parked.caller.token_id or 0)
        await uow.commit()
    await parked.look()
    stored = (await parked.desk.chat.read(parked.caller, parked.name))[1]
    assert [entry.kind for entry in stored][-3:] == ["approval_resolved", "tool_result", "done"]
    assert stored[-2].payload["content"] == "Not run: the token that asked has ended, or its person was locked out."
    assert (await parked.victim_state(), await parked.runs()) == ("active", 0)
    assert len(parked.desk.model.prompts) == 1


async def test_deleting_the_conversation_takes_the_request_back(parked: Parked) -> None:
    assert (await parked.agent.delete(f"{CHAT}/{parked.name}")).status_code == 200
    await parked.stream
    late = await parked.ada.decide(parked.approval_id)
    assert (late.status_code, late.json()["code"]) == (409, "approval_not_pending")
    assert (await parked.agent.get(CHAT)).json()["data"]["total"] == 0
    assert "approval.withdrawn" in await parked.desk.rest.events()


async def test_a_person_in_a_session_asks_and_approves(tmp_path: Path, clock: FrozenClock) -> None:
    steps = [calls(call("skills_call", {"name": REVOKE, "arguments": {"token_id": 1}})), says("Revoked.")]
    async with chat_desk(settings_in(tmp_path), clock, *steps) as desk:
        ada = await desk.rest.person("ada")
        await desk.rest.mint(ada.user)
        ada.browser.headers["X-CSRF-Token"] = ada.csrf
        stream = asyncio.ensure_future(say(ada.browser, "Revoke token 1"))
        waiting = (await waiting_in(ada.browser))["waiting"]
        await ada.decide(waiting[0]["approvalId"])
        await desk.chat.turns.look()
        seen = await stream
        assert [event.data["state"] for event in seen if event.kind == "approval_resolved"] == ["executed"]
        assert seen[-1].data["text"] == "Revoked."


@pytest.fixture
def only_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks by himself: what happens, happens because a bell rang."""
    monkeypatch.setattr(desk_chat, "LOOK_SECONDS", 600)
    monkeypatch.setattr(desk_chat, "FOLLOW_SECONDS", 600)


@pytest.mark.usefixtures("only_signals")
async def test_the_watch_wakes_on_a_decision(parked: Parked) -> None:
    async with parked.desk.chat.running():
        await asyncio.sleep(0)
        await parked.ada.decide(parked.approval_id)
        async with asyncio.timeout(30):
            assert (await parked.stream)[-1].data["text"] == "So be it."


@pytest.mark.usefixtures("only_signals")
async def test_a_server_that_stops_does_not_wait_for_streams(parked: Parked) -> None:
    await parked.desk.chat.end_streams()
    async with asyncio.timeout(30):
        assert kinds_of(await parked.stream)[-2:] == ["approval_required", "done"]
    waiting = (await parked.desk.chat.read(parked.caller, parked.name))[2]
    assert [wait.approval_id for wait in waiting] == [parked.approval_id]
