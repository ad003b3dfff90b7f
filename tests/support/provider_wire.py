"""A model provider below the real SDKs: answers with scripted streams, byte for byte, and records what it was asked.

provider = Provider(Api.ANTHROPIC, [refuses(529), answers(WireTurn(text="Hello"))])
client = provider.client()
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx2

from core.clock import FrozenClock
from core.ids import SeededIds
from core.llm.anthropic_client import AnthropicClient
from core.llm.model import ModelEvent, Prompt, TurnFinished
from core.llm.openai_client import OpenAIClient
from core.llm.retrying import Retries, RetryPolicy
from evals.wire import EVENT_STREAM, WireCall, WireFormat, WireTurn, error_body, event_stream

KEY = "sk-proj-a1B2c3D4e5F6g7H8"
__all__ = [
    "KEY",
    "Api",
    "Provider",
    "WireCall",
    "WireTurn",
    "answers",
    "breaks_off",
    "events_of",
    "finished",
    "refuses",
    "unreachable",
]


class Api(StrEnum):
    RESPONSES = "responses"
    CHAT = "chat"
    ANTHROPIC = "anthropic"


@dataclass(frozen=True)
class Reply:
    """One answer of the provider. `cut` is how much of the stream arrives; `error` breaks it, or the connection."""

    turn: WireTurn | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut: float = 1.0
    error: type[httpx2.TransportError] | None = None


def answers(turn: WireTurn) -> Reply:
    return Reply(turn)


def refuses(status: int, *, message: str = "Too much.", body: bytes | None = None, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = body if body is not None else error_body(WireFormat.OPENAI, status=status, message=message)
    return Reply(status=status, headers={"content-type": "application/json"} | named, body=given)


def breaks_off(turn: WireTurn, *, cut: float = 0.6, error: type[httpx2.TransportError] | None = None) -> Reply:
    """Send a part of the stream, then end it quietly, or with an error of the connection."""
    return Reply(turn, cut=cut, error=error)


def unreachable(error: type[httpx2.TransportError] = httpx2.ConnectError) -> Reply:
    return Reply(status=0, error=error)


def stream_bytes(api: Api, turn: WireTurn) -> bytes:
    if api is Api.CHAT:
        return chat_stream(turn)
    return event_stream(turn, WireFormat.OPENAI if api is Api.RESPONSES else WireFormat.ANTHROPIC)


STOPS = {"end": "stop", "tool_calls": "tool_calls", "length": "length", "refusal": "stop"}


def chat_stream(turn: WireTurn) -> bytes:
    """Return what Chat Completions streams; arguments are cut in the middle, parallel calls interleave."""
    chunks: list[dict[str, Any]] = [_chunk({"role": "assistant", "content": ""})]
    said = "refusal" if turn.ending == "refusal" else "content"
    chunks += [_chunk({said: turn.text[start : start + 12]}) for start in range(0, len(turn.text), 12)]
    for place, call in enumerate(turn.calls):
        begun = {"index": place, "id": call.call_id, "type": "function"}
        chunks.append(_chunk({"tool_calls": [begun | {"function": {"name": call.name, "arguments": ""}}]}))
    for half in (0, 1):
        for place, call in enumerate(turn.calls):
            middle = len(call.arguments_text) // 2
            part = (call.arguments_text[:middle], call.arguments_text[middle:])[half]
            chunks.append(_chunk({"tool_calls": [{"index": place, "function": {"arguments": part}}]}))
    chunks.append(_chunk({}, STOPS[turn.ending]))
    usage = {"prompt_tokens": turn.input_tokens, "completion_tokens": turn.output_tokens}
    usage["total_tokens"] = sum(usage.values())
    chunks.append(_chunk(None) | {"usage": usage | {"prompt_tokens_details": {"cached_tokens": turn.cached_tokens}}})
    lines = [*(json.dumps(chunk, ensure_ascii=False) for chunk in chunks), "[DONE]"]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def _chunk(delta: dict[str, Any] | None, reason: str | None = None) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": choices}


class _Stream(httpx2.AsyncByteStream):
    """Sends bytes in pieces that mind neither events nor characters, and tells whether it was closed."""

    def __init__(self, data: bytes, error: type[httpx2.TransportError] | None) -> None:
        self.data, self.error, self.is_closed, self.sent = data, error, False, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), 37):
            self.sent = start
            yield self.data[start : start + 37]
            await asyncio.sleep(0)
        if self.error is not None:
            raise self.error("gone")

    async def aclose(self) -> None:
        self.is_closed = True


class Provider:
    """Answers requests with the replies of a script, in order. `waits` are the pauses a client made between tries."""

    def __init__(self, api: Api, replies: Sequence[Reply]) -> None:
        self.api, self.replies = api, list(replies)
        self.requests: list[httpx2.Request] = []
        self.streams: list[_Stream] = []
        self.waits: list[float] = []

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests]

    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._answer)

    def client(self, *, clock: FrozenClock | None = None, policy: RetryPolicy | None = None, **given: Any) -> Any:
        """Return the real client over this provider. It waits for nothing; jitter is switched off."""

        class NoJitter(SeededIds):
            def bits(self, count: int) -> int:
                return 0 if count == 16 else super().bits(count)

        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        retries = Retries(NoJitter(1), policy or RetryPolicy(), sleep)
        common = {"model": "m", "api_key": KEY, "transport": self.transport(), "retries": retries, "clock": clock}
        if self.api is Api.ANTHROPIC:
            return AnthropicClient(**common, **given)
        return OpenAIClient(api=self.api.value, ids=SeededIds(2), **common, **given)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if not self.replies:
            raise AssertionError("the provider was asked more often than its script has replies")
        reply = self.replies.pop(0)
        if reply.turn is None and reply.error is not None:
            raise reply.error("no way there")
        if reply.turn is None:
            return httpx2.Response(reply.status, headers=reply.headers, content=reply.body or b"")
        data = stream_bytes(self.api, reply.turn)
        stream = _Stream(data[: int(len(data) * reply.cut)], reply.error)
        self.streams.append(stream)
        return httpx2.Response(200, headers=EVENT_STREAM, stream=stream)


async def events_of(client: Any, prompt: Prompt) -> list[ModelEvent]:
    return [event async for event in client.stream(prompt)]


def finished(events: Sequence[ModelEvent]) -> TurnFinished:
    last = events[-1]
    assert isinstance(last, TurnFinished)
    return last
