"""The nouns of durable work: runs, their states, their limits, and what can be wrong with them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final

from core.errors import DeskError, Limited, NotFound, NotPossible

LOG_LINES: Final = 200
"""Lines of its log that a run keeps, the newest."""
LINE_LENGTH: Final = 500
DEATHS: Final = 3
"""How many workers may die under a run: one that takes its worker down each time must not do so for ever."""
OPEN_RUNS: Final = 20
"""Runs of a team that are queued or running at most."""


class RunState(StrEnum):
    """Where a run stands. The first three go on, the others are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING_APPROVAL = "waiting_approval"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self not in OPEN


OPEN: Final = (RunState.QUEUED, RunState.RUNNING, RunState.WAITING_APPROVAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a run is stopped: seconds of wall time, megabytes that its process may hold in all."""

    seconds: float = 300.0
    memory_mb: float = 2_048.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDraft:
    """A run to queue. `kind` names who carries it out, `arguments` are plain JSON values, `title` is for people."""

    kind: str
    title: str
    arguments: dict[str, Any]
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailure:
    """Why a run failed: the problem that the same call would have answered."""

    code: str
    kind: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run as it stands. `progress` is the part done from 0 to 1; `eta_seconds` is None until that can be said.

    `result` names what a successful run left behind. `starts` counts how often it was begun: more than once when a
    worker died under it.
    """

    run_id: str
    kind: str
    title: str
    state: RunState
    progress: float
    step: str
    eta_seconds: float | None
    cancel_requested: bool
    starts: int
    result: dict[str, Any] | None
    failure: RunFailure | None
    created_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail(RunSummary):
    """A run with what it was asked for and its newest log lines; `log_dropped` earlier ones are no longer kept."""

    arguments: dict[str, Any]
    log: tuple[str, ...]
    log_dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """The newest runs that match, and how many match in all."""

    items: tuple[RunSummary, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run in a worker's hands. `start` is the fence: only who holds the newest may write.

    `deaths` counts the workers that died under it before.
    """

    run_id: str
    team_id: int
    kind: str
    arguments: dict[str, Any]
    limits: Limits
    created_by: str
    start: int
    owner: str
    session: str
    deaths: int


class RunNotFound(NotFound):
    """No such run in the team."""

    code = "run_not_found"
    template = "No run {run_id}."


class RunEnded(NotPossible):
    """The run has ended; there is nothing left to cancel."""

    code = "run_ended"
    template = "The run {run_id} has ended: {state}."
    shown: ClassVar[tuple[str, ...]] = ("run_id", "state")


class RunLimit(Limited):
    """The team has as many unfinished runs as it may have."""

    code = "run_limit"
    template = "The team has {count} unfinished runs, which is the most. Wait for one to end, or cancel one."
    shown: ClassVar[tuple[str, ...]] = ("bucket", "retry_after_seconds")


class RunLost(NotPossible):
    """Worker after worker died under the run."""

    code = "run_lost"
    template = "The worker died under the run {deaths} times; it is not begun again."


class RunOverLimit(NotPossible):
    """The run took more time or memory than it may, and was stopped."""

    code = "run_over_limit"
    template = "The run was stopped: {reason}."


class RunProcessDied(NotPossible):
    """The process that carried the run out ended without a word."""

    code = "run_process_died"
    template = "The process of the run ended with exit code {exit_code}."


def failure_of(error: DeskError) -> RunFailure:
    """Return an error as it is kept."""
    return RunFailure(code=error.code, kind=error.kind.value, message=error.message, details=error.extras())
