"""What a provider's refusals lead to: another try, a wait, or a clear error that holds no key."""

import json
import traceback
from datetime import UTC, datetime

import pytest

from core.clock import FrozenClock
from core.llm.model import (
    AssistantMessage,
    Kept,
    ModelRequestRefused,
    ModelUnavailable,
    Prompt,
    Retrying,
    StopReason,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
)
from core.llm.retrying import RetryPolicy
from evals.wire import EVENT_STREAM
from tests.support.provider_wire import (
    KEY,
    Api,
    Provider,
    Reply,
    WireCall,
    WireTurn,
    answers,
    breaks_off,
    events_of,
    finished,
    refuses,
    stream_bytes,
)

pytestmark = pytest.mark.anyio
EVERY_API = pytest.mark.parametrize("api", list(Api))
ASKED = Prompt("", (UserMessage("hello"),))
PLAIN = {"type": "reasoning_text", "text": "Hm."}
HELLO = answers(WireTurn(text="Hello."))
NOON = FrozenClock(datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC))


@EVERY_API
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "2.5"}, 2.5),
        ({"retry_after_ms": "350", "retry_after": "7"}, 0.35),
        ({"retry_after": "Fri, 20 Nov 2026 12:00:12 GMT"}, 12.0),
        ({"retry_after": "Fri, 20 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry_after": "soon"}, 1.0),
        ({}, 1.0),
    ],
)
async def test_a_busy_provider_is_asked_again_when_it_says(api, headers, wait):
    provider = Provider(api, [refuses(429, **headers), HELLO])
    events = await events_of(provider.client(clock=NOON), ASKED)
    assert provider.waits == [wait]
    (retry,) = [event for event in events if isinstance(event, Retrying)]
    assert (retry.attempt, retry.wait_seconds) == (1, wait)
    assert "429: Too much." in retry.reason
    assert finished(events).message.text == "Hello."


@EVERY_API
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 529])
async def test_trouble_on_the_other_side_is_waited_out(api, status):
    provider = Provider(api, [refuses(status), refuses(status), HELLO])
    assert finished(await events_of(provider.client(), ASKED)).message.text == "Hello."
    assert provider.waits == [1.0, 2.0]


@EVERY_API
async def test_the_tries_end_and_the_last_reason_is_told(api):
    provider = Provider(api, [refuses(529, message="Overloaded") for _ in range(9)])
    with pytest.raises(ModelUnavailable) as caught:
        await events_of(provider.client(), ASKED)
    assert provider.waits == [1.0, 2.0, 4.0]
    assert len(provider.requests) == 4
    assert caught.value.code == "model_unavailable"
    assert "answered 529: Overloaded" in caught.value.message


@EVERY_API
async def test_a_wait_longer_than_anybody_waits_ends_the_tries_at_once(api):
    provider = Provider(api, [refuses(429, retry_after="3600"), HELLO])
    with pytest.raises(ModelUnavailable) as caught:
        await events_of(provider.client(policy=RetryPolicy(longest_asked=30)), ASKED)
    assert provider.waits == []
    assert caught.value.data["retry_after_seconds"] == 3600


@EVERY_API
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "Too much."),
        (401, "_API_KEY)"),
        (403, "_API_KEY)"),
        (404, "check DINGPAN_MODEL"),
        (413, "Too much."),
        (422, "Too much."),
    ],
)
async def test_what_no_repetition_cures_is_not_repeated(api, status, said):
    provider = Provider(api, [refuses(status), HELLO])
    with pytest.raises(ModelRequestRefused) as caught:
        await events_of(provider.client(), ASKED)
    assert said in caught.value.message
    assert len(provider.requests) == 1


