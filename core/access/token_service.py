"""Tokens: mint, present, list, revoke."""

import hmac
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from core.access.approval_store import ApprovalStore
from core.access.model import Caller, CallerKind, MintedToken, Token, TokenStatus, User
from core.access.passwords import Passwords
from core.access.problems import ReservedScope, TokenNotFound, TokenRequestInvalid, UserNotFound
from core.access.sign_in_service import SignInService
from core.access.store import AccessStore
from core.access.tokens import hash_secret, is_reserved, is_well_formed, new_token
from core.clock import Clock
from core.errors import Unauthenticated
from core.ids import IdSource
from core.settings import Settings
from core.storage.unit_of_work import UnitOfWork

LONGEST_NAME: Final = 64
LONGEST_LIFE_DAYS: Final = 3650
MOST_SCOPES: Final = 500
LONGEST_SCOPE: Final = 128


class TokenService(SignInService):
    """Bearer tokens. When one was last used is kept in memory and written in batches."""

    def __init__(self, ids: IdSource, clock: Clock, settings: Settings, *, passwords: Passwords | None = None) -> None:
        super().__init__(ids, clock, settings, passwords=passwords)
        self._token_uses: dict[int, datetime] = {}

    async def mint_token(
        self,
        uow: UnitOfWork,
        *,
        user_id: int,
        name: str,
        scopes: Collection[str],
        expires_in_days: int | None,
        minted_by: str,
    ) -> MintedToken:
        """Make a token for a person; None days means that it never expires.

        Raises `ReservedScope`, `TokenRequestInvalid`, `UserNotFound` also for a person who is locked out.
        """
        check_token_request(name, scopes, expires_in_days=expires_in_days)
        secret, now = new_token(self.ids), self.clock.now()
        async with uow.join_write():
            store = AccessStore(uow)
            user = await store.user(user_id)
            if user is None or not user.is_active:
                raise UserNotFound(user=user_id)
            values = {
                "team_id": user.team_id,
                "user_id": user_id,
                "name": name.strip(),
                "secret_hash": hash_secret(secret),
                "scopes": sorted(set(scopes)),
                "minted_by": minted_by[:128],
                "created_at": now,
                "expires_at": None if expires_in_days is None else now + timedelta(days=expires_in_days),
            }
            token_id = await store.add_token(values)
            return MintedToken(secret, await self.token(uow, user.team_id, token_id))

    async def authenticate_token(self, uow: UnitOfWork, secret: str) -> tuple[Token, User]:
        """Return the token and its user, and note the use.

        Raises `Unauthenticated` with one message for a malformed, unknown, expired or revoked token and for a person
        who is locked out.
        """
        if not is_well_formed(secret):
            raise Unauthenticated
        secret_hash = hash_secret(secret)
        found = await AccessStore(uow).token_by_hash(secret_hash, now=self.clock.now())
        if found is None:
            raise Unauthenticated
        token, user, stored_hash = found
        is_same = hmac.compare_digest(stored_hash, secret_hash)
        if not is_same or token.status is not TokenStatus.ACTIVE or not user.is_active:
            raise Unauthenticated
        self.touch_token(token.token_id)
        return token, user

    def touch_token(self, token_id: int) -> None:
        """Remember that a token was used now; `flush_last_used` writes it."""
        self._token_uses[token_id] = self.clock.now()

    async def flush_last_used(self, uow: UnitOfWork) -> None:
        """Write when tokens and sessions were last used. Without any use since the last time nothing is written."""
        token_uses, session_uses = dict(self._token_uses), dict(self._session_uses)
        if not token_uses and not session_uses:
            return
        async with uow.join_write():
            store = AccessStore(uow)
            if token_uses:
                await store.note_token_uses(token_uses)
            if session_uses:
                await store.note_session_uses(session_uses)
            uow.after_commit(lambda: _forget(self._token_uses, token_uses))
            uow.after_commit(lambda: _forget(self._session_uses, session_uses))

    async def tokens(self, uow: UnitOfWork, team_id: int, user_id: int | None = None) -> list[Token]:
        """Return the team's tokens, newest first, or those of one person."""
        found = await AccessStore(uow).tokens(team_id, user_id, now=self.clock.now())
        return [
            replace(token, last_used_at=self._token_uses.get(token.token_id, token.last_used_at)) for token in found
        ]

    async def token(self, uow: UnitOfWork, team_id: int, token_id: int) -> Token:
        """Return one token of the team. Raises `TokenNotFound`."""
        found = await AccessStore(uow).token(team_id, token_id, now=self.clock.now())
        if found is None:
            raise TokenNotFound(token_id=token_id)
        return replace(found, last_used_at=self._token_uses.get(token_id, found.last_used_at))

    async def revoke_token(self, uow: UnitOfWork, team_id: int, token_id: int) -> Token:
        """End a token. What it has pending is withdrawn, what is approved and unused is revoked.

        Revoking one again changes nothing. Raises `TokenNotFound`.
        """
        now = self.clock.now()
        async with uow.join_write():
            await self.token(uow, team_id, token_id)
            await AccessStore(uow).revoke_token(token_id, revoked_at=now)
            await ApprovalStore(uow).for_team(team_id).close_open(now, requester=f"token:{token_id}")
            return await self.token(uow, team_id, token_id)

    @staticmethod
    def token_caller(token: Token, user: User, *, address: str = "", client: str = "") -> Caller:
        """Make the caller a token stands for."""
        return Caller(
            kind=CallerKind.TOKEN,
            user_id=user.user_id,
            username=user.username,
            team_id=user.team_id,
            team_name=user.team_name,
            role=user.role,
            token_id=token.token_id,
            token_name=token.token_name,
            scopes=frozenset(token.scopes),
            address=address,
            client=client,
        )


def check_token_request(name: str, scopes: Collection[str], *, expires_in_days: int | None) -> None:
    """Raise `ReservedScope` or `TokenRequestInvalid` with the reason when such a token cannot be made."""
    reserved = next((scope for scope in sorted(scopes) if is_reserved(scope)), None)
    if reserved is not None:
        raise ReservedScope(scope=reserved)
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise TokenRequestInvalid(reason=f"its name must have 1 to {LONGEST_NAME} printable characters")
    if len(scopes) > MOST_SCOPES or not all(0 < len(scope) <= LONGEST_SCOPE for scope in scopes):
        raise TokenRequestInvalid(reason=f"it may have {MOST_SCOPES} scopes of 1 to {LONGEST_SCOPE} characters each")
    if expires_in_days is not None and not 1 <= expires_in_days <= LONGEST_LIFE_DAYS:
        raise TokenRequestInvalid(reason=f"it can live 1 to {LONGEST_LIFE_DAYS} days, or for ever (null)")


def _forget(uses: dict[Any, datetime], written: dict[Any, datetime]) -> None:
    """Drop what was written and has not been used again since."""
    for key, moment in written.items():
        if uses.get(key) == moment:
            del uses[key]
