"""Which tool a question means: words the desk knows, then what the tools say of themselves."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.llm.model import ToolDefinition
from core.llm.offline.filling import takes_codes, takes_days
from core.llm.offline.question import Question
from core.llm.offline.topics import Topic, contains, spoken, vocabulary

GREEN: Final = "green"
SURE: Final = 4.0
"""The least score of a tool that is called without asking back."""
OFFERED: Final = 3
NEAR: Final = 1.5
"""The least score of a tool that is offered as near."""
DAILY: Final = ("pnl_get", "portfolio_list", "quote_get")
"""What is offered when nothing is near: parts of tool names."""
_WORD: Final = re.compile(r"[a-z]{3,}|[\u4e00-\u9fff]+")


@dataclass(frozen=True, slots=True)
class Choice:
    """The tools that may be meant, best first, with their scores; tools that change something are among them."""

    ranked: tuple[tuple[float, ToolDefinition], ...]

    @property
    def best(self) -> ToolDefinition | None:
        """The tool that is meant; None when no score is high enough."""
        return self.ranked[0][1] if self.ranked and self.ranked[0][0] >= SURE else None

    @property
    def nearest(self) -> tuple[ToolDefinition, ...]:
        """The reading tools that come nearest; none when none is near."""
        return tuple(tool for score, tool in self.ranked if tool.tier == GREEN and score >= NEAR)[:OFFERED]

    @property
    def daily(self) -> tuple[ToolDefinition, ...]:
        """The reading tools that people ask for every day."""
        reading = [tool for _, tool in self.ranked if tool.tier == GREEN]
        known = [tool for part in DAILY for tool in reading if tool.name.endswith(part)]
        return tuple(known or reading)[:OFFERED]


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a question speaks of, worked out once for all tools."""

    topics: tuple[Topic, ...]
    changes: tuple[Topic, ...]
    terms: dict[str, float]


def choose(question: Question, tools: Sequence[ToolDefinition]) -> Choice:
    """Rank the tools for a question."""
    subject = _Subject(_topics(question), _changes(question), _weighted(question, tools))
    scored = [(round(_score(question, tool, subject), 3), tool) for tool in tools]
    return Choice(tuple(sorted(scored, key=lambda pair: (-pair[0], pair[1].tier != GREEN, pair[1].name))))


def unserved(question: Question, tools: Sequence[ToolDefinition], *, wholly: bool) -> bool:
    """Tell whether the question speaks of a topic that none of the tools serves; `wholly`: as well as any could."""
    for topic in _topics(question):
        served = max((topic.weight(tool.name) for tool in tools), default=0.0)
        if served < (max(topic.hints.values()) if wholly else 0.1):
            return True
    return False


def _topics(question: Question) -> tuple[Topic, ...]:
    return spoken(vocabulary().topics, question.rest)


def _changes(question: Question) -> tuple[Topic, ...]:
    """Return the verbs of change. In a question about the past or for advice only firm ones are meant as such."""
    is_past = any(contains(question.rest, word) for word in vocabulary().past)
    return tuple(topic for topic in spoken(vocabulary().changes, question.rest) if topic.firm or not is_past)


def _score(question: Question, tool: ToolDefinition, subject: _Subject) -> float:
    known = sum(topic.weight(tool.name) for topic in subject.topics)
    if tool.tier != GREEN:
        known += sum(topic.weight(tool.name) for topic in subject.changes) if subject.changes else -10.0
    return known + _own_words(tool, subject.terms) + _fit(question, tool)


def _own_words(tool: ToolDefinition, terms: dict[str, float]) -> float:
    """Compare with what the tool says of itself: its titles count most."""
    name, titles, said = tool.name, f"{tool.title.lower()} {tool.title_zh}", tool.description.lower()
    score = 0.0
    for term, weight in terms.items():
        score += weight * (2.0 * (term in titles) + 1.0 * (term in name) + 0.4 * (term in said))
    return min(score, 5.0)


def _fit(question: Question, tool: ToolDefinition) -> float:
    """Weigh whether the tool can take the codes and days that the question names."""
    schema: dict[str, Any] = dict(tool.parameters)
    fit = 0.0
    if question.codes:
        fit += 1.0 if takes_codes(schema) else -2.0
        fit += 3.0 if "quote_get" in tool.name else 0.0
        fit += 3.0 if question.span and "bars_get" in tool.name else 0.0
    if question.days or question.span:
        fit += 1.0 if takes_days(schema) else -1.5
    return fit


def _weighted(question: Question, tools: Sequence[ToolDefinition]) -> dict[str, float]:
    """Return the terms of the question, each worth the less the more tools use it."""
    weights: dict[str, float] = {}
    for term in _terms(question.rest):
        uses = sum(
            term in f"{tool.name} {tool.title.lower()} {tool.title_zh} {tool.description.lower()}" for tool in tools
        )
        if uses:
            weights[term] = 2.0 / (1.0 + uses)
    return weights


def _terms(text: str) -> Iterable[str]:
    """Split into words, Chinese runs into pairs of characters, which need no dictionary."""
    for word in _WORD.findall(text):
        if word[0] < "\u4e00":
            yield from () if word in vocabulary().common else (word.removesuffix("s") if len(word) > 4 else word,)
        else:
            yield from (word[place : place + 2] for place in range(len(word) - 1))
