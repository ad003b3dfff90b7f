"""The client that answers when no model is configured.

It reads only: of the tools offered it calls the green one that the question means, and quotes what comes back. When it
is not sure, it says so and names what comes nearest. Like a model, it is asked again after each answer of a tool, and
works out from the messages where it stands; it keeps nothing itself.
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from core.clock import Clock, SystemClock, china_today
from core.ids import IdSource, RandomIds, new_id
from core.llm.data_block import unmark
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
from core.llm.offline.planning import Ask, Done, Planner
from core.llm.offline.question import read_question

NAME: Final = "offline"
PIECE: Final = 24
"""Characters of text per event."""


class OfflineClient:
    """Answers from the desk's own tools without a model. `clock` gives "today" its meaning."""

    def __init__(self, *, clock: Clock | None = None, ids: IdSource | None = None) -> None:
        self._clock, self._ids = clock or SystemClock(), ids or RandomIds()

    @property
    def name(self) -> str:
        """`offline`."""
        return NAME

    @property
    def is_configured(self) -> bool:
        """False: no model answers."""
        return False

    async def stream(self, prompt: Prompt) -> AsyncIterator[ModelEvent]:
        """Ask for the next call, or answer. Raises nothing."""
        step = self._plan(prompt)
        if isinstance(step, Ask):
            text = json.dumps(step.arguments, ensure_ascii=False)
            call = ToolCall(new_id(self._ids, "call"), step.name, text, step.arguments)
            yield ToolCallStarted(call.call_id, call.name)
            yield TurnFinished(AssistantMessage("", (call,)), StopReason.TOOL_CALLS, Usage())
            return
        for start in range(0, len(step), PIECE):
            yield TextDelta(step[start : start + PIECE])
        yield TurnFinished(AssistantMessage(step), StopReason.END, Usage())

    async def warm_up(self) -> None:
        """Do nothing: there is nothing to load."""

    async def close(self) -> None:
        """Close nothing: it has no connections."""

    def _plan(self, prompt: Prompt) -> Ask | str:
        today = china_today(self._clock)
        said = [(place, item.text) for place, item in enumerate(prompt.messages) if isinstance(item, UserMessage)]
        begun, text = said[-1] if said else (-1, "")
        before = (read_question(one, today) for _, one in reversed(said[:-1]))
        earlier = next((question for question in before if not question.is_bare), None)
        done = _done(prompt.messages[begun + 1 :])
        question = read_question(text, today)
        return Planner(question, prompt.tools, earlier).next_step(done)


def _done(messages: tuple[Message, ...]) -> tuple[Done, ...]:
    """Return the calls made since the question, each with its answer."""
    calls = {
        call.call_id: call
        for message in messages
        if isinstance(message, AssistantMessage)
        for call in message.tool_calls
    }
    return tuple(
        Done(
            calls[result.call_id].name,
            dict(calls[result.call_id].arguments or {}),
            _read(result.content),
            result.is_error,
        )
        for message in messages
        if isinstance(message, ToolMessage)
        for result in message.results
        if result.call_id in calls
    )


def _read(content: str) -> Mapping[str, Any]:
    """Return the JSON object of an answer; text that is none, or that was cut, as a message."""
    text = unmark(content).strip()
    start = text.find("{")
    try:
        read, _ = json.JSONDecoder().raw_decode(text[max(start, 0) :])
    except (ValueError, RecursionError):
        return {"message": text[:300]}
    return read if isinstance(read, dict) else {"message": text[:300]}
