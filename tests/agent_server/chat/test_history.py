"""From stored entries to messages: well formed whatever stopped the turn."""

import json
from datetime import UTC, datetime
from typing import Any

from agent_server.chat.calls import STILL_WAITING
from agent_server.chat.history import LEFT_OUT, fit, messages_of
from agent_server.chat.loop import NO_ANSWER
from agent_server.json_text import encode
from agent_server.shortening import shortened_text
from core.conversation.model import Entry
from core.llm.data_block import mark, unmark
from core.llm.model import AssistantMessage, Message, ToolCall, ToolMessage, ToolResult, UserMessage

AT = datetime(2026, 11, 20, tzinfo=UTC)


def user(text: str) -> tuple[str, Any]:
    return "user", {"text": text}


def text(words: str) -> tuple[str, Any]:
    return "text", {"text": words}


def called(call_id: str) -> tuple[str, Any]:
    return "tool_call", {"callId": call_id, "name": "look", "arguments": {}, "argumentsText": "{}"}


def answered(call_id: str, content: str = "5") -> tuple[str, Any]:
    return "tool_result", {"callId": call_id, "name": "look", "content": content, "isError": False}


def waits(call_id: str) -> tuple[str, Any]:
    return "approval_required", {"callId": call_id}


DONE = ("done", {"stop": "end"})
USAGE = ("usage", {})


def messages(*entries: tuple[str, Any]) -> list[Message]:
    numbered = [Entry(place, kind, payload, "t", AT) for place, (kind, payload) in enumerate(entries, start=1)]
    return messages_of(numbered, marker="m")


def result(call_id: str, content: str, *, is_error: bool = False) -> ToolResult:
    return ToolResult(call_id, "look", mark(content, marker="m", source="look"), is_error)


def asked(*call_ids: str, words: str = "") -> AssistantMessage:
    return AssistantMessage(words, tuple(ToolCall(call_id, "look", "{}", {}) for call_id in call_ids))


def test_steps_of_a_turn_are_told_apart() -> None:
    found = messages(
        *[user("q"), text("Let "), text("me"), USAGE, called("a"), called("b"), answered("b"), answered("a")],
        *[USAGE, called("c"), answered("c", "6"), text("It is 5."), USAGE, DONE, user("more")],
    )
    assert found == [
        UserMessage("q"),
        asked("a", "b", words="Let me"),
        ToolMessage((result("a", "5"), result("b", "5"))),
        asked("c"),
        ToolMessage((result("c", "6"),)),
        AssistantMessage("It is 5."),
        UserMessage("more"),
    ]


def test_a_killed_turn_keeps_what_was_said_and_answers_open_calls() -> None:
    found = messages(
        user("q"), text("Half a"), ("error", {}), ("done", {}), user("r"), called("a"), called("b"), answered("a")
    )
    assert found == [
        UserMessage("q"),
        AssistantMessage("Half a"),
        UserMessage("r"),
        asked("a", "b"),
        ToolMessage((result("a", "5"), result("b", NO_ANSWER, is_error=True))),
    ]


def test_the_text_of_a_failed_try_is_left_out() -> None:
    found = messages(user("q"), text("It is 4"), ("retry", {"discardsText": True}), text("It is 5."), DONE)
    assert found == [UserMessage("q"), AssistantMessage("It is 5.")]


def test_a_waiting_call_is_answered_in_place_or_as_a_note() -> None:
    parked = [user("q"), called("a"), waits("a"), DONE]
    assert messages(*parked)[-1] == ToolMessage((result("a", STILL_WAITING, is_error=True),))
    assert messages(*parked, answered("a"), text("Done."), DONE) == [
        UserMessage("q"),
        asked("a"),
        ToolMessage((result("a", "5"),)),
        AssistantMessage("Done."),
    ]
    late = messages(*parked, user("r"), text("ok"), DONE, answered("a"), text("Done."))
    assert late[2] == ToolMessage((result("a", STILL_WAITING, is_error=True),))
    assert isinstance(late[5], UserMessage)
    assert unmark(late[5].text) == "5"
    assert late[6] == AssistantMessage("Done.")


def test_old_exchanges_are_left_out_whole() -> None:
    found = messages(
        user("q"), called("a"), answered("a", "x" * 400), text("A."), DONE, user("r"), text("B."), user("s")
    )
    assert fit(found, tokens=1000) == found
    assert fit(found, tokens=20) == [UserMessage(LEFT_OUT + "r"), AssistantMessage("B."), UserMessage("s")]
    assert fit(found, tokens=0) == [UserMessage(LEFT_OUT + "s")]


def test_large_results_are_cut_and_say_so() -> None:
    value = {"items": [{"name": f"n{place}", "note": "长" * 300} for place in range(60)], "total": 60}
    whole = encode(value).decode()
    assert shortened_text(value, text=whole, most_tokens=len(whole.encode()) // 4 + 1) == whole
    short = shortened_text(value, text=whole, most_tokens=2000)
    cut, note = short.split("\n")
    kept = json.loads(cut)
    assert len(cut.encode()) <= 8000
    assert kept["total"] == 60
    assert [kept["items"][place]["name"] for place in (0, -1)] == ["n0", "n59"]
    assert note.startswith(f"(Cut to fit: items shows {len(kept['items'])} of 60")


def test_a_result_that_no_cut_makes_short_is_broken_off() -> None:
    odd = {"k": {str(place): "x" for place in range(5000)}}
    short = shortened_text(odd, text=encode(odd).decode(), most_tokens=2000)
    assert len(short.encode()) < 8200
    assert "(Cut to fit. Ask for" in short
