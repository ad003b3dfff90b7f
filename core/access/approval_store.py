"""The table of approvals. Every change of state is one conditional UPDATE: of two that race, one changes nothing."""

from collections.abc import Collection, Mapping
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
    Row,
    String,
    Table,
    and_,
    insert,
    or_,
    select,
    true,
    update,
)

from core.access.approvals import TIMED
from core.access.model import Approval, ApprovalState
from core.storage.column_types import EnumText, UtcDateTime
from core.storage.metadata import metadata
from core.storage.unit_of_work import UnitOfWork

approvals: Final = Table(
    "approvals",
    metadata,
    Column("approval_id", String(40), primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("skill_id", String(128), nullable=False),
    Column("skill_version", String(32), nullable=False),
    Column("risk", String(16), nullable=False),
    Column("state", EnumText(ApprovalState), nullable=False),
    Column("params", JSON, nullable=False),
    Column("params_hash", String(64), nullable=False),
    Column("preview", JSON, nullable=False),
    Column("requester", String(64), nullable=False),
    Column("requester_user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("requester_name", String(128), nullable=False),
    Column("client", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("decided_by", BigInteger, ForeignKey("users.id")),
    Column("comment", String(500), nullable=False),
    Column("finished_at", UtcDateTime),
    Column("result_ref", String(200), nullable=False),
    Column("two_persons", Boolean, nullable=False),
    Index(None, "team_id", "created_at"),
    Index(None, "state", "expires_at"),
)
IS_PENDING: Final = approvals.c.state == ApprovalState.PENDING
Index(
    "uq_approvals_one_pending",
    approvals.c.team_id,
    approvals.c.requester,
    approvals.c.params_hash,
    unique=True,
    sqlite_where=IS_PENDING,
    postgresql_where=IS_PENDING,
)
FIELDS: Final = tuple(field.name for field in fields(Approval))


def in_state(state: ApprovalState, now: datetime) -> ColumnElement[bool]:
    """Match the approvals that are in `state` at `now`, counting those whose time is over as expired."""
    timed_out = and_(approvals.c.state.in_(TIMED), approvals.c.expires_at <= now)
    if state is ApprovalState.EXPIRED:
        return or_(approvals.c.state == state, timed_out)
    stored = approvals.c.state == state
    return and_(stored, approvals.c.expires_at > now) if state in TIMED else stored


class ApprovalStore:
    """Rows in, dataclasses out. Bound to a team by `for_team`; unbound only for start-up and leaving users."""

    def __init__(self, uow: UnitOfWork, team_id: int | None = None) -> None:
        self.uow = uow
        self.team_id = team_id

    def for_team(self, team_id: int) -> "ApprovalStore":
        """Return the same store, blind to every other team."""
        return ApprovalStore(self.uow, team_id)

    async def add(self, approval: Approval) -> None:
        """Insert an approval."""
        values = {name: getattr(approval, name) for name in FIELDS}
        await self.uow.execute(insert(approvals).values(**values))

    async def one(self, approval_id: str) -> Approval | None:
        """Return one approval as it is stored."""
        rows = await self._all(approvals.c.approval_id == approval_id)
        return rows[0] if rows else None

    async def pending(self, requester: str, *, now: datetime) -> list[Approval]:
        """Return what one requester has waiting, the first to expire first."""
        rows = await self._all(approvals.c.requester == requester, in_state(ApprovalState.PENDING, now))
        return sorted(rows, key=lambda approval: approval.expires_at)

    async def page(
        self, *, visible_to: tuple[str, int | None] | None, state: ApprovalState | None, now: datetime, span: slice
    ) -> list[Approval]:
        """Return a page, newest first. `visible_to` is a requester and, for persons, a user; None sees the team."""
        conditions = [self._in_team()]
        if visible_to is not None:
            requester, user_id = visible_to
            own = approvals.c.requester == requester
            conditions.append(own if user_id is None else or_(own, approvals.c.requester_user_id == user_id))
        if state is not None:
            conditions.append(in_state(state, now))
        order = (approvals.c.created_at.desc(), approvals.c.approval_id.desc())
        query = select(approvals).where(*conditions).order_by(*order)
        rows = await self.uow.fetch_all(query.slice(span.start, span.stop))
        return [read_approval(row) for row in rows]

    async def change(
        self,
        approval_id: str,
        *,
        sources: Collection[ApprovalState],
        values: Mapping[str, Any],
        now: datetime | None = None,
        params_hash: str | None = None,
    ) -> bool:
        """Set columns of one approval if it is in one of `sources`, not expired at `now`, and of `params_hash`.

        Returns False when it was not so, or no longer: nothing has changed then.
        """
        conditions = [self._in_team(), approvals.c.approval_id == approval_id, approvals.c.state.in_(sources)]
        if now is not None:
            conditions.append(approvals.c.expires_at > now)
        if params_hash is not None:
            conditions.append(approvals.c.params_hash == params_hash)
        result = await self.uow.execute(update(approvals).where(*conditions).values(**values))
        return result.rowcount == 1

    async def expire(self, now: datetime, *, requester: str | None = None) -> int:
        """Write down which approvals have run out of time, of everybody or one requester; return how many."""
        conditions = [self._in_team(), approvals.c.state.in_(TIMED), approvals.c.expires_at <= now]
        if requester is not None:
            conditions.append(approvals.c.requester == requester)
        return await self._set_state(ApprovalState.EXPIRED, now, *conditions)

    async def lose_executing(self, now: datetime) -> int:
        """Mark every call in progress as of unknown outcome; return how many."""
        return await self._set_state(ApprovalState.UNKNOWN, now, approvals.c.state == ApprovalState.EXECUTING)

    async def close_open(self, now: datetime, *, requester: str | None = None, user_id: int | None = None) -> None:
        """Withdraw what a requester or a user has pending and revoke what is approved and unused."""
        whose = approvals.c.requester == requester if requester else approvals.c.requester_user_id == user_id
        for state, end in (
            (ApprovalState.PENDING, ApprovalState.WITHDRAWN),
            (ApprovalState.APPROVED, ApprovalState.REVOKED),
        ):
            await self._set_state(end, now, self._in_team(), whose, approvals.c.state == state)

    async def _set_state(self, state: ApprovalState, now: datetime, *conditions: ColumnElement[bool]) -> int:
        result = await self.uow.execute(update(approvals).where(*conditions).values(state=state, finished_at=now))
        return int(result.rowcount)

    async def _all(self, *conditions: ColumnElement[bool]) -> list[Approval]:
        rows = await self.uow.fetch_all(select(approvals).where(self._in_team(), *conditions))
        return [read_approval(row) for row in rows]

    def _in_team(self) -> ColumnElement[bool]:
        """Match the bound team: the one place where approvals of teams are kept apart."""
        return approvals.c.team_id == self.team_id if self.team_id is not None else true()


def read_approval(row: Row[Any]) -> Approval:
    """Read one row of the table; its columns are the fields."""
    return Approval(**{name: getattr(row, name) for name in FIELDS})
