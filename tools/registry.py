"""The skills of a desk, collected once at start and never changed; search and the catalogue over them."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from types import ModuleType
from typing import Any, Final

from core.access.model import Caller
from tools.names import wire_name
from tools.risk import RiskTier
from tools.schema import Argument, SkillSchema
from tools.scopes import DEFAULT_PRESET, ResolvedPreset, granted, resolve_presets
from tools.skill import ATTRIBUTE, PATH_ARGUMENT, Skill, SkillDeclarationError
from tools.suggestions import closest
from tools.wire import to_wire

SUGGESTIONS: Final = 3
_WORD: Final = re.compile(r"[a-z0-9]+|[\u4e00-\u9fff]+")


class Registry:
    """Every skill, by id and by wire name, with its compiled contract. Made by `collect`."""

    def __init__(self, skills: Iterable[Skill]) -> None:
        self.skills: tuple[Skill, ...] = tuple(sorted(skills, key=lambda item: item.skill_id))
        self._names = _by_name(self.skills)
        self.routes = _routes(self.skills)
        for item in self.skills:
            if item.anonymous and item.tier is not RiskTier.GREEN:
                raise SkillDeclarationError(f"{item.skill_id} is anonymous and not green")
            if item.tier is RiskTier.RED and item.preview is None:
                raise SkillDeclarationError(f"{item.skill_id} is red and has no preview")
        self._schemas = {item.skill_id: SkillSchema(item) for item in self.skills}
        self.secrets = frozenset[str]().union(*(schema.secrets for schema in self._schemas.values()))
        """Names of arguments that some skill holds for secret."""

    @classmethod
    def collect(cls, modules: Iterable[ModuleType]) -> "Registry":
        """Collect the skills that the given modules declare.

        Raises `SkillDeclarationError` for a second skill of one id, wire name or route, names that are too long or
        reserved, a red skill without preview, and results that cannot be described.
        """
        found: dict[int, Skill] = {}
        for module in modules:
            for value in vars(module).values():
                declared = getattr(value, ATTRIBUTE, None)
                if isinstance(declared, Skill):
                    found[id(declared)] = declared
        return cls(found.values())

    def __iter__(self) -> Iterator[Skill]:
        return iter(self.skills)

    def __len__(self) -> int:
        return len(self.skills)

    def find(self, name: str) -> Skill | None:
        """Return the skill of a dotted id or wire name."""
        return self._names.get(name)

    def schema(self, skill: Skill) -> SkillSchema:
        """Return the compiled contract of a skill of this registry."""
        return self._schemas[skill.skill_id]

    def compile_all(self) -> None:
        """Make every contract now instead of on its first use; for a server that is up and not yet busy."""
        for schema in self._schemas.values():
            schema.compile()

    def suggest(self, text: str) -> list[str]:
        """Return up to three ids that may have been meant."""
        return closest(text.replace("_", "."), (item.skill_id for item in self.skills), limit=SUGGESTIONS)

    def search(self, text: str) -> list[Skill]:
        """Return the skills that a few words in English or Chinese point to, best first."""
        terms = _terms(text)
        scored = [(sum(_score(term, fields) for term in terms), item) for item, fields in self._search_fields]
        return [item for score, item in sorted(scored, key=lambda pair: (-pair[0], pair[1].skill_id)) if score > 0]

    @cached_property
    def presets(self) -> tuple[ResolvedPreset, ...]:
        """The presets, limited to the skills that exist."""
        return resolve_presets(self.skills)

    @property
    def default_scopes(self) -> tuple[str, ...]:
        """The scopes of a token minted without a choice."""
        return next((preset.scopes for preset in self.presets if preset.preset_id == DEFAULT_PRESET), ())

    def presets_granting(self, scope: str) -> list[str]:
        """Return the presets that contain a scope."""
        return [preset.preset_id for preset in self.presets if scope in preset.scopes]

    def catalogue(
        self,
        caller: Caller,
        *,
        granted_only: bool = False,
        skill_id: str | None = None,
        q: str | None = None,
        preset: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return the catalogue entries that pass every given filter; with `q` the best match comes first."""
        chosen = list(self.skills) if q is None else self.search(q)
        if skill_id is not None:
            chosen = [item for item in chosen if item is self.find(skill_id)]
        if preset is not None:
            opened = {name for known in self.presets if known.preset_id == preset for name in known.skill_ids}
            chosen = [item for item in chosen if item.skill_id in opened]
        return [self.catalogue_entry(item, caller) for item in chosen if not granted_only or granted(caller, item)]

    def catalogue_entry(self, skill: Skill, caller: Caller) -> dict[str, Any]:
        """Return what the catalogue says of one skill to one caller."""
        is_granted = granted(caller, skill)
        entry = self._entries[skill.skill_id] | {"granted": is_granted}
        return entry if is_granted else entry | {"presetsGrantingScope": self.presets_granting(skill.scope)}

    @cached_property
    def _entries(self) -> dict[str, dict[str, Any]]:
        return {item.skill_id: _entry(item, self.schema(item)) for item in self.skills}

    @cached_property
    def _search_fields(self) -> list[tuple[Skill, tuple[tuple[int, str], ...]]]:
        return [
            (
                item,
                (
                    (4, item.skill_id.lower()),
                    (4, item.title_zh),
                    (3, item.title.lower()),
                    (2, item.summary.lower()),
                    (1, item.advice.lower()),
                ),
            )
            for item in self.skills
        ]


