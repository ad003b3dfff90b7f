"""Chat Completions, as OpenAI and the many servers compatible with it speak it.

Those servers differ in small things: calls without an id, a whole call in one piece, "stop" as the reason although
there are calls, no count of tokens. None of that is taken for a failure here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from core.ids import IdSource, new_id
from core.llm.failures import Endpoint
from core.llm.history import answered, arguments_text, portable
from core.llm.model import (
    AssistantMessage,
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
from core.llm.openai_responses import FAILED
from core.llm.openai_tools import OpenAITools

STOPS: Final = {"length": StopReason.LENGTH, "content_filter": StopReason.REFUSAL}


def request_body(prompt: Prompt, *, model: str, tools: OpenAITools) -> dict[str, Any]:
    """Return the body of a request."""
    messages: list[Any] = [{"role": "system", "content": prompt.system}] if prompt.system else []
    messages += [item for message in answered(prompt.messages) for item in _items(message)]
    body: dict[str, Any] = {"model": model, "messages": messages, "stream_options": {"include_usage": True}}
    if prompt.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": offered.definition.name,
                    "description": offered.definition.description,
                    "parameters": offered.parameters,
                }
                | ({"strict": True} if offered.strict else {}),
            }
            for offered in tools.offer(prompt.tools)
        ]
    return body


def _items(message: Message) -> list[Any]:
    if isinstance(message, UserMessage):
        return [{"role": "user", "content": message.text}]
    if isinstance(message, ToolMessage):
        return [
            {
                "role": "tool",
                "tool_call_id": portable(result.call_id),
                "content": FAILED + result.content if result.is_error else result.content,
            }
            for result in message.results
        ]
    if not message.text and not message.tool_calls:
        return []
    said: dict[str, Any] = {"role": "assistant", "content": message.text or None}
    if message.tool_calls:
        said["tool_calls"] = [_call(call) for call in message.tool_calls]
    return [said]


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": portable(call.name), "arguments": arguments_text(call)}
    return {"id": portable(call.call_id), "type": "function", "function": function}


@dataclass(slots=True)
class _CallInParts:
    """A call as it arrives: the name at once, the arguments in pieces."""

    call_id: str
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class ChatReader:
    """Reads one stream. A turn is finished when the server gave a reason; a stream without one has broken off."""

    endpoint: Endpoint
    tools: OpenAITools
    ids: IdSource
    text: str = ""
    refused: bool = False
    reason: str = ""
    usage: Usage = field(default_factory=Usage)
    calls: dict[int, _CallInParts] = field(default_factory=dict)

    def read(self, chunk: Any) -> Iterator[ModelEvent]:
        """Yield what a chunk of the provider says."""
        if (usage := getattr(chunk, "usage", None)) is not None:
            self.usage = _usage(usage)
        for choice in getattr(chunk, "choices", None) or ():
            delta = getattr(choice, "delta", None)
            yield from self._text(delta)
            for part in getattr(delta, "tool_calls", None) or ():
                yield from self._call_part(part)
            self.reason = getattr(choice, "finish_reason", None) or self.reason

    def finish(self) -> Iterator[ModelEvent]:
        """Yield the end of the turn. Raises `ModelBusy` when the stream ended before the turn did."""
        if not self.reason:
            raise self.endpoint.broken_off()
        stop = STOPS.get(self.reason, StopReason.REFUSAL if self.refused else StopReason.END)
        calls: tuple[ToolCall, ...] = ()
        if stop is StopReason.END:
            calls = tuple(self.tools.call(item.call_id, item.name, item.arguments) for item in self.calls.values())
        yield TurnFinished(AssistantMessage(self.text, calls), StopReason.TOOL_CALLS if calls else stop, self.usage)

    def _text(self, delta: Any) -> Iterator[ModelEvent]:
        refusal = getattr(delta, "refusal", None)
        said = getattr(delta, "content", None) or refusal
        if said:
            self.refused = self.refused or bool(refusal)
            self.text += said
            yield TextDelta(said)

    def _call_part(self, part: Any) -> Iterator[ModelEvent]:
        function, given_id = getattr(part, "function", None), getattr(part, "id", None) or ""
        place = self._place(getattr(part, "index", None), given_id)
        known = self.calls.get(place)
        if known is None:
            known = self.calls[place] = _CallInParts(given_id or new_id(self.ids, "call"))
        name = getattr(function, "name", None)
        if name and not known.name:
            known.name = name
            yield ToolCallStarted(known.call_id, name)
        known.arguments += getattr(function, "arguments", None) or ""

    def _place(self, index: int | None, given_id: str) -> int:
        """Return which call a piece belongs to. Servers that send no index begin a call with its id."""
        if index is not None:
            return index
        same = [place for place, known in self.calls.items() if known.call_id == given_id]
        if same:
            return same[0]
        return len(self.calls) if given_id or not self.calls else max(self.calls)


def _usage(usage: Any) -> Usage:
    details = getattr(usage, "prompt_tokens_details", None)
    return Usage(
        getattr(usage, "prompt_tokens", None) or 0,
        getattr(usage, "completion_tokens", None) or 0,
        getattr(details, "cached_tokens", None) or 0,
    )
