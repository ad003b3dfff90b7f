"""The three wire formats through the real SDKs: what streams, what counts, and what never counts."""

import json

import httpx2
import pytest

from core.llm.model import (
    AssistantMessage,
    Prompt,
    Retrying,
    StopReason,
    TextDelta,
    ToolCall,
    ToolCallStarted,
    ToolDefinition,
    ToolMessage,
    ToolResult,
    Usage,
    UserMessage,
)
from tests.support.provider_wire import (
    KEY,
    Api,
    Provider,
    WireCall,
    WireTurn,
    answers,
    breaks_off,
    events_of,
    finished,
    unreachable,
)

pytestmark = pytest.mark.anyio
EVERY_API = pytest.mark.parametrize("api", list(Api))
QUOTE = ToolDefinition(
    name="market_quote_get",
    description="Last prices.",
    parameters={
        "type": "object",
        "properties": {
            "symbols": {"type": "array", "items": {"type": "string"}},
            "as_of": {"type": "string", "format": "date", "description": "Day."},
            "limit": {"type": "integer", "default": 20, "maximum": 50},
        },
        "required": ["symbols"],
        "additionalProperties": False,
    },
)
ASKED = Prompt("Be exact.", (UserMessage("茅台多少钱"),), (QUOTE,))
ARGUMENTS = '{"symbols": ["600519.SH"], "as_of": "2026-11-20"}'
CALL = WireCall("call_1", "market_quote_get", ARGUMENTS)


def spoken(events):
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@EVERY_API
async def test_text_streams_in_pieces_and_ends_whole_with_its_usage(api):
    turn = WireTurn(text="茅台收于 1480.00 元，截至 2026-11-20。", input_tokens=120, cached_tokens=100)
    provider = Provider(api, [answers(turn)])
    events = await events_of(provider.client(), ASKED)
    assert len([event for event in events if isinstance(event, TextDelta)]) == 3
    assert spoken(events) == turn.text
    last = finished(events)
    assert last.message.text == turn.text
    assert last.message.tool_calls == ()
    assert last.stop is StopReason.END
    assert last.usage == Usage(120, turn.output_tokens, 100)
    assert provider.streams[0].is_closed


@EVERY_API
async def test_a_call_whose_arguments_arrive_cut_in_the_middle_is_read_whole(api):
    provider = Provider(api, [answers(WireTurn(text="I look.", calls=(CALL,)))])
    events = await events_of(provider.client(), ASKED)
    assert [event for event in events if isinstance(event, ToolCallStarted)] == [
        ToolCallStarted("call_1", "market_quote_get")
    ]
    last = finished(events)
    expected = {"symbols": ["600519.SH"], "as_of": "2026-11-20"}
    assert last.message.tool_calls == (ToolCall("call_1", "market_quote_get", ARGUMENTS, expected),)
    assert last.stop is StopReason.TOOL_CALLS


@EVERY_API
async def test_parallel_calls_keep_their_order_and_their_own_arguments(api):
    calls = (CALL, WireCall("call_2", "market_quote_get", '{"symbols": ["000001.SZ"]}'))
    last = finished(await events_of(Provider(api, [answers(WireTurn(calls=calls))]).client(), ASKED))
    assert [(call.call_id, call.arguments) for call in last.message.tool_calls] == [
        ("call_1", {"symbols": ["600519.SH"], "as_of": "2026-11-20"}),
        ("call_2", {"symbols": ["000001.SZ"]}),
    ]


@EVERY_API
@pytest.mark.parametrize("written", ['{"symbols": ["600519.SH"', "[1]", '{"a": 1, "a": 2}', '{"a": NaN}', "buy it"])
async def test_malformed_arguments_are_kept_as_text_and_not_guessed(api, written):
    turn = WireTurn(calls=(WireCall("call_1", "market_quote_get", written),))
    call = finished(await events_of(Provider(api, [answers(turn)]).client(), ASKED)).message.tool_calls[0]
    assert call.arguments is None
    assert call.arguments_text == written


