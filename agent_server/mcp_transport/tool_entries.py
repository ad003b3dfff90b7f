"""Tools as the protocol describes them: schemas with object roots, hints from the risk tier, the skill behind each."""

from typing import Any, Final

from mcp import types

from agent_server.tool_bridge import SKILL_ID_KEY, TIER_KEY
from tools.exports.meta_tools import CALL
from tools.exports.tool_list import ToolEntry
from tools.risk import RiskTier

SCOPE_KEY: Final = "dingpan/scope"
APPROVAL_KEY: Final = "dingpan/needsApproval"


def described(entry: ToolEntry) -> types.Tool:
    """Return a tool's description. Hints are hints: the dispatcher decides. `skills_call` may lead to anything."""
    leads_anywhere = entry.name == CALL
    only_reads = entry.tier is RiskTier.GREEN and not leads_anywhere
    return types.Tool(
        name=entry.name,
        title=f"{entry.title} {entry.title_zh}",
        description=entry.description,
        input_schema=entry.input_schema,
        output_schema=entry.output_schema,
        annotations=types.ToolAnnotations(
            read_only_hint=only_reads,
            destructive_hint=entry.tier is RiskTier.RED or leads_anywhere,
            idempotent_hint=only_reads,
            open_world_hint=False,
        ),
        _meta=_meta(entry),
    )


def _meta(entry: ToolEntry) -> dict[str, Any]:
    if entry.skill is None:
        return {}
    return {
        SKILL_ID_KEY: entry.skill.skill_id,
        TIER_KEY: entry.tier.value,
        SCOPE_KEY: entry.skill.scope,
        APPROVAL_KEY: entry.skill.needs_person,
    }
