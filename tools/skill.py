"""The decorator that declares a skill. It registers nothing: `tools.registry` collects what `skills` lists.

@skill("market.quote.get", tier=RiskTier.GREEN, http="GET /api/market/quotes")
async def quote_get(ctx: SkillContext, *, symbols: list[str]) -> QuoteList:
    \"\"\"Last price of up to 50 instruments.

    Use it for "what is X trading at". For history use `market.bars.get`.
    \"\"\"
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict, Unpack

from tools.risk import Effect, RiskTier

SKILL_ID: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-zA-Z][a-zA-Z0-9_-]*){1,5}")
HTTP: Final = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/[\w\-/{}.:]*)")
PATH_ARGUMENT: Final = re.compile(r"{(\w+)}")
RESERVED_ARGUMENTS: Final = frozenset({"pathParams", "query", "body", "approvalId", "idempotencyKey", "confirm"})
ATTRIBUTE: Final = "__skill__"
EVERY_FIELD: Final = "*"
"""As `unwrap`: `data` is the whole result, and all of its fields stand beside it as well."""

SkillBody = Callable[..., Awaitable[Any]]


class SkillDeclarationError(TypeError):
    """A skill is declared wrongly; the start-up stops and names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """What one skill is. `body` takes the context and keyword arguments only.

    `scope` is the right a token needs, usually the id. `preview` has the body's signature and returns a
    `tools.context.Preview`; every red skill has one. `unwrap` names the result field that becomes `data` in the REST
    envelope while the other fields stand beside it, as the original service answers some calls (`EVERY_FIELD`: the
    result is `data` and its fields stand beside it too). `status` is what REST answers a success with: 202 for work
    that goes on. `asset_class` is the value of the argument `asset_class` that picks this skill on a route shared
    between asset classes. `version` changes when the meaning of the parameters
    does, which voids open approvals. `anonymous` marks skills anyone may read with. `places_orders` marks those the
    halt switch stops. `two_persons`: the requester's own user may not approve.
    """

    skill_id: str
    tier: RiskTier
    method: str
    path: str
    body: SkillBody
    title: str
    title_zh: str
    summary: str
    advice: str
    scope: str = ""
    version: str = "1"
    effect: Effect = Effect.DATABASE
    confirm_required: bool = False
    preview: SkillBody | None = None
    unwrap: str | None = None
    status: int = 200
    asset_class: str | None = None
    anonymous: bool = False
    places_orders: bool = False
    two_persons: bool = False
    gotchas: tuple[str, ...] = ()
    example: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_person(self) -> bool:
        """True when a token is refused until a person approves."""
        return self.tier is RiskTier.RED or self.confirm_required

    @property
    def path_arguments(self) -> tuple[str, ...]:
        """The arguments that stand in the path, in their order."""
        return tuple(PATH_ARGUMENT.findall(self.path))


class Facts(TypedDict, total=False):
    """What a declaration may say beyond the necessary; `Skill` explains each."""

    scope: str
    version: str
    effect: Effect
    confirm_required: bool
    preview: SkillBody | None
    unwrap: str | None
    status: int
    asset_class: str | None
    anonymous: bool
    places_orders: bool
    two_persons: bool
    gotchas: tuple[str, ...]
    example: Mapping[str, Any]
    aliases: Mapping[str, str]


def skill(
    skill_id: str, *, tier: RiskTier, http: str, title: str, title_zh: str, **facts: Unpack[Facts]
) -> Callable[[SkillBody], SkillBody]:
    """Declare the decorated coroutine function a skill. The scope is the id unless another is given.

    The docstring's first paragraph is the summary, the rest is advice to a model. `aliases` maps further accepted
    spellings to argument names; snake and camel case of one name need none.
    """
    route = HTTP.fullmatch(http)
    if not SKILL_ID.fullmatch(skill_id) or route is None:
        message = f"{skill_id!r} with http={http!r}: the id is dotted lower case, the route 'METHOD /path'"
        raise SkillDeclarationError(message)
    if tier is RiskTier.RED and facts.get("preview") is None:
        message = f"{skill_id} is red and has no preview"
        raise SkillDeclarationError(message)
    known: Facts = {"scope": skill_id, **facts}

    def declare(body: SkillBody) -> SkillBody:
        summary, _, advice = (body.__doc__ or "").strip().partition("\n\n")
        if not summary:
            message = f"{skill_id} has no docstring"
            raise SkillDeclarationError(message)
        declared = Skill(
            skill_id=skill_id,
            tier=tier,
            method=route[1],
            path=route[2],
            body=body,
            title=title,
            title_zh=title_zh,
            summary=" ".join(summary.split()),
            advice=" ".join(advice.split()),
            **known,
        )
        setattr(body, ATTRIBUTE, declared)
        return body

    return declare