@EVERY_API
async def test_a_call_without_arguments_and_an_unknown_tool_pass_through(api):
    turn = WireTurn(calls=(WireCall("call_1", "no_such_tool", ""),))
    call = finished(await events_of(Provider(api, [answers(turn)]).client(), ASKED)).message.tool_calls[0]
    assert (call.name, call.arguments) == ("no_such_tool", {})


@EVERY_API
async def test_a_refusal_is_told_as_one(api):
    turn = WireTurn(text="I will not do that.", stop="refusal")
    events = await events_of(Provider(api, [answers(turn)]).client(), ASKED)
    assert spoken(events) == "I will not do that."
    assert finished(events).stop is StopReason.REFUSAL


@EVERY_API
async def test_a_turn_cut_by_its_length_returns_no_call(api):
    turn = WireTurn(text="I look", calls=(CALL,), stop="length")
    last = finished(await events_of(Provider(api, [answers(turn)]).client(), ASKED))
    assert last.stop is StopReason.LENGTH
    assert last.message == AssistantMessage("I look")


@EVERY_API
@pytest.mark.parametrize("error", [None, httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.ReadTimeout])
async def test_a_stream_that_breaks_off_is_asked_again_and_its_calls_never_count(api, error):
    provider = Provider(api, [breaks_off(WireTurn(text="I look.", calls=(CALL,)), cut=0.8, error=error)])
    provider.replies.append(answers(WireTurn(text="Again.", calls=(CALL,))))
    events = await events_of(provider.client(), ASKED)
    retries = [event for event in events if isinstance(event, Retrying)]
    assert [(event.attempt, event.wait_seconds) for event in retries] == [(1, 1.0)]
    assert len([event for event in events if type(event).__name__ == "TurnFinished"]) == 1
    assert finished(events).message.text == "Again."
    assert len(finished(events).message.tool_calls) == 1
    assert provider.waits == [1.0]
    assert provider.bodies[0] == provider.bodies[1]
    assert all(stream.is_closed for stream in provider.streams)


@EVERY_API
@pytest.mark.parametrize("error", [httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout])
async def test_a_connection_that_fails_is_tried_again(api, error):
    provider = Provider(api, [unreachable(error), unreachable(error), answers(WireTurn(text="Here."))])
    assert finished(await events_of(provider.client(), ASKED)).message.text == "Here."
    assert provider.waits == [1.0, 2.0]


@EVERY_API
async def test_closing_the_iterator_closes_the_connection(api):
    provider = Provider(api, [answers(WireTurn(text="A long answer. " * 40))])
    stream = provider.client().stream(ASKED)
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    assert not provider.streams[0].is_closed
    await stream.aclose()
    assert provider.streams[0].is_closed
    assert provider.streams[0].sent < len(provider.streams[0].data) / 2


@EVERY_API
async def test_the_key_goes_to_the_provider_and_nowhere_else(api):
    provider = Provider(api, [answers(WireTurn(text="Hello."))])
    client = provider.client()
    await events_of(client, ASKED)
    headers = provider.requests[0].headers
    assert KEY in (headers.get("authorization", "") + headers.get("x-api-key", ""))
    assert KEY not in json.dumps(provider.bodies[0])
    assert KEY not in repr(client)


@EVERY_API
async def test_a_closed_client_opens_again_with_the_next_question(api):
    provider = Provider(api, [answers(WireTurn(text="One.")), answers(WireTurn(text="Two."))])
    client = provider.client()
    await events_of(client, ASKED)
    await client.close()
    await client.close()
    assert finished(await events_of(client, ASKED)).message.text == "Two."


HISTORY = (
    UserMessage("茅台多少钱"),
    AssistantMessage(
        "I look.",
        (
            ToolCall("functions.get:0", "market_quote_get", ARGUMENTS, json.loads(ARGUMENTS)),
            ToolCall("call_2", "made up", "{", None),
        ),
    ),
    ToolMessage((ToolResult("functions.get:0", "market_quote_get", '{"lastPrice": "1480.00"}'),)),
    UserMessage("And?"),
)


