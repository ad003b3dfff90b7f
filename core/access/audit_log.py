"""The audit as the rest of the desk uses it: append inside a write, verify the whole.

Two things live outside the database: the key of the chain, and its head. The head is written after the commit, so a
crash in between leaves it behind the chain, never ahead of it; only a head that is ahead is an alarm.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from core import secrets
from core.access.audit import AuditFault, AuditFinding, ChainCheck, ChainHead, next_row
from core.access.audit_store import AuditStore
from core.access.model import AuditEntry, AuditRow
from core.clock import Clock
from core.ids import IdSource
from core.storage.database import Database
from core.storage.unit_of_work import UnitOfWork

KEY_FILE: Final = "audit.key"
HEAD_FILE: Final = "audit.head"
BLOCK: Final = 500


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """What a check of the chain found.

    `rows` were sound. `unprotected_rows` follow the head kept in the file (after a crash, or when the file is gone):
    they are sound too, but cutting them off again could not be noticed.
    """

    rows: int
    head: ChainHead | None
    unprotected_rows: int
    finding: AuditFinding | None

    @property
    def is_sound(self) -> bool:
        """True when no row is bad."""
        return self.finding is None


def load_or_create_key(folder: Path, ids: IdSource) -> bytes:
    """Return the chain's key, made on first use.

    Raises `KeyFileInvalid` for a damaged file: a new key would make every old row look forged.
    """
    return secrets.load_or_create_key(folder / KEY_FILE, ids)


class HeadFile:
    """The newest row's place and hash, in a file of their own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()

    def read(self) -> ChainHead | None:
        """Return the stored head; None when there is none or a power cut left it empty."""
        try:
            stored = json.loads(self.path.read_text(encoding="ascii"))
            return ChainHead(int(stored["sequence"]), str(stored["row_hash"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def advance(self, head: ChainHead) -> None:
        """Store a newer head in one step; an older one is ignored.

        A disk that refuses is no reason to fail a call that is committed: the head stays behind, which
        `AuditVerification.unprotected_rows` shows.
        """
        with self._lock, contextlib.suppress(OSError):
            stored = self.read()
            if stored is not None and stored.sequence >= head.sequence:
                return
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            fresh.write_text(json.dumps({"sequence": head.sequence, "row_hash": head.row_hash}), encoding="ascii")
            fresh.replace(self.path)


class AuditLog:
    """The desk's one chain of audit rows."""

    def __init__(self, key: bytes, head_path: Path, clock: Clock) -> None:
        self._key = key
        self._head = HeadFile(head_path)
        self._clock = clock

    def fingerprint(self, text: str) -> str:
        """Return what stands for a secret in a hash that is stored: without the desk's key nobody can try guesses."""
        return hmac.new(self._key, b"dingpan secret argument\0" + text.encode(), hashlib.sha256).hexdigest()

    async def append(self, uow: UnitOfWork, entry: AuditEntry) -> AuditRow:
        """Add a row inside an open write; it is kept or rolled back with it.

        On PostgreSQL other writers of the chain wait until this transaction ends: append last. When the row the head
        file knows is gone, the head stays where it is, so that growing again cannot hide a cut.
        """
        store = AuditStore(uow)
        await store.lock()
        known, previous = self._head.read(), await store.head()
        row = next_row(entry, previous=previous, at=self._clock.now(), key=self._key)
        if known is None or known == previous or await store.holds(known):
            head = ChainHead(row.sequence, row.row_hash)
            uow.after_commit(lambda: self._head.advance(head))
        await store.add(row)
        return row

    async def record(self, database: Database, entry: AuditEntry) -> AuditRow:
        """Add a row in a transaction of its own; it stays whatever becomes of the call."""
        async with database.unit_of_work() as uow:
            async with uow.write():
                row = await self.append(uow, entry)
            await uow.commit()
        return row

    async def newest(self, uow: UnitOfWork, *, limit: int = 100, team_id: int | None = None) -> list[AuditRow]:
        """Return the newest rows of a team, or of the whole desk, newest first."""
        return await AuditStore(uow).newest(limit=limit, team_id=team_id)

    async def verify(self, uow: UnitOfWork) -> AuditVerification:
        """Read the whole chain in blocks and stop at the first bad row."""
        head = self._head.read()  # before the rows: a row added meanwhile must not make it look ahead of them
        check = ChainCheck(self._key, head)
        store = AuditStore(uow)
        finding, more = None, True
        while finding is None and more:
            rows, is_damaged = await _readable(store, check.last.sequence)
            finding = await asyncio.to_thread(check.read, rows)
            if finding is None and is_damaged:
                finding = AuditFinding(check.last.sequence + 1, AuditFault.EDITED)
            more = bool(rows)
        finding = finding or check.finish()
        rows_read = check.last.sequence
        return AuditVerification(
            rows=rows_read,
            head=head,
            unprotected_rows=max(0, rows_read - (head.sequence if head else 0)),
            finding=finding,
        )


async def _readable(store: AuditStore, sequence: int) -> tuple[list[AuditRow], bool]:
    """Return the next rows, and whether they end at one somebody made unreadable: SQLite allows it for a moment."""
    try:
        return await store.after(sequence, limit=BLOCK), False
    except ValueError:
        rows: list[AuditRow] = []
        with contextlib.suppress(ValueError):
            while found := await store.after(sequence + len(rows), limit=1):
                rows += found
        return rows, True
