"""What the stand-in does next: which tool to call, or what to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.llm.model import ToolDefinition
from core.llm.offline.answering import answer, line, unwrapped
from core.llm.offline.choosing import GREEN, Choice, choose
from core.llm.offline.filling import Filled, fill
from core.llm.offline.question import Question
from core.llm.offline.wording import Wording, wording

FIND_INSTRUMENT: Final = "market_instrument_search"
FIND_SKILL: Final = "skills_search"
DESCRIBE_SKILL: Final = "skills_describe"
CALL_SKILL: Final = "skills_call"
META: Final = frozenset({FIND_SKILL, DESCRIBE_SKILL, CALL_SKILL})
MOST_SKILLS: Final = 50


@dataclass(frozen=True, slots=True)
class Ask:
    """A call to make."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """A call that was made, and the object it answered with."""

    name: str
    arguments: Mapping[str, Any]
    result: Mapping[str, Any]
    is_error: bool


class Planner:
    """Plans the turn of one question over the tools on offer.

    `earlier` is the question before it: "and yesterday?" gets its meaning from there.
    """

    def __init__(self, question: Question, tools: Sequence[ToolDefinition], earlier: Question | None = None) -> None:
        self._offered = {tool.name: tool for tool in tools}
        self._direct = [tool for tool in tools if tool.name not in META]
        self._question, self._choice = question, choose(question, self._direct)
        if self._choice.best is None and question.is_bare and earlier is not None:
            self._question = _continued(question, earlier)
            self._choice = choose(self._question, self._direct)
        self._say: Wording = wording(zh=question.is_chinese)

    def next_step(self, done: Sequence[Done]) -> Ask | str:
        """Return the next call, or the answer, after the calls already made for this question."""
        if not done:
            return self._first()
        last = done[-1]
        if last.is_error:
            return self._closed(self._say.failed.format(reason=line(last.result.get("message") or last.result)))
        if last.name == FIND_SKILL:
            return self._among_all(last)
        if last.name == DESCRIBE_SKILL:
            return self._described(last)
        if last.name == FIND_INSTRUMENT and self._choice.best is not None and self._choice.best.name != FIND_INSTRUMENT:
            return self._resolved(last)
        return self._closed(answer(last.result, title=self._title(last, done), zh=self._question.is_chinese))

    def _first(self) -> Ask | str:
        best = self._choice.best
        if best is None:
            if FIND_SKILL in self._offered and self._offered[FIND_SKILL].tier == GREEN:
                return Ask(FIND_SKILL, {"text": "", "limit": MOST_SKILLS})
            return self._unsure(self._choice)
        if best.tier != GREEN:
            return self._changes_things(best)
        filled = fill(best.parameters, self._question)
        if not filled.missing:
            return Ask(best.name, filled.arguments)
        if filled.lacks_code and self._question.names and self._may(FIND_INSTRUMENT):
            return Ask(FIND_INSTRUMENT, {"text": self._question.names[0]})
        return self._without(best, filled)

    def _without(self, best: ToolDefinition, filled: Filled) -> Ask | str:
        """Go on without an argument that the question does not say: with the list it comes from, or ask for it."""
        for other in self._choice.nearest:
            same_family = other.name.rpartition("_")[0] == best.name.rpartition("_")[0]
            instead = fill(other.parameters, self._question)
            if other is not best and same_family and not instead.missing:
                return Ask(other.name, instead.arguments)
        what = self._say.code if filled.lacks_code else ", ".join(filled.missing)
        return self._closed(self._say.missing.format(title=self._name(best), what=what))

    def _resolved(self, found: Done) -> Ask | str:
        """Go on with the instrument that a name meant, if it meant one."""
        body, _ = unwrapped(found.result)
        rows = [row for row in body.get("instruments") or () if isinstance(row, Mapping)]
        name = str(found.arguments.get("text", ""))
        exact = [row for row in rows if row.get("name") == name] or rows
        best = self._choice.best
        if best is None or len(exact) != 1:
            listed = answer(found.result, title="", zh=self._question.is_chinese)
            asks = self._say.which if rows else self._say.unknown
            return self._closed(f"{asks.format(name=line(name))}\n{listed}" if rows else asks.format(name=line(name)))
        question = _with_code(self._question, str(exact[0].get("symbol", "")))
        return Ask(best.name, fill(best.parameters, question).arguments)

    def _among_all(self, found: Done) -> Ask | str:
        """Choose among every skill of the caller, also those that are no tools of their own."""
        listed = [row for row in found.result.get("skills") or () if isinstance(row, Mapping)]
        choice = choose(self._question, [_as_tool(row) for row in listed])
        if choice.best is None:
            return self._unsure(choice)
        if choice.best.tier != GREEN:
            return self._changes_things(choice.best)
        return Ask(DESCRIBE_SKILL, {"name": choice.best.name})

    def _described(self, manual: Done) -> Ask | str:
        schema = manual.result.get("inputSchema")
        tool = _as_tool(manual.result)
        if tool.tier != GREEN or manual.result.get("needsApproval") or not isinstance(schema, Mapping):
            return self._changes_things(tool)
        filled = fill(schema, self._question)
        if filled.missing:
            what = self._say.code if filled.lacks_code else ", ".join(filled.missing)
            return self._closed(self._say.missing.format(title=self._name(tool), what=what))
        return Ask(CALL_SKILL, {"name": tool.name, "arguments": filled.arguments})

    def _unsure(self, choice: Choice) -> str:
        offered = "\n".join(f"- {self._name(tool)}: {line(tool.description)}" for tool in choice.nearest)
        return self._closed(f"{self._say.unsure}\n{offered}" if offered else self._say.nothing)

    def _changes_things(self, tool: ToolDefinition) -> str:
        return self._closed(self._say.reads_only.format(title=self._name(tool), name=tool.name))

    def _closed(self, text: str) -> str:
        return f"{text}\n\n{self._say.no_model}"

    def _may(self, name: str) -> bool:
        return name in self._offered and self._offered[name].tier == GREEN

    def _name(self, tool: ToolDefinition) -> str:
        return (tool.title_zh if self._question.is_chinese else tool.title) or tool.title or tool.name

    def _title(self, last: Done, done: Sequence[Done]) -> str:
        if last.name != CALL_SKILL:
            return self._name(self._offered[last.name]) if last.name in self._offered else last.name
        manual = next((item for item in reversed(done) if item.name == DESCRIBE_SKILL), None)
        return self._name(_as_tool(manual.result)) if manual is not None else last.name


def _as_tool(row: Mapping[str, Any]) -> ToolDefinition:
    """Return a skill as a search or a description tells of it. One without a tier counts as red."""
    return ToolDefinition(
        name=str(row.get("name", "")),
        description=str(row.get("summary") or row.get("description") or ""),
        parameters=row.get("inputSchema") or {},
        title=str(row.get("title", "")),
        title_zh=str(row.get("titleZh", "")),
        tier=str(row.get("risk") or "red"),
    )


def _with_code(question: Question, code: str) -> Question:
    return Question(
        text=question.text,
        rest=question.rest,
        is_chinese=question.is_chinese,
        codes=(code,),
        days=question.days,
        span=question.span,
        numbers=question.numbers,
    )


def _continued(question: Question, earlier: Question) -> Question:
    """Return the earlier question about the codes and days of the new one."""
    has_days = bool(question.days or question.span)
    return Question(
        text=earlier.text,
        rest=f"{earlier.rest} {question.rest}",
        is_chinese=question.is_chinese or earlier.is_chinese,
        codes=question.codes or earlier.codes,
        days=question.days if has_days else earlier.days,
        span=question.span if has_days else earlier.span,
        numbers=question.numbers or earlier.numbers,
    )
