"""A model that says what a script tells it to; for tests, evaluations and demonstrations.

ScriptedClient([calls(call("market_quote_get", {"symbols": ["600519.SH"]})), say("It closed at 1,480.")])
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from core.errors import DeskError
from core.llm.arguments import read_arguments
from core.llm.model import (
    AssistantMessage,
    ModelEvent,
    Prompt,
    StopReason,
    TextDelta,
    ToolCall,
    ToolCallStarted,
    TurnFinished,
    Usage,
)

PIECE: Final = 16
"""Characters of text per event."""


class ScriptExhausted(DeskError):
    """A scripted model was asked more often than its script has steps."""

    code = "script_exhausted"
    template = "The script of {model} has {steps} steps and was asked once more. The last message was: {last}"


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """One call of a step. `arguments_text` is sent as it is, which may be no JSON; an empty `call_id` is numbered."""

    name: str
    arguments_text: str
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class ScriptedTurn:
    """One answer of the model. `stop` is derived from the calls when it is None."""

    text: str = ""
    calls: tuple[ScriptedCall, ...] = ()
    stop: StopReason | None = None
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class ScriptedFault:
    """One time the model fails, after it has said `text`."""

    error: DeskError
    text: str = ""


ScriptStep = ScriptedTurn | ScriptedFault


def say(text: str, *, stop: StopReason = StopReason.END, usage: Usage | None = None) -> ScriptedTurn:
    """Return the step that says something and calls nothing."""
    return ScriptedTurn(text=text, stop=stop, usage=usage or Usage())


def call(name: str, arguments: Mapping[str, Any] | str = "{}", *, call_id: str = "") -> ScriptedCall:
    """Return one call for `calls`; arguments given as text are sent as they are."""
    text = arguments if isinstance(arguments, str) else json.dumps(dict(arguments), ensure_ascii=False)
    return ScriptedCall(name, text, call_id)


def calls(*asked: ScriptedCall, text: str = "", usage: Usage | None = None) -> ScriptedTurn:
    """Return the step that asks for one or more calls at once."""
    return ScriptedTurn(text=text, calls=asked, usage=usage or Usage())


def fault(error: DeskError, *, text: str = "") -> ScriptedFault:
    """Return the step that fails with `error`, after having said `text`."""
    return ScriptedFault(error, text)


class ScriptedClient:
    """Plays the steps of a script, one for each time it is asked. `prompts` holds what it was asked."""

    def __init__(self, steps: Iterable[ScriptStep], *, name: str = "scripted") -> None:
        self._steps = tuple(steps)
        self._name = name
        self._calls_made = 0
        self.prompts: list[Prompt] = []

    @property
    def name(self) -> str:
        """The name given to it."""
        return self._name

    @property
    def is_configured(self) -> bool:
        """True: to the chat it is a model like any other."""
        return True

    @property
    def remaining(self) -> tuple[ScriptStep, ...]:
        """The steps nobody has asked for yet; empty when the script is used up."""
        return self._steps[len(self.prompts) :]

    async def stream(self, prompt: Prompt) -> AsyncIterator[ModelEvent]:
        """Play the next step. Raises the step's own error, and `ScriptExhausted` when there is no next one."""
        waiting = self.remaining
        if not waiting:
            last = repr(prompt.messages[-1])[:300] if prompt.messages else "none"
            raise ScriptExhausted(model=self._name, steps=len(self._steps), last=last)
        self.prompts.append(prompt)
        step = waiting[0]
        for start in range(0, len(step.text), PIECE):
            yield TextDelta(step.text[start : start + PIECE])
        if isinstance(step, ScriptedFault):
            raise step.error
        asked = tuple(self._call(item) for item in step.calls)
        for item in asked:
            yield ToolCallStarted(item.call_id, item.name)
        stop = step.stop or (StopReason.TOOL_CALLS if asked else StopReason.END)
        yield TurnFinished(AssistantMessage(step.text, asked), stop, step.usage)

    async def warm_up(self) -> None:
        """Load nothing: it has all it says."""

    async def close(self) -> None:
        """Close nothing: it has no connections."""

    def _call(self, item: ScriptedCall) -> ToolCall:
        self._calls_made += 1
        return ToolCall(
            call_id=item.call_id or f"call_{self._calls_made}",
            name=item.name,
            arguments_text=item.arguments_text,
            arguments=read_arguments(item.arguments_text),
        )
