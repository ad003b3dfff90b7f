"""The three tools that reach every skill a caller has, listed or not: search, describe, call.

They are declared like skills, so that their arguments are read and described by the same code; they are none, have no
route and no scope, and whatever they lead to passes the dispatcher.
"""
# ruff: noqa: ARG001 - the signatures are contracts; nobody calls the bodies

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, NoReturn

from pydantic import Field

from tools.context import SkillContext
from tools.risk import RiskTier
from tools.schema import SkillSchema
from tools.skill import ATTRIBUTE, Skill, SkillBody, skill

SEARCH: Final = "skills_search"
DESCRIBE: Final = "skills_describe"
CALL: Final = "skills_call"
MOST_FOUND: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillLine:
    """One skill in a few words. `name` is what `skills_call` takes."""

    name: str
    skill_id: str
    title: str
    title_zh: str
    summary: str
    risk: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillMatches:
    """What a search found, best first; `total` counts all of it."""

    skills: tuple[SkillLine, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillManual:
    """Everything a caller needs to call one skill."""

    name: str
    skill_id: str
    title: str
    title_zh: str
    description: str
    risk: str
    needs_approval: bool
    scope: str
    input_schema: dict[str, Any]
    example: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillAnswer:
    """What the called skill answered."""

    skill_id: str
    result: dict[str, Any]


@skill(
    "skills.search",
    tier=RiskTier.GREEN,
    http="GET /skills/search",
    title="Find a skill",
    title_zh="查找技能",
    example={"text": "holdings"},
)
async def search(
    ctx: SkillContext,
    *,
    text: Annotated[str, Field(max_length=200, description="Words, English or Chinese; empty lists all.")] = "",
    limit: Annotated[int, Field(ge=1, le=MOST_FOUND, description="Most skills to return.")] = 10,
) -> SkillMatches:
    """Find skills of this desk beyond the listed tools.

    Use it when no listed tool fits. Then `skills_describe` for the arguments and `skills_call` to run it.
    """
    _refuse(ctx)


@skill(
    "skills.describe",
    tier=RiskTier.GREEN,
    http="GET /skills/describe",
    title="Describe a skill",
    title_zh="技能说明",
    example={"name": "market_quote_get"},
)
async def describe(
    ctx: SkillContext, *, name: Annotated[str, Field(max_length=200, description="Name from skills_search.")]
) -> SkillManual:
    """Describe one skill: purpose, arguments, risk, example."""
    _refuse(ctx)


@skill(
    "skills.call",
    tier=RiskTier.GREEN,
    http="POST /skills/call",
    title="Run a skill",
    title_zh="执行技能",
    example={"name": "market_quote_get", "arguments": {"symbols": ["600519.SH"]}},
)
async def call(
    ctx: SkillContext,
    *,
    name: Annotated[str, Field(max_length=200, description="Name from skills_search.")],
    arguments: Annotated[dict[str, Any] | None, Field(description="As skills_describe shows them.")] = None,
) -> SkillAnswer:
    """Run any skill by name; for those that are not tools of their own.

    The skill's own risk tier holds: a red one is refused until a person approves.
    """
    _refuse(ctx)


def _refuse(ctx: SkillContext) -> NoReturn:
    message = f"a meta tool has no body ({ctx.trace_id})"
    raise RuntimeError(message)


@cache
def meta_tools() -> dict[str, SkillSchema]:
    """Return the contract of each, by name."""
    return {name: _declared(body) for name, body in ((SEARCH, search), (DESCRIBE, describe), (CALL, call))}


def _declared(body: SkillBody) -> SkillSchema:
    declared: Skill = getattr(body, ATTRIBUTE)
    return SkillSchema(declared)
