"""The table of the audit chain. Rows are only ever added."""

import json
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Row, String, Table, Text, func, insert, select

from core.access.audit import GENESIS, ChainHead
from core.access.model import AuditRow
from core.storage.column_types import UtcDateTime
from core.storage.metadata import metadata
from core.storage.unit_of_work import UnitOfWork

CHAIN_LOCK: Final = 0x64_69_6E_67_70_61_6E
"""Any constant; it names the chain among PostgreSQL's advisory locks."""

audit_rows: Final = Table(
    "audit",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("event", String(64), nullable=False, index=True),
    Column("team_id", BigInteger, index=True),
    Column("actor", String(128), nullable=False),
    Column("skill_id", String(128), nullable=False),
    Column("trace_id", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("row_hash", String(64), nullable=False),
)
FIELDS: Final = tuple(field.name for field in fields(AuditRow))


class AuditStore:
    """Rows in, dataclasses out. The chain is the desk's, not a team's: only the operator reads it whole."""

    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow

    async def lock(self) -> None:
        """Make other writers of the chain wait until this transaction ends; SQLite has one writer anyway."""
        if self.uow.dialect == "postgresql":
            await self.uow.execute(select(func.pg_advisory_xact_lock(CHAIN_LOCK)))

    async def head(self) -> ChainHead:
        """Return the newest row's place and hash."""
        query = select(audit_rows.c.sequence, audit_rows.c.row_hash).order_by(audit_rows.c.sequence.desc()).limit(1)
        row = await self.uow.fetch_one(query)
        return ChainHead(row.sequence, row.row_hash) if row else ChainHead(0, GENESIS)

    async def holds(self, head: ChainHead) -> bool:
        """Tell whether the chain still contains that row."""
        query = select(audit_rows.c.row_hash).where(audit_rows.c.sequence == head.sequence)
        row = await self.uow.fetch_one(query)
        return row is not None and row.row_hash == head.row_hash

    async def add(self, row: AuditRow) -> None:
        """Insert the next row."""
        values = {name: getattr(row, name) for name in FIELDS}
        values["detail"] = json.dumps(row.detail, ensure_ascii=False)
        await self.uow.execute(insert(audit_rows).values(**values))

    async def after(self, sequence: int, *, limit: int) -> list[AuditRow]:
        """Return up to `limit` rows that follow `sequence`, oldest first."""
        query = select(audit_rows).where(audit_rows.c.sequence > sequence).order_by(audit_rows.c.sequence)
        return [read_row(row) for row in await self.uow.fetch_all(query.limit(limit))]

    async def newest(self, *, limit: int, team_id: int | None) -> list[AuditRow]:
        """Return the newest rows of a team, or of everybody, newest first."""
        query = select(audit_rows).order_by(audit_rows.c.sequence.desc()).limit(limit)
        rows = await self.uow.fetch_all(query if team_id is None else query.where(audit_rows.c.team_id == team_id))
        return [read_row(row) for row in rows]


def read_row(row: Row[Any]) -> AuditRow:
    """Read one row of the table; its columns are the fields."""
    values = {name: getattr(row, name) for name in FIELDS}
    return AuditRow(**(values | {"detail": _read_detail(row.detail)}))


def _read_detail(text: str) -> dict[str, Any]:
    """Read the detail; what somebody made unreadable comes back as such, and then fails its hash."""
    try:
        detail = json.loads(text)
    except (ValueError, TypeError):
        detail = None
    return detail if isinstance(detail, dict) else {"unreadable": str(text)}
