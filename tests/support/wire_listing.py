"""What callers depend on, as plain data: the frozen form of every skill, and the original service's catalogue."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.registry import Registry
from tools.skill import Skill

GOLDEN = Path(__file__).parents[1] / "golden"
ORIGINAL = GOLDEN / "original_catalogue.tsv"


@dataclass(frozen=True, slots=True)
class OriginalSkill:
    """A row of the original's catalogue. `path_known` and `tier_known` say how: printed, seed, inferred or -."""

    skill_id: str
    method: str
    path: str
    path_known: str
    tier: str
    tier_known: str


def original_catalogue() -> dict[str, OriginalSkill]:
    """The original's skills by id."""
    lines = [line for line in ORIGINAL.read_text().splitlines() if not line.startswith("#")]
    return {row.skill_id: row for row in (OriginalSkill(*line.split("\t")) for line in lines)}


def same_route(left: str, right: str) -> bool:
    """True when two paths differ in the names of their arguments only."""
    return re.sub(r"{\w+}", "{}", left) == re.sub(r"{\w+}", "{}", right)


def listing(registry: Registry) -> dict[str, Any]:
    """Every skill's contract, by id."""
    originals = original_catalogue()
    return {skill.skill_id: _entry(registry, skill, originals.get(skill.skill_id)) for skill in registry}


def _entry(registry: Registry, skill: Skill, original: OriginalSkill | None) -> dict[str, Any]:
    schema = registry.schema(skill)
    return {
        "tier": skill.tier.value,
        "method": skill.method,
        "path": skill.path,
        "pathFrom": _path_from(skill, original),
        "scope": skill.scope,
        "version": skill.version,
        "anonymous": skill.anonymous,
        "confirmRequired": skill.needs_person,
        "unwrap": skill.unwrap,
        "params": {
            argument.name: {
                "in": argument.location,
                "required": argument.required,
                "spellings": sorted(argument.aliases),
                "schema": _without_prose(schema.input_schema["properties"][argument.name]),
            }
            for argument in schema.arguments
        },
        "output": _fields(schema.output_schema),
    }


def _path_from(skill: Skill, original: OriginalSkill | None) -> str:
    """`original`: printed in its catalogue; `inferred`: as we read it there; `ours`: chosen by us."""
    if original is None or not same_route(original.path, skill.path):
        return "ours"
    return "original" if original.path_known == "printed" else "inferred"


def _without_prose(shape: Any) -> Any:
    if isinstance(shape, list):
        return [_without_prose(item) for item in shape]
    if not isinstance(shape, dict):
        return shape
    return {key: _without_prose(item) for key, item in shape.items() if key not in {"description", "examples"}}


def _fields(shape: dict[str, Any], prefix: str = "") -> list[str]:
    """A line per field of a result: `items[].lastPrice?: string|null`; `?` marks fields that may be absent."""
    lines = []
    for branch in shape.get("anyOf", [shape]):
        required = set(branch.get("required", ()))
        for name, member in branch.get("properties", {}).items():
            path = f"{prefix}{name}"
            lines.append(f"{path}{'' if name in required else '?'}: {_type(member)}")
            lines += _fields(member, f"{path}.")
        if isinstance(branch.get("items"), dict):
            lines += _fields(branch["items"], f"{prefix.removesuffix('.')}[].")
        if isinstance(branch.get("additionalProperties"), dict):
            lines += _fields(branch["additionalProperties"], f"{prefix.removesuffix('.')}{{}}.")
    return lines


def _type(shape: dict[str, Any]) -> str:
    if "anyOf" in shape:
        return "|".join(_type(branch) for branch in shape["anyOf"])
    kind = shape.get("type", "any")
    name = "|".join(kind) if isinstance(kind, list) else str(kind)
    if "enum" in shape:
        name += f" of {', '.join(str(choice) for choice in shape['enum'])}"
    if "format" in shape:
        name += f" ({shape['format']})"
    if isinstance(shape.get("items"), dict) and shape["items"]:
        name += f" of {_type(shape['items'])}"
    if isinstance(shape.get("additionalProperties"), dict):
        name += f" to {_type(shape['additionalProperties'])}"
    return name
