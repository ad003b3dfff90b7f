"""What a play came to: every turn, call and event, what changed, what it used, and what is wrong with it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from evals.problems import ScenarioInvalid
from evals.state import TableChange


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that does not hold: where it is written, where in the play it failed, expected and got."""

    where: str
    place: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.place, self.message) if part)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call a model made. `tool` is the name it used, `skill_id` and `arguments` what that meant in the end."""

    call_id: str
    tool: str
    skill_id: str
    arguments: Mapping[str, Any]
    tier: str
    document: Mapping[str, Any]
    is_error: bool
    result_bytes: int

    @property
    def code(self) -> str:
        """The code of a refusal; empty for a success."""
        return str(self.document.get("code", "")) if self.is_error else ""


@dataclass(slots=True)
class TurnRecord:
    """One turn: what was said on both sides, and everything between."""

    user: str
    decisions: list[str] = field(default_factory=list)
    said: str = ""
    stop: str = ""
    calls: list[CallRecord] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def put_in_order(self) -> None:
        """Put calls that ran side by side into the order they were asked for."""
        asked = [payload["callId"] for kind, payload in self.events if kind == "tool_call"]
        place = {call_id: number for number, call_id in enumerate(asked)}
        self.calls.sort(key=lambda call: place.get(call.call_id, -1))


@dataclass(slots=True)
class PhaseRecord:
    """One conversation, and what it did to the desk."""

    name: str
    principal: str
    turns: list[TurnRecord] = field(default_factory=list)
    changes: list[TableChange] = field(default_factory=list)
    audit: list[dict[str, Any]] = field(default_factory=list)

    @property
    def calls(self) -> list[CallRecord]:
        """Every call of the phase, in order."""
        return [call for turn in self.turns for call in turn.calls]

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Every event of the phase, in order."""
        return [event for turn in self.turns for event in turn.events]


@dataclass(slots=True)
class Used:
    """What a play used. Tokens of a replay are bytes divided by four; seconds are those of the processor."""

    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    result_bytes: int = 0
    seconds: float = 0.0
    usd: float | None = None


@dataclass(slots=True)
class Play:
    """One case played over one transport in one wire format."""

    case_id: str
    scenario_id: str
    title: str
    transport: str
    wire: str
    is_own_transport: bool = True
    phases: list[PhaseRecord] = field(default_factory=list)
    used: Used = field(default_factory=Used)
    failures: list[Failure] = field(default_factory=list)
    attack_succeeded: bool | None = None
    """None for a scenario without an attack."""

    @property
    def passed(self) -> bool:
        """True when every expectation holds."""
        return not self.failures

    @property
    def name(self) -> str:
        """The case, with how it was played."""
        return f"{self.case_id} {self.transport} {self.wire}"


def plays_to_json(plays: Sequence[Play]) -> str:
    """Return plays as JSON, with everything a report needs."""
    return json.dumps([asdict(play) for play in plays], ensure_ascii=False, default=str)


def plays_from_json(text: str) -> list[Play]:
    """Read what `plays_to_json` wrote. Raises `ScenarioInvalid` for anything else."""
    try:
        return [_play(item) for item in json.loads(text)]
    except (ValueError, TypeError, KeyError) as error:
        raise ScenarioInvalid(faults=f"this is no file of `evals run --results`: {error}") from error


def _play(item: dict[str, Any]) -> Play:
    phases = [_phase(phase) for phase in item.pop("phases")]
    failures = [Failure(**failure) for failure in item.pop("failures")]
    return Play(**item | {"phases": phases, "failures": failures, "used": Used(**item["used"])})


def _phase(item: dict[str, Any]) -> PhaseRecord:
    changes = [TableChange(c["table"], tuple(c["gone"]), tuple(c["come"])) for c in item["changes"]]
    turns = [_turn(turn) for turn in item["turns"]]
    return PhaseRecord(**item | {"changes": changes, "turns": turns})


def _turn(item: dict[str, Any]) -> TurnRecord:
    events = [(str(kind), payload) for kind, payload in item["events"]]
    return TurnRecord(**item | {"calls": [CallRecord(**call) for call in item["calls"]], "events": events})


def events_of_play(text: str, case_id: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what was said and done in the first play of a case, as a conversation's events.

    Raises `ScenarioInvalid` for a case that is not there.
    """
    play = next((play for play in plays_from_json(text) if play.case_id == case_id), None)
    if play is None:
        raise ScenarioInvalid(faults=f"there is no play of {case_id!r} in this file")
    events: list[tuple[str, Mapping[str, Any]]] = []
    for turn in (turn for phase in play.phases for turn in phase.turns):
        if turn.user:
            events.append(("user", {"text": turn.user}))
        events += turn.events
    return events
