"""SKILL.md: the guide that an agent reads, with a catalogue generated from the registry.

The guide is written by hand and ships beside this module. Only the text between two marker lines is generated, so that
a check can say whether a document is current.
"""

from importlib.resources import files
from itertools import groupby
from typing import Final

from core.errors import Invalid
from tools.registry import Registry
from tools.risk import RiskTier
from tools.skill import Skill

START: Final = "<!-- catalogue: generated, do not edit between these two lines -->"
END: Final = "<!-- /catalogue -->"
VERSION: Final = "@version@"
SUBDIVIDED: Final = "investment"
"""The first word of an id that is too wide to be a group; the second word is added."""


class MarkersInvalid(Invalid):
    """A document does not hold the pair of marker lines exactly once."""

    code = "skill_document_invalid"
    template = "The document must hold the lines {start!r} and {end!r} once each, in this order."


def client_file(name: str) -> str:
    """Return a file of the client that ships with the exporter."""
    return (files("tools.exports") / "client" / name).read_text(encoding="utf-8")


def group_of(skill: Skill) -> str:
    """Return the group of a skill: the first word of its id, `investment` with the second one."""
    first, second = skill.skill_id.split(".")[:2]
    return f"{first}-{second}" if first == SUBDIVIDED else first


def groups(registry: Registry) -> list[tuple[str, list[Skill]]]:
    """Return the skills by group, both in alphabetical order."""
    ordered = sorted(registry.skills, key=lambda skill: (group_of(skill), skill.skill_id))
    return [(name, list(members)) for name, members in groupby(ordered, key=group_of)]


def render(registry: Registry, *, links: bool = False) -> str:
    """Return the catalogue as Markdown; with `links` each group points to its page in `references/`."""
    parts = [f"{len(registry.skills)} skills. `describe` gives the arguments of each."]
    for name, members in groups(registry):
        heading = f"### {name}" + (f" ([details](references/{name}.md))" if links else "")
        parts += ["", heading, "", *(_line(skill) for skill in members)]
    return "\n".join(parts)


def update(text: str, registry: Registry, *, links: bool = False) -> str:
    """Return a document with the catalogue between its markers replaced. Raises `MarkersInvalid`."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end) or text.count(START) != 1 or text.count(END) != 1:
        raise MarkersInvalid(start=START, end=END)
    return f"{before}{START}\n\n{render(registry, links=links)}\n\n{END}{after}"


def document(registry: Registry, *, version: str, links: bool = False) -> str:
    """Return the whole of SKILL.md: the guide of this version with the catalogue."""
    return update(client_file("guide.md").replace(VERSION, version), registry, links=links)


def one_line(text: str) -> str:
    """Return a text without line breaks, which would end a list item or a table row."""
    return " ".join(text.split())


def asks(skill: Skill) -> bool:
    """Tell whether a skill needs a person although its tier alone does not say so."""
    return skill.needs_person and skill.tier is not RiskTier.RED


def _line(skill: Skill) -> str:
    mark = " *asks*" if asks(skill) else ""
    notes = "".join(f" **Note:** {one_line(gotcha)}" for gotcha in skill.gotchas)
    return (
        f"- {skill.tier.emoji} `{skill.skill_id}`{mark} `{skill.method} {skill.path}`: {one_line(skill.summary)}{notes}"
    )
