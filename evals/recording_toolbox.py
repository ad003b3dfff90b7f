"""A toolbox that takes down every call and lets the script check every answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_server.chat.toolbox import Toolbox, ToolOutcome
from core.llm.model import ToolCall, ToolDefinition
from evals.answers import document_of_structured
from evals.results import CallRecord, TurnRecord
from evals.script import Script, meant
from tools.registry import Registry
from tools.wire import to_wire


@dataclass(slots=True)
class RecordingToolbox:
    """Passes everything on to `inner`. `turn` is where calls are taken down."""

    inner: Toolbox
    script: Script
    registry: Registry
    turn: TurnRecord = field(default_factory=lambda: TurnRecord(user=""))

    async def definitions(self) -> tuple[ToolDefinition, ...]:
        """Return what is offered, and tell the script its names."""
        found = await self.inner.definitions()
        self.script.offered = frozenset(item.name for item in found)
        return found

    async def call(self, call: ToolCall) -> ToolOutcome:
        """Run one call, take it down, check its answer."""
        outcome = await self.inner.call(call)
        document = document_of(call.name, outcome)
        skill_id, arguments = meant(self.registry, call.name, call.arguments)
        skill = self.registry.find(skill_id)
        self.turn.calls.append(
            CallRecord(
                call_id=call.call_id,
                tool=call.name,
                skill_id=skill_id,
                arguments=to_wire(dict(arguments)),
                tier=skill.tier.value if skill is not None else "",
                document=document,
                is_error=outcome.is_error,
                result_bytes=len(outcome.content.encode()),
            )
        )
        self.script.answered(call, document)
        return outcome


def document_of(tool: str, outcome: ToolOutcome) -> Mapping[str, Any]:
    """Return an answer in the one shape scenarios speak of, as plain JSON."""
    if outcome.problem is not None:
        found: Mapping[str, Any] = dict(outcome.problem)
    else:
        found = document_of_structured(tool, outcome.structured or {})
    plain: dict[str, Any] = json.loads(json.dumps(to_wire(dict(found))))
    return plain