async def test_responses_are_asked_with_items_and_store_nothing():
    provider = Provider(Api.RESPONSES, [answers(WireTurn(text="1480."))])
    await events_of(provider.client(), Prompt("Be exact.", HISTORY, (QUOTE,)))
    body = provider.bodies[0]
    assert provider.requests[0].url == "https://api.openai.com/v1/responses"
    assert (body["store"], body["stream"], body["instructions"]) == (False, True, "Be exact.")
    assert body["include"] == ["reasoning.encrypted_content"]
    assert body["input"] == [
        {"role": "user", "content": "茅台多少钱"},
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "functions_get_0", "name": "market_quote_get", "arguments": ARGUMENTS},
        {
            "type": "function_call",
            "call_id": "call_2",
            "name": "made_up",
            "arguments": '{"unreadable_arguments": "{"}',
        },
        {"type": "function_call_output", "call_id": "functions_get_0", "output": '{"lastPrice": "1480.00"}'},
        {
            "type": "function_call_output",
            "call_id": "call_2",
            "output": "The call failed.\nThis call was not run.",
        },
        {"role": "user", "content": "And?"},
    ]
    (tool,) = body["tools"]
    assert tool["strict"] is True
    assert tool["parameters"]["required"] == ["symbols", "as_of", "limit"]
    assert tool["parameters"]["properties"]["limit"] == {
        "type": ["integer", "null"],
        "maximum": 50,
        "description": "Default: 20.",
    }


async def test_chat_completions_are_asked_with_messages_and_a_plain_schema_on_a_foreign_server():
    provider = Provider(Api.CHAT, [answers(WireTurn(text="1480."))])
    client = provider.client(base_url="http://127.0.0.1:11434/v1")
    await events_of(client, Prompt("Be exact.", HISTORY, (QUOTE,)))
    body = provider.bodies[0]
    assert provider.requests[0].url == "http://127.0.0.1:11434/v1/chat/completions"
    assert body["messages"][0] == {"role": "system", "content": "Be exact."}
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert body["messages"][2]["tool_calls"][0] == {
        "id": "functions_get_0",
        "type": "function",
        "function": {"name": "market_quote_get", "arguments": ARGUMENTS},
    }
    assert body["messages"][4] == {
        "role": "tool",
        "tool_call_id": "call_2",
        "content": "The call failed.\nThis call was not run.",
    }
    assert body["tools"][0]["function"]["parameters"] == QUOTE.parameters
    assert "strict" not in body["tools"][0]["function"]


async def test_anthropic_is_asked_with_alternating_roles_and_answers_first():
    provider = Provider(Api.ANTHROPIC, [answers(WireTurn(text="1480."))])
    await events_of(provider.client(), Prompt("Be exact.", HISTORY, (QUOTE,)))
    body = provider.bodies[0]
    assert provider.requests[0].url == "https://api.anthropic.com/v1/messages"
    assert body["system"] == [{"type": "text", "text": "Be exact.", "cache_control": {"type": "ephemeral"}}]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == [
        {"type": "text", "text": "I look."},
        {
            "type": "tool_use",
            "id": "functions_get_0",
            "name": "market_quote_get",
            "input": {"symbols": ["600519.SH"], "as_of": "2026-11-20"},
        },
        {"type": "tool_use", "id": "call_2", "name": "made_up", "input": {"unreadable_arguments": "{"}},
    ]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]
    assert body["messages"][2]["content"][1]["is_error"] is True
    assert body["messages"][2]["content"][2]["cache_control"] == {"type": "ephemeral"}
    assert body["tools"] == [
        {"name": "market_quote_get", "description": "Last prices.", "input_schema": QUOTE.parameters}
    ]


async def test_nulls_that_stand_for_left_out_are_dropped_for_strict_tools():
    written = '{"symbols": ["600519"], "as_of": null, "limit": null}'
    turn = WireTurn(calls=(WireCall("call_1", "market_quote_get", written),))
    call = finished(await events_of(Provider(Api.RESPONSES, [answers(turn)]).client(), ASKED)).message.tool_calls[0]
    assert call.arguments == {"symbols": ["600519"]}
    assert call.arguments_text == written
