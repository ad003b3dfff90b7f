"""Scopes, and the presets that bundle them. A scope is usually the id of the one skill it opens."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from core.access.model import Caller, CallerKind
from core.access.tokens import is_reserved
from tools.skill import Skill

DEFAULT_PRESET: Final = "read-data"
ALWAYS_GRANTED: Final = frozenset({"auth.token.introspect"})
"""What every signed-in caller may do, whatever its scopes: look at itself."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A bundle of scopes for one purpose, as patterns; `includes` names presets it contains."""

    preset_id: str
    title: str
    title_zh: str
    patterns: tuple[str, ...]
    includes: tuple[str, ...] = ()


PRESETS: Final = (
    Preset(
        DEFAULT_PRESET,
        "Read data",
        "读取数据",
        (
            "dataasset.list",
            "dataasset.get",
            "dataasset.schema.get",
            "dataasset.data.get",
            "dataasset.data.getRealtime",
            "marketplace.item.list",
            "market.*.search",
            "market.*.get",
        ),
    ),
    Preset(
        "read-dashboard",
        "Read dashboards",
        "查看看板",
        ("dashboard.list", "dashboard.get", "dashboard.data.get"),
        (DEFAULT_PRESET,),
    ),
    Preset(
        "run-process",
        "Run processes",
        "运行流程",
        (
            "process.ingestion.list",
            "process.ingestion.get",
            "process.ingestion.execute",
            "process.ingestion.execute.log.get",
            "process.component.list",
        ),
    ),
    Preset(
        "manage-alerts",
        "Manage alerts",
        "管理预警",
        tuple(f"metric.alert.{verb}" for verb in ("list", "get", "create", "update", "toggle", "test")),
    ),
    Preset(
        "portfolio",
        "Holdings and trades",
        "持仓与交易",
        tuple(f"investment.{kind}.{part}.*" for kind in ("stock", "fund", "gold") for part in ("portfolio", "trading")),
    ),
    Preset("desk", "Everything this desk offers", "本台全部功能", ("*",)),
)


@dataclass(frozen=True, slots=True)
class ResolvedPreset:
    """A preset limited to the skills that exist."""

    preset_id: str
    title: str
    title_zh: str
    scopes: tuple[str, ...]
    skill_ids: tuple[str, ...]


def resolve_presets(skills: Iterable[Skill]) -> tuple[ResolvedPreset, ...]:
    """Return the presets that have a skill of their own, each with the scopes and skills that exist.

    Reserved scopes are in none: the desk mints them itself, for its runs.
    """
    known = tuple(skills)
    resolved = []
    for preset in PRESETS:
        if any(_matches(item.scope, preset.patterns) for item in known):
            patterns = _all_patterns(preset)
            opened = [item for item in known if _matches(item.scope, patterns) and not is_reserved(item.scope)]
            scopes = tuple(sorted({item.scope for item in opened}))
            ids = tuple(sorted(item.skill_id for item in opened))
            resolved.append(ResolvedPreset(preset.preset_id, preset.title, preset.title_zh, scopes, ids))
    return tuple(resolved)


def granted(caller: Caller, skill: Skill) -> bool:
    """Return whether the caller's rights reach the skill; a person's approval may be needed on top."""
    if caller.kind is CallerKind.ANONYMOUS:
        return skill.anonymous
    return caller.all_scopes or skill.scope in caller.scopes or skill.scope in ALWAYS_GRANTED


def _all_patterns(preset: Preset) -> tuple[str, ...]:
    by_id = {other.preset_id: other for other in PRESETS}
    return preset.patterns + tuple(pattern for name in preset.includes for pattern in by_id[name].patterns)


def _matches(scope: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(scope, pattern) for pattern in patterns)
