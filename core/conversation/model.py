"""Conversations and what is in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from core.errors import Conflict, NotFound, NotPossible

MESSAGE_LENGTH: Final = 20_000
TITLE_LENGTH: Final = 80
KEY_LENGTH: Final = 200
MOST_ENTRIES: Final = 20_000
CLAIM_LIFE: Final = timedelta(seconds=30)
"""How long a turn may be silent before others take it for dead; who plays it renews the claim well before."""
USER_KIND: Final = "user"
"""Kind of the entry that holds what the person said; every other kind is an event of the turn that answers."""


class ConversationState(StrEnum):
    """Whether a turn is being played."""

    IDLE = "idle"
    RUNNING = "running"


class ConversationNotFound(NotFound):
    """No such conversation of this caller."""

    code = "conversation_not_found"
    template = "No conversation {conversation_id}."


class ConversationBusy(Conflict):
    """The conversation's last message is still being answered."""

    code = "conversation_busy"
    template = "Conversation {conversation_id} is still answering. Wait for its end, or cancel the turn."
    shown = ("conversation_id",)


class ConversationOpening(ConversationBusy):
    """The same message is being taken in by another request at this moment."""

    template = "The same message is being taken in at this moment. Repeat the call."


class ConversationFull(NotPossible):
    """The conversation has grown as long as conversations may."""

    code = "conversation_full"
    template = "Conversation {conversation_id} is full. Begin a new one."
    shown = ("conversation_id",)


class ConversationClaimLost(Conflict):
    """A turn was taken over, or its conversation deleted, while this process played it."""

    code = "conversation_claim_lost"
    template = "The turn of conversation {conversation_id} was taken over or its conversation was deleted."


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One conversation. `owner` is the identity that holds it: another token of the same person is another owner.

    `marker` marks data for the model and never leaves the desk. `last_sequence` numbers the newest entry.
    """

    conversation_id: str
    team_id: int
    owner: str
    user_id: int
    title: str
    marker: str
    state: ConversationState
    claim: str | None
    claimed_until: datetime | None
    is_cancelling: bool
    turn_id: str
    last_sequence: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What happened, before it has a number."""

    kind: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened, with its place in the conversation. `payload` is plain JSON."""

    sequence: int
    kind: str
    payload: Mapping[str, Any]
    turn_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """A call that waits for a person: what to run, word for word, once `approval_id` is approved."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    approval_id: str
    expires_at: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one process to play a conversation's turn. `last_sequence` is where its writing goes on."""

    conversation_id: str
    team_id: int
    claim_id: str
    turn_id: str
    last_sequence: int


@dataclass(frozen=True, slots=True)
class Begun:
    """A message that was taken in. Without a `claim` it had been taken in before: nothing is to be played."""

    conversation: Conversation
    first_sequence: int
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What one append writes: entries, calls that begin to wait, and those that wait no longer."""

    entries: tuple[NewEntry, ...]
    waits: tuple[Wait, ...] = ()
    settled: frozenset[str] = field(default_factory=frozenset)
