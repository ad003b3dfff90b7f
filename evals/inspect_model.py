"""A model of inspect behind the desk's own port: our chat loop asks it, and inspect's log, limits and cache see it."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    Model,
    ModelOutput,
)
from inspect_ai.tool import ToolCall as InspectCall
from inspect_ai.tool import ToolInfo, ToolParams

from core.llm.model import (
    AssistantMessage,
    Message,
    ModelEvent,
    Prompt,
    StopReason,
    TextDelta,
    ToolCall,
    ToolDefinition,
    ToolMessage,
    TurnFinished,
    Usage,
    UserMessage,
)

STOPS = {"max_tokens": StopReason.LENGTH, "model_length": StopReason.LENGTH, "content_filter": StopReason.REFUSAL}


class InspectModel:
    """See the module. `messages` is what was last sent, for inspect's viewer."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.messages: list[ChatMessage] = []

    @property
    def name(self) -> str:
        """Provider and model, as inspect writes them."""
        return str(self._model)

    @property
    def is_configured(self) -> bool:
        """True: it answers."""
        return True

    async def stream(self, prompt: Prompt) -> AsyncIterator[ModelEvent]:
        """Ask once; the answer comes whole. Retries and timeouts are inspect's."""
        self.messages = [ChatMessageSystem(content=prompt.system), *_messages(prompt.messages)]
        output = await self._model.generate(list(self.messages), tools=[_tool(item) for item in prompt.tools])
        self.messages.append(output.message)
        finished = _finished(output)
        if finished.message.text:
            yield TextDelta(finished.message.text)
        yield finished

    async def warm_up(self) -> None:
        """Do nothing: inspect has the model ready."""

    async def close(self) -> None:
        """Close nothing: inspect owns the model."""


def _messages(messages: Sequence[Message]) -> list[ChatMessage]:
    converted: list[ChatMessage] = []
    for message in messages:
        if isinstance(message, UserMessage):
            converted.append(ChatMessageUser(content=message.text))
        elif isinstance(message, ToolMessage):
            converted += [
                ChatMessageTool(content=result.content, tool_call_id=result.call_id, function=result.name)
                for result in message.results
            ]
        else:
            calls = [_inspect_call(call) for call in message.tool_calls]
            converted.append(ChatMessageAssistant(content=message.text, tool_calls=calls or None))
    return converted


def _inspect_call(call: ToolCall) -> InspectCall:
    return InspectCall(id=call.call_id, function=call.name, arguments=dict(call.arguments or {}))


def _tool(definition: ToolDefinition) -> ToolInfo:
    schema: dict[str, Any] = json.loads(json.dumps(definition.parameters))
    properties, required = schema.get("properties", {}), schema.get("required", [])
    parameters = ToolParams.model_validate({"properties": properties, "required": required})
    return ToolInfo(name=definition.name, description=definition.description, parameters=parameters)


def _finished(output: ModelOutput) -> TurnFinished:
    calls = tuple(_call(call) for call in output.message.tool_calls or ())
    usage = output.usage
    cached = usage.input_tokens_cache_read or 0 if usage is not None else 0
    used = Usage(usage.input_tokens, usage.output_tokens, cached) if usage is not None else Usage()
    stop = STOPS.get(str(output.stop_reason), StopReason.TOOL_CALLS if calls else StopReason.END)
    return TurnFinished(AssistantMessage(output.message.text, calls), stop, used)


def _call(call: InspectCall) -> ToolCall:
    text = json.dumps(call.arguments, ensure_ascii=False)
    return ToolCall(call.id, call.function, text, None if call.parse_error else call.arguments)
