"""Channels of a team, and sending each notice once.

A notice is claimed in the database before it is sent, so of several processes one sends it. A process that dies while
sending leaves the claim; when it has grown old the notice is sent again: twice is better than never.
"""

import asyncio
from datetime import timedelta
from typing import Final

from core.clock import Clock
from core.errors import ArgumentsInvalid, FieldFault
from core.notify import channels
from core.notify.model import NAME_LENGTH, Channel, ChannelKind, ChannelNotFound, Notice, NoticeFailed, NoticeState
from core.notify.store import NotifyStore
from core.secrets import SecretBox, SecretUnreadable
from core.storage.database import Database
from core.storage.unit_of_work import UnitOfWork

ATTEMPTS: Final = 3
PAUSE: Final = timedelta(seconds=30)
"""Between two tries, and how old a claim must be before another process takes it over."""


class NotifyService:
    """Made once by `bootstrap`."""

    def __init__(self, clock: Clock, secrets: SecretBox) -> None:
        self._clock, self._secrets = clock, secrets

    async def add(
        self, uow: UnitOfWork, team_id: int, *, name: str, kind: ChannelKind, address: str, created_by: str
    ) -> Channel:
        """Add a channel. Raises `ArgumentsInvalid`, `ChannelAddressInvalid`, `ChannelNameTaken`."""
        name = name.strip()
        if not name or len(name) > NAME_LENGTH or not name.isprintable():
            raise ArgumentsInvalid([FieldFault("name", f"1 to {NAME_LENGTH} printable characters", got=name[:80])])
        stored = channels.normalised(kind, address)
        sealed = self._secrets.seal(stored, owner=_owner(team_id, name))
        async with uow.write():
            store = NotifyStore(uow).for_team(team_id)
            return await store.add(
                name=name, kind=kind, sealed_address=sealed, created_at=self._clock.now(), created_by=created_by
            )

    async def channels(self, uow: UnitOfWork, team_id: int) -> list[Channel]:
        """Return the team's channels, by name."""
        return await NotifyStore(uow).for_team(team_id).all()

    async def remove(self, uow: UnitOfWork, team_id: int, *, name: str) -> Channel:
        """Remove a channel. Raises `ChannelNotFound`."""
        store = NotifyStore(uow).for_team(team_id)
        found = await store.one(name)
        if found is None:
            raise ChannelNotFound(name=name)
        async with uow.write():
            await store.remove(found[0].channel_id)
        return found[0]

    async def everybody(self, uow: UnitOfWork) -> list[Channel]:
        """Return every team's channels, for the sender."""
        return await NotifyStore(uow).everybody()

    async def try_out(self, uow: UnitOfWork, team_id: int, *, name: str, notice: Notice) -> Channel:
        """Send a notice now, on one channel. Raises `ChannelNotFound`, `NoticeFailed`, `SecretUnreadable`."""
        channel, address = await self._opened(uow, team_id, name)
        await asyncio.to_thread(channels.send, channel, address, notice)
        return channel

    async def deliver(self, database: Database, channel: Channel, notice: Notice) -> NoticeState | None:
        """Send a notice once on a channel. Returns how it ended; None when there is nothing to do now."""
        attempts = await self._claimed(database, channel, notice)
        if attempts is None:
            return None
        try:
            async with database.unit_of_work(read_only=True) as uow:
                _, address = await self._opened(uow, channel.team_id, channel.name)
            await asyncio.to_thread(channels.send, channel, address, notice)
            state = NoticeState.SENT
        except (NoticeFailed, ChannelNotFound, SecretUnreadable):
            state = NoticeState.FAILED
        async with database.unit_of_work() as uow:
            async with uow.write():
                now = self._clock.now()
                await NotifyStore(uow).finish(channel.channel_id, notice.subject_id, state=state, now=now)
            await uow.commit()
        return state

    async def _claimed(self, database: Database, channel: Channel, notice: Notice) -> int | None:
        """Return how many tries there were before this process's; None when it is not to send."""
        now = self._clock.now()
        async with database.unit_of_work(read_only=True) as uow:
            known = await NotifyStore(uow).notice(channel.channel_id, notice.subject_id)
        state, attempts, changed_at = known or (None, 0, now)
        is_due = state is None or (state is not NoticeState.SENT and attempts < ATTEMPTS and now - changed_at >= PAUSE)
        if not is_due:
            return None
        async with database.unit_of_work() as uow:
            async with uow.write():
                store = NotifyStore(uow)
                is_ours = await store.claim(channel.channel_id, notice.subject_id, attempts=attempts, now=now)
            if is_ours:
                await uow.commit()
        return attempts if is_ours else None

    async def _opened(self, uow: UnitOfWork, team_id: int, name: str) -> tuple[Channel, str]:
        found = await NotifyStore(uow).for_team(team_id).one(name)
        if found is None:
            raise ChannelNotFound(name=name)
        channel, sealed = found
        return channel, self._secrets.open(sealed, owner=_owner(team_id, name))


def _owner(team_id: int, name: str) -> str:
    return f"notice channel {name} of team {team_id}"
