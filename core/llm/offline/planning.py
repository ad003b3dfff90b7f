"""What the stand-in does next: which tool to call, or what to say.

A turn has one target, the tool that answers the question. What the question says by name only is looked up first: an
instrument by the search for instruments, an id in the list it comes from. A target that is no tool of its own is found,
described and called through the three tools that reach every skill.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from core.llm.model import ToolDefinition
from core.llm.offline.answering import answer, line, unwrapped
from core.llm.offline.choosing import GREEN, Choice, choose, unserved
from core.llm.offline.filling import Filled, fill, ignored
from core.llm.offline.question import Question
from core.llm.offline.topics import contains, vocabulary
from core.llm.offline.wording import Wording, wording

FIND_INSTRUMENT: Final = "market_instrument_search"
FIND_SKILL: Final = "skills_search"
DESCRIBE_SKILL: Final = "skills_describe"
CALL_SKILL: Final = "skills_call"
META: Final = frozenset({FIND_SKILL, DESCRIBE_SKILL, CALL_SKILL})
MOST_SKILLS: Final = 50
MOST_CALLS: Final = 6
"""More calls than any plan has; ends what could only be a mistake."""


@dataclass(frozen=True, slots=True)
class Ids:
    """The list an id comes from: the tool, the key of the id in its rows, and the keys of what a person would say."""

    tool: str
    key: str
    names: tuple[str, ...]


LISTS: Final = {
    "asset_id": Ids("dataasset_list", "id", ("assetName",)),
    "position_id": Ids("investment_stock_portfolio_list", "positionId", ("symbol", "name")),
    "result_id": Ids("investment_stock_backtest_list", "id", ("name",)),
}
"""By the argument that takes the id."""


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

    def rows(self, key: str) -> list[Mapping[str, Any]]:
        """Return the rows of a list in the answer."""
        body, _ = unwrapped(self.result)
        listed = body.get(key)
        return [row for row in listed if isinstance(row, Mapping)] if isinstance(listed, list) else []


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
        self._say: Wording = wording(zh=self._question.is_chinese)

    def next_step(self, done: Sequence[Done]) -> Ask | str:
        """Return the next call, or the answer, after the calls already made for this question."""
        if not done and (opening := self._opening()) is not None:
            return opening
        last = done[-1] if done else None
        if last is not None and last.is_error:
            return self._closed(self._say.failed.format(reason=line(last.result.get("message") or last.result)))
        if last is not None and last.name == FIND_SKILL:
            return self._among_all(last)
        manual = next((item for item in done if item.name == DESCRIBE_SKILL), None)
        target = _as_tool(manual.result) if manual is not None else self._choice.best
        if target is None:
            return self._unsure(self._choice) if last is None else self._answered(last, None)
        if target.tier != GREEN or (manual is not None and manual.result.get("needsApproval")):
            return self._changes_things(target)
        if last is not None and last.name in {target.name, CALL_SKILL}:
            return self._answered(last, target)
        return self._toward(target, done, is_hidden=manual is not None)

    def _opening(self) -> Ask | str | None:
        """Answer a call for help, or look among all skills when no tool of its own is meant."""
        if self._choice.best is None and any(contains(self._question.rest, word) for word in vocabulary().help):
            known = [self._name(tool) for tool in self._direct if tool.tier == GREEN]
            return self._closed("\n- ".join([self._say.help, *known]))
        if (self._choice.best is None or self._hidden) and self._may(FIND_SKILL):
            return Ask(FIND_SKILL, {"text": "", "limit": MOST_SKILLS})
        return None

    def _answered(self, last: Done, target: ToolDefinition | None) -> str:
        """Tell the result, and before it what the question names and the tool cannot be told."""
        title = self._name(target) if target is not None else last.name
        told = answer(last.result, title=title, zh=self._question.is_chinese)
        left = ignored(target.parameters, self._question) if target is not None else []
        return self._closed(f"{self._say.ignored.format(what=', '.join(left))}\n{told}" if left else told)

    @property
    def _hidden(self) -> bool:
        """Whether the question asks for no change and a skill that is no tool of its own may serve it better."""
        best = self._choice.best
        if best is not None and best.tier != GREEN:
            return False
        lacks = best is None or bool(fill(best.parameters, self._question).missing)
        return unserved(self._question, self._direct, wholly=lacks)

    def _toward(self, target: ToolDefinition, done: Sequence[Done], *, is_hidden: bool) -> Ask | str:
        """Call the target, or first what it needs."""
        question, said = self._question, None
        for item in done:
            if item.name == FIND_INSTRUMENT:
                question, said = self._with_instrument(question, item)
        filled = fill(target.parameters, question)
        known = _ids(filled, question, done)
        filled = Filled(filled.arguments | known, tuple(name for name in filled.missing if name not in known))
        if said is not None and filled.lacks_code:
            return self._closed(said)
        if not filled.missing:
            is_own = not is_hidden
            return Ask(target.name, filled.arguments) if is_own else _through(target.name, filled.arguments)
        return self._lookup(filled, question, done) or self._without(target, filled)

    def _lookup(self, filled: Filled, question: Question, done: Sequence[Done]) -> Ask | None:
        """Return the call that finds what is missing, unless it has been made."""
        made = {item.name for item in done}
        if filled.lacks_code:
            may = self._may(FIND_INSTRUMENT) and question.names and FIND_INSTRUMENT not in made
            return Ask(FIND_INSTRUMENT, {"text": question.names[0]}) if may else None
        source = LISTS.get(filled.missing[0])
        if source is None or source.tool in made or len(made) >= MOST_CALLS or not self._may(source.tool):
            return None
        return Ask(source.tool, {})

    def _with_instrument(self, question: Question, found: Done) -> tuple[Question, str | None]:
        """Return the question with the code a name meant; with several or none, what to say instead."""
        name, rows = str(found.arguments.get("text", "")), found.rows("instruments")
        exact = [row for row in rows if row.get("name") == name] or rows
        if len(exact) == 1:
            return replace(question, codes=(str(exact[0].get("symbol", "")),)), None
        if not rows:
            return question, self._say.unknown.format(name=line(name))
        listed = answer(found.result, title="", zh=question.is_chinese)
        return question, f"{self._say.which.format(name=line(name))}\n{listed}"

    def _without(self, target: ToolDefinition, filled: Filled) -> Ask | str:
        """Go on without what the question does not say: show the list it is in, or ask for it."""
        source = LISTS.get(filled.missing[0])
        if source is not None and self._may(source.tool):
            what = f"{filled.missing[0]} ({self._name(self._offered[source.tool])})"
        else:
            what = self._say.code if filled.lacks_code else ", ".join(filled.missing)
        return self._closed(self._say.missing.format(title=self._name(target), what=what))

    def _among_all(self, found: Done) -> Ask | str:
        """Choose among every skill of the caller, also those that are no tools of their own."""
        listed = [_as_tool(row) for row in found.rows("skills")]
        choice = choose(self._question, listed)
        best = choice.best
        if best is None:
            return self._unsure(choice)
        if best.tier != GREEN:
            return self._changes_things(best)
        if best.name in self._offered:
            return self._toward(self._offered[best.name], (), is_hidden=False)
        return Ask(DESCRIBE_SKILL, {"name": best.name})

    def _unsure(self, choice: Choice) -> str:
        nearest = choice.nearest or choose(self._question, self._direct).daily
        offered = "\n".join(f"- {self._name(tool)}: {line(tool.description)}" for tool in nearest)
        return self._closed(f"{self._say.unsure}\n{offered}" if offered else self._say.nothing)

    def _changes_things(self, tool: ToolDefinition) -> str:
        return self._closed(self._say.reads_only.format(title=self._name(tool), name=tool.name))

    def _closed(self, text: str) -> str:
        return f"{text}\n\n{self._say.no_model}"

    def _may(self, name: str) -> bool:
        return name in self._offered and self._offered[name].tier == GREEN

    def _name(self, tool: ToolDefinition) -> str:
        return (tool.title_zh if self._question.is_chinese else tool.title) or tool.title or tool.name


def _ids(filled: Filled, question: Question, done: Sequence[Done]) -> dict[str, Any]:
    """Return the ids found in lists for what the question calls by name; a list of one needs no name."""
    found: dict[str, Any] = {}
    for missing in filled.missing:
        source = LISTS.get(missing)
        rows = [row for item in done if source and item.name == source.tool for row in item.rows("items")]
        named = [row for row in rows if source and _is_named(row, source.names, question)]
        chosen = named or rows
        if source is not None and len(chosen) == 1:
            found[missing] = chosen[0].get(source.key)
    return found


def _is_named(row: Mapping[str, Any], names: tuple[str, ...], question: Question) -> bool:
    said = question.text.lower()
    values = [str(row.get(name) or "").lower() for name in names]
    bare = [value.partition(".")[0] for value in values]
    return any(value and contains(said, value) for value in (*values, *bare))


def _through(name: str, arguments: dict[str, Any]) -> Ask:
    return Ask(CALL_SKILL, {"name": name, "arguments": arguments})


def _as_tool(row: Mapping[str, Any]) -> ToolDefinition:
    """Return a skill as a search or a description tells of it. One without a tier counts as red."""
    schema = row.get("inputSchema")
    return ToolDefinition(
        name=str(row.get("name", "")),
        description=str(row.get("summary") or row.get("description") or ""),
        parameters=schema if isinstance(schema, Mapping) else {},
        title=str(row.get("title", "")),
        title_zh=str(row.get("titleZh", "")),
        tier=str(row.get("risk") or "red"),
    )


def _continued(question: Question, earlier: Question) -> Question:
    """Return the earlier question about the codes and days of the new one."""
    has_days = bool(question.days or question.span)
    return Question(
        text=f"{earlier.text} {question.text}",
        rest=f"{earlier.rest} {question.rest}",
        is_chinese=question.is_chinese or earlier.is_chinese,
        codes=question.codes or earlier.codes,
        days=question.days if has_days else earlier.days,
        span=question.span if has_days else earlier.span,
        numbers=question.numbers or earlier.numbers,
    )
