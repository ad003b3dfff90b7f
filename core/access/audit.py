"""The chain that makes the audit tamper-evident. Pure.

    row_hash = HMAC-SHA256(key, RFC 8785 canonical JSON of every other field of the row)

`previous_hash` is among these fields, so a row vouches for all before it. A cut tail leaves a valid chain; it is found
by comparing with the head (sequence, hash) kept outside the database.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import rfc8785

from core.access.model import AuditEntry, AuditRow

GENESIS: Final = "0" * 64
BIGGEST_EXACT: Final = 2**53 - 1
"""Above this RFC 8785 refuses integers: other readers of JSON would round them."""


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The newest row as known outside the database."""

    sequence: int
    row_hash: str


class AuditFault(StrEnum):
    """What is wrong with a chain."""

    EDITED = "edited"
    DELETED = "deleted"
    MOVED = "moved"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"


EXPLANATIONS: Final[Mapping[AuditFault, str]] = {
    AuditFault.EDITED: "the row does not match its own hash",
    AuditFault.DELETED: "the row is missing",
    AuditFault.MOVED: "the row belongs elsewhere: it matches neither its own hash nor the row before it",
    AuditFault.TRUNCATED: "the row is missing, and so are all after it, although the head file knows them",
    AuditFault.REWRITTEN: "the row is sound but is not the one the head file knows",
}


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """The first bad row."""

    sequence: int
    fault: AuditFault

    @property
    def message(self) -> str:
        """One sentence for people."""
        return f"Row {self.sequence}: {EXPLANATIONS[self.fault]}."


def plain(value: Any) -> Any:
    """Make a value canonical JSON can hold and any database gives back unchanged.

    Decimals, moments, enums and integers beyond 2**53 become text, as do infinities and NaN. NUL and lone surrogates,
    which PostgreSQL refuses, become the replacement character.
    """
    match value:
        case None | bool():
            return value
        case str():
            return _plain_text(value)
        case int():
            return value if abs(value) <= BIGGEST_EXACT else str(value)
        case float():
            return value if abs(value) <= BIGGEST_EXACT else str(value)
        case Mapping():
            return {_plain_text(str(key)): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
        case Decimal():
            return format(value, "f")
        case _:
            return _plain_text(str(value))


def _plain_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def next_row(entry: AuditEntry, *, previous: ChainHead, at: datetime, key: bytes) -> AuditRow:
    """Make the row that follows `previous`."""
    unsigned = AuditRow(
        sequence=previous.sequence + 1,
        at=at.astimezone(UTC),
        event=_plain_text(entry.event)[:64],
        team_id=entry.team_id,
        actor=_plain_text(entry.actor)[:128],
        skill_id=_plain_text(entry.skill_id)[:128],
        trace_id=_plain_text(entry.trace_id)[:64],
        detail=plain(entry.detail),
        previous_hash=previous.row_hash,
        row_hash="",
    )
    return signed(unsigned, key)


def signed(row: AuditRow, key: bytes) -> AuditRow:
    """Return the row with its hash filled in."""
    fields = _signed_fields(row)
    return AuditRow(**(fields | {"at": row.at, "row_hash": _digest(fields, key)}))


def row_hash(row: AuditRow, key: bytes) -> str:
    """Return the hash the row should carry."""
    return _digest(_signed_fields(row), key)


def _is_sound(row: AuditRow, key: bytes) -> bool:
    try:
        return hmac.compare_digest(row.row_hash, row_hash(row, key))
    except rfc8785.CanonicalizationError:  # somebody wrote what `plain` lets nobody write
        return False


def _digest(fields: dict[str, Any], key: bytes) -> str:
    return hmac.new(key, rfc8785.dumps(fields), hashlib.sha256).hexdigest()


def _signed_fields(row: AuditRow) -> dict[str, Any]:
    return {
        "sequence": row.sequence,
        "at": row.at.isoformat(timespec="microseconds"),
        "event": row.event,
        "team_id": row.team_id,
        "actor": row.actor,
        "skill_id": row.skill_id,
        "trace_id": row.trace_id,
        "detail": row.detail,
        "previous_hash": row.previous_hash,
    }


class ChainCheck:
    """Checks a chain row by row, in order of sequence, so that it need not fit into memory."""

    def __init__(self, key: bytes, head: ChainHead | None) -> None:
        self.key = key
        self.head = head
        self.last = ChainHead(0, GENESIS)

    def read(self, rows: Iterable[AuditRow]) -> AuditFinding | None:
        """Check the next rows; return the first bad one."""
        for row in rows:
            fault = self._fault(row)
            if fault is AuditFault.DELETED:
                return AuditFinding(self.last.sequence + 1, fault)
            if fault is not None:
                return AuditFinding(row.sequence, fault)
            self.last = ChainHead(row.sequence, row.row_hash)
        return None

    def finish(self) -> AuditFinding | None:
        """Tell, after the last row, whether the tail is missing."""
        if self.head is not None and self.head.sequence > self.last.sequence:
            return AuditFinding(self.last.sequence + 1, AuditFault.TRUNCATED)
        return None

    def _fault(self, row: AuditRow) -> AuditFault | None:
        if row.sequence != self.last.sequence + 1:
            return AuditFault.DELETED
        linked = hmac.compare_digest(row.previous_hash, self.last.row_hash)
        if not _is_sound(row, self.key):
            return AuditFault.EDITED if linked else AuditFault.MOVED
        if not linked:
            return AuditFault.MOVED
        if self.head is not None and row.sequence == self.head.sequence and row.row_hash != self.head.row_hash:
            return AuditFault.REWRITTEN
        return None


def verify(rows: Iterable[AuditRow], key: bytes, head: ChainHead | None) -> AuditFinding | None:
    """Check a whole chain, oldest row first, against the head kept elsewhere; return the first bad row."""
    check = ChainCheck(key, head)
    return check.read(rows) or check.finish()
