"""What a skill's body is given, and the calls and results that pass the dispatcher."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from core.access.model import Caller
from core.clock import Clock, china_today
from core.storage.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from core.bootstrap import Services


ProgressSink = Callable[[float, float | None, str], Awaitable[None]]
"""Told how much of the work is done, how much there is (None: unknown), and what is being done now."""


class Surface(StrEnum):
    """The door a call came through."""

    REST = "rest"
    MCP = "mcp"
    CHAT = "chat"
    PAGE = "page"
    CLI = "cli"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillCall:
    """One request to run a skill, as a transport read it: names and values not yet checked."""

    skill_id: str
    params: dict[str, Any]
    caller: Caller
    surface: Surface
    trace_id: str
    approval_id: str | None = None
    idempotency_key: str | None = None
    progress: ProgressSink | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillResult:
    """What a finished call returns to its transport, already in wire form (camel case, decimals as text).

    `data` is the answer, `beside` what stands beside it in the REST envelope, `meta` the provenance and notes.
    `value` is the whole result as one object, for doors without an envelope. `replayed` marks a stored answer.
    """

    skill_id: str
    data: Any
    value: Any
    beside: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What a red call would do: one sentence, and each change as plain fields."""

    summary: str
    changes: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SkillContext:
    """Everything a body may use: the services, this call's unit of work, the caller and the clock."""

    services: "Services"
    uow: UnitOfWork
    caller: Caller
    clock: Clock
    trace_id: str
    progress: ProgressSink | None = None

    async def report(self, done: float, total: float | None = None, message: str = "") -> None:
        """Tell a waiting caller how far the work is; doors that cannot show progress ignore it."""
        if self.progress is not None:
            await self.progress(done, total, message)

    @property
    def team_id(self) -> int:
        """The caller's team. Bodies that anonymous callers may run use `caller.team_id` instead."""
        if self.caller.team_id is None:
            message = "this skill needs a team; the dispatcher lets no anonymous caller reach it"
            raise RuntimeError(message)
        return self.caller.team_id

    def today(self) -> date:
        """Return the calendar day in Shanghai."""
        return china_today(self.clock)
