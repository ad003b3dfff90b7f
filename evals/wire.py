"""What a provider would stream back, byte for byte, for one step of a script.

The replay drives the real SDKs; only the network below them is replaced. Formats: OpenAI's Responses API and
Anthropic's Messages API, as server-sent events. Arguments of calls are cut in the middle, as providers do.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

EVENT_STREAM: Final = {"content-type": "text/event-stream"}
BYTES_PER_TOKEN: Final = 4
PIECE: Final = 12
"""Characters of text per event."""


class WireFormat(StrEnum):
    """Whose wire format a replay speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


@dataclass(frozen=True, slots=True)
class WireCall:
    """One call a model asks for; `arguments_text` may be anything, also no JSON."""

    call_id: str
    name: str
    arguments_text: str


@dataclass(frozen=True, slots=True)
class WireTurn:
    """One answer of a model. `stop` is `end`, `tool_calls`, `length` or `refusal`; empty: what the calls suggest."""

    text: str = ""
    calls: tuple[WireCall, ...] = ()
    stop: str = ""
    input_tokens: int = 0
    cached_tokens: int = 0

    @property
    def ending(self) -> str:
        """Why the model stopped."""
        return self.stop or ("tool_calls" if self.calls else "end")

    @property
    def output_tokens(self) -> int:
        """Tokens of the answer, at four bytes each."""
        written = self.text + "".join(call.name + call.arguments_text for call in self.calls)
        return max(1, len(written.encode()) // BYTES_PER_TOKEN)


def event_stream(turn: WireTurn, wire: WireFormat, *, model: str = "scripted", number: int = 1) -> bytes:
    """Return the whole body of a streamed answer."""
    events = _openai(turn, model, number) if wire is WireFormat.OPENAI else _anthropic(turn, model, number)
    return b"".join(_event(event) for event in events)


def error_body(wire: WireFormat, *, status: int, message: str) -> bytes:
    """Return the body of a refusal, as the provider writes it."""
    kind = "rate_limit_error" if status == 429 else "overloaded_error" if status >= 500 else "invalid_request_error"
    error = {"type": kind, "message": message}
    body = {"error": error | {"code": None, "param": None}} if wire is WireFormat.OPENAI else {"error": error}
    return json.dumps({"type": "error"} | body if wire is WireFormat.ANTHROPIC else body).encode()


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _pieces(text: str) -> list[str]:
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


@dataclass(slots=True)
class _Responses:
    """The events of one answer of the Responses API; numbers them and collects the finished items."""

    model: str
    identity: str
    sequence: int = 0
    output: list[dict[str, Any]] = field(default_factory=list)

    def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.sequence += 1
        return {"type": kind, "sequence_number": self.sequence} | fields

    def response(self, status: str, **fields: Any) -> dict[str, Any]:
        return {
            "id": self.identity,
            "object": "response",
            "created_at": 0,
            "status": status,
            "model": self.model,
            "output": self.output,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "temperature": 1.0,
            "top_p": 1.0,
        } | fields

    def text(self, text: str, *, refused: bool) -> Iterator[dict[str, Any]]:
        kind, name = ("refusal", "refusal") if refused else ("output_text", "text")
        place, item_id = len(self.output), f"msg_{self.identity}"
        empty: dict[str, Any] = {"type": kind, name: ""} | ({} if refused else {"annotations": [], "logprobs": []})
        whole = empty | {name: text}
        item: dict[str, Any] = {
            "id": item_id,
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        at = {"item_id": item_id, "output_index": place, "content_index": 0}
        extra: dict[str, Any] = {} if refused else {"logprobs": []}
        yield self.event("response.output_item.added", output_index=place, item=item)
        yield self.event("response.content_part.added", part=empty, **at)
        for piece in _pieces(text):
            yield self.event(f"response.{kind}.delta", delta=piece, **at, **extra)
        yield self.event(f"response.{kind}.done", **{name: text}, **at, **extra)
        yield self.event("response.content_part.done", part=whole, **at)
        item = item | {"status": "completed", "content": [whole]}
        self.output.append(item)
        yield self.event("response.output_item.done", output_index=place, item=item)

    def call(self, call: WireCall) -> Iterator[dict[str, Any]]:
        place, item_id = len(self.output), f"fc_{call.call_id}"
        item = {"id": item_id, "type": "function_call", "status": "in_progress", "call_id": call.call_id}
        item |= {"name": call.name, "arguments": ""}
        at = {"item_id": item_id, "output_index": place}
        middle = len(call.arguments_text) // 2
        yield self.event("response.output_item.added", output_index=place, item=item)
        for piece in (call.arguments_text[:middle], call.arguments_text[middle:]):
            yield self.event("response.function_call_arguments.delta", delta=piece, **at)
        whole = {"name": call.name, "arguments": call.arguments_text}
        yield self.event("response.function_call_arguments.done", **whole, **at)
        item = item | {"status": "completed", "arguments": call.arguments_text}
        self.output.append(item)
        yield self.event("response.output_item.done", output_index=place, item=item)


def _openai(turn: WireTurn, model: str, number: int) -> Iterator[dict[str, Any]]:
    made = _Responses(model, f"resp_{number}")
    yield made.event("response.created", response=made.response("in_progress", output=[]))
    yield made.event("response.in_progress", response=made.response("in_progress", output=[]))
    if turn.text:
        yield from made.text(turn.text, refused=turn.ending == "refusal")
    for call in turn.calls:
        yield from made.call(call)
    usage = {
        "input_tokens": turn.input_tokens,
        "input_tokens_details": {"cached_tokens": turn.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": turn.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": turn.input_tokens + turn.output_tokens,
    }
    if turn.ending == "length":
        cut = made.response("incomplete", usage=usage, incomplete_details={"reason": "max_output_tokens"})
        yield made.event("response.incomplete", response=cut)
    else:
        yield made.event("response.completed", response=made.response("completed", usage=usage))


ANTHROPIC_STOPS: Final = {"end": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "refusal": "refusal"}


def _anthropic(turn: WireTurn, model: str, number: int) -> Iterator[dict[str, Any]]:
    usage = {
        "input_tokens": turn.input_tokens - turn.cached_tokens,
        "cache_read_input_tokens": turn.cached_tokens,
        "cache_creation_input_tokens": 0,
        "output_tokens": 1,
    }
    message: dict[str, Any] = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
    }
    message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
    yield {"type": "message_start", "message": message}
    yield {"type": "ping"}
    blocks = [_anthropic_text(turn.text)] if turn.text else []
    for place, (block, deltas) in enumerate([*blocks, *map(_anthropic_call, turn.calls)]):
        yield {"type": "content_block_start", "index": place, "content_block": block}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": place, "delta": delta}
        yield {"type": "content_block_stop", "index": place}
    ending = {"stop_reason": ANTHROPIC_STOPS[turn.ending], "stop_sequence": None}
    yield {"type": "message_delta", "delta": ending, "usage": {"output_tokens": turn.output_tokens}}
    yield {"type": "message_stop"}


def _anthropic_text(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in _pieces(text)]


def _anthropic_call(call: WireCall) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    middle = len(call.arguments_text) // 2
    halves = (call.arguments_text[:middle], call.arguments_text[middle:])
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in halves]
    return {"type": "tool_use", "id": call.call_id, "name": call.name, "input": {}}, deltas