@EVERY_API
async def test_an_account_without_credit_is_no_rate_limit(api):
    body = json.dumps({"error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "Pay."}})
    provider = Provider(api, [refuses(429, body=body.encode()), HELLO])
    with pytest.raises(ModelRequestRefused, match="answered 429: Pay"):
        await events_of(provider.client(), ASKED)


@EVERY_API
async def test_an_error_never_shows_the_key_nor_holds_the_request(api):
    said = f"Incorrect API key provided: {KEY}.\nOr sk-ant-other-secret-123. Sent: Bearer abcdefgh"
    provider = Provider(api, [refuses(401, message=said)])
    with pytest.raises(ModelRequestRefused) as caught:
        await events_of(provider.client(), ASKED)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.data)
    assert KEY not in told
    assert "other-secret" not in told
    assert "abcdefgh" not in told
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@EVERY_API
async def test_a_page_instead_of_a_stream_names_the_setting_to_check(api):
    page = Reply(status=200, headers={"content-type": "text/html"}, body=b"<html>Welcome</html>")
    with pytest.raises(ModelRequestRefused, match=r"answers with a page: check DINGPAN_\w+_BASE_URL"):
        await events_of(Provider(api, [page]).client(), ASKED)


@EVERY_API
async def test_a_redirect_is_not_followed_with_the_key(api):
    provider = Provider(api, [Reply(status=307, headers={"location": "https://elsewhere.example/v1"})])
    with pytest.raises(ModelRequestRefused, match="redirect is not followed"):
        await events_of(provider.client(), ASKED)
    assert len(provider.requests) == 1


def stream(*events):
    lines = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return Reply(headers=EVENT_STREAM, body=lines.encode())


def failing(api, kind, message="Not now."):
    """Return a stream that reports a failure in the middle, as each provider does."""
    if api is Api.ANTHROPIC:
        return stream({"type": "error", "error": {"type": kind, "message": message}})
    if api is Api.CHAT:
        error = {"error": {"type": kind, "message": message, "code": None, "param": None}}
        return Reply(headers=EVENT_STREAM, body=f"data: {json.dumps(error)}\n\n".encode())
    response = {"id": "r", "status": "failed", "output": [], "error": {"code": kind, "message": message}}
    return stream({"type": "response.failed", "sequence_number": 1, "response": response})


@EVERY_API
@pytest.mark.parametrize("kind", ["overloaded_error", "server_error", "rate_limit_exceeded"])
async def test_a_failure_reported_within_the_stream_is_tried_again(api, kind):
    provider = Provider(api, [failing(api, kind), HELLO])
    events = await events_of(provider.client(), ASKED)
    assert finished(events).message.text == "Hello."
    assert "stopped: Not now." in events[0].reason


@EVERY_API
@pytest.mark.parametrize("kind", ["invalid_request_error", "context_length_exceeded"])
async def test_a_refusal_reported_within_the_stream_is_final(api, kind):
    provider = Provider(api, [failing(api, kind), HELLO])
    with pytest.raises(ModelRequestRefused, match="Not now"):
        await events_of(provider.client(), ASKED)
    assert len(provider.requests) == 1


async def test_the_error_event_of_responses_is_understood():
    event = {"type": "error", "sequence_number": 3, "code": "server_error", "message": "Oops.", "param": None}
    provider = Provider(Api.RESPONSES, [stream(event), HELLO])
    assert finished(await events_of(provider.client(), ASKED)).message.text == "Hello."


async def test_a_model_that_does_not_reason_is_asked_without_its_reasoning():
    body = {"error": {"message": "Encrypted content is not supported with this model.", "param": "include"}}
    provider = Provider(Api.RESPONSES, [refuses(400, body=json.dumps(body).encode()), HELLO, HELLO])
    client = provider.client()
    events = await events_of(client, ASKED)
    assert finished(events).message.text == "Hello."
    assert not any(isinstance(event, Retrying) for event in events)
    await events_of(client, ASKED)
    assert ["include" in body for body in provider.bodies] == [True, False, False]


async def test_the_reasoning_of_responses_goes_back_to_the_same_model_only():
    items = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "opaque", "content": [PLAIN]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "t", "arguments": "{}", "status": "completed"},
    ]
    response = {"id": "r", "status": "completed", "output": items, "usage": None}
    reply = stream({"type": "response.completed", "sequence_number": 1, "response": response})
    provider = Provider(Api.RESPONSES, [reply, HELLO])
    client = provider.client()
    message = finished(await events_of(client, ASKED)).message
    del items[0]["content"]
    assert message.kept == Kept("openai:m", tuple(items))
    history = (*ASKED.messages, message, ToolMessage((ToolResult("c1", "t", "fine"),)))
    await events_of(client, Prompt("", history))
    assert provider.bodies[1]["input"][1:3] == items
    other = Provider(Api.ANTHROPIC, [HELLO])
    await events_of(other.client(), Prompt("", history))
    assert other.bodies[0]["messages"][1]["content"] == [{"type": "tool_use", "id": "c1", "name": "t", "input": {}}]


async def test_reasoning_that_the_provider_cannot_read_any_more_is_left_out():
    said = {"message": "The encrypted content gAAA could not be verified.", "code": "invalid_encrypted_content"}
    provider = Provider(Api.RESPONSES, [refuses(400, body=json.dumps({"error": said}).encode()), HELLO])
    call = ToolCall("c1", "t", "{}", {})
    message = AssistantMessage("", (call,), Kept("openai:m", ({"type": "reasoning", "encrypted_content": "old"},)))
    history = (*ASKED.messages, message, ToolMessage((ToolResult("c1", "t", "fine"),)))
    assert finished(await events_of(provider.client(), Prompt("", history))).message.text == "Hello."
    assert [item.get("type") for item in provider.bodies[1]["input"]] == [None, "function_call", "function_call_output"]


