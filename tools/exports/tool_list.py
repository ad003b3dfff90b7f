"""The tools a caller is offered: the skills of its scopes that people need daily, and three that reach the rest.

A list costs every conversation its length, so it has a budget: at most 20 skills and 4,000 tokens, counted as the bytes
of names, descriptions and input schemas divided by four. The same caller gets the same list, in the same order, which
lets model providers cache it.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from core.access.model import Caller
from core.errors import ArgumentsInvalid, FieldFault
from tools.exports.meta_tools import meta_tools
from tools.names import wire_name
from tools.registry import Registry, description_of, example_params
from tools.risk import RiskTier
from tools.schema import SkillSchema
from tools.scopes import granted
from tools.skill import Skill
from tools.suggestions import closest

MOST_SKILLS: Final = 20
MOST_TOKENS: Final = 4000
BYTES_PER_TOKEN: Final = 4
LISTS_KEPT: Final = 64
DAILY: Final = (
    "investment.stock.portfolio.pnl.get",
    "investment.stock.portfolio.list",
    "investment.stock.trading.list",
    "market.quote.get",
    "market.bars.get",
    "market.instrument.search",
    "investment.stock.recommendation.list",
    "investment.stock.trading.create",
    "investment.stock.backtest.run",
    "investment.stock.backtest.run.get",
    "investment.stock.backtest.get",
    "investment.stock.backtest.strategy.list",
    "investment.stock.trading.delete",
    "dataasset.list",
    "investment.stock.backtest.list",
    "investment.stock.portfolio.explain",
    "market.calendar.get",
    "dataasset.data.get",
)
"""What people ask for every day, the most frequent first. What does not fit stays behind the meta tools."""
SHARED: Final = "asset_class"
"""The argument that picks among skills on a shared route; a tool is one skill, so it has one value there."""
OWN_FORMAT: Final = "decimal"
APPROVAL_ID: Final = {"type": "string", "description": "Only after a person approved this very call."}


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """One tool as a model sees it. `skill` is None for the tools that search, describe and call skills."""

    name: str
    title: str
    title_zh: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    tier: RiskTier
    skill: Skill | None
    example: dict[str, Any]

    @property
    def tokens(self) -> int:
        """What the entry costs in a list."""
        shown = {"name": self.name, "description": self.description, "inputSchema": self.input_schema}
        text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
        return -(-len(text.encode()) // BYTES_PER_TOKEN)


class ToolList:
    """The tools of a registry. Pure but for a memory of entries and lists made before."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._entries: dict[str, ToolEntry] = {}
        self._listed: Callable[[frozenset[str], str | None], tuple[ToolEntry, ...]]
        self._listed = lru_cache(maxsize=LISTS_KEPT)(self._choose)

    def for_caller(self, caller: Caller, *, preset: str | None = None) -> tuple[ToolEntry, ...]:
        """Return the caller's list, by name. Raises `ArgumentsInvalid` for a preset that does not exist."""
        if preset is not None and all(known.preset_id != preset for known in self.registry.presets):
            known_ids = [known.preset_id for known in self.registry.presets]
            hint = next(iter(closest(preset, known_ids)), "")
            expected = "one of " + ", ".join(known_ids)
            fault = FieldFault("preset", "there is no such preset", expected=expected, got=preset[:80], suggestion=hint)
            raise ArgumentsInvalid([fault])
        return self._listed(frozenset(item.skill_id for item in self.granted(caller)), preset)

    def granted(self, caller: Caller) -> list[Skill]:
        """Return every skill the caller may call, listed or not, by id."""
        return [item for item in self.registry.skills if granted(caller, item)]

    def find(self, caller: Caller, name: str) -> ToolEntry | None:
        """Return the tool of a wire name or skill id; None alike for one that is absent and one not granted."""
        if name in meta_tools():
            return self._meta_entry(name)
        found = self.registry.find(name)
        return self.entry(found) if found is not None and granted(caller, found) else None

    def suggest(self, caller: Caller, name: str) -> list[str]:
        """Return up to three tools of the caller that may have been meant."""
        names = {wire_name(item.skill_id): item.skill_id for item in self.granted(caller)}
        return closest(name.replace(".", "_"), names, limit=3)

    def entry(self, item: Skill) -> ToolEntry:
        """Return a skill as a tool."""
        known = self._entries.get(item.skill_id)
        if known is None:
            schema = self.registry.schema(item)
            known = _entry(wire_name(item.skill_id), schema, item)
            self._entries[item.skill_id] = known
        return known

    def _meta_entry(self, name: str) -> ToolEntry:
        known = self._entries.get(name)
        if known is None:
            known = self._entries[name] = _entry(name, meta_tools()[name], None)
        return known

    def _choose(self, granted_ids: frozenset[str], preset: str | None) -> tuple[ToolEntry, ...]:
        """Take skills by their rank until the budget is used up; one too long leaves room for the next."""
        metas = [self._meta_entry(name) for name in meta_tools()]
        left = MOST_TOKENS - sum(entry.tokens for entry in metas)
        chosen: list[ToolEntry] = []
        for item in self._candidates(granted_ids, preset):
            entry = self.entry(item)
            if entry.tokens <= left and len(chosen) < MOST_SKILLS:
                chosen.append(entry)
                left -= entry.tokens
        return tuple(sorted([*metas, *chosen], key=lambda entry: entry.name))

    def _candidates(self, granted_ids: frozenset[str], preset: str | None) -> Iterable[Skill]:
        """Return the skills in question, the daily ones first. A caller with few rights sees all of them."""
        wanted = granted_ids
        if preset is not None:
            opened = next(known.skill_ids for known in self.registry.presets if known.preset_id == preset)
            wanted = granted_ids.intersection(opened)
        elif len(granted_ids) > MOST_SKILLS:
            wanted = granted_ids.intersection(DAILY)
        rank = {skill_id: place for place, skill_id in enumerate(DAILY)}
        ordered = sorted(wanted, key=lambda skill_id: (rank.get(skill_id, len(rank)), skill_id))
        return [found for skill_id in ordered if (found := self.registry.find(skill_id)) is not None]


