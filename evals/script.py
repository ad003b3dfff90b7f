"""A script in progress: which step comes next, what its calls must be answered, and what went wrong on the way."""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from core.errors import DeskError
from core.llm.model import ToolCall
from evals.answers import save_variables
from evals.comparing import check_path, reply_faults
from evals.loader import Loaded
from evals.model import Resume, ScriptedCall, Step, Turn
from evals.model_parts import PathCheck
from evals.problems import ScriptProblem
from evals.results import Failure
from evals.substitution import substitute
from evals.wire import WireCall, WireTurn
from evals.yaml_text import Path
from tools.exports.meta_tools import CALL
from tools.names import wire_name
from tools.registry import Registry


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that was sent to the loop: what its answer is checked against, and where that is written."""

    call: ScriptedCall
    path: Path


@dataclass(slots=True)
class Script:
    """The steps of one turn after another. `offered` are the names of the tools the model was shown."""

    loaded: Loaded
    registry: Registry
    variables: dict[str, Any]
    offered: frozenset[str] = frozenset()
    failures: list[Failure] = field(default_factory=list)
    waiting: "deque[tuple[Path, Step]]" = field(default_factory=deque)
    asked: dict[str, Asked] = field(default_factory=dict)
    resumed: tuple[Path, Resume] | None = None
    place: str = ""
    turn_path: Path = ()
    taken: int = 0
    is_live: bool = False
    """A real model speaks: the steps only tell which answers variables are taken from."""

    def begin(self, place: str, path: Path, turn: Turn, variant: str) -> None:
        """Load the steps of a turn."""
        self.place, self.turn_path = place, path
        key: Path = ("model_variants", variant) if variant in turn.model_variants else ("model",)
        steps = enumerate(turn.steps(variant))
        self.waiting = deque(((*path, *key, number), step) for number, step in steps)
        self.resumed = None if turn.resume is None else ((*path, "resume"), turn.resume)

    def end(self) -> None:
        """Note a failure when steps are left that nobody asked for."""
        if self.waiting and not self.is_live:
            path, step = self.waiting[0]
            self.fail(path, f"the script is not used up: {len(self.waiting)} steps left, the next is {_short(step)}")
        self.waiting.clear()

    def take(self) -> Step | None:
        """Return the next step; None, and a failure, when there is none left."""
        self.taken += 1
        if not self.waiting:
            self.fail(self.turn_path, "the model was asked once more than the script has steps")
            return None
        return self.waiting.popleft()[1]

    def peek_path(self) -> Path:
        """Return where the next step is written."""
        return self.waiting[0][0] if self.waiting else self.turn_path

    def turn_of(self, step: Step, path: Path) -> WireTurn:
        """Return a step as an answer of a model; its calls are remembered until they are answered."""
        try:
            calls = tuple(self._call(call, path, number) for number, call in enumerate(step.scripted_calls))
            text = str(substitute(step.say or "", self.variables))
        except ScriptProblem as error:
            self.fail(path, error.message)
            return WireTurn(text="")
        return WireTurn(text=text, calls=calls, stop=step.stop or "")

    def seen(self, step: Step, path: Path, texts: str) -> None:
        """Check what the model was given before a step."""
        for fault in reply_faults(step.sees, texts, self.variables):
            self.fail((*path, "sees"), f"the request {fault}")

    def answered(self, call: ToolCall, document: Mapping[str, Any]) -> None:
        """Check the answer of a call and take the variables out of it."""
        if self.is_live:
            self._save_alike(call, document)
            return
        asked = self.asked.pop(call.call_id, None)
        if asked is not None:
            self._check(asked.path, call.name, asked.call.result, asked.call.save, document)
        elif self.resumed is not None:
            path, resume = self.resumed
            self._check(path, call.name, resume.result, resume.save, document)

    def _save_alike(self, call: ToolCall, document: Mapping[str, Any]) -> None:
        """Take the variables that the script takes from a call of the same skill, as far as they are there."""
        skill_id, _ = meant(self.registry, call.name, call.arguments)
        for _, step in self.waiting:
            for scripted in step.scripted_calls:
                if skill_id in scripted.call:
                    with suppress(ScriptProblem):
                        save_variables(scripted.save, document, self.variables)

    def where(self) -> str:
        """Return file and line of the present turn."""
        return self.loaded.where(*self.turn_path)

    def fail(self, path: Path, message: str) -> None:
        """Note a failure at a place of the file."""
        self.failures.append(Failure(self.loaded.where(*path), self.place, message))

    def _check(
        self,
        path: Path,
        name: str,
        checks: Sequence[PathCheck],
        saves: Mapping[str, str],
        document: Mapping[str, Any],
    ) -> None:
        try:
            for number, check in enumerate(checks):
                for fault in check_path(check, document, self.variables):
                    self.fail((*path, "result", number), f"{name} {fault}{_refusal(document)}")
            save_variables(saves, document, self.variables)
        except ScriptProblem as error:
            self.fail(path, f"{name} {error.message}")

    def _call(self, call: ScriptedCall, path: Path, number: int) -> WireCall:
        name, given = next(iter(call.call.items()))
        arguments = substitute(given, self.variables)
        tool, sent = self.as_offered(name, arguments)
        call_id = f"call_{self.taken}_{number + 1}"
        self.asked[call_id] = Asked(call, path)
        text = call.raw if call.raw is not None else json.dumps(sent, ensure_ascii=False)
        return WireCall(call_id, tool, text)

    def as_offered(self, name: str, arguments: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Return the tool and arguments a model would use for a skill: its own tool, or `skills_call`.

        A name without a dot is sent as it is written.
        """
        if "." not in name:
            return name, arguments
        skill = self.registry.find(name)
        tool = wire_name(skill.skill_id) if skill is not None else name
        if tool in self.offered:
            return tool, arguments
        return CALL, {"name": tool, "arguments": arguments}


def meant(registry: Registry, tool: str, arguments: Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any]]:
    """Return the skill id and the arguments a call means: those inside of `skills_call`, else its own."""
    given = arguments or {}
    if tool == CALL:
        inner = given.get("arguments")
        tool, given = str(given.get("name", CALL)), inner if isinstance(inner, Mapping) else {}
    skill = registry.find(tool)
    return (skill.skill_id if skill is not None else tool), given


def _short(step: Step) -> str:
    if step.scripted_calls:
        return "a call of " + ", ".join(next(iter(call.call)) for call in step.scripted_calls)
    return f"say {step.say[:60]!r}" if step.say is not None else "a fault"


def _refusal(document: Mapping[str, Any]) -> str:
    """Say why a call was refused, behind a check that fails for it."""
    return f" (refused: {document.get('code')}: {document.get('message')})" if "code" in document else ""


def reason_of(error: DeskError) -> str:
    """Return what to show of an error."""
    return f"{error.code}: {error.message}"
