"""Runs in the database: the truth about what is queued, who works on it, and how it ended."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    and_,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from core.durable.model import OPEN, Claim, Limits, RunDetail, RunDraft, RunFailure, RunNotFound, RunState, RunSummary
from core.storage.column_types import EnumText, UtcDateTime
from core.storage.metadata import metadata
from core.storage.unit_of_work import UnitOfWork

runs = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("title", String(200), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("limits", JSON, nullable=False),
    Column("state", EnumText(RunState), nullable=False),
    Column("progress", Float, nullable=False),
    Column("step", String(200), nullable=False),
    Column("eta_seconds", Float),
    Column("cancel_requested", Boolean, nullable=False),
    Column("starts", Integer, nullable=False),
    Column("deaths", Integer, nullable=False),
    Column("owner", String(64)),
    Column("session", String(40)),
    Column("lease_until", UtcDateTime),
    Column("result", JSON),
    Column("failure", JSON),
    Column("log", Text, nullable=False),
    Column("log_dropped", Integer, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Index("ix_runs_team", "team_id", "created_at"),
    Index("ix_runs_state", "state", "lease_until"),
)
DETAIL: Final = {"arguments", "log", "log_dropped"}
HIDDEN: Final = {"team_id", "limits", "deaths", "owner", "session", "lease_until"}
SUMMARY: Final = [column for column in runs.c if column.name not in HIDDEN | DETAIL]
WHOLE: Final = [column for column in runs.c if column.name not in HIDDEN]


QUEUED_AGAIN: Final = {
    "state": RunState.QUEUED,
    "owner": None,
    "lease_until": None,
    "progress": 0.0,
    "eta_seconds": None,
}
AFTER_DEATH: Final = {**QUEUED_AGAIN, "deaths": runs.c.deaths + 1}


class RunStore:
    """The door to a team's runs."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def for_team(self, team_id: int) -> "TeamRuns":
        """Return the store of one team."""
        return TeamRuns(self._uow, team_id)


class TeamRuns:
    """One team's runs. Every statement is filtered by the team here."""

    def __init__(self, uow: UnitOfWork, team_id: int) -> None:
        self._uow, self._team_id = uow, team_id

    async def add(self, draft: RunDraft, *, run_id: str, created_by: str, created_at: datetime) -> None:
        """Write a queued run; call it inside a write."""
        await self._uow.execute(
            insert(runs).values(
                id=run_id,
                team_id=self._team_id,
                kind=draft.kind,
                title=draft.title,
                arguments=draft.arguments,
                limits=asdict(draft.limits),
                state=RunState.QUEUED,
                progress=0.0,
                step="",
                cancel_requested=False,
                starts=0,
                deaths=0,
                log="",
                log_dropped=0,
                created_by=created_by,
                created_at=created_at,
            )
        )

    async def count_open(self) -> int:
        """Return how many runs have not ended."""
        return await self._count(runs.c.state.in_(OPEN))

    async def get(self, run_id: str) -> RunDetail:
        """Return one run in full. Raises `RunNotFound`."""
        row = await self._uow.fetch_one(select(*WHOLE).where(*self._mine(run_id)))
        if row is None:
            raise RunNotFound(run_id=run_id)
        log = tuple(row.log.splitlines())
        return RunDetail(**_facts(row), arguments=row.arguments, log=log, log_dropped=row.log_dropped)

    async def latest(
        self, *, limit: int, kinds: Sequence[str], state: RunState | None
    ) -> tuple[tuple[RunSummary, ...], int]:
        """Return the newest runs of the kinds, and how many there are in all."""
        wanted: list[Any] = [runs.c.kind.in_(kinds)] if kinds else []
        wanted += [runs.c.state == state] if state else []
        query = select(*SUMMARY).where(runs.c.team_id == self._team_id, *wanted)
        rows = await self._uow.fetch_all(query.order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(limit))
        return tuple(RunSummary(**_facts(row)) for row in rows), await self._count(*wanted)

    async def request_cancel(self, run_id: str, *, now: datetime) -> bool:
        """End a queued run, or mark a running one; False when it had ended. Call it inside a write."""
        queued = and_(*self._mine(run_id), runs.c.state == RunState.QUEUED)
        ended = update(runs).where(queued).values(state=RunState.CANCELLED, cancel_requested=True, ended_at=now)
        if (await self._uow.execute(ended)).rowcount:
            return True
        running = and_(*self._mine(run_id), runs.c.state.in_(OPEN))
        return bool((await self._uow.execute(update(runs).where(running).values(cancel_requested=True))).rowcount)

    async def _count(self, *wanted: Any) -> int:
        query = select(func.count()).select_from(runs).where(runs.c.team_id == self._team_id, *wanted)
        row = await self._uow.fetch_one(query)
        return int(row[0]) if row else 0

    def _mine(self, run_id: str) -> list[Any]:
        return [runs.c.team_id == self._team_id, runs.c.id == run_id]