async def test_the_thoughts_of_anthropic_go_back_unchanged_beside_the_calls():
    usage = {"input_tokens": 1, "output_tokens": 1}
    start = {"type": "thinking", "thinking": "", "signature": ""}
    tool = {"type": "tool_use", "id": "c1", "name": "t", "input": {}}
    delta = "content_block_delta"
    reply = stream(
        {"type": "message_start", "message": {"id": "m", "role": "assistant", "content": [], "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": delta, "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}},
        {"type": delta, "index": 0, "delta": {"type": "thinking_delta", "thinking": "m."}},
        {"type": delta, "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": tool},
        {"type": delta, "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a": 1}'}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    )
    provider = Provider(Api.ANTHROPIC, [reply, HELLO])
    client = provider.client()
    last = finished(await events_of(client, ASKED))
    assert last.message.text == ""
    assert last.stop is StopReason.TOOL_CALLS
    assert last.message.tool_calls == (ToolCall("c1", "t", '{"a": 1}', {"a": 1}),)
    history = (*ASKED.messages, last.message, ToolMessage((ToolResult("c1", "t", "fine"),)))
    await events_of(client, Prompt("", history))
    assert provider.bodies[1]["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hmm.", "signature": "sig"},
        {"type": "tool_use", "id": "c1", "name": "t", "input": {"a": 1}},
    ]


async def test_compatible_servers_may_send_calls_without_index_or_id_and_stop_as_the_reason():
    parts = [
        {"tool_calls": [{"function": {"name": "first", "arguments": '{"a": 1}'}}]},
        {"tool_calls": [{"id": "x", "function": {"name": "second", "arguments": ""}}]},
        {"tool_calls": [{"function": {"arguments": '{"b": 2}'}}]},
    ]
    chunks = [{"choices": [{"index": 0, "delta": part}]} for part in parts]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    provider = Provider(Api.CHAT, [Reply(headers=EVENT_STREAM, body=body.encode())])
    last = finished(await events_of(provider.client(), ASKED))
    assert last.stop is StopReason.TOOL_CALLS
    assert [(call.name, call.arguments) for call in last.message.tool_calls] == [
        ("first", {"a": 1}),
        ("second", {"b": 2}),
    ]
    first, second = (call.call_id for call in last.message.tool_calls)
    assert first.startswith("call_")
    assert second == "x"


@EVERY_API
async def test_a_stream_without_a_single_event_is_not_an_answer(api):
    provider = Provider(api, [Reply(headers=EVENT_STREAM, body=b""), HELLO])
    assert finished(await events_of(provider.client(), ASKED)).message.text == "Hello."
    assert provider.waits == [1.0]


@EVERY_API
async def test_an_event_cut_in_its_middle_is_a_stream_that_broke_off(api):
    begun = stream_bytes(api, WireTurn(text="Hello. " * 9))
    first = Reply(headers=EVENT_STREAM, body=begun[: len(begun) // 2].rpartition(b"\n\n")[0] + b'\n\ndata: {"ty\n\n')
    provider = Provider(api, [first, HELLO])
    assert finished(await events_of(provider.client(), ASKED)).message.text == "Hello."


@EVERY_API
async def test_wherever_a_stream_is_cut_its_call_is_returned_once_and_whole(api):
    turn = WireTurn(text="I look.", calls=(WireCall("c1", "t", '{"symbols": ["600519.SH"]}'),), input_tokens=9)
    expected = finished(await events_of(Provider(api, [answers(turn)]).client(), ASKED)).message
    asked_again = 0
    for place in range(20):
        provider = Provider(api, [breaks_off(turn, cut=place / 20 + 0.01), answers(turn)])
        events = await events_of(provider.client(), ASKED)
        assert [type(event).__name__ for event in events].count("TurnFinished") == 1
        assert finished(events).message == expected
        asked_again += len(provider.requests) - 1
    assert asked_again >= 15


async def test_an_answered_call_without_its_question_is_left_out():
    orphan = ToolMessage((ToolResult("gone", "t", "late"),))
    provider = Provider(Api.RESPONSES, [HELLO])
    await events_of(provider.client(), Prompt("", (orphan, AssistantMessage("Yes."), UserMessage("hello"))))
    assert provider.bodies[0]["input"] == [
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "hello"},
    ]
