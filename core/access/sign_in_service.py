"""Sessions: sign in, stay signed in, sign out."""

from dataclasses import replace
from datetime import datetime

from core.access.account_service import USERNAME, AccountService
from core.access.attempts import NAME
from core.access.model import Caller, CallerKind, Session, SignIn, User
from core.access.networks import network_of
from core.access.passwords import Passwords
from core.access.problems import SignInFailed
from core.access.sessions import csrf_token, forgotten_before, is_idle, needs_touch
from core.access.store import AccessStore
from core.access.tokens import hash_secret
from core.clock import Clock
from core.ids import IdSource, new_id, new_secret
from core.settings import Settings
from core.storage.unit_of_work import UnitOfWork


class SignInService(AccountService):
    """Logins of people. When a session was last seen is kept in memory and written in batches."""

    def __init__(self, ids: IdSource, clock: Clock, settings: Settings, *, passwords: Passwords | None = None) -> None:
        super().__init__(ids, clock, settings, passwords=passwords)
        self._session_uses: dict[str, datetime] = {}

    async def sign_in(
        self,
        uow: UnitOfWork,
        *,
        username: str,
        password: str,
        previous_cookie: str | None = None,
        address: str = "",
    ) -> SignIn:
        """Check the password and open a new session in place of the one before.

        Raises `SignInFailed` for every reason alike, `SignInLimited` after five failures from the address, or fifty of
        the name from anywhere, in fifteen minutes.
        """
        name = f"{NAME}{username.lower()}" if USERNAME.fullmatch(username) else ""
        others = [network_of(address)] if address else []
        moment = self.attempts.begin([*([name] if name else []), *others])
        user = await AccessStore(uow).user_named(username) if name else None
        fits = await self.passwords.verify(password, user.password_hash if user else None)
        if user is None or not fits or not user.is_active:
            raise SignInFailed
        fresh_hash = await self.passwords.hash(password) if self.passwords.is_outdated(user.password_hash) else None
        signed_in = await self._open(uow, user, previous_cookie=previous_cookie, fresh_hash=fresh_hash)
        self.attempts.succeed(moment, name=name, others=others)
        return signed_in

    async def session(self, uow: UnitOfWork, cookie: str) -> Session | None:
        """Return the live session of a cookie and note its use; None when there is none or it has slept too long."""
        found = await AccessStore(uow).session(hash_secret(cookie), cookie_token=csrf_token(cookie))
        if found is None or not found.user.is_active:
            return None
        now = self.clock.now()
        seen = max(found.last_seen_at, self._session_uses.get(found.session_id, found.last_seen_at))
        if is_idle(seen, now, idle_hours=self.settings.session_idle_hours):
            return None
        if needs_touch(seen, now):
            self._session_uses[found.session_id] = seen = now
        return replace(found, last_seen_at=seen)

    async def sign_out(self, uow: UnitOfWork, cookie: str) -> None:
        """End the session of a cookie; one that has ended already is no error."""
        async with uow.join_write():
            await AccessStore(uow).delete_session(hash_secret(cookie))

    async def _open(
        self, uow: UnitOfWork, user: User, *, previous_cookie: str | None, fresh_hash: str | None
    ) -> SignIn:
        cookie, now = new_secret(self.ids), self.clock.now()
        session_id = new_id(self.ids, "ses")
        values = {
            "id": session_id,
            "cookie_hash": hash_secret(cookie),
            "user_id": user.user_id,
            "created_at": now,
            "last_seen_at": now,
        }
        async with uow.join_write():
            store = AccessStore(uow)
            await store.lock_user(user.user_id)
            current = await store.user(user.user_id)
            if current is None or not current.is_active or current.password_hash != user.password_hash:
                raise SignInFailed  # locked out, or the password changed, while it was being checked
            if fresh_hash:
                await store.change_user(user.user_id, password_hash=fresh_hash)
            if previous_cookie:
                await store.delete_session(hash_secret(previous_cookie))
            await store.delete_idle_sessions(forgotten_before(now, idle_hours=self.settings.session_idle_hours))
            await store.add_session(values)
        session = Session(
            session_id=session_id,
            user=replace(current, password_hash=fresh_hash or current.password_hash),
            csrf_token=csrf_token(cookie),
            created_at=now,
            last_seen_at=now,
        )
        return SignIn(cookie, session)

    @staticmethod
    def session_caller(session: Session, *, address: str = "", client: str = "") -> Caller:
        """Make the caller a session stands for: a person with every scope."""
        return Caller(
            kind=CallerKind.SESSION,
            user_id=session.user.user_id,
            username=session.user.username,
            team_id=session.user.team_id,
            team_name=session.user.team_name,
            role=session.user.role,
            session_id=session.session_id,
            all_scopes=True,
            address=address,
            client=client,
        )
