"""Channels and notices in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Row, String, Table, Text, delete, insert, select
from sqlalchemy import update as change
from sqlalchemy.exc import IntegrityError

from core.notify.model import NAME_LENGTH, Channel, ChannelKind, ChannelNameTaken, NoticeState
from core.storage.column_types import BigId, EnumText, UtcDateTime
from core.storage.metadata import metadata
from core.storage.unit_of_work import UnitOfWork

channels: Final = Table(
    "notice_channels",
    metadata,
    Column("channel_id", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("kind", EnumText(ChannelKind), nullable=False),
    Column("sealed_address", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(128), nullable=False),
    Index("uq_notice_channels_name", "team_id", "name", unique=True),
)
notices: Final = Table(
    "notices",
    metadata,
    Column("channel_id", BigInteger, ForeignKey("notice_channels.channel_id"), primary_key=True),
    Column("subject_id", String(64), primary_key=True),
    Column("state", EnumText(NoticeState), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)
SHOWN: Final = [column for column in channels.c if column.name != "sealed_address"]


class NotifyStore:
    """The door to channels: of one team, or of all for the sender."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def for_team(self, team_id: int) -> "TeamChannels":
        """Return the store of one team."""
        return TeamChannels(self._uow, team_id)

    async def everybody(self) -> list[Channel]:
        """Return every team's channels."""
        return [_channel(row) for row in await self._uow.fetch_all(select(*SHOWN).order_by(channels.c.channel_id))]

    async def notice(self, channel_id: int, subject_id: str) -> tuple[NoticeState, int, datetime] | None:
        """Return state, attempts and last change of a notice; None when it was never tried."""
        query = select(notices.c.state, notices.c.attempts, notices.c.changed_at)
        row = await self._uow.fetch_one(query.where(*_same(channel_id, subject_id)))
        return None if row is None else (row.state, row.attempts, row.changed_at)

    async def claim(self, channel_id: int, subject_id: str, *, attempts: int, now: datetime) -> bool:
        """Take the next try of a notice, of which `attempts` were seen before. False when another process was first."""
        row = {"state": NoticeState.SENDING, "attempts": attempts + 1, "changed_at": now}
        if attempts:
            statement = change(notices).where(*_same(channel_id, subject_id), notices.c.attempts == attempts)
            return (await self._uow.execute(statement.values(**row))).rowcount == 1
        try:
            await self._uow.execute(insert(notices).values(channel_id=channel_id, subject_id=subject_id, **row))
        except IntegrityError:
            return False
        return True

    async def finish(self, channel_id: int, subject_id: str, *, state: NoticeState, now: datetime) -> None:
        """Write down how a try ended."""
        statement = change(notices).where(*_same(channel_id, subject_id))
        await self._uow.execute(statement.values(state=state, changed_at=now))


class TeamChannels:
    """One team's channels. Every statement is filtered by the team here."""

    def __init__(self, uow: UnitOfWork, team_id: int) -> None:
        self._uow, self._team_id = uow, team_id

    async def add(
        self, *, name: str, kind: ChannelKind, sealed_address: str, created_at: datetime, created_by: str
    ) -> Channel:
        """Insert a channel. Raises `ChannelNameTaken`."""
        values = {"name": name, "kind": kind, "created_at": created_at, "created_by": created_by}
        statement = insert(channels).values(team_id=self._team_id, sealed_address=sealed_address, **values)
        try:
            result = await self._uow.execute(statement.returning(*SHOWN))
        except IntegrityError as error:
            raise ChannelNameTaken(name=name) from error
        return _channel(result.one())

    async def all(self) -> list[Channel]:
        """Return the channels by name."""
        query = select(*SHOWN).where(channels.c.team_id == self._team_id).order_by(channels.c.name)
        return [_channel(row) for row in await self._uow.fetch_all(query)]

    async def one(self, name: str) -> tuple[Channel, str] | None:
        """Return a channel and its sealed address."""
        query = select(channels).where(channels.c.team_id == self._team_id, channels.c.name == name)
        row = await self._uow.fetch_one(query)
        return None if row is None else (_channel(row), row.sealed_address)

    async def remove(self, channel_id: int) -> None:
        """Delete a channel and what was said on it."""
        await self._uow.execute(delete(notices).where(notices.c.channel_id == channel_id))
        mine = (channels.c.team_id == self._team_id, channels.c.channel_id == channel_id)
        await self._uow.execute(delete(channels).where(*mine))


def _same(channel_id: int, subject_id: str) -> Sequence[Any]:
    return notices.c.channel_id == channel_id, notices.c.subject_id == subject_id


def _channel(row: Row[Any]) -> Channel:
    return Channel(
        channel_id=row.channel_id,
        team_id=row.team_id,
        name=row.name,
        kind=row.kind,
        created_at=row.created_at,
        created_by=row.created_by,
    )
