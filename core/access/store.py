"""Tables of people and their keys: teams, users, sessions, tokens, the halt switch.

These are the tables that say who belongs to which team, so their statements are the exception to "every statement is
bound to a team": signing in and presenting a token happen before a team is known.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Row,
    Select,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from core.access.model import Halt, Role, Session, Token, TokenStatus, User
from core.access.problems import NameTaken
from core.storage.column_types import BigId, EnumText, UtcDateTime
from core.storage.metadata import metadata
from core.storage.unit_of_work import UnitOfWork

BIGGEST_ID: Final = 2**63 - 1

teams: Final = Table(
    "teams",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("name", String(80), nullable=False),
    Column("name_key", String(80), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
)

users: Final = Table(
    "users",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False, index=True),
    Column("username", String(64), nullable=False),
    Column("username_key", String(64), nullable=False, unique=True),
    Column("email", String(254), nullable=False),
    Column("role", EnumText(Role), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("cookie_hash", String(64), nullable=False, unique=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False, index=True),
)

tokens: Final = Table(
    "tokens",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False, index=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("minted_by", String(128), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)

halts: Final = Table(
    "halts",
    metadata,
    Column("team_id", BigInteger, ForeignKey("teams.id"), primary_key=True, autoincrement=False),
    Column("reason", String(500), nullable=False),
    Column("set_by", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
)

USER: Final = (
    users.c.id.label("user_id"),
    users.c.username,
    users.c.team_id,
    teams.c.name.label("team_name"),
    users.c.role,
    users.c.email,
    users.c.created_at.label("user_created_at"),
    users.c.is_active,
    users.c.password_hash,
)
SESSION: Final = (sessions.c.id.label("session_id"), sessions.c.created_at, sessions.c.last_seen_at)
TOKEN: Final = (
    tokens.c.id.label("token_id"),
    tokens.c.name.label("token_name"),
    tokens.c.scopes,
    tokens.c.created_at,
    tokens.c.expires_at,
    tokens.c.last_used_at,
    tokens.c.revoked_at,
)
PEOPLE: Final = users.join(teams, users.c.team_id == teams.c.id)
SELECT_USER: Final = select(*USER).select_from(PEOPLE)
SELECT_SESSION: Final = select(*SESSION, *USER).select_from(sessions.join(PEOPLE, sessions.c.user_id == users.c.id))
SELECT_TOKEN: Final = select(*TOKEN, *USER, tokens.c.secret_hash).select_from(
    tokens.join(PEOPLE, tokens.c.user_id == users.c.id)
)
SELECT_TOKEN_BY_HASH: Final = SELECT_TOKEN.where(tokens.c.secret_hash == bindparam("secret_hash"))


def is_row_id(number: int) -> bool:
    """Tell whether a number can be a key at all; others must not reach the database, which cannot hold them."""
    return 0 < number <= BIGGEST_ID


class AccessStore:
    """Rows in, dataclasses out."""

    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow

    async def team_id(self, name: str) -> int | None:
        """Return the team of that name in any case."""
        row = await self.uow.fetch_one(select(teams.c.id).where(teams.c.name_key == name.lower()))
        return row.id if row else None

    async def add_team(self, name: str, *, created_at: datetime) -> int:
        """Insert a team. Raises `NameTaken`."""
        values = {"name": name, "name_key": name.lower(), "created_at": created_at}
        return await self._insert_named(teams, values, thing="team", name=name)

    async def add_user(self, values: Mapping[str, Any]) -> int:
        """Insert a user of the columns in `values`. Raises `NameTaken`."""
        name: str = values["username"]
        return await self._insert_named(users, {**values, "username_key": name.lower()}, thing="user", name=name)

    async def user(self, user_id: int) -> User | None:
        """Return one user."""
        return await self._user(SELECT_USER.where(users.c.id == user_id)) if is_row_id(user_id) else None

    async def user_named(self, username: str) -> User | None:
        """Return the user of that name in any case."""
        return await self._user(SELECT_USER.where(users.c.username_key == username.lower()))

    async def users(self, team_id: int | None) -> list[User]:
        """Return a team's users by name, or everybody's when no team is given."""
        query = SELECT_USER.order_by(users.c.username_key)
        rows = await self.uow.fetch_all(query if team_id is None else query.where(users.c.team_id == team_id))
        return [read_user(row) for row in rows]

    async def count_administrators(self, team_id: int) -> int:
        """Count a team's active administrators."""
        query = select(func.count()).where(
            users.c.team_id == team_id, users.c.role == Role.ADMINISTRATOR, users.c.is_active
        )
        row = await self.uow.fetch_one(query)
        return int(row[0]) if row else 0

    async def lock_team(self, team_id: int) -> None:
        """Make other writers of this team's people wait; SQLite's single writer needs no lock."""
        await self.uow.execute(select(teams.c.id).where(teams.c.id == team_id).with_for_update(key_share=True))

    async def lock_user(self, user_id: int) -> None:
        """Make other writers for this user wait; SQLite's single writer needs no lock."""
        await self.uow.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))

    async def change_user(self, user_id: int, **values: Any) -> None:
        """Set columns of one user."""
        await self.uow.execute(update(users).where(users.c.id == user_id).values(**values))

    async def add_session(self, values: Mapping[str, Any]) -> None:
        """Insert a session."""
        await self.uow.execute(insert(sessions).values(**values))

    async def session(self, cookie_hash: str, *, cookie_token: str) -> Session | None:
        """Return the session of a cookie; `cookie_token` is its token against cross-site requests."""
        row = await self.uow.fetch_one(SELECT_SESSION.where(sessions.c.cookie_hash == cookie_hash))
        if row is None:
            return None
        return Session(
            session_id=row.session_id,
            user=read_user(row),
            csrf_token=cookie_token,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
        )

    async def delete_session(self, cookie_hash: str) -> None:
        """Delete the session of a cookie, if there is one."""
        await self.uow.execute(delete(sessions).where(sessions.c.cookie_hash == cookie_hash))

    async def delete_sessions(self, user_id: int) -> None:
        """Delete every session of a user."""
        await self.uow.execute(delete(sessions).where(sessions.c.user_id == user_id))

    async def delete_idle_sessions(self, seen_before: datetime) -> None:
        """Delete the sessions nobody has used since then."""
        await self.uow.execute(delete(sessions).where(sessions.c.last_seen_at <= seen_before))

    async def add_token(self, values: Mapping[str, Any]) -> int:
        """Insert a token."""
        return _new_key(await self.uow.execute(insert(tokens).values(**values)))

    async def token_by_hash(self, secret_hash: str, *, now: datetime) -> tuple[Token, User, str] | None:
        """Return a token, its user and its stored hash in one statement."""
        row = await self.uow.fetch_one(SELECT_TOKEN_BY_HASH, {"secret_hash": secret_hash})
        return (read_token(row, now), read_user(row), row.secret_hash) if row else None

    async def token(self, team_id: int, token_id: int, *, now: datetime) -> Token | None:
        """Return one token of a team."""
        if not is_row_id(token_id):
            return None
        query = SELECT_TOKEN.where(tokens.c.id == token_id, tokens.c.team_id == team_id)
        row = await self.uow.fetch_one(query)
        return read_token(row, now) if row else None

    async def tokens(self, team_id: int, user_id: int | None, *, now: datetime) -> list[Token]:
        """Return a team's tokens, newest first, or those of one of its users."""
        query = SELECT_TOKEN.where(tokens.c.team_id == team_id).order_by(tokens.c.id.desc())
        rows = await self.uow.fetch_all(query if user_id is None else query.where(tokens.c.user_id == user_id))
        return [read_token(row, now) for row in rows]

    async def revoke_token(self, token_id: int, *, revoked_at: datetime) -> None:
        """Mark a token revoked; the first moment stays."""
        query = update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
        await self.uow.execute(query.values(revoked_at=revoked_at))

    async def revoke_tokens(self, user_id: int, *, revoked_at: datetime) -> None:
        """Mark every token of a user revoked."""
        query = update(tokens).where(tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None))
        await self.uow.execute(query.values(revoked_at=revoked_at))

    async def note_token_uses(self, moments: Mapping[int, datetime]) -> None:
        """Write when tokens were last used; an earlier moment never replaces a later one."""
        later = or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at < bindparam("moment"))
        query = update(tokens).where(tokens.c.id == bindparam("key"), later).values(last_used_at=bindparam("moment"))
        await self.uow.execute(query, [{"key": key, "moment": moments[key]} for key in sorted(moments)])

    async def note_session_uses(self, moments: Mapping[str, datetime]) -> None:
        """Write when sessions were last seen; an earlier moment never replaces a later one."""
        query = update(sessions).where(sessions.c.id == bindparam("key"), sessions.c.last_seen_at < bindparam("moment"))
        rows = [{"key": key, "moment": moments[key]} for key in sorted(moments)]
        await self.uow.execute(query.values(last_seen_at=bindparam("moment")), rows)

    async def halt(self, team_id: int) -> Halt | None:
        """Return the team's halt while it is on."""
        row = await self.uow.fetch_one(select(halts).where(halts.c.team_id == team_id))
        return Halt(team_id=row.team_id, reason=row.reason, set_by=row.set_by, set_at=row.set_at) if row else None

    async def set_halt(self, halt: Halt) -> None:
        """Switch a team's halt on, replacing an earlier one."""
        await self.clear_halt(halt.team_id)
        values = {"team_id": halt.team_id, "reason": halt.reason, "set_by": halt.set_by, "set_at": halt.set_at}
        await self.uow.execute(insert(halts).values(**values))

    async def clear_halt(self, team_id: int) -> None:
        """Switch a team's halt off."""
        await self.uow.execute(delete(halts).where(halts.c.team_id == team_id))

    async def _insert_named(self, table: Table, values: Mapping[str, Any], *, thing: str, name: str) -> int:
        try:
            return _new_key(await self.uow.execute(insert(table).values(**values)))
        except IntegrityError as error:
            raise NameTaken(thing=thing, name=name) from error

    async def _user(self, query: Select[Any]) -> User | None:
        row = await self.uow.fetch_one(query)
        return read_user(row) if row else None


def _new_key(result: Any) -> int:
    return int(result.inserted_primary_key[0])


def read_user(row: Row[Any]) -> User:
    """Read the columns of `USER`."""
    return User(
        user_id=row.user_id,
        username=row.username,
        team_id=row.team_id,
        team_name=row.team_name,
        role=row.role,
        email=row.email,
        created_at=row.user_created_at,
        is_active=row.is_active,
        password_hash=row.password_hash,
    )


def read_token(row: Row[Any], now: datetime) -> Token:
    """Read the columns of `TOKEN` and `USER`; the status is the one at `now`."""
    status = TokenStatus.ACTIVE
    if row.expires_at is not None and row.expires_at <= now:
        status = TokenStatus.EXPIRED
    if row.revoked_at is not None:
        status = TokenStatus.REVOKED
    return Token(
        token_id=row.token_id,
        token_name=row.token_name,
        username=row.username,
        team_name=row.team_name,
        user_id=row.user_id,
        status=status,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
