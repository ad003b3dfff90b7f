"""OpenAI's Responses API: a prompt as a request, and the events of its stream as ours.

Nothing is stored at the provider (`store` is false), so a model's reasoning comes back encrypted and is sent again with
the conversation: see `Kept`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from core.llm.failures import Endpoint, stream_failure
from core.llm.history import answered, arguments_text, portable
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
    ToolResult,
    TurnFinished,
    Usage,
    UserMessage,
)
from core.llm.openai_tools import OpenAITools

REASONING: Final = "reasoning.encrypted_content"
FAILED: Final = "The call failed.\n"


def request_body(
    prompt: Prompt, *, model: str, client: str, tools: OpenAITools, keeps_reasoning: bool
) -> dict[str, Any]:
    """Return the body of a request. `client` is the name whose `Kept` parts are sent back, if the model reasons."""
    own = client if keeps_reasoning else ""
    body: dict[str, Any] = {
        "model": model,
        "store": False,
        "input": [item for message in answered(prompt.messages) for item in _items(message, own)],
    }
    if prompt.system:
        body["instructions"] = prompt.system
    if prompt.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": offered.definition.name,
                "description": offered.definition.description,
                "parameters": offered.parameters,
                "strict": offered.strict,
            }
            for offered in tools.offer(prompt.tools)
        ]
    return body | ({"include": [REASONING]} if keeps_reasoning else {})


def _items(message: Message, client: str) -> list[Any]:
    if isinstance(message, UserMessage):
        return [{"role": "user", "content": message.text}]
    if isinstance(message, ToolMessage):
        return [_output(result) for result in message.results]
    if message.kept is not None and message.kept.model == client:
        return list(message.kept.parts)
    said: list[Any] = [{"role": "assistant", "content": message.text}] if message.text else []
    return said + [_call(call) for call in message.tool_calls]


def _call(call: ToolCall) -> dict[str, str]:
    known = {"type": "function_call", "call_id": portable(call.call_id), "name": portable(call.name)}
    return known | {"arguments": arguments_text(call)}


def _output(result: ToolResult) -> dict[str, str]:
    said = FAILED + result.content if result.is_error else result.content
    return {"type": "function_call_output", "call_id": portable(result.call_id), "output": said}


@dataclass(slots=True)
class ResponsesReader:
    """Reads one stream. What counts is the finished response; before it, events only show what is coming."""

    endpoint: Endpoint
    tools: OpenAITools
    items: list[Any] = field(default_factory=list)
    response: Any = None
    streamed: bool = False

    def read(self, event: Any) -> Iterator[ModelEvent]:
        """Yield what an event of the provider says. Raises for events that report a failure."""
        kind = getattr(event, "type", "")
        if kind in {"response.output_text.delta", "response.refusal.delta"}:
            self.streamed = True
            yield TextDelta(event.delta)
        elif kind == "response.output_item.added" and getattr(event.item, "type", "") == "function_call":
            yield ToolCallStarted(event.item.call_id, event.item.name)
        elif kind == "response.output_item.done":
            self.items.append(event.item)
        elif kind in {"response.completed", "response.incomplete"}:
            self.response = event.response
        elif kind == "response.failed":
            raise stream_failure(self.endpoint, _plain(getattr(event.response, "error", None)))
        elif kind == "error":
            raise stream_failure(self.endpoint, _plain(event))

    def finish(self) -> Iterator[ModelEvent]:
        """Yield the end of the turn. Raises `ModelBusy` when the stream ended before the response was finished."""
        if self.response is None:
            raise self.endpoint.broken_off()
        items = getattr(self.response, "output", None) or self.items
        text, refused = _said(items)
        if text and not self.streamed:
            yield TextDelta(text)
        stop = _stop(self.response, refused=refused)
        calls = tuple(
            self.tools.call(item.call_id, item.name, item.arguments or "")
            for item in items
            if getattr(item, "type", "") == "function_call"
        )
        if stop is not StopReason.END:
            calls = ()
        message = AssistantMessage(text, calls, _kept(items, self.endpoint.model) if stop is StopReason.END else None)
        yield TurnFinished(message, StopReason.TOOL_CALLS if calls else stop, _usage(self.response))


def _said(items: list[Any]) -> tuple[str, bool]:
    """Return the text of all messages, and whether any of it refuses."""
    parts = [
        part
        for item in items
        if getattr(item, "type", "") == "message"
        for part in getattr(item, "content", None) or ()
    ]
    text = "".join(getattr(part, "text", None) or getattr(part, "refusal", None) or "" for part in parts)
    return text, any(getattr(part, "type", "") == "refusal" for part in parts)


def _stop(response: Any, *, refused: bool) -> StopReason:
    if getattr(response, "status", "") == "incomplete":
        why = getattr(getattr(response, "incomplete_details", None), "reason", "")
        return StopReason.REFUSAL if why == "content_filter" else StopReason.LENGTH
    return StopReason.REFUSAL if refused else StopReason.END


def _kept(items: list[Any], client: str) -> Kept | None:
    """Keep the items when there is reasoning among them that can be sent back: without it there is no need to."""
    if not any(getattr(item, "encrypted_content", None) for item in items):
        return None
    return Kept(client, tuple(_sent_back(item) for item in items))


def _sent_back(item: Any) -> Any:
    """Return an item as the API takes it back: reasoning without its plain text, which it refuses."""
    plain = _plain(item)
    return {name: value for name, value in plain.items() if name != "content" or plain.get("type") != "reasoning"}


def _usage(response: Any) -> Usage:
    usage = getattr(response, "usage", None)
    details = getattr(usage, "input_tokens_details", None)
    return Usage(
        getattr(usage, "input_tokens", None) or 0,
        getattr(usage, "output_tokens", None) or 0,
        getattr(details, "cached_tokens", None) or 0,
    )


def _plain(value: Any) -> Any:
    return value.to_dict(mode="json", exclude_none=True) if hasattr(value, "to_dict") else value
