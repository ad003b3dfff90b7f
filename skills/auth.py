"""Who the caller is, and new users."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from core.access.model import TokenStatus
from core.errors import NotPossible
from tools.context import SkillContext
from tools.redaction import Secret
from tools.risk import RiskTier
from tools.skill import EVERY_FIELD, skill


class RegistrationClosed(NotPossible):
    """The desk's operator does not let callers add users."""

    code = "registration_closed"
    template = (
        "This desk does not let callers register users. Its operator adds them with `dingpan user add`, "
        "or allows registration with DINGPAN_ALLOW_REGISTRATION=true."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIdentity:
    """The identity behind a call. The token's fields are None for a person signed in at the web page.

    `expires_at` is always present; None means never.
    """

    username: str | None
    team_name: str | None
    user_id: int | None
    token_id: int | None
    token_name: str | None
    status: TokenStatus
    expires_at: datetime | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredUser:
    """A user just added, with the team made for them."""

    user_id: int
    username: str
    team_name: str
    email: str
    created_at: datetime


@skill(
    "auth.token.introspect",
    tier=RiskTier.GREEN,
    http="GET /api/public/agent/token-introspect",
    title="Who am I",
    title_zh="令牌自检",
    unwrap=EVERY_FIELD,
)
async def token_introspect(ctx: SkillContext) -> TokenIdentity:
    """Show the user, team, scopes and expiry of the token that makes this call.

    Use it first in a conversation, and after a `missing_scope` refusal. It looks at the calling token only; for the
    others of the user use `subscription.token.list`.
    """
    return await _identity(ctx)


@skill(
    "auth.user.register",
    tier=RiskTier.YELLOW,
    http="POST /api/users/register",
    title="Register a user",
    title_zh="注册用户",
    gotchas=("Off unless the desk's operator allows registration.",),
    example={"username": "wang.li", "password": "at least ten characters", "email": "wang.li@example.com"},
)
async def user_register(
    ctx: SkillContext,
    *,
    username: Annotated[str, Field(description="3 to 64 letters, digits, dots, hyphens or underscores.")],
    password: Annotated[str, Field(description="At least 10 characters."), Secret()],
    email: Annotated[str, Field(description="Mail address.")],
) -> RegisteredUser:
    """Add a user, in a new team of their own.

    Use it only when a person asks for a new account and gives its password. Users of the caller's own team are added
    by its administrator at the web page.
    """
    return await _register(ctx, username=username, password=password, email=email)


async def _identity(ctx: SkillContext) -> TokenIdentity:
    caller = ctx.caller
    token = None
    if caller.token_id is not None:
        token = await ctx.services.access.token(ctx.uow, ctx.team_id, caller.token_id)
    return TokenIdentity(
        username=caller.username,
        team_name=caller.team_name,
        user_id=caller.user_id,
        token_id=caller.token_id,
        token_name=caller.token_name,
        status=TokenStatus.ACTIVE if token is None else token.status,
        expires_at=None if token is None else token.expires_at,
        scopes=tuple(sorted(caller.scopes)),
    )


async def _register(ctx: SkillContext, *, username: str, password: str, email: str) -> RegisteredUser:
    if not ctx.services.settings.allow_registration:
        raise RegistrationClosed
    user = await ctx.services.access.register_user(ctx.uow, username=username, password=password, email=email)
    return RegisteredUser(
        user_id=user.user_id,
        username=user.username,
        team_name=user.team_name,
        email=user.email,
        created_at=user.created_at,
    )
