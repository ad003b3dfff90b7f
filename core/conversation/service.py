"""Taking in messages, noting what happens, showing it again.

Whoever plays a turn holds its claim, renews it while it plays and gives it back at the end. Everything is written
before anybody is shown it, so that a desk that stops loses nothing that was said.
"""

from dataclasses import replace
from typing import Final

from core.clock import Clock
from core.conversation.model import (
    CLAIM_LIFE,
    MESSAGE_LENGTH,
    MOST_ENTRIES,
    TITLE_LENGTH,
    USER_KIND,
    Begun,
    Changes,
    Claim,
    Conversation,
    ConversationBusy,
    ConversationClaimLost,
    ConversationFull,
    ConversationNotFound,
    ConversationState,
    Entry,
    NewEntry,
    Wait,
)
from core.conversation.store import ConversationStore, TeamConversations
from core.errors import ArgumentsInvalid, FieldFault, Limited
from core.ids import IdSource, new_id
from core.storage.unit_of_work import UnitOfWork

MOST_AT_ONCE: Final = 4
"""Most turns of one owner at the same time."""


class TooManyTurns(Limited):
    """The owner has too many conversations answering at once."""

    template = "{limit} conversations are answering already. Wait for one to end."


class ConversationService:
    """Conversations; made once by `bootstrap`."""

    def __init__(self, clock: Clock, ids: IdSource) -> None:
        self._clock, self._ids = clock, ids

    async def begin(
        self,
        uow: UnitOfWork,
        team_id: int,
        *,
        owner: str,
        user_id: int,
        text: str,
        marker: str = "",
        conversation_id: str | None = None,
        key: str | None = None,
    ) -> Begun:
        """Take in a message and the claim to answer it; without a `conversation_id` it opens a conversation.

        The same `key` again is the same message again: it returns the first one's place and claims nothing. Raises
        `ArgumentsInvalid`, `ConversationNotFound`, `ConversationBusy`, `ConversationFull`, `TooManyTurns`.
        """
        text = _checked(text)
        async with uow.write():
            store = ConversationStore(uow).for_team(team_id)
            known = await self._repeated(store, owner, key=key, conversation_id=conversation_id)
            if known is not None:
                return known
            if await store.running(owner, self._clock.now()) >= MOST_AT_ONCE:
                raise TooManyTurns(bucket="conversations", retry_after_seconds=5, limit=MOST_AT_ONCE)
            if conversation_id is None:
                opened = self._new(team_id, owner, user_id=user_id, text=text, marker=marker)
                await store.add(opened, opening_key=key)
            else:
                opened = await self._own(store, conversation_id, owner)
                if opened.last_sequence >= MOST_ENTRIES:
                    raise ConversationFull(conversation_id=conversation_id)
            claim = await self._taken(store, opened)
            said = {"conversationId": opened.conversation_id, "text": text, "at": self._clock.now().isoformat()}
            claim = await self._append(store, claim, Changes((NewEntry(USER_KIND, said),)), key=key)
            return Begun(opened, claim.last_sequence, claim)

    async def take(self, uow: UnitOfWork, conversation: Conversation) -> Claim:
        """Claim a conversation to go on with it. Raises `ConversationBusy` when somebody plays it."""
        async with uow.join_write():
            store = ConversationStore(uow).for_team(conversation.team_id)
            current = await store.one(conversation.conversation_id)
            if current is None:
                raise ConversationNotFound(conversation_id=conversation.conversation_id)
            return await self._taken(store, current)

    async def append(self, uow: UnitOfWork, claim: Claim, changes: Changes) -> Claim:
        """Write what happened; return the claim with its new place. The same append again changes nothing.

        Raises `ConversationClaimLost` when the turn is no longer this process's own.
        """
        async with uow.join_write():
            return await self._append(ConversationStore(uow).for_team(claim.team_id), claim, changes)

    async def renew(self, uow: UnitOfWork, claim: Claim) -> bool:
        """Keep a claim alive; return whether the turn shall stop. Raises `ConversationClaimLost`."""
        async with uow.join_write():
            store = ConversationStore(uow).for_team(claim.team_id)
            shall_stop = await store.renew(claim, until=self._clock.now() + CLAIM_LIFE)
            if shall_stop is None:
                raise ConversationClaimLost(conversation_id=claim.conversation_id)
            return shall_stop

    async def release(self, uow: UnitOfWork, claim: Claim) -> None:
        """Give a claim back; one that was lost stays so."""
        async with uow.join_write():
            await ConversationStore(uow).for_team(claim.team_id).release(claim)

    async def get(self, uow: UnitOfWork, team_id: int, *, conversation_id: str, owner: str) -> Conversation:
        """Return one conversation. Raises `ConversationNotFound`, also for somebody else's."""
        return await self._own(ConversationStore(uow).for_team(team_id), conversation_id, owner)

    async def newest(
        self, uow: UnitOfWork, team_id: int, *, owner: str, page: int = 1, size: int = 20
    ) -> tuple[list[Conversation], int]:
        """Return a page of the owner's conversations, the newest first, and how many there are."""
        store = ConversationStore(uow).for_team(team_id)
        return await store.page(owner, offset=(page - 1) * size, limit=size), await store.count(owner)

    async def delete(self, uow: UnitOfWork, team_id: int, *, conversation_id: str, owner: str) -> tuple[Wait, ...]:
        """Delete a conversation; return the calls that waited in it. A turn in progress stops at its next word."""
        async with uow.join_write():
            store = ConversationStore(uow).for_team(team_id)
            await store.lock(conversation_id)
            await self._own(store, conversation_id, owner)
            waiting = await store.waits(conversation_id)
            await store.delete(conversation_id)
            return tuple(waiting)

    async def cancel(self, uow: UnitOfWork, team_id: int, *, conversation_id: str, owner: str) -> bool:
        """Ask for the turn in progress to stop; return False when there is none."""
        async with uow.join_write():
            store = ConversationStore(uow).for_team(team_id)
            await self._own(store, conversation_id, owner)
            return await store.ask_to_stop(conversation_id)

    async def entries(
        self, uow: UnitOfWork, conversation: Conversation, *, after: int = 0, limit: int = 1000
    ) -> list[Entry]:
        """Return what happened behind a number, in order."""
        store = ConversationStore(uow).for_team(conversation.team_id)
        return await store.entries(conversation.conversation_id, after=after, limit=limit)

    async def waits(self, uow: UnitOfWork, conversation: Conversation) -> tuple[Wait, ...]:
        """Return the calls that wait for a person."""
        store = ConversationStore(uow).for_team(conversation.team_id)
        return tuple(await store.waits(conversation.conversation_id))

    async def waiting(self, uow: UnitOfWork) -> list[Conversation]:
        """Return the conversations of all teams in which a call waits and nobody plays: for the desk itself."""
        return await ConversationStore(uow).with_waits()

    async def abandoned(self, uow: UnitOfWork) -> list[Conversation]:
        """Return the conversations of all teams whose turn was left unfinished: for the desk itself."""
        return await ConversationStore(uow).abandoned(self._clock.now())

    async def _taken(self, store: TeamConversations, conversation: Conversation) -> Claim:
        now, claim_id, turn_id = self._clock.now(), new_id(self._ids, "clm"), new_id(self._ids, "trn")
        name = conversation.conversation_id
        if not await store.take(name, claim_id=claim_id, turn_id=turn_id, now=now, until=now + CLAIM_LIFE):
            raise ConversationBusy(conversation_id=name)
        current = await store.one(name)  # its number may have moved before the claim was ours
        place = (current or conversation).last_sequence
        return Claim(name, conversation.team_id, claim_id, turn_id, place)

    async def _append(
        self, store: TeamConversations, claim: Claim, changes: Changes, *, key: str | None = None
    ) -> Claim:
        now, count = self._clock.now(), len(changes.entries)
        moved = replace(claim, last_sequence=claim.last_sequence + count)
        if not await store.advance(claim, count=count, now=now, until=now + CLAIM_LIFE):
            current = await store.one(claim.conversation_id)
            is_ours = current is not None and current.claim == claim.claim_id
            if is_ours and current is not None and current.last_sequence == moved.last_sequence:
                return moved  # the first try was written after all
            raise ConversationClaimLost(conversation_id=claim.conversation_id)
        if changes.entries:
            await store.append(claim, changes.entries, at=now, message_key=key)
        if changes.settled:
            await store.settle(claim.conversation_id, changes.settled)
        if changes.waits:
            await store.wait(claim.conversation_id, changes.waits)
        return moved

    async def _repeated(
        self, store: TeamConversations, owner: str, *, key: str | None, conversation_id: str | None
    ) -> Begun | None:
        """Return the message that was sent under this key before."""
        if conversation_id is not None:
            await store.lock(conversation_id)
        if key is None:
            return None
        if conversation_id is None:
            opened = await store.opened_with(owner, key)
            return None if opened is None else Begun(opened, 1, None)
        conversation = await self._own(store, conversation_id, owner)
        place = await store.said_under(conversation_id, key)
        return None if place is None else Begun(conversation, place, None)

    @staticmethod
    async def _own(store: TeamConversations, conversation_id: str, owner: str) -> Conversation:
        found = await store.one(conversation_id, owner=owner)
        if found is None:
            raise ConversationNotFound(conversation_id=conversation_id[:60])
        return found

    def _new(self, team_id: int, owner: str, *, user_id: int, text: str, marker: str) -> Conversation:
        now = self._clock.now()
        return Conversation(
            conversation_id=new_id(self._ids, "cnv"),
            team_id=team_id,
            owner=owner,
            user_id=user_id,
            title=title_of(text),
            marker=marker,
            state=ConversationState.IDLE,
            claim=None,
            claimed_until=None,
            is_cancelling=False,
            turn_id="",
            last_sequence=0,
            created_at=now,
            updated_at=now,
        )


def title_of(text: str) -> str:
    """Return the title of a conversation: the first line of its first message, shortened."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = " ".join(line.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


def _checked(text: str) -> str:
    if not text.strip():
        raise ArgumentsInvalid([FieldFault("message", "must not be empty", expected="text")])
    if len(text) > MESSAGE_LENGTH:
        expected = f"at most {MESSAGE_LENGTH} characters"
        raise ArgumentsInvalid([FieldFault("message", "is too long", expected=expected, got=str(len(text)))])
    return text
