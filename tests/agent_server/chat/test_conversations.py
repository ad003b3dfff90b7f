"""Conversations over REST: streamed, stored, followed, kept apart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_server.chat import desk_chat, journal, turns
from agent_server.chat.history import LEFT_OUT
from core.clock import FrozenClock
from core.conversation.model import ConversationState
from core.llm.data_block import unmark
from core.llm.model import (
    AssistantMessage,
    ModelUnavailable,
    Prompt,
    StopReason,
    TextDelta,
    ToolCall,
    ToolMessage,
    TurnFinished,
    Usage,
    UserMessage,
)
from core.llm.scripted import call, calls, fault
from core.llm.scripted import say as says
from tests.support.chat_desk import CHAT, ChatDesk, chat_desk, events_of, kinds_of, say, until
from tests.support.chat_tools import HangingModel
from tests.support.rest_desk import settings_in

pytestmark = pytest.mark.anyio
LIST = "subscription_token_list"


@pytest.fixture
async def script(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Any]:
    """Opens a desk whose model follows the steps it is given."""
    opened: list[Any] = []

    async def make(*steps: Any, **more: Any) -> ChatDesk:
        settings = settings_in(tmp_path, **more.pop("settings", {}))
        manager = chat_desk(settings, clock, *steps, **more)
        opened.append(manager)
        return await manager.__aenter__()

    yield make
    for manager in opened:
        await manager.__aexit__(None, None, None)


async def test_a_turn_is_streamed_and_kept_as_it_was_streamed(script: Any) -> None:
    desk = await script(calls(call(LIST), text="Let me see."), says("You have one token."))
    agent = await desk.rest.agent(await desk.rest.user("ada"))
    events = await say(agent, "Which tokens\ndo I have?")
    assert kinds_of(events) == ["user", "text", "usage", "tool_call", "tool_result", "text", "usage", "done"]
    assert [event.id for event in events] == list(range(1, 9))
    name = events[0].data["conversationId"]
    assert events[0].data["text"] == "Which tokens\ndo I have?"
    assert events[4].data["structured"]["items"][0]["tokenName"] == "test"
    assert events[-1].data["stop"] == "end"
    kept = (await agent.get(f"{CHAT}/{name}")).json()["data"]
    assert [(event["id"], event["event"], event["data"]) for event in kept["events"]] == [
        (event.id, event.kind, event.data) for event in events
    ]
    assert (kept["title"], kept["state"], kept["lastEventId"]) == ("Which tokens", "idle", 8)
    assert "marker" not in str(kept)
    later = (await agent.get(f"{CHAT}/{name}", params={"after": 6, "limit": 1})).json()["data"]["events"]
    assert [event["id"] for event in later] == [7]
    stream = await agent.get(f"{CHAT}/{name}", headers={"Accept": "text/event-stream", "Last-Event-ID": "6"})
    assert [event.id for event in events_of(stream)] == [7, 8]


async def test_the_next_message_knows_what_was_said(script: Any) -> None:
    desk = await script(calls(call(LIST)), says("One."), says("As I said."))
    agent = await desk.rest.agent(await desk.rest.user("ada"))
    name = (await say(agent, "How many?"))[0].data["conversationId"]
    events = await say(agent, "Again?", name)
    assert [event.id for event in events][:2] == [8, 9]
    messages = desk.model.prompts[-1].messages
    assert [type(message) for message in messages] == [
        UserMessage,
        AssistantMessage,
        ToolMessage,
        AssistantMessage,
        UserMessage,
    ]
    assert messages == (*desk.model.prompts[1].messages, AssistantMessage("One."), UserMessage("Again?"))
    assert unmark(messages[2].results[0].content).startswith('{"items":[')
    system = desk.model.prompts[-1].system
    assert "You talk with ada of the team tenant_ada. Today is\n2026-11-20 (Friday) in Shanghai." in system
    assert "{" not in system


async def test_bad_requests_are_refused_before_a_stream_begins(script: Any) -> None:
    desk = await script()
    ada = await desk.rest.person("ada")
    agent = await desk.rest.agent(ada.user)
    assert (await desk.rest.client().post(CHAT, json={"message": "hi"})).status_code == 401
    for body, path in [
        ({}, "message"),
        ({"message": " "}, "message"),
        ({"message": "x", "conversationID": "1"}, "conversationID"),
    ]:
        answer = await agent.post(CHAT, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, path)
    assert (await agent.post(CHAT, json={"message": "x" * 20_001})).status_code == 400
    assert (await agent.post(CHAT, json={"message": "x", "conversationId": "cnv_0"})).json()["code"] == (
        "conversation_not_found"
    )
    assert (await ada.browser.post(CHAT, json={"message": "x"})).json()["code"] == "csrf_refused"
    assert (await agent.get(CHAT)).json()["data"] == {"items": [], "page": 1, "total": 0}


async def test_conversations_belong_to_who_began_them(script: Any) -> None:
    desk = await script(says("Hello."))
    ada = await desk.rest.person("ada")
    agent = await desk.rest.agent(ada.user)
    name = (await say(agent, "hi"))[0].data["conversationId"]
    bob = await desk.rest.user("bob", team="tenant_ada")
    strangers = [
        await desk.rest.agent(ada.user),
        await desk.rest.agent(bob),
        await desk.rest.agent(await desk.rest.user("eve")),
    ]
    for client in (*strangers, ada.browser):
        headers = {"X-CSRF-Token": ada.csrf}
        answers = [
            await client.get(f"{CHAT}/{name}"),
            await client.post(f"{CHAT}/{name}/cancel", headers=headers),
            await client.delete(f"{CHAT}/{name}", headers=headers),
            await client.post(CHAT, json={"message": "x", "conversationId": name}, headers=headers),
        ]
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "conversation_not_found")}
        assert (await client.get(CHAT)).json()["data"]["total"] == 0
    assert (await agent.get(CHAT)).json()["data"]["total"] == 1
    assert (await agent.delete(f"{CHAT}/{name}")).status_code == 200
    assert (await agent.get(f"{CHAT}/{name}")).status_code == 404


async def test_the_same_message_sent_twice_is_one_message(script: Any) -> None:
    desk = await script(says("Once."), says("Twice."))
    agent = await desk.rest.agent(await desk.rest.user("ada"))
    first = await say(agent, "hi", **{"Idempotency-Key": "k1"})
    assert await say(agent, "hi", **{"Idempotency-Key": "k1"}) == first
    name = first[0].data["conversationId"]
    second = await say(agent, "more", name, **{"Idempotency-Key": "k2"})
    assert await say(agent, "more", name, **{"Idempotency-Key": "k2"}) == second
    assert len(desk.model.prompts) == 2


async def test_the_model_has_the_rights_of_its_caller_and_no_more(script: Any) -> None:
    desk = await script(calls(call("feedback_submit")), says("No."))
    agent = await desk.rest.agent(await desk.rest.user("ada"), LIST.replace("_", "."))
    events = await say(agent, "Who am I?")
    offered = [tool.name for tool in desk.model.prompts[0].tools]
    assert LIST in offered
    assert "feedback_submit" not in offered
    assert [event.data["problem"]["code"] for event in events if event.kind == "tool_result"] == ["skill_not_found"]


async def test_a_turn_goes_on_when_its_reader_leaves(script: Any) -> None:
    desk = await script(calls(call(LIST)), says("Done."))
    user = await desk.rest.user("ada")
    caller = desk.rest.desk.services.access.token_caller((await desk.rest.mint(user)).token, user)
    begun = await desk.chat.say(caller, "hi")
    name = begun.conversation.conversation_id
    async with aclosing(desk.chat.follow(caller, name, after=0)) as entries:
        assert (await anext(entries)).kind == "user"
    seen = [entry.kind async for entry in desk.chat.follow(caller, name, after=1)]
    assert seen == ["usage", "tool_call", "tool_result", "text", "usage", "done"]


async def test_a_cancelled_turn_stops_the_model_and_says_so(script: Any) -> None:
    hanging = HangingModel(TextDelta("Well"))
    desk = await script(model=hanging)
    agent = await desk.rest.agent(await desk.rest.user("ada"))
    stream = asyncio.ensure_future(say(agent, "hi"))

    async def spoken() -> Any:
        found = (await agent.get(CHAT)).json()["data"]["items"]
        return found[0] if found and found[0]["lastEventId"] == 2 else None

    name = (await until(spoken))["conversationId"]
    busy = await agent.post(CHAT, json={"message": "x", "conversationId": name})
    assert (busy.status_code, busy.json()["code"]) == (409, "conversation_busy")
    assert (await agent.post(f"{CHAT}/{name}/cancel")).json()["data"] == {"cancelled": True}
    events = await stream
    assert [(event.kind, event.data.get("stop")) for event in events[1:]] == [("text", None), ("done", "cancelled")]
    assert hanging.is_closed
    assert (await agent.post(f"{CHAT}/{name}/cancel")).json()["data"] == {"cancelled": False}


async def test_a_desk_that_stops_notes_the_interruption(script: Any) -> None:
    desk = await script(model=HangingModel(TextDelta("Well")))
    agent = await desk.rest.agent(await desk.rest.user("ada"))
    stream = asyncio.ensure_future(say(agent, "hi"))

    async def spoken() -> Any:
        return (await agent.get(CHAT)).json()["data"]["items"]

    await until(spoken)
    await desk.chat.close()
    assert (await stream)[-1].data["stop"] == "interrupted"


async def test_a_turn_whose_process_died_is_closed_by_the_next_one(script: Any, clock: FrozenClock) -> None:
    desk = await script(says("Here again."))
    user = await desk.rest.user("ada")
    caller = desk.rest.desk.services.access.token_caller((await desk.rest.mint(user)).token, user)
    async with desk.rest.desk.unit_of_work() as uow:
        begun = await desk.rest.desk.services.conversation.begin(
            uow, user.team_id, owner=caller.requester, user_id=user.user_id, text="hi", marker="m"
        )
        await uow.commit()
    name = begun.conversation.conversation_id
    await desk.chat.turns.look()  # the claim is fresh: somebody may be playing it
    assert (await desk.chat.read(caller, name))[0].state == "running"
    clock.advance(timedelta(seconds=31))
    await desk.chat.turns.look()
    conversation, entries, _ = await desk.chat.read(caller, name)
    assert conversation.state == "idle"
    assert [(entry.kind, entry.payload.get("code"), entry.payload.get("stop")) for entry in entries[1:]] == [
        ("error", "interrupted", None),
        ("done", None, "interrupted"),
    ]
    begun = await desk.chat.say(caller, "still there?", conversation_id=name)
    assert [entry.kind async for entry in desk.chat.follow(caller, name, after=begun.first_sequence)][-1] == "done"


async def test_a_model_that_fails_ends_the_turn_in_words(script: Any) -> None:
    desk = await script(fault(ModelUnavailable(model="m", reason="529")), fault(RuntimeError("secret")))  # type: ignore[arg-type]
    agent = await desk.rest.agent(await desk.rest.user("ada"))
    events = await say(agent, "hi")
    assert [(event.kind, event.data.get("code")) for event in events[1:]] == [
        ("error", "model_unavailable"),
        ("done", None),
    ]
    events = await say(agent, "hi", events[0].data["conversationId"])
    assert events[-2].data["code"] == "internal"
    assert "Quote incident inc_" in events[-2].data["message"]
    assert "secret" not in str(events)


async def test_text_no_database_can_hold_is_stored_without_it(script: Any) -> None:
    desk = await script(says("a\0b\ud800c"))
    agent = await desk.rest.agent(await desk.rest.user("ada"))
    assert (await say(agent, "hi"))[-1].data["text"] == "a\ufffdb?c"


async def test_messages_are_limited_and_so_are_turns_at_once(script: Any) -> None:
    desk = await script(*[says("x")] * 40, settings={"rate_limits": True})
    agent = await desk.rest.agent(await desk.rest.user("ada"))
    for _ in range(29):  # as if she had said so much already
        for window in desk.chat._windows:
            window.count("token:1", desk.rest.desk.services.clock.monotonic())
    await say(agent, "hi")
    refused = await agent.post(CHAT, json={"message": "hi"})
    assert (refused.status_code, refused.json()["bucket"]) == (429, "chat")
    assert int(refused.headers["Retry-After"]) > 0


async def test_four_conversations_answer_at_once(script: Any) -> None:
    desk = await script(model=HangingModel(TextDelta("Well")))
    user = await desk.rest.user("ada")
    caller = desk.rest.desk.services.access.token_caller((await desk.rest.mint(user)).token, user)
    for _ in range(4):
        await desk.chat.say(caller, "hi")
    agent = desk.rest.client((await desk.rest.mint(user)).secret)
    assert (await agent.get(CHAT)).status_code == 200  # another token has its own
    with pytest.raises(Exception, match="4 conversations are answering already") as refused:
        await desk.chat.say(caller, "hi")
    assert refused.value.code == "rate_limited"  # type: ignore[attr-defined]


async def test_a_token_that_is_revoked_in_the_middle_of_a_turn_calls_nothing_more(script: Any) -> None:
    class Revoking:
        name, is_configured = "revoking", True
        asked = 0

        async def stream(self, prompt: Prompt) -> Any:
            self.asked += 1
            if self.asked == 1:
                async with desk.rest.desk.unit_of_work() as uow:
                    await desk.rest.desk.services.access.revoke_token(uow, user.team_id, 1)
                    await uow.commit()
                asked = (ToolCall("c1", LIST, "{}", {}),)
                yield TurnFinished(AssistantMessage("", asked), StopReason.TOOL_CALLS, Usage())
            else:
                yield TurnFinished(AssistantMessage("It is over."), StopReason.END, Usage())

        async def warm_up(self) -> None: ...

        async def close(self) -> None: ...

    desk = await script(model=Revoking())
    user = await desk.rest.user("ada")
    caller = desk.rest.desk.services.access.token_caller((await desk.rest.mint(user)).token, user)
    begun = await desk.chat.say(caller, "hi")
    entries = [entry async for entry in desk.chat.follow(caller, begun.conversation.conversation_id, after=0)]
    assert [entry.payload["problem"]["code"] for entry in entries if entry.kind == "tool_result"] == ["unauthenticated"]
    assert entries[-1].payload["text"] == "It is over."


async def test_streams_of_one_caller_are_limited(script: Any) -> None:
    desk = await script(model=HangingModel(TextDelta("Well")))
    user = await desk.rest.user("ada")
    minted = await desk.rest.mint(user)
    caller, agent = desk.rest.desk.services.access.token_caller(minted.token, user), desk.rest.client(minted.secret)
    begun = await desk.chat.say(caller, "hi")
    name = begun.conversation.conversation_id
    streams = [desk.chat.follow(caller, name, after=0) for _ in range(16)]
    for stream in streams:
        await anext(stream)
    for answer in (
        await agent.get(f"{CHAT}/{name}", headers={"Accept": "text/event-stream"}),
        await agent.post(CHAT, json={"message": "hi"}),
    ):
        assert (answer.status_code, answer.json()["bucket"]) == (429, "followers")
    assert (await agent.get(CHAT)).json()["data"]["total"] == 1
    for stream in streams:
        await stream.aclose()
    desk.chat.check_place(caller)


async def test_a_long_turn_and_a_large_result_are_read_again(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "ENTRIES_READ", 5)
    monkeypatch.setattr(journal, "MOST_KEPT", 50)
    desk = await script(calls(call(LIST)), says("One."), says("Two."), says("Three."))
    agent = await desk.rest.agent(await desk.rest.user("ada"))
    first = await say(agent, "a")
    assert (first[3].data["structured"], first[3].data["isWhole"]) == (None, False)
    assert first[3].data["content"].startswith('{"items":[')
    name = first[0].data["conversationId"]
    await say(agent, "b", name)
    await say(agent, "c", name)
    told = [[getattr(message, "text", "") for message in prompt.messages] for prompt in desk.model.prompts[2:]]
    assert told == [["a", "", "", "One.", "b"], [f"{LEFT_OUT}b", "Two.", "c"]]


async def test_a_silent_turn_is_not_a_dead_connection(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_chat, "FOLLOW_SECONDS", 0.001)
    monkeypatch.setattr(desk_chat, "HEARTBEAT_SECONDS", 0.003)
    desk = await script(model=HangingModel(TextDelta("Well")))
    user = await desk.rest.user("ada")
    caller = desk.rest.desk.services.access.token_caller((await desk.rest.mint(user)).token, user)
    begun = await desk.chat.say(caller, "hi")
    seen: list[str | None] = []
    async with aclosing(desk.chat.follow(caller, begun.conversation.conversation_id, after=0)) as entries:
        while "text" not in seen or seen[-1] is not None:
            entry = await anext(entries)
            seen.append(None if entry is None else entry.kind)
    assert [kind for kind in seen if kind] == ["user", "text"]


async def test_a_password_in_a_call_reaches_the_skill_and_no_record(script: Any) -> None:
    person = {"username": "wang.li", "password": "Hunter2-hunter2", "email": "wang.li@example.com"}
    inner = {"name": "auth.user.register", "arguments": {"body": person}}
    desk = await script(
        calls(call("auth_user_register", person)),
        calls(call("skills_call", inner)),
        calls(call("auth_user_register", '{"password": "Hunter2-hunter2", ')),
        says("Done."),
        settings={"allow_registration": True},
    )
    agent = await desk.rest.agent(await desk.rest.user("ada"), "auth.user.register")
    events = await say(agent, "Make an account for Wang Li.")
    called = [event.data for event in events if event.kind == "tool_call"]
    assert called[0]["arguments"] == person | {"password": "(hidden)"}
    assert called[1]["arguments"]["arguments"]["body"] == person | {"password": "(hidden)"}
    assert called[2] == called[2] | {"arguments": None, "argumentsText": "(hidden)"}
    results = [event.data for event in events if event.kind == "tool_result"]
    assert results[0]["structured"]["username"] == "wang.li"  # it was run with the real one
    kept = (await agent.get(f"{CHAT}/{events[0].data['conversationId']}")).text
    assert "Hunter2" not in str(events) + kept


@pytest.mark.parametrize("ends_first", [True, False])
async def test_a_turn_that_is_ended_before_its_first_step_notes_that(script: Any, *, ends_first: bool) -> None:
    desk = await script(model=HangingModel(TextDelta("Well")))
    user = await desk.rest.user("ada")
    caller = desk.rest.desk.services.access.token_caller((await desk.rest.mint(user)).token, user)
    if ends_first:
        await desk.chat.turns.close()
    name = (await desk.chat.say(caller, "hi")).conversation.conversation_id
    if not ends_first:
        desk.chat.turns.stop(name)
    async with asyncio.timeout(60):
        await desk.chat.turns.ended(name)
    conversation, entries, _ = await desk.chat.read(caller, name)
    assert conversation.state is ConversationState.IDLE
    assert entries[-1].payload["stop"] == ("interrupted" if ends_first else "cancelled")


async def test_a_token_that_is_revoked_follows_no_longer(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_chat, "FOLLOW_SECONDS", 0.01)
    monkeypatch.setattr(desk_chat, "HEARTBEAT_SECONDS", 0.01)
    desk = await script(model=HangingModel(TextDelta("Well")))
    user = await desk.rest.user("ada")
    minted = await desk.rest.mint(user)
    caller = desk.rest.desk.services.access.token_caller(minted.token, user)
    name = (await desk.chat.say(caller, "hi")).conversation.conversation_id
    async with asyncio.timeout(60), aclosing(desk.chat.follow(caller, name, after=0)) as entries:
        async for entry in entries:
            if entry is None:  # it is alive and says nothing
                async with desk.rest.desk.unit_of_work() as uow:
                    await desk.rest.desk.services.access.revoke_token(uow, user.team_id, minted.token.token_id)
                    await uow.commit()
                desk.rest.desk.services.clock.advance(timedelta(seconds=desk_chat.RECHECK_SECONDS))
                break
        assert [entry async for entry in entries] == []  # though the turn may have said more meanwhile
