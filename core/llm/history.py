"""A conversation as providers accept it: every call answered once, right after it; names and ids in their alphabet.

A stored conversation can be cut, can come from another model, or can end with a call nobody ran. Providers refuse such
a request as a whole, so it is mended here instead of failing the turn.
"""

import json
import re
from collections.abc import Iterable
from typing import Final

from core.llm.model import AssistantMessage, Message, ToolCall, ToolMessage, ToolResult

UNANSWERED: Final = "This call was not run."
LONGEST_NAME: Final = 64
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_-]")


def answered(messages: Iterable[Message]) -> list[Message]:
    """Return the messages with one answer for each call, in the order of the calls, and no answers without a call."""
    mended: list[Message] = []
    given = list(messages)
    for place, message in enumerate(given):
        if isinstance(message, ToolMessage):
            continue
        mended.append(message)
        if isinstance(message, AssistantMessage) and message.tool_calls:
            mended.append(ToolMessage(_answers(message, given[place + 1 :])))
    return mended


def _answers(asked: AssistantMessage, later: list[Message]) -> tuple[ToolResult, ...]:
    """Collect the answers that stand before the model's next message."""
    found: dict[str, ToolResult] = {}
    for message in later:
        if isinstance(message, AssistantMessage):
            break
        if isinstance(message, ToolMessage):
            found |= {result.call_id: result for result in message.results}
    return tuple(found.get(call.call_id) or _unanswered(call) for call in asked.tool_calls)


def _unanswered(call: ToolCall) -> ToolResult:
    return ToolResult(call.call_id, call.name, UNANSWERED, is_error=True)


def portable(text: str) -> str:
    """Return a name or id in the alphabet and length that all providers take."""
    return _FOREIGN.sub("_", text)[:LONGEST_NAME] or "_"


def arguments_text(call: ToolCall) -> str:
    """Return a call's arguments as a JSON object, also where the model wrote none."""
    if call.arguments is None:
        return json.dumps({"unreadable_arguments": call.arguments_text}, ensure_ascii=False)
    return call.arguments_text.strip() or "{}"
