"""From what is stored of a conversation to what a model is given: a fold over its entries.

Whatever stopped a turn, a killed process as well as a cancelled one, the messages that come out are well formed: every
call has an answer, if only the one that nobody knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from agent_server.chat.calls import STILL_WAITING
from agent_server.chat.events import ToolAnswered
from agent_server.chat.loop import NO_ANSWER, late_note
from core.conversation.model import USER_KIND, Entry
from core.llm.data_block import mark
from core.llm.model import AssistantMessage, Message, ToolCall, ToolMessage, ToolResult, UserMessage

LEFT_OUT: Final = "(Earlier messages of this conversation were left out.)\n\n"
BYTES_PER_TOKEN: Final = 4


@dataclass(slots=True)
class _Fold:
    """The messages so far, and the step of the model that is being collected."""

    marker: str
    messages: list[Message] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    answers: dict[str, ToolAnswered] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)

    def text(self, payload: Mapping[str, Any]) -> None:
        if self.calls and (self.answers or self.waiting):
            self.close()
        self.texts.append(payload["text"])

    def tool_call(self, payload: Mapping[str, Any]) -> None:
        if self.answers or self.waiting:
            self.close()
        text = payload.get("argumentsText") or ""
        self.calls.append(ToolCall(payload["callId"], payload["name"], text, payload.get("arguments")))

    def tool_result(self, payload: Mapping[str, Any]) -> None:
        call_id, name, content = payload["callId"], payload["name"], payload["content"]
        answer = ToolAnswered(call_id, name, content, is_error=bool(payload.get("isError")))
        if any(call.call_id == call_id for call in self.calls):
            self.answers[call_id] = answer
            self.waiting.discard(call_id)
            return
        self.close()
        self.messages.append(UserMessage(late_note(self._marked(answer))))

    def approval_required(self, payload: Mapping[str, Any]) -> None:
        self.waiting.add(payload["callId"])

    def retry(self, payload: Mapping[str, Any]) -> None:
        if payload.get("discardsText"):
            self.texts.clear()

    def user(self, payload: Mapping[str, Any]) -> None:
        self.close()
        self.messages.append(UserMessage(payload["text"]))

    def done(self, _: Mapping[str, Any]) -> None:
        if not self.waiting:
            self.close()

    def close(self) -> None:
        """Finish the step: its message, and an answer to each of its calls."""
        text = "".join(self.texts)
        if text or self.calls:
            self.messages.append(AssistantMessage(text, tuple(self.calls)))
        if self.calls:
            self.messages.append(ToolMessage(tuple(self._result(call) for call in self.calls)))
        self.texts, self.calls, self.answers, self.waiting = [], [], {}, set()

    def _result(self, call: ToolCall) -> ToolResult:
        missing = STILL_WAITING if call.call_id in self.waiting else NO_ANSWER
        return self._marked(
            self.answers.get(call.call_id) or ToolAnswered(call.call_id, call.name, missing, is_error=True)
        )

    def _marked(self, answer: ToolAnswered) -> ToolResult:
        content = mark(answer.content, marker=self.marker, source=answer.name)
        return ToolResult(answer.call_id, answer.name, content, answer.is_error)


def messages_of(entries: Iterable[Entry], *, marker: str) -> list[Message]:
    """Return the messages of a conversation, the newest last."""
    fold = _Fold(marker)
    steps = {
        USER_KIND: fold.user,
        "text": fold.text,
        "tool_call": fold.tool_call,
        "tool_result": fold.tool_result,
        "approval_required": fold.approval_required,
        "retry": fold.retry,
        "done": fold.done,
    }
    for entry in entries:
        step = steps.get(entry.kind)
        if step is not None:
            step(entry.payload)
    fold.close()
    return fold.messages


def fit(messages: Sequence[Message], *, tokens: int, is_cut: bool = False) -> list[Message]:
    """Return the newest exchanges that fit, whole ones, and at least the last; the first says when some are missing.

    `is_cut`: some are missing already.
    """
    exchanges: list[list[Message]] = []
    for message in messages:
        if isinstance(message, UserMessage) or not exchanges:
            exchanges.append([])
        exchanges[-1].append(message)
    kept: list[list[Message]] = []
    left = tokens * BYTES_PER_TOKEN
    for exchange in reversed(exchanges):
        left -= sum(map(_size, exchange))
        if kept and left < 0:
            break
        kept.insert(0, exchange)
    fitting = [message for exchange in kept for message in exchange]
    is_cut = is_cut or len(kept) < len(exchanges)
    if is_cut and fitting and isinstance(fitting[0], UserMessage):
        fitting[0] = replace(fitting[0], text=LEFT_OUT + fitting[0].text)
    return fitting


def _size(message: Message) -> int:
    if isinstance(message, ToolMessage):
        return sum(len(result.content.encode()) for result in message.results)
    calls = message.tool_calls if isinstance(message, AssistantMessage) else ()
    return len(message.text.encode()) + sum(len(call.arguments_text) + len(call.name) for call in calls)
