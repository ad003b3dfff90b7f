"""A conversation that was had becomes a scenario to start from: what was said, called and decided.

What must be true afterwards is for a person to write: a recording only knows what happened.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from evals.model import SCHEMA
from evals.problems import EvalsNotInstalled, ScriptProblem
from evals.script import meant
from tools.registry import Registry

if TYPE_CHECKING:
    from agent_server.desk import Desk

Event = tuple[str, Mapping[str, Any]]
DECIDED: Final = {"executed": "approve", "failed": "approve", "denied": "deny", "expired": "expire"}
DECIDED_CODES: Final = {"denied": "approval_denied", "expired": "approval_expired"}
MOST_ENTRIES: Final = 10_000


@dataclass(slots=True)
class _Turn:
    """One turn of the scenario in the making."""

    head: dict[str, Any]
    steps: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    answered: bool = True

    def say(self, text: str) -> None:
        """Add words; after answers they belong to a new step."""
        if self.answered and self.calls:
            self.close_step()
        self.text += text

    def call(self, call_id: str, name: str, arguments: Mapping[str, Any]) -> None:
        """Add a call to the step in the making."""
        if self.answered and self.calls:
            self.close_step()
        self.calls[call_id], self.answered = {"call": {name: dict(arguments)}}, False

    def close_step(self) -> None:
        """Finish the step: its words and calls."""
        step: dict[str, Any] = {"say": self.text} if self.text else {}
        made = list(self.calls.values())
        if len(made) == 1:
            step |= made[0]
        elif made:
            step["calls"] = made
        if step:
            self.steps.append(step)
        self.text, self.calls, self.answered = "", {}, True

    def written(self) -> dict[str, Any]:
        """Return the turn as the file has it."""
        self.close_step()
        return self.head | ({"model": self.steps} if self.steps else {})


def scenario_of(events: Iterable[Event], *, identity: str, registry: Registry, principal: Mapping[str, Any]) -> str:
    """Return the YAML of a scenario that plays the events of a conversation again.

    Raises `EvalsNotInstalled`, and `ScriptProblem` for a conversation in which nothing was said.
    """
    try:
        import yaml  # noqa: PLC0415 - part of the extra
    except ImportError as error:
        raise EvalsNotInstalled(package="PyYAML", extra="evals") from error
    turns = [turn.written() for turn in _turns(events, registry)]
    if not turns:
        raise ScriptProblem(reason="nothing was said in this conversation")
    document = {
        "schema": SCHEMA,
        "id": identity,
        "title": f"Recorded: {str(turns[0].get('user', 'a conversation'))[:60]}",
        "tags": ["recorded"],
        "principal": dict(principal),
        "turns": turns,
        "expect": {"state": {}},
    }
    text: str = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=110)
    return text


def _turns(events: Iterable[Event], registry: Registry) -> list[_Turn]:
    turns: list[_Turn] = []
    names: dict[str, str] = {}
    for kind, payload in events:
        if kind == "user":
            turns.append(_Turn({"user": payload["text"]}))
        elif not turns:
            continue
        elif kind == "text":
            turns[-1].say(payload["text"])
        elif kind == "retry" and payload.get("discardsText"):
            turns[-1].text = ""
        elif kind == "tool_call":
            name, arguments = meant(registry, payload["name"], payload.get("arguments"))
            turns[-1].call(payload["callId"], name, arguments)
        elif kind == "tool_result":
            _answer(turns[-1], payload)
        elif kind == "approval_required":
            names[payload["approvalId"]] = f"approval_{len(names) + 1}"
            _asked(turns[-1], payload, names[payload["approvalId"]])
        elif kind == "approval_resolved" and payload["approvalId"] in names:
            turns.append(_Turn(_decided(payload, names[payload["approvalId"]])))
    return turns


def _answer(turn: _Turn, payload: Mapping[str, Any]) -> None:
    turn.answered = True
    call = turn.calls.get(payload["callId"])
    if call is not None:
        code = (payload.get("problem") or {}).get("code")
        call["result"] = [{"path": "$.code", "eq": code} if code else {"path": "$.status", "eq": 200}]


def _asked(turn: _Turn, payload: Mapping[str, Any], name: str) -> None:
    turn.answered = True
    call = turn.calls.get(payload["callId"])
    if call is not None:
        call["result"] = [{"path": "$.code", "eq": "approval_required"}]
        call["save"] = {name: "$.approvalId"}


def _decided(payload: Mapping[str, Any], name: str) -> dict[str, Any]:
    state = str(payload["state"])
    code = DECIDED_CODES.get(state)
    result = {"path": "$.code", "eq": code} if code else {"path": "$.status", "eq": 200}
    act = {"id": f"${{{name}}}", "decision": DECIDED.get(state, "withdraw")}
    return {"approvals": [act], "resume": {"result": [result]}}


async def events_of(desk: "Desk", conversation_id: str) -> list[Event]:
    """Return the events of a conversation of any team, for whoever runs the desk. Raises `ScriptProblem`."""
    from core.conversation.store import ConversationStore  # noqa: PLC0415 - only recording reads conversations

    async with desk.unit_of_work(read_only=True) as uow:
        teams = {user.team_id for user in await desk.services.access.users(uow, None)}
        for team_id in sorted(teams):
            store = ConversationStore(uow).for_team(team_id)
            if await store.one(conversation_id) is not None:
                entries = await store.entries(conversation_id, after=0, limit=MOST_ENTRIES)
                return [(entry.kind, entry.payload) for entry in entries]
    raise ScriptProblem(reason=f"there is no conversation {conversation_id!r} on this desk")
