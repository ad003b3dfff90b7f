"""What happens in a turn of a chat, in the order it happens. The same events are streamed, stored and scored.

`kind` names an event on the wire, `payload()` is its content there: camel case, plain JSON. A turn ends with exactly
one `done`, whatever went wrong before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from core.llm.model import Usage
from tools.wire import to_wire


class Stop(StrEnum):
    """Why a turn ended. `waiting_approval` is no end for good: it goes on when a person has decided."""

    END = "end"
    WAITING_APPROVAL = "waiting_approval"
    BUDGET = "budget"
    LENGTH = "length"
    REFUSAL = "refusal"
    ERROR = "error"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A call that a person must approve. `arguments` are those of the next call: the same ones and the approval."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    approval_id: str
    expires_at: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it in wire form."""
        return _wire(self)


@dataclass(frozen=True, slots=True)
class TextSaid:
    """A piece of what the model says."""

    kind: ClassVar[str] = "text"
    text: str

    def payload(self) -> dict[str, Any]:
        """Return the content on the wire."""
        return _wire(self)


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """A call the model asks for. `arguments` is None when what it wrote is no JSON object."""

    kind: ClassVar[str] = "tool_call"
    call_id: str
    name: str
    arguments: Mapping[str, Any] | None
    arguments_text: str

    def payload(self) -> dict[str, Any]:
        """Return the content on the wire."""
        return _wire(self)


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """The answer to a call. `content` is what the model reads; `structured` or `problem` is the whole of it.

    A result too large to keep is null in a stored event, with `isWhole` false beside it.
    """

    kind: ClassVar[str] = "tool_result"
    call_id: str
    name: str
    content: str
    is_error: bool = False
    structured: Mapping[str, Any] | None = None
    problem: Mapping[str, Any] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def payload(self) -> dict[str, Any]:
        """Return the content on the wire."""
        return _wire(self)


@dataclass(frozen=True, slots=True)
class ApprovalNeeded:
    """A call was refused until a person approves it at `url`. `arguments` are those of the call under the approval."""

    kind: ClassVar[str] = "approval_required"
    call_id: str
    name: str
    approval_id: str
    url: str
    expires_at: str
    skill_id: str
    message: str
    preview: Mapping[str, Any]
    arguments: Mapping[str, Any]

    def payload(self) -> dict[str, Any]:
        """Return the content on the wire."""
        return _wire(self)


@dataclass(frozen=True, slots=True)
class ApprovalSettled:
    """What became of a call that waited: executed, failed, denied, expired, withdrawn, revoked or unknown."""

    kind: ClassVar[str] = "approval_resolved"
    call_id: str
    name: str
    approval_id: str
    state: str

    def payload(self) -> dict[str, Any]:
        """Return the content on the wire."""
        return _wire(self)


@dataclass(frozen=True, slots=True)
class TokensUsed:
    """What one call of the model cost, and the turn so far. `cost_usd` is None where the price is not known."""

    kind: ClassVar[str] = "usage"
    model: str
    usage: Usage
    total: Usage
    cost_usd: str | None = None

    def payload(self) -> dict[str, Any]:
        """Return the content on the wire."""
        return _wire(self)


@dataclass(frozen=True, slots=True)
class BudgetReached:
    """The turn has used up what it may: `limit` names what; the model is asked for a last answer where it can be."""

    kind: ClassVar[str] = "budget"
    limit: str
    allowed: str
    used: str

    def payload(self) -> dict[str, Any]:
        """Return the content on the wire."""
        return _wire(self)


@dataclass(frozen=True, slots=True)
class Repeated:
    """Something failed and is tried again. With `discards_text`, what was said since the last other event is void."""

    kind: ClassVar[str] = "retry"
    attempt: int
    wait_seconds: float
    reason: str
    discards_text: bool = False

    def payload(self) -> dict[str, Any]:
        """Return the content on the wire."""
        return _wire(self)


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """The turn cannot go on: the model does not answer, or something broke."""

    kind: ClassVar[str] = "error"
    code: str
    message: str

    def payload(self) -> dict[str, Any]:
        """Return the content on the wire."""
        return _wire(self)


@dataclass(frozen=True, slots=True)
class TurnDone:
    """The last event of every turn. `text` is what was said in it; `waiting` are the calls a person must decide on."""

    kind: ClassVar[str] = "done"
    stop: Stop
    text: str = ""
    waiting: tuple[WaitingCall, ...] = ()

    def payload(self) -> dict[str, Any]:
        """Return the content on the wire."""
        return _wire(self)


ChatEvent = (
    TextSaid
    | ToolCalled
    | ToolAnswered
    | ApprovalNeeded
    | ApprovalSettled
    | TokensUsed
    | BudgetReached
    | Repeated
    | TurnFailed
    | TurnDone
)


def _wire(event: Any) -> dict[str, Any]:
    written: dict[str, Any] = to_wire(event)
    return written