class WorkerRuns:
    """What workers do with runs of every team. Each change is conditional on what the worker believes."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def waiting(self, *, limit: int) -> list[tuple[str, int]]:
        """Return queued runs and how often each was begun, in the order in which they should begin.

        Teams take turns: what stands first is each team's oldest run that is not at work, teams with runs at work
        last; no team waits for all the runs of another.
        """
        is_queued = case((runs.c.state == RunState.QUEUED, 1), else_=0)
        turn = func.row_number().over(partition_by=runs.c.team_id, order_by=[is_queued, runs.c.created_at, runs.c.id])
        shown = (runs.c.id, runs.c.starts, runs.c.state, runs.c.created_at, turn.label("turn"))
        ranked = select(*shown).where(runs.c.state.in_((RunState.QUEUED, RunState.RUNNING))).subquery()
        query = select(ranked.c.id, ranked.c.starts).where(ranked.c.state == RunState.QUEUED)
        rows = await self._uow.fetch_all(query.order_by(ranked.c.turn, ranked.c.created_at, ranked.c.id).limit(limit))
        return [(row.id, row.starts) for row in rows]

    async def has_abandoned(self, *, now: datetime) -> bool:
        """Tell whether a running run's lease is over."""
        query = select(runs.c.id).where(runs.c.state == RunState.RUNNING, runs.c.lease_until < now)
        return await self._uow.fetch_one(query.limit(1)) is not None

    async def requeue_abandoned(self, *, now: datetime) -> int:
        """Queue running runs whose lease is over again. Inside a write."""
        over = and_(runs.c.state == RunState.RUNNING, runs.c.lease_until < now)
        return (await self._uow.execute(update(runs).where(over).values(**AFTER_DEATH))).rowcount

    async def requeue_owned(self, *, owner: str, session: str) -> int:
        """Queue again what an earlier life of this worker was at; the caller holds its slot. Inside a write."""
        dead = and_(runs.c.state == RunState.RUNNING, runs.c.owner == owner, runs.c.session != session)
        return (await self._uow.execute(update(runs).where(dead).values(**AFTER_DEATH))).rowcount

    async def claim(
        self, run_id: str, *, start: int, owner: str, session: str, now: datetime, lease_until: datetime
    ) -> Claim | None:
        """Take a queued run for its `start`-th beginning; None when somebody else has it or it ended."""
        free = and_(runs.c.id == run_id, runs.c.state == RunState.QUEUED, runs.c.starts == start - 1)
        taken = {"state": RunState.RUNNING, "starts": start, "owner": owner, "session": session}
        shown = (runs.c.team_id, runs.c.kind, runs.c.arguments, runs.c.limits, runs.c.created_by, runs.c.deaths)
        changed = (
            update(runs)
            .where(free)
            .values(
                **taken,
                lease_until=lease_until,
                started_at=func.coalesce(runs.c.started_at, now),
                progress=0.0,
                step="",
            )
        )
        row = (await self._uow.execute(changed.returning(*shown))).one_or_none()
        if row is None:
            return None
        return Claim(
            run_id=run_id,
            team_id=row.team_id,
            kind=row.kind,
            arguments=row.arguments,
            limits=Limits(**row.limits),
            created_by=row.created_by,
            start=start,
            owner=owner,
            session=session,
            deaths=row.deaths,
        )

    async def renew(self, claim: Claim, *, lease_until: datetime, **news: Any) -> bool | None:
        """Prolong the lease and write progress and log; return whether a cancel is asked for, None when it is lost."""
        changed = update(runs).where(self._held(claim)).values(lease_until=lease_until, **news)
        row = (await self._uow.execute(changed.returning(runs.c.cancel_requested))).one_or_none()
        return None if row is None else bool(row[0])

    async def end(self, claim: Claim, *, state: RunState, now: datetime, **news: Any) -> bool:
        """Write how a run ended; False when another worker holds it by now. Inside a write."""
        ended = {"state": state, "ended_at": now, "owner": None, "lease_until": None, "eta_seconds": None}
        return bool((await self._uow.execute(update(runs).where(self._held(claim)).values(**ended | news))).rowcount)

    async def set_result(self, claim: Claim, result: dict[str, Any]) -> None:
        """Say what a run that just ended left behind. Inside the same write as `end`."""
        await self._uow.execute(update(runs).where(runs.c.id == claim.run_id).values(result=result))

    async def give_back(self, claim: Claim) -> bool:
        """Queue a run again that this worker will not finish. Inside a write."""
        back = update(runs).where(self._held(claim)).values(**QUEUED_AGAIN)
        return bool((await self._uow.execute(back)).rowcount)

    async def forget(self, *, before: datetime, limit: int) -> int:
        """Delete some runs that ended before a moment; return how many. Inside a write."""
        ended = and_(runs.c.state.not_in(OPEN), func.coalesce(runs.c.ended_at, runs.c.created_at) < before)
        some = select(runs.c.id).where(ended).limit(limit)
        return (await self._uow.execute(delete(runs).where(runs.c.id.in_(some)))).rowcount

    @staticmethod
    def _held(claim: Claim) -> Any:
        return and_(
            runs.c.id == claim.run_id,
            runs.c.state == RunState.RUNNING,
            runs.c.starts == claim.start,
            runs.c.session == claim.session,
        )


def _facts(row: Row[Any]) -> dict[str, Any]:
    facts = {column.name: getattr(row, column.name) for column in SUMMARY}
    failure = facts.pop("failure")
    return facts | {"run_id": facts.pop("id"), "failure": None if failure is None else RunFailure(**failure)}