def description_of(skill: Skill) -> str:
    """Return the text a model reads: what it does, when to use it, what surprises."""
    return " ".join(filter(None, (skill.summary, skill.advice, *(f"Note: {gotcha}" for gotcha in skill.gotchas))))


def example_params(skill: Skill, arguments: Iterable[Argument]) -> dict[str, Any]:
    """Return parameters that show a call: the declared example, or a placeholder for each required argument."""
    if skill.example:
        example: dict[str, Any] = to_wire(dict(skill.example))
        return example
    return {item.name: item.example or f"<{item.type}>" for item in arguments if item.required}


def _entry(skill: Skill, schema: SkillSchema) -> dict[str, Any]:
    example = {"skillId": skill.skill_id, "params": example_params(skill, schema.arguments)}
    return {
        "skillId": skill.skill_id,
        "title": skill.title,
        "titleZh": skill.title_zh,
        "description": description_of(skill),
        "method": skill.method,
        "path": skill.path,
        "risk": skill.tier.value,
        "riskEmoji": skill.tier.emoji,
        "confirmRequired": skill.needs_person,
        "scope": skill.scope,
        "params": [_param(argument) for argument in schema.arguments],
        "inputSchema": schema.input_schema,
        "outputSchema": schema.output_schema,
        "exampleInvocation": json.dumps(example, ensure_ascii=False),
    }


def _param(argument: Argument) -> dict[str, Any]:
    listed = {
        "name": argument.name,
        "in": argument.location,
        "required": argument.required,
        "type": argument.type,
        "description": argument.description,
    }
    if argument.example is not None:
        listed["example"] = to_wire(argument.example)
    return listed | ({"aliases": list(argument.aliases)} if argument.aliases else {})


def _by_name(skills: Iterable[Skill]) -> dict[str, Skill]:
    names: dict[str, Skill] = {}
    for item in skills:
        for name in {item.skill_id, wire_name(item.skill_id)}:
            if name in names:
                raise SkillDeclarationError(f"{item.skill_id} and {names[name].skill_id} share the name {name}")
            names[name] = item
    return names


def _routes(skills: Iterable[Skill]) -> dict[tuple[str, str], tuple[Skill, ...]]:
    """Group the skills by route. Only skills told apart by `asset_class` may share one."""
    routes: dict[tuple[str, str], list[Skill]] = {}
    shapes: dict[tuple[str, str], str] = {}
    for item in skills:
        shape = (item.method, PATH_ARGUMENT.sub("{}", item.path))
        if shapes.setdefault(shape, item.path) != item.path:
            raise SkillDeclarationError(f"{item.skill_id}: {item.path} collides with {shapes[shape]}")
        sharing = routes.setdefault((item.method, item.path), [])
        sharing.append(item)
        classes = {other.asset_class for other in sharing}
        if len(sharing) > 1 and (None in classes or len(classes) < len(sharing)):
            raise SkillDeclarationError(f"{item.skill_id} and {sharing[0].skill_id} share {item.method} {item.path}")
    return {route: tuple(sharing) for route, sharing in routes.items()}


def _terms(text: str) -> list[str]:
    """Split into words; Chinese runs into pairs of characters, which need no dictionary."""
    terms: list[str] = []
    for word in _WORD.findall(text.lower()):
        is_chinese = word[0] >= "\u4e00"
        terms += [word[place : place + 2] for place in range(max(1, len(word) - 1))] if is_chinese else [word]
    return terms


def _score(term: str, fields: Iterable[tuple[int, str]]) -> int:
    return sum(weight for weight, text in fields if term in text)
