"""A box of pretended tools for tests of the chat's loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from agent_server.chat.events import ChatEvent
from agent_server.chat.loop import ChatLoop
from agent_server.chat.toolbox import ToolOutcome
from agent_server.json_text import encode
from core.llm.model import Message, ModelEvent, Prompt, ToolCall, ToolDefinition, UserMessage

SYSTEM = "Data stands in blocks marked {marker}."
SCHEMA = {"type": "object", "properties": {}}


def good(**result: Any) -> ToolOutcome:
    return ToolOutcome(encode(result).decode(), structured=result)


def bad(code: str, kind: str = "invalid", **extras: Any) -> ToolOutcome:
    problem = {"code": code, "kind": kind, "message": f"refused: {code}"} | extras
    return ToolOutcome(encode(problem).decode(), is_error=True, problem=problem)


def asks_first(approval_id: str, **arguments: Any) -> ToolOutcome:
    return bad(
        "approval_required",
        "conflict",
        approvalId=approval_id,
        approval={"url": f"https://desk.example/approvals/{approval_id}"},
        expiresAt="2026-11-20T07:40:00+00:00",
        preview={"summary": "Breaks it.", "changes": []},
        nextToolCall={"name": "break", "arguments": arguments | {"approvalId": approval_id}},
    )


Answer = ToolOutcome | Callable[[ToolCall], ToolOutcome]


@dataclass
class PretendTools:
    """`look` and `peek` read, `write` writes, `break` needs a person. Answers are taken from a list per tool."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    gate: asyncio.Event | None = None
    cancelled: int = 0

    async def definitions(self) -> tuple[ToolDefinition, ...]:
        tiers = {"look": "green", "peek": "green", "write": "yellow", "break": "red"}
        return tuple(ToolDefinition(name, name, SCHEMA, tier=tier) for name, tier in tiers.items())

    async def call(self, call: ToolCall) -> ToolOutcome:
        self.calls.append((call.name, dict(call.arguments or {})))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.gate is not None:
                await self.gate.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        waiting = self.answers.get(call.name)
        answer = (waiting.pop(0) if len(waiting) > 1 else waiting[0]) if waiting else bad("skill_not_found")
        return answer(call) if callable(answer) else answer


class HangingModel:
    """A model that says something and then never ends; it notes that it was closed."""

    name = "hanging"
    is_configured = True

    def __init__(self, first: ModelEvent) -> None:
        self.first = first
        self.is_closed = False

    async def warm_up(self) -> None: ...

    async def stream(self, prompt: Prompt) -> AsyncIterator[ModelEvent]:
        try:
            yield self.first
            await asyncio.Event().wait()
        finally:
            self.is_closed = True

    async def close(self) -> None:
        pass


async def play(loop: ChatLoop, tools: PretendTools, text: str = "hello", history: list[Message] | None = None) -> Any:
    """Play a turn; return its events."""
    history = history if history is not None else []
    history.append(UserMessage(text))
    return [event async for event in loop.turn(system=SYSTEM, history=history, toolbox=tools)]


def kinds(events: list[ChatEvent]) -> list[str]:
    """The kinds of the events, pieces of one text as one."""
    found = [event.kind for event in events]
    return [kind for place, kind in enumerate(found) if kind != "text" or place == 0 or found[place - 1] != "text"]