def _entry(name: str, schema: SkillSchema, item: Skill | None) -> ToolEntry:
    declared = schema.skill
    input_schema = compact(schema.input_schema, without=SHARED if declared.asset_class is not None else "")
    if declared.needs_person:
        input_schema["properties"] = input_schema["properties"] | {"approvalId": APPROVAL_ID}
    return ToolEntry(
        name=name,
        title=declared.title,
        title_zh=declared.title_zh,
        description=description_of(declared),
        input_schema=input_schema,
        output_schema=without_own_formats(schema.output_schema),
        tier=declared.tier,
        skill=item,
        example=example_params(declared, schema.arguments),
    )


def compact(schema: Mapping[str, Any], *, without: str = "") -> dict[str, Any]:
    """Return an input schema without what a model can do without: a null that means "left out", and its default.

    Null stays accepted; an argument that may be null is simply not required. So does the argument `without`, which the
    name of the tool says already.
    """
    required = schema.get("required", [])
    shapes = {
        name: shape if name in required else _without_null(shape)
        for name, shape in schema.get("properties", {}).items()
        if name != without
    }
    return dict(schema) | {"properties": shapes}


def without_own_formats(schema: Any) -> Any:
    """Return a schema without the format "decimal", which is ours: clients that check answers warn of every use."""
    if isinstance(schema, Mapping):
        kept = {name: value for name, value in schema.items() if (name, value) != ("format", OWN_FORMAT)}
        return {name: without_own_formats(value) for name, value in kept.items()}
    return [without_own_formats(item) for item in schema] if isinstance(schema, list) else schema


def _without_null(shape: Mapping[str, Any]) -> dict[str, Any]:
    left = {name: value for name, value in shape.items() if name != "default" or value is not None}
    members = [member for member in shape.get("anyOf", ()) if member != {"type": "null"}]
    if not members or len(members) == len(shape["anyOf"]):
        return left
    rest = {name: value for name, value in left.items() if name != "anyOf"}
    return members[0] | rest if len(members) == 1 else {"anyOf": members} | rest
