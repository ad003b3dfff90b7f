"""The tables of conversations.

Who plays a turn holds a claim on its conversation. Taking a claim and writing under it are conditional updates: of two
processes that reach for the same turn one changes nothing, and one that was taken for dead writes nothing more.
"""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from core.conversation.model import (
    KEY_LENGTH,
    TITLE_LENGTH,
    Claim,
    Conversation,
    ConversationOpening,
    ConversationState,
    Entry,
    NewEntry,
    Wait,
)
from core.storage.column_types import EnumText, UtcDateTime
from core.storage.metadata import metadata
from core.storage.unit_of_work import UnitOfWork

conversations: Final = Table(
    "conversations",
    metadata,
    Column("conversation_id", String(40), primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("title", String(TITLE_LENGTH), nullable=False),
    Column("marker", String(40), nullable=False),
    Column("state", EnumText(ConversationState), nullable=False),
    Column("claim", String(40)),
    Column("claimed_until", UtcDateTime),
    Column("is_cancelling", Boolean, nullable=False),
    Column("turn_id", String(40), nullable=False),
    Column("last_sequence", Integer, nullable=False),
    Column("opening_key", String(KEY_LENGTH)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("team_id", "owner", "opening_key"),
    Index(None, "team_id", "owner", "updated_at"),
    Index(None, "state", "claimed_until"),
)
entries: Final = Table(
    "conversation_entries",
    metadata,
    Column("conversation_id", String(40), ForeignKey("conversations.conversation_id"), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("team_id", BigInteger, nullable=False),
    Column("turn_id", String(40), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("message_key", String(KEY_LENGTH)),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("conversation_id", "message_key"),
)
waits: Final = Table(
    "conversation_waits",
    metadata,
    Column("conversation_id", String(40), ForeignKey("conversations.conversation_id"), primary_key=True),
    Column("call_id", String(128), primary_key=True),
    Column("team_id", BigInteger, nullable=False),
    Column("name", String(128), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("approval_id", String(40), nullable=False),
    Column("expires_at", String(40), nullable=False),
)
FIELDS: Final = tuple(field.name for field in fields(Conversation))
SHOWN: Final = [conversations.c[name] for name in FIELDS]


class ConversationStore:
    """The door to a team's conversations; unbound only for what the desk itself looks after."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def for_team(self, team_id: int) -> "TeamConversations":
        """Return the store of one team."""
        return TeamConversations(self._uow, team_id)

    async def with_waits(self) -> list[Conversation]:
        """Return the idle conversations of all teams in which a call waits for a person."""
        waiting = exists().where(waits.c.conversation_id == conversations.c.conversation_id)
        return await self._all(conversations.c.state == ConversationState.IDLE, waiting)

    async def abandoned(self, now: datetime) -> list[Conversation]:
        """Return the conversations of all teams whose turn nobody plays any more."""
        running = conversations.c.state == ConversationState.RUNNING
        return await self._all(running, conversations.c.claimed_until <= now)

    async def _all(self, *conditions: ColumnElement[bool]) -> list[Conversation]:
        rows = await self._uow.fetch_all(select(*SHOWN).where(*conditions).order_by(conversations.c.updated_at))
        return [_conversation(row) for row in rows]


class TeamConversations:
    """One team's conversations. Every statement is filtered by the team here."""

    def __init__(self, uow: UnitOfWork, team_id: int) -> None:
        self._uow, self._team_id = uow, team_id

    async def add(self, conversation: Conversation, *, opening_key: str | None) -> None:
        """Insert a conversation. Raises `ConversationOpening` when a message of this key is opening one just now."""
        values = {name: getattr(conversation, name) for name in FIELDS}
        try:
            await self._uow.execute(insert(conversations).values(**values, opening_key=opening_key))
        except IntegrityError as error:
            raise ConversationOpening(conversation_id="") from error

    async def one(self, conversation_id: str, *, owner: str | None = None) -> Conversation | None:
        """Return a conversation; with an `owner` only theirs."""
        conditions = [conversations.c.owner == owner] if owner is not None else []
        query = select(*SHOWN).where(self._mine, conversations.c.conversation_id == conversation_id, *conditions)
        row = await self._uow.fetch_one(query)
        return None if row is None else _conversation(row)

    async def lock(self, conversation_id: str) -> None:
        """Let other writers of this conversation wait until the transaction ends; SQLite has one writer anyway."""
        where = (self._mine, conversations.c.conversation_id == conversation_id)
        await self._uow.execute(update(conversations).where(*where).values(updated_at=conversations.c.updated_at))

    async def opened_with(self, owner: str, key: str) -> Conversation | None:
        """Return the owner's conversation that a message with this key opened."""
        where = (self._mine, conversations.c.owner == owner, conversations.c.opening_key == key)
        row = await self._uow.fetch_one(select(*SHOWN).where(*where))
        return None if row is None else _conversation(row)

    async def said_under(self, conversation_id: str, key: str) -> int | None:
        """Return the number of the message that was sent with this key."""
        where = (entries.c.team_id == self._team_id, entries.c.conversation_id == conversation_id)
        row = await self._uow.fetch_one(select(entries.c.sequence).where(*where, entries.c.message_key == key))
        return None if row is None else int(row.sequence)

    async def page(self, owner: str, *, offset: int, limit: int) -> list[Conversation]:
        """Return conversations of an owner, the newest first."""
        order = (conversations.c.updated_at.desc(), conversations.c.conversation_id.desc())
        query = select(*SHOWN).where(self._mine, conversations.c.owner == owner).order_by(*order)
        return [_conversation(row) for row in await self._uow.fetch_all(query.offset(offset).limit(limit))]

    async def count(self, owner: str) -> int:
        """Return how many conversations an owner has."""
        query = select(func.count()).select_from(conversations).where(self._mine, conversations.c.owner == owner)
        row = await self._uow.fetch_one(query)
        return int(row[0]) if row else 0

    async def running(self, owner: str, now: datetime) -> int:
        """Return how many turns of an owner are being played."""
        alive = and_(conversations.c.state == ConversationState.RUNNING, conversations.c.claimed_until > now)
        query = select(func.count()).select_from(conversations)
        row = await self._uow.fetch_one(query.where(self._mine, conversations.c.owner == owner, alive))
        return int(row[0]) if row else 0

    async def delete(self, conversation_id: str) -> None:
        """Remove a conversation with all that is in it."""
        for table in (entries, waits, conversations):
            where = (table.c.team_id == self._team_id, table.c.conversation_id == conversation_id)
            await self._uow.execute(delete(table).where(*where))

    async def take(self, conversation_id: str, *, claim_id: str, turn_id: str, now: datetime, until: datetime) -> bool:
        """Claim a conversation that nobody plays. Returns False when somebody does."""
        free = or_(conversations.c.state == ConversationState.IDLE, conversations.c.claimed_until <= now)
        values = {"state": ConversationState.RUNNING, "claim": claim_id, "claimed_until": until, "turn_id": turn_id}
        where = (self._mine, conversations.c.conversation_id == conversation_id, free)
        result = await self._uow.execute(update(conversations).where(*where).values(**values, is_cancelling=False))
        return result.rowcount == 1

    async def advance(self, claim: Claim, *, count: int, now: datetime, until: datetime) -> bool:
        """Move the conversation's number on by `count` from where the claim left it; False when that is not so."""
        where = (self._held(claim), conversations.c.last_sequence == claim.last_sequence)
        values = {"last_sequence": claim.last_sequence + count, "updated_at": now, "claimed_until": until}
        result = await self._uow.execute(update(conversations).where(*where).values(**values))
        return result.rowcount == 1

    async def renew(self, claim: Claim, *, until: datetime) -> bool | None:
        """Keep a claim alive; return whether the turn shall stop, or None when the claim is lost."""
        changed = update(conversations).where(self._held(claim)).values(claimed_until=until)
        row = (await self._uow.execute(changed.returning(conversations.c.is_cancelling))).one_or_none()
        return None if row is None else bool(row.is_cancelling)

    async def release(self, claim: Claim) -> None:
        """Give a claim back."""
        values = {"state": ConversationState.IDLE, "claim": None, "claimed_until": None, "is_cancelling": False}
        await self._uow.execute(update(conversations).where(self._held(claim)).values(**values))

    async def ask_to_stop(self, conversation_id: str) -> bool:
        """Tell whoever plays the turn to stop; False when nobody does."""
        running = conversations.c.state == ConversationState.RUNNING
        where = (self._mine, conversations.c.conversation_id == conversation_id, running)
        result = await self._uow.execute(update(conversations).where(*where).values(is_cancelling=True))
        return result.rowcount == 1

    async def append(
        self, claim: Claim, new: Sequence[NewEntry], *, at: datetime, message_key: str | None = None
    ) -> None:
        """Insert entries behind the claim's last number."""
        shared = {
            "conversation_id": claim.conversation_id,
            "team_id": self._team_id,
            "turn_id": claim.turn_id,
            "created_at": at,
            "message_key": message_key,
        }
        rows = [
            shared | {"sequence": claim.last_sequence + place, "kind": entry.kind, "payload": dict(entry.payload)}
            for place, entry in enumerate(new, start=1)
        ]
        await self._uow.execute(insert(entries), rows)

    async def entries(self, conversation_id: str, *, after: int, limit: int) -> list[Entry]:
        """Return entries behind a number, in order."""
        query = select(entries).where(
            entries.c.team_id == self._team_id,
            entries.c.conversation_id == conversation_id,
            entries.c.sequence > after,
        )
        rows = await self._uow.fetch_all(query.order_by(entries.c.sequence).limit(limit))
        return [Entry(row.sequence, row.kind, row.payload, row.turn_id, row.created_at) for row in rows]

    async def wait(self, conversation_id: str, new: Sequence[Wait]) -> None:
        """Note calls that wait."""
        shared = {"conversation_id": conversation_id, "team_id": self._team_id}
        names = [field.name for field in fields(Wait)]
        rows = [shared | {name: getattr(item, name) for name in names} for item in new]
        await self._uow.execute(insert(waits), rows)

    async def settle(self, conversation_id: str, call_ids: Collection[str]) -> None:
        """Forget calls that wait no longer."""
        where = (waits.c.team_id == self._team_id, waits.c.conversation_id == conversation_id)
        await self._uow.execute(delete(waits).where(*where, waits.c.call_id.in_(call_ids)))

    async def waits(self, conversation_id: str) -> list[Wait]:
        """Return the calls that wait."""
        query = select(waits).where(waits.c.team_id == self._team_id, waits.c.conversation_id == conversation_id)
        rows = await self._uow.fetch_all(query.order_by(waits.c.approval_id, waits.c.call_id))
        return [Wait(row.call_id, row.name, row.arguments, row.approval_id, row.expires_at) for row in rows]

    @property
    def _mine(self) -> ColumnElement[bool]:
        return conversations.c.team_id == self._team_id

    def _held(self, claim: Claim) -> ColumnElement[bool]:
        return and_(
            self._mine,
            conversations.c.conversation_id == claim.conversation_id,
            conversations.c.claim == claim.claim_id,
        )


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(**{name: getattr(row, name) for name in FIELDS})
