"""Tools as OpenAI is told of them, and its calls read back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.llm.arguments import read_arguments
from core.llm.model import ToolCall, ToolDefinition
from core.llm.strict_schema import NotStrict, dropped_nulls, strict_form


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """One tool in the form it is sent: `strict` where its schema allows, else its schema as it is."""

    definition: ToolDefinition
    parameters: Mapping[str, Any]
    strict: bool


class OpenAITools:
    """The forms of tools made so far, and the way back from their calls."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self._made: dict[str, OfferedTool] = {}

    def offer(self, tools: Iterable[ToolDefinition]) -> list[OfferedTool]:
        """Return the tools in the form they are sent."""
        return [self._offered(tool) for tool in tools]

    def call(self, call_id: str, name: str, arguments_text: str) -> ToolCall:
        """Return a call with its arguments as the tool's own schema reads them; any name passes."""
        arguments = read_arguments(arguments_text)
        known = self._made.get(name)
        if arguments is not None and known is not None and known.strict:
            arguments = dropped_nulls(known.definition.parameters, arguments)
        return ToolCall(call_id, name, arguments_text, arguments)

    def _offered(self, tool: ToolDefinition) -> OfferedTool:
        known = self._made.get(tool.name)
        if known is None or known.definition != tool:
            known = self._made[tool.name] = self._make(tool)
        return known

    def _make(self, tool: ToolDefinition) -> OfferedTool:
        if self.strict:
            try:
                return OfferedTool(tool, strict_form(tool.parameters), strict=True)
            except NotStrict:
                pass
        return OfferedTool(tool, tool.parameters, strict=False)
