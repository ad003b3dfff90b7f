"""Anthropic's Messages API: a prompt as a request, and the events of its stream as ours."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from core.llm.arguments import read_arguments
from core.llm.failures import Endpoint
from core.llm.history import answered, portable
from core.llm.model import (
    AssistantMessage,
    Kept,
    Message,
    ModelEvent,
    Prompt,
    StopReason,
    TextDelta,
    ToolCall,
    ToolCallStarted,
    ToolMessage,
    TurnFinished,
    Usage,
    UserMessage,
)

MOST_OUTPUT_TOKENS: Final = 16_000
CACHED: Final = {"type": "ephemeral"}
"""Marks the end of what the provider may keep for the next request: the tools and the system text, and the messages."""
STOPS: Final = {  # every other reason is an ordinary end, with calls or without
    "max_tokens": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "refusal": StopReason.REFUSAL,
}
REASONING: Final = frozenset({"thinking", "redacted_thinking"})


def request_body(prompt: Prompt, *, model: str, client: str) -> dict[str, Any]:
    """Return the body of a request. `client` is the name whose `Kept` parts may be sent back."""
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": MOST_OUTPUT_TOKENS,
        "messages": _messages(prompt, client),
    }
    if prompt.system:
        body["system"] = [{"type": "text", "text": prompt.system, "cache_control": CACHED}]
    if prompt.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
            for tool in prompt.tools
        ]
    return body


def _messages(prompt: Prompt, client: str) -> list[Any]:
    """Return the messages, roles alternating, answers of calls first in theirs, the last one marked for the cache."""
    joined: list[dict[str, Any]] = []
    for message in answered(prompt.messages):
        role, blocks = _blocks(message, client)
        if blocks and joined and joined[-1]["role"] == role:
            joined[-1]["content"] = [*joined[-1]["content"], *blocks]
        elif blocks:
            joined.append({"role": role, "content": blocks})
    if joined and joined[-1]["role"] == "user":
        *rest, last = joined[-1]["content"]
        joined[-1]["content"] = [*rest, last | {"cache_control": CACHED}]
    return joined


def _blocks(message: Message, client: str) -> tuple[str, list[Any]]:
    if isinstance(message, UserMessage):
        return "user", [{"type": "text", "text": message.text}] if message.text.strip() else []
    if isinstance(message, ToolMessage):
        return "user", [
            {
                "type": "tool_result",
                "tool_use_id": portable(result.call_id),
                "content": result.content,
                "is_error": result.is_error,
            }
            for result in message.results
        ]
    if message.kept is not None and message.kept.model == client:
        return "assistant", list(message.kept.parts)
    said: list[Any] = [{"type": "text", "text": message.text}] if message.text.strip() else []
    return "assistant", said + [_call(call) for call in message.tool_calls]


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if call.arguments is not None else {"unreadable_arguments": call.arguments_text}
    return {
        "type": "tool_use",
        "id": portable(call.call_id),
        "name": portable(call.name),
        "input": dict(arguments),
    }


@dataclass(slots=True)
class _Block:
    """A block of the answer as it arrives: what it began as, and its text or arguments in pieces."""

    begun: dict[str, Any]
    text: str = ""
    signature: str = ""

    @property
    def kind(self) -> str:
        return str(self.begun.get("type", ""))

    def finished(self) -> dict[str, Any]:
        """Return the block as the provider wants it back."""
        if self.kind == "tool_use":
            arguments = read_arguments(self.text)
            return self.begun | {"input": arguments if arguments is not None else {"unreadable_arguments": self.text}}
        if self.kind == "text":
            return {"type": "text", "text": self.text}
        if self.kind == "thinking":
            return {"type": "thinking", "thinking": self.text, "signature": self.signature}
        return self.begun


@dataclass(slots=True)
class MessagesReader:
    """Reads one stream. A turn is finished when the model gave a reason; a stream without one has broken off."""

    endpoint: Endpoint
    blocks: dict[int, _Block] = field(default_factory=dict)
    reason: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    def read(self, event: Any) -> Iterator[ModelEvent]:
        """Yield what an event of the provider says."""
        kind = getattr(event, "type", "")
        if kind == "message_start":
            self._count(getattr(event.message, "usage", None))
        elif kind == "content_block_start":
            yield from self._begin(event.index, event.content_block)
        elif kind == "content_block_delta":
            yield from self._continue(event.index, event.delta)
        elif kind == "message_delta":
            self.reason = getattr(event.delta, "stop_reason", None) or self.reason
            self._count(getattr(event, "usage", None))

    def finish(self) -> Iterator[ModelEvent]:
        """Yield the end of the turn. Raises `ModelBusy` when the stream ended before the turn did."""
        if not self.reason:
            raise self.endpoint.broken_off()
        stop = STOPS.get(self.reason, StopReason.END)
        blocks = [self.blocks[place] for place in sorted(self.blocks)]
        text = "".join(block.text for block in blocks if block.kind == "text")
        calls = tuple(_read_call(block) for block in blocks if block.kind == "tool_use")
        if stop is not StopReason.END:
            calls = ()
        kept = self._kept(blocks) if calls else None
        message = AssistantMessage(text, calls, kept)
        yield TurnFinished(message, StopReason.TOOL_CALLS if calls else stop, self._usage())

    def _begin(self, place: int, block: Any) -> Iterator[ModelEvent]:
        begun: dict[str, Any] = block.to_dict(mode="json", exclude_none=True) if hasattr(block, "to_dict") else {}
        self.blocks[place] = _Block(begun, text=str(begun.get("text", "") or begun.get("thinking", "")))
        if begun.get("type") == "tool_use":
            yield ToolCallStarted(str(begun.get("id", "")), str(begun.get("name", "")))

    def _continue(self, place: int, delta: Any) -> Iterator[ModelEvent]:
        block, kind = self.blocks.get(place), getattr(delta, "type", "")
        if block is None:
            return
        if kind == "text_delta":
            block.text += delta.text
            yield TextDelta(delta.text)
        elif kind == "input_json_delta":
            block.text += delta.partial_json
        elif kind == "thinking_delta":
            block.text += delta.thinking
        elif kind == "signature_delta":
            block.signature += delta.signature

    def _kept(self, blocks: list[_Block]) -> Kept | None:
        """Keep the blocks when there is reasoning among them: it must go back unchanged beside the calls."""
        if not any(block.kind in REASONING for block in blocks):
            return None
        finished = (block.finished() for block in blocks if block.kind != "text" or block.text.strip())
        return Kept(self.endpoint.model, tuple(finished))

    def _count(self, usage: Any) -> None:
        """Take over counts; later events repeat them as sums so far."""
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
        for name in names:
            value = getattr(usage, name, None)
            if value is not None:
                self.counts[name] = value

    def _usage(self) -> Usage:
        read = self.counts.get("cache_read_input_tokens", 0)
        given = self.counts.get("input_tokens", 0) + self.counts.get("cache_creation_input_tokens", 0) + read
        return Usage(given, self.counts.get("output_tokens", 0), read)


def _read_call(block: _Block) -> ToolCall:
    return ToolCall(
        call_id=str(block.begun.get("id", "")),
        name=str(block.begun.get("name", "")),
        arguments_text=block.text,
        arguments=read_arguments(block.text),
    )
