"""What people call things, and the tools that answer: the words of daily questions, read from `words.toml`."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_ASCII = re.compile(r"[\x00-\x7f]+")


@dataclass(frozen=True, slots=True, eq=False)
class Topic:
    """Words of a question, and how much they say for tools whose name contains a hint.

    A `firm` verb of change is meant as one, whatever else the question says.
    """

    words: tuple[str, ...]
    hints: Mapping[str, float]
    firm: bool = False

    def weight(self, tool_name: str) -> float:
        """Return what the topic says for a tool."""
        return max((weight for hint, weight in self.hints.items() if hint in tool_name), default=0.0)

    def said_in(self, text: str) -> list[str]:
        """Return the words that a text in lower case uses."""
        return [word for word in self.words if contains(text, word)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Every word the stand-in knows; `words.toml` says what each list is for."""

    topics: tuple[Topic, ...]
    changes: tuple[Topic, ...]
    past: tuple[str, ...]
    fillers: tuple[str, ...]
    help: tuple[str, ...]
    common: frozenset[str]
    indexes: Mapping[str, str]

    @property
    def meaningful(self) -> tuple[str, ...]:
        """The words of all topics."""
        return tuple(word for topic in (*self.topics, *self.changes) for word in topic.words)


def spoken(topics: Iterable[Topic], text: str) -> tuple[Topic, ...]:
    """Return the topics a text speaks of. A word within a longer one does not count: 总资产 is not about 资产."""
    said = {topic: words for topic in topics if (words := topic.said_in(text))}
    every = [word for words in said.values() for word in words]
    return tuple(
        topic
        for topic, words in said.items()
        if any(not any(word != longer and word in longer for longer in every) for word in words)
    )


def contains(text: str, word: str) -> bool:
    """Tell whether a text uses a word: English as a whole word, Chinese anywhere."""
    if not _ASCII.fullmatch(word):
        return word in text
    return re.search(rf"(?<![a-z0-9_]){re.escape(word)}(?![a-z0-9_])", text) is not None


@cache
def vocabulary() -> Vocabulary:
    """Read the words once."""
    read = tomllib.loads(files(__package__).joinpath("words.toml").read_text("utf-8"))
    return Vocabulary(
        topics=_topics(read["topics"]),
        changes=_topics(read["changes"]),
        past=tuple(read["past"]),
        fillers=tuple(read["fillers"]),
        help=tuple(read["help"]),
        common=frozenset(read["common"]),
        indexes=read["indexes"],
    )


def _topics(listed: Iterable[Mapping[str, Any]]) -> tuple[Topic, ...]:
    return tuple(
        Topic(tuple(word.lower() for word in one["words"]), one["tools"], bool(one.get("firm"))) for one in listed
    )
