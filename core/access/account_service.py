"""Users and teams: join, change role, leave, change password."""

import re
from typing import Final

from core.access.approval_store import ApprovalStore
from core.access.attempts import Attempts
from core.access.model import Role, User
from core.access.passwords import Passwords, check_password
from core.access.problems import (
    EmailInvalid,
    LastAdministrator,
    NameTaken,
    SignInFailed,
    UsernameInvalid,
    UserNotFound,
)
from core.access.store import AccessStore
from core.clock import Clock
from core.ids import IdSource
from core.settings import Settings
from core.storage.unit_of_work import UnitOfWork

LONGEST_USERNAME: Final = 64
LONGEST_TEAM_NAME: Final = 72
USERNAME: Final = re.compile(rf"[a-zA-Z0-9_.-]{{3,{LONGEST_USERNAME}}}")
TEAM_NAME: Final = re.compile(rf"[a-zA-Z0-9_.-]{{3,{LONGEST_TEAM_NAME}}}")
EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
LONGEST_EMAIL: Final = 254


class AccountService:
    """The people of a desk. Names are unique in any case: `Demo` cannot pass for `demo`."""

    def __init__(self, ids: IdSource, clock: Clock, settings: Settings, *, passwords: Passwords | None = None) -> None:
        self.ids = ids
        self.clock = clock
        self.settings = settings
        self.passwords = passwords or Passwords(ids)
        self.attempts = Attempts(clock)

    async def register_user(
        self,
        uow: UnitOfWork,
        *,
        username: str,
        password: str,
        email: str,
        team_name: str | None = None,
        role: Role | None = None,
    ) -> User:
        """Add a person.

        Without `team_name` they get a new team `tenant_<username>` of their own. The first person of a team is its
        administrator; somebody who joins a team that exists is a member unless `role` says otherwise. Whether the
        caller may put people into that team is for the caller to have checked.

        Raises `UsernameInvalid`, `PasswordInvalid`, `EmailInvalid`, `NameTaken`.
        """
        if not USERNAME.fullmatch(username):
            raise UsernameInvalid(name=username, longest=LONGEST_USERNAME)
        if team_name is not None and not TEAM_NAME.fullmatch(team_name):
            raise UsernameInvalid(name=team_name, longest=LONGEST_TEAM_NAME)
        check_email(email)
        check_password(password)
        password_hash = await self.passwords.hash(password)
        async with uow.join_write():
            store = AccessStore(uow)
            team_id, is_new = await self._team(store, username=username, team_name=team_name)
            values = {
                "team_id": team_id,
                "username": username,
                "email": email,
                "role": Role.ADMINISTRATOR if is_new else role or Role.MEMBER,
                "password_hash": password_hash,
                "is_active": True,
                "created_at": self.clock.now(),
            }
            user_id = await store.add_user(values)
            return await _existing(store, user_id)

    async def users(self, uow: UnitOfWork, team_id: int | None) -> list[User]:
        """Return a team's people by name; for the operator, with None, everybody."""
        return await AccessStore(uow).users(team_id)

    async def user_named(self, uow: UnitOfWork, username: str) -> User:
        """Return the person of that name, in any case. Raises `UserNotFound`."""
        user = await AccessStore(uow).user_named(username) if USERNAME.fullmatch(username) else None
        if user is None:
            raise UserNotFound(user=username)
        return user

    async def set_role(self, uow: UnitOfWork, team_id: int, *, user_id: int, role: Role) -> User:
        """Change what a person of the team may do. Raises `UserNotFound`, `LastAdministrator`."""
        async with uow.join_write():
            store = AccessStore(uow)
            user = await self._member(store, team_id, user_id)
            if role is not Role.ADMINISTRATOR:
                await _check_not_last(store, user)
            await store.change_user(user_id, role=role)
            return await _existing(store, user_id)

    async def deactivate_user(self, uow: UnitOfWork, team_id: int, *, user_id: int) -> User:
        """Lock a person out: end their sessions, revoke their tokens, close their open approvals.

        Raises `UserNotFound`, `LastAdministrator`.
        """
        async with uow.join_write():
            store = AccessStore(uow)
            user = await self._member(store, team_id, user_id)
            await _check_not_last(store, user)
            now = self.clock.now()
            await store.change_user(user_id, is_active=False)
            await store.delete_sessions(user_id)
            await store.revoke_tokens(user_id, revoked_at=now)
            await ApprovalStore(uow).for_team(team_id).close_open(now, user_id=user_id)
            return await _existing(store, user_id)

    async def change_password(self, uow: UnitOfWork, *, user_id: int, current_password: str, new_password: str) -> None:
        """Change one's own password and end every session, also the one that asks.

        Raises `SignInFailed` when the current one is wrong, `PasswordInvalid`, `SignInLimited` after five failures.
        """
        check_password(new_password)
        user = await AccessStore(uow).user(user_id)
        name = f"password:{user_id}"
        moment = self.attempts.begin([name])
        if not await self.passwords.verify(current_password, user.password_hash if user else None):
            raise SignInFailed
        self.attempts.succeed(moment, name=name, others=())
        await self.reset_password(uow, user_id=user_id, new_password=new_password)

    async def reset_password(
        self, uow: UnitOfWork, *, user_id: int, new_password: str, revokes_tokens: bool = False
    ) -> None:
        """Set a person's password for the operator and end every session; their tokens live on unless told otherwise.

        Raises `PasswordInvalid`, `UserNotFound`.
        """
        check_password(new_password)
        password_hash = await self.passwords.hash(new_password)
        async with uow.join_write():
            store = AccessStore(uow)
            await _existing(store, user_id)
            await store.change_user(user_id, password_hash=password_hash)
            await store.delete_sessions(user_id)
            if revokes_tokens:
                await store.revoke_tokens(user_id, revoked_at=self.clock.now())

    async def _team(self, store: AccessStore, *, username: str, team_name: str | None) -> tuple[int, bool]:
        """Return the team's id and whether it is new. A private team never falls into one that exists."""
        name = team_name or f"tenant_{username}"
        team_id = await store.team_id(name)
        if team_id is None:
            return await store.add_team(name, created_at=self.clock.now()), True
        if team_name is None:
            raise NameTaken(thing="team", name=name)
        return team_id, False

    async def _member(self, store: AccessStore, team_id: int, user_id: int) -> User:
        await store.lock_team(team_id)
        user = await store.user(user_id)
        if user is None or user.team_id != team_id:
            raise UserNotFound(user=user_id)
        return user


async def _existing(store: AccessStore, user_id: int) -> User:
    user = await store.user(user_id)
    if user is None:
        raise UserNotFound(user=user_id)
    return user


async def _check_not_last(store: AccessStore, user: User) -> None:
    """Raise `LastAdministrator` when nobody else could manage the team without this person."""
    is_manager = user.role is Role.ADMINISTRATOR and user.is_active
    if is_manager and await store.count_administrators(user.team_id) == 1:
        raise LastAdministrator(username=user.username)


def check_email(email: str) -> None:
    """Raise `EmailInvalid` unless the text looks like a mail address; an empty one is allowed."""
    if email and (len(email) > LONGEST_EMAIL or not EMAIL.fullmatch(email)):
        raise EmailInvalid(email=email[:LONGEST_EMAIL])
