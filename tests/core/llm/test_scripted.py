"""A scripted model plays its steps, one for each question, and says when there are none left."""

import pytest

from core.llm.model import (
    AssistantMessage,
    ModelUnavailable,
    Prompt,
    StopReason,
    TextDelta,
    ToolCall,
    ToolCallStarted,
    TurnFinished,
    Usage,
    UserMessage,
)
from core.llm.scripted import ScriptedClient, ScriptExhausted, call, calls, fault, say
from tests.support.provider_wire import events_of

pytestmark = pytest.mark.anyio
ASKED = Prompt("", (UserMessage("delete everything"),))


async def test_steps_are_played_in_order_and_prompts_kept():
    steps = [
        calls(call("a", {"x": "名"}), call("b", "{broken", call_id="mine"), text="I look."),
        say("A text that is longer than a piece.", usage=Usage(10, 5, 2)),
    ]
    client = ScriptedClient(steps)
    assert await events_of(client, ASKED) == [
        TextDelta("I look."),
        ToolCallStarted("call_1", "a"),
        ToolCallStarted("mine", "b"),
        TurnFinished(
            AssistantMessage(
                "I look.", (ToolCall("call_1", "a", '{"x": "名"}', {"x": "名"}), ToolCall("mine", "b", "{broken", None))
            ),
            StopReason.TOOL_CALLS,
            Usage(),
        ),
    ]
    assert client.remaining == (steps[1],)
    events = await events_of(client, ASKED)
    assert [event.text for event in events[:-1]] == ["A text that is l", "onger than a pie", "ce."]
    assert events[-1].usage == Usage(10, 5, 2)
    assert (client.remaining, client.prompts) == ((), [ASKED, ASKED])


async def test_a_fault_says_what_came_before_it():
    client = ScriptedClient([fault(ModelUnavailable(model="scripted", reason="gone"), text="Half")])
    heard = []
    with pytest.raises(ModelUnavailable, match="gone"):
        async for event in client.stream(ASKED):
            heard.append(event)
    assert heard == [TextDelta("Half")]


async def test_a_question_too_many_names_the_script_and_what_was_asked():
    client = ScriptedClient([say("One.")], name="scripted-3")
    await events_of(client, ASKED)
    with pytest.raises(ScriptExhausted, match=r"scripted-3 has 1 steps .*delete everything"):
        await events_of(client, ASKED)


async def test_a_stop_can_be_any():
    (last,) = await events_of(ScriptedClient([say("", stop=StopReason.REFUSAL)]), ASKED)
    assert last.stop is StopReason.REFUSAL
