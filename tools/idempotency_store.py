"""The table of idempotency keys. A row is claimed in the transaction of the effect and holds its answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from core.storage.column_types import BigId, UtcDateTime
from core.storage.metadata import metadata
from core.storage.unit_of_work import UnitOfWork

KEPT: Final = timedelta(hours=24)

idempotency: Final = Table(
    "idempotency",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("requester", String(64), nullable=False),
    Column("key", String(200), nullable=False),
    Column("params_hash", String(64), nullable=False),
    Column("skill_id", String(128), nullable=False),
    Column("answer", JSON(none_as_null=True)),
    Column("expires_at", UtcDateTime, nullable=False),
    UniqueConstraint("team_id", "requester", "key"),
    Index(None, "expires_at"),
)


class KeyClaimed(Exception):
    """Another call with the same key was first. The dispatcher answers with that call's result."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What is known of a key: the call it was used for, and its answer in wire form once finished."""

    params_hash: str
    answer: dict[str, Any] | None


class IdempotencyStore:
    """Keys of one requester in one team; see `for_requester`."""

    def __init__(self, uow: UnitOfWork, team_id: int = 0, requester: str = "") -> None:
        self.uow = uow
        self._mine = (idempotency.c.team_id == team_id, idempotency.c.requester == requester)
        self._owner = {"team_id": team_id, "requester": requester}

    def for_requester(self, team_id: int, requester: str) -> "IdempotencyStore":
        """Return the store of one requester; it sees nobody else's keys."""
        return IdempotencyStore(self.uow, team_id, requester)

    async def find(self, key: str, *, now: datetime) -> StoredAnswer | None:
        """Return what is stored under a key that has not expired."""
        columns = (idempotency.c.params_hash, idempotency.c.answer)
        query = select(*columns).where(*self._mine, idempotency.c.key == key, idempotency.c.expires_at > now)
        row = await self.uow.fetch_one(query)
        return None if row is None else StoredAnswer(row.params_hash, row.answer)

    async def claim(self, key: str, *, params_hash: str, skill_id: str, now: datetime) -> None:
        """Insert the row of a key. Raises `KeyClaimed` when it exists; waits for a transaction that is inserting it."""
        await self.uow.execute(delete(idempotency).where(idempotency.c.expires_at <= now))
        row = self._owner | {"key": key, "params_hash": params_hash, "skill_id": skill_id, "expires_at": now + KEPT}
        try:
            await self.uow.execute(insert(idempotency).values(**row))
        except IntegrityError as error:
            raise KeyClaimed(key) from error

    async def finish(self, key: str, answer: dict[str, Any]) -> None:
        """Keep the answer."""
        await self.uow.execute(update(idempotency).where(*self._mine, idempotency.c.key == key).values(answer=answer))

    async def release(self, key: str) -> None:
        """Forget a key whose call failed without effect, so that the call can be repeated."""
        await self.uow.execute(delete(idempotency).where(*self._mine, idempotency.c.key == key))
