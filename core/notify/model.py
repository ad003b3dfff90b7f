"""Channels on which a team is told things, and what became of each notice."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.errors import Conflict, Invalid, NotFound, Unavailable

NAME_LENGTH = 64


class ChannelKind(StrEnum):
    """Where a notice goes."""

    FEISHU = "feishu"
    DINGTALK = "dingtalk"
    WECOM = "wecom"
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a team. Its address is a secret and not part of it."""

    channel_id: int
    team_id: int
    name: str
    kind: ChannelKind
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said: a heading, plain text, and an address to open."""

    subject_id: str
    title: str
    text: str


class NoticeState(StrEnum):
    """How far a notice is on one channel. `sending` may also mean: the desk stopped while it was sent."""

    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


class ChannelNotFound(NotFound):
    """The team has no such channel."""

    code = "channel_not_found"
    template = "No notice channel {name!r}."


class ChannelNameTaken(Conflict):
    """The team has a channel of this name already."""

    code = "channel_name_taken"
    template = "There is a notice channel {name!r} already: remove it first, or choose another name."


class ChannelAddressInvalid(Invalid):
    """The address is not one of the kind; it is a secret and not repeated."""

    code = "channel_address_invalid"
    template = "This is no address of a {kind} channel. Needed is {wanted}."


class NoticeFailed(Unavailable):
    """The other side did not take a notice."""

    code = "notice_failed"
    template = (
        "The {kind} channel {name!r} did not take the notice. Check its address and that this machine reaches it."
    )
