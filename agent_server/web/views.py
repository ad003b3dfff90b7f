"""What the pages show of records, as plain texts: nothing here can smuggle in markup or hide a character."""

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from agent_server.web.text import Words
from core.access.model import Approval, ApprovalState, Caller
from core.clock import CHINA

HIDDEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Kinds of characters that show nothing, or change the order of what is shown."""


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a table: where the value stands, and the value as text. `is_note` marks our own words."""

    path: str
    value: str
    is_note: bool = False


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """An approval as its page shows it."""

    record: Approval
    parameters: list[Field]
    summary: str
    changes: list[list[Field]]
    time_left: str
    may_decide: bool
    needs_second_person: bool
    may_run: bool


def approval_view(approval: Approval, *, caller: Caller, now: datetime, words: Words) -> ApprovalView:
    """Prepare one approval for a person."""
    is_pending = approval.state is ApprovalState.PENDING
    is_own = caller.user_id == approval.requester_user_id
    second = approval.two_persons and is_own
    changes = approval.preview.get("changes") or []
    return ApprovalView(
        record=approval,
        parameters=list(fields_of(approval.params, words)),
        summary=visible(str(approval.preview.get("summary", ""))),
        changes=[list(fields_of(change, words)) for change in changes],
        time_left=time_left(approval, now=now, words=words),
        may_decide=is_pending and not second,
        needs_second_person=is_pending and second,
        may_run=approval.state is ApprovalState.APPROVED and approval.requester == caller.requester,
    )


def fields_of(value: Any, words: Words, path: str = "") -> Iterator[Field]:
    """Yield every leaf of a value with its path; nothing is left out or shortened."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from fields_of(item, words, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            yield from fields_of(item, words, f"{path}[{place}]")
    elif value == "":
        yield Field(visible(path), words("empty"), is_note=True)
    elif value is None:
        yield Field(visible(path), words("nothing"), is_note=True)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        yield Field(visible(path), visible(text))


def visible(text: str) -> str:
    """Return the text with every character that hides or reorders others written out, as in `[U+202E]`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_show(character) for character in text)


def _show(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in HIDDEN:
        return character
    return f"[U+{ord(character):04X}]"


def time_left(approval: Approval, *, now: datetime, words: Words) -> str:
    """Return how long the present state lasts, in words; empty for states that do not end by themselves."""
    if approval.state not in {ApprovalState.PENDING, ApprovalState.APPROVED}:
        return ""
    seconds = int((approval.expires_at - now).total_seconds())
    if seconds <= 0:
        return words("over")
    return f"{seconds // 60} {words('minute')} {seconds % 60:02d} {words('second')}"


def moment(value: datetime | None) -> str:
    """Return a moment in China's time, to the second."""
    return value.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S") if value else ""
