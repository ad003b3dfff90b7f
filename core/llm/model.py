"""What is said to a language model and what streams back, whoever provides it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from core.errors import Invalid, Unavailable


class ModelUnavailable(Unavailable):
    """The model's provider did not answer, after every retry that was worth making."""

    code = "model_unavailable"
    template = "The model {model} does not answer: {reason}"


class ModelRequestRefused(Invalid):
    """The provider refuses the request itself: the key, the model's name, or what was sent."""

    code = "model_request_refused"
    template = "The provider of {model} refuses the request: {reason}"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call a model asks for. `arguments` is None when what it wrote (`arguments_text`) is no JSON object."""

    call_id: str
    name: str
    arguments_text: str
    arguments: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer to one call, as text for the model. The loop marks it as data before it gets here."""

    call_id: str
    name: str
    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What the person said."""

    text: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A message in its provider's own words, because parts of it (its reasoning) must go back unchanged.

    `model` is the name of the client that made it; every other client reads the message's text and calls instead.
    """

    model: str
    parts: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """What the model said, and the calls it asked for, in order. `kept` may be lost; it only helps the same model."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    kept: Kept | None = None


@dataclass(frozen=True, slots=True)
class ToolMessage:
    """The answers to all calls of the message before."""

    results: tuple[ToolResult, ...]


Message = UserMessage | AssistantMessage | ToolMessage


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool as a model is told of it; `parameters` is a JSON Schema with an object at its root.

    `title`, `title_zh`, `examples` and `tier` are for clients without a model (`offline`); providers are not sent them.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    title: str = ""
    title_zh: str = ""
    tier: str = "green"
    example: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything one call of a model is given."""

    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...] = ()


class StopReason(StrEnum):
    """Why a model stopped."""

    END = "end"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as the provider counts them; `cached_tokens` are part of `input_tokens`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum of both."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of what the model says, as it arrives."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """The model has begun to write a call; its arguments follow with the finished turn."""

    call_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Retrying:
    """A try failed and another follows. Text streamed by the failed try no longer counts."""

    attempt: int
    wait_seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """The last event of every stream: the whole message, why it ended, and what it cost."""

    message: AssistantMessage
    stop: StopReason
    usage: Usage


ModelEvent = TextDelta | ToolCallStarted | Retrying | TurnFinished


class ModelClient(Protocol):
    """A model that can be asked. `name` is shown to people; `is_configured` is False for the `offline` stand-in."""

    @property
    def name(self) -> str:
        """The provider and model, such as `anthropic:claude-x`, or `offline`."""
        ...

    @property
    def is_configured(self) -> bool:
        """Whether a real model answers."""
        ...

    def stream(self, prompt: Prompt) -> AsyncIterator[ModelEvent]:
        """Ask once. Yields events; the last one is always `TurnFinished`.

        Raises `ModelUnavailable`, `ModelRequestRefused`. Closing the iterator early closes the connection.
        """
        ...

    async def warm_up(self) -> None:
        """Load now what the first question would otherwise wait for. May be left out; never fails for the network."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
