"""Access tokens of the caller's team. No skill makes one: a person does, at the web page or on the desk's machine."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from core.access.model import Role, Token
from core.access.problems import TokenNotFound
from tools.context import Preview, SkillContext
from tools.risk import RiskTier
from tools.skill import skill

TokenId = Annotated[int, Field(description="Number of the token, from subscription.token.list.", examples=[1])]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenList:
    """The tokens the caller's user may see, newest first; never their secrets."""

    items: tuple[Token, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked:
    """A token that no longer opens the door."""

    token_id: int
    token_name: str
    revoked_at: datetime | None


@skill(
    "subscription.token.list",
    tier=RiskTier.GREEN,
    http="GET /api/subscription/tokens",
    title="Access tokens",
    title_zh="访问令牌列表",
    unwrap="items",
)
async def token_list(ctx: SkillContext) -> TokenList:
    """List the caller's access tokens with their scopes, expiry and last use.

    Use it to find a token to revoke. An administrator of the team sees everybody's. Secrets are never shown again, and
    no skill makes a token: ask a person to mint one at the web page.
    """
    return await _visible_tokens(ctx)


async def preview_revoke(ctx: SkillContext, *, token_id: int) -> Preview:
    """Show which token would end, and when it was last used."""
    token = await _visible_token(ctx, token_id)
    last_used = "never" if token.last_used_at is None else token.last_used_at.isoformat()
    is_own = token_id == ctx.caller.token_id
    warning = " This is the token that asks: its own calls end as well." if is_own else ""
    return Preview(
        summary=f"Revokes the token {token.token_name} of {token.username}, last used {last_used}.{warning}",
        changes=[
            {
                "tokenId": token.token_id,
                "tokenName": token.token_name,
                "field": "status",
                "from": token.status.value,
                "to": "revoked",
            }
        ],
    )


@skill(
    "subscription.token.revoke",
    tier=RiskTier.RED,
    http="DELETE /api/subscription/tokens/{token_id}",
    title="Revoke a token",
    title_zh="吊销令牌",
    preview=preview_revoke,
    gotchas=("A revoked token cannot be brought back; approvals it asked for end with it.",),
    example={"token_id": 1},
)
async def token_revoke(ctx: SkillContext, *, token_id: TokenId) -> TokenRevoked:
    """End an access token for good.

    Use it when a token is lost or no longer needed, and a person asked for it.
    """
    return await _revoke(ctx, token_id)


async def _visible_tokens(ctx: SkillContext) -> TokenList:
    found = await ctx.services.access.tokens(ctx.uow, ctx.team_id, _whose(ctx))
    return TokenList(items=tuple(found), total=len(found))


async def _visible_token(ctx: SkillContext, token_id: int) -> Token:
    token = await ctx.services.access.token(ctx.uow, ctx.team_id, token_id)
    if _whose(ctx) not in {None, token.user_id}:
        raise TokenNotFound(token_id=token_id)
    return token


async def _revoke(ctx: SkillContext, token_id: int) -> TokenRevoked:
    await _visible_token(ctx, token_id)
    token = await ctx.services.access.revoke_token(ctx.uow, ctx.team_id, token_id)
    return TokenRevoked(token_id=token.token_id, token_name=token.token_name, revoked_at=token.revoked_at)


def _whose(ctx: SkillContext) -> int | None:
    """Return the user whose tokens the caller may see; None for everybody's in the team."""
    return None if ctx.caller.role is Role.ADMINISTRATOR else ctx.caller.user_id
