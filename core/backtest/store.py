"""Finished runs in the database: rows are added, read and removed, never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)

from core.backtest.results import (
    DATASET_LENGTH,
    DATE_LENGTH,
    FINGERPRINT_LENGTH,
    GROUP_LENGTH,
    NAME_LENGTH,
    STRATEGY_LENGTH,
    ResultDraft,
    ResultFilter,
    ResultNotFound,
    ResultSummary,
    ResultTable,
    StoredResult,
)
from core.backtest.sweep_runs import StoredSweep
from core.storage.column_types import BigId, UtcDateTime
from core.storage.metadata import metadata
from core.storage.unit_of_work import UnitOfWork

backtest_results = Table(
    "backtest_results",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("program_group", String(GROUP_LENGTH)),
    Column("tags", JSON, nullable=False),
    Column("tag_keys", Text, nullable=False),
    Column("strategy", String(STRATEGY_LENGTH), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("undefined", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("first_dt", String(DATE_LENGTH), nullable=False),
    Column("last_dt", String(DATE_LENGTH), nullable=False),
    Column("bars", Integer, nullable=False),
    Column("dataset", String(DATASET_LENGTH), nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("fingerprint", String(FINGERPRINT_LENGTH), nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("equity", LargeBinary, nullable=False),
    Column("trades", LargeBinary, nullable=False),
    Column("orders", LargeBinary, nullable=False),
    Column("benchmark", LargeBinary, nullable=False),
    Index("ix_backtest_results_team", "team_id", "id"),
    sqlite_autoincrement=True,  # the number of a deleted run is not given to another: an approval may still name it
)
backtest_sweeps = Table(
    "backtest_sweeps",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("run_id", String(40), nullable=False, unique=True),
    Column("strategy", String(STRATEGY_LENGTH), nullable=False),
    Column("symbol", String(32), nullable=False),
    Column("objective", String(32), nullable=False),
    Column("trials", Integer, nullable=False),
    Column("summary", JSON, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
TABLES: Final = {table: backtest_results.c[table.value] for table in ResultTable}
HIDDEN: Final = {"team_id", "tag_keys", *(table.value for table in ResultTable)}
SHOWN: Final = [column for column in backtest_results.c if column.name not in HIDDEN]
SWEEP_FACTS: Final = tuple(entry.name for entry in fields(StoredSweep))
TAG_BREAK: Final = "\n"
"""Stands around each tag in `tag_keys`; no tag contains it, so a part of a tag never runs over into the next."""


class BacktestResultStore:
    """The door to a team's finished runs."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def for_team(self, team_id: int) -> "TeamBacktestResults":
        """Return the store of one team."""
        return TeamBacktestResults(self._uow, team_id)


class TeamBacktestResults:
    """One team's finished runs. Every statement is filtered by the team here."""

    def __init__(self, uow: UnitOfWork, team_id: int) -> None:
        self._uow = uow
        self._team_id = team_id

    async def add(
        self, draft: ResultDraft, *, tables: Mapping[ResultTable, bytes], created_by: str, created_at: datetime
    ) -> StoredResult:
        """Append a checked draft with its packed tables; call it inside `uow.write()`."""
        values = {
            "team_id": self._team_id,
            "name": draft.name,
            "program_group": draft.program_group,
            "tags": list(draft.tags),
            "tag_keys": TAG_BREAK.join(["", *(tag.casefold() for tag in draft.tags), ""]),
            "strategy": draft.strategy,
            "parameters": dict(draft.parameters),
            "metrics": dict(draft.metrics),
            "undefined": dict(draft.undefined),
            "warnings": list(draft.warnings),
            "first_dt": str(draft.equity_curve[0]["dt"]),
            "last_dt": str(draft.equity_curve[-1]["dt"]),
            "bars": len(draft.equity_curve),
            "dataset": draft.dataset,
            "simulated": draft.simulated,
            "fingerprint": draft.fingerprint,
            "created_by": created_by,
            "created_at": created_at,
        } | {table.value: content for table, content in tables.items()}
        result = await self._uow.execute(insert(backtest_results).values(**values).returning(*SHOWN))
        return _stored(result.one())

    async def count(self, asked: ResultFilter) -> int:
        """Return how many runs match."""
        row = await self._uow.fetch_one(
            select(func.count()).select_from(backtest_results).where(*self._matching(asked))
        )
        return int(row[0]) if row else 0

    async def latest(self, asked: ResultFilter, *, limit: int) -> list[ResultSummary]:
        """Return the newest runs that match, newest first."""
        rows = select(*SHOWN).where(*self._matching(asked)).order_by(backtest_results.c.id.desc()).limit(limit)
        return [_summary(row) for row in await self._uow.fetch_all(rows)]

    async def get(self, result_id: int) -> StoredResult:
        """Return one run without its tables. Raises `ResultNotFound`."""
        return _stored(await self._one(select(*SHOWN), result_id))

    async def tables(self, result_id: int, wanted: Sequence[ResultTable]) -> dict[ResultTable, bytes]:
        """Return packed tables of one run. Raises `ResultNotFound`."""
        row = await self._one(select(*(TABLES[table] for table in wanted)), result_id)
        return {table: bytes(row[place]) for place, table in enumerate(wanted)}

    async def remove(self, result_id: int) -> None:
        """Delete one run with its tables; call it inside `uow.write()`. Raises `ResultNotFound`."""
        mine = self._mine(result_id)
        result = await self._uow.execute(delete(backtest_results).where(*mine).returning(backtest_results.c.id))
        if result.one_or_none() is None:
            raise ResultNotFound(result_id=result_id)

    async def _one(self, statement: Select[Any], result_id: int) -> Row[Any]:
        row = await self._uow.fetch_one(statement.where(*self._mine(result_id)))
        if row is None:
            raise ResultNotFound(result_id=result_id)
        return row

    def _mine(self, result_id: int) -> list[Any]:
        return [backtest_results.c.team_id == self._team_id, backtest_results.c.id == result_id]

    def _matching(self, asked: ResultFilter) -> list[Any]:
        conditions: list[Any] = [backtest_results.c.team_id == self._team_id]
        if asked.name is not None:
            conditions.append(backtest_results.c.name == asked.name)
        if asked.tag is not None:
            conditions.append(backtest_results.c.tag_keys.contains(asked.tag.casefold(), autoescape=True))
        if asked.program_group is not None:
            conditions.append(backtest_results.c.program_group == asked.program_group)
        return conditions


class BacktestSweepStore:
    """The door to a team's finished sweeps."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def for_team(self, team_id: int) -> "TeamBacktestSweeps":
        """Return the store of one team."""
        return TeamBacktestSweeps(self._uow, team_id)


class TeamBacktestSweeps:
    """One team's finished sweeps. Every statement is filtered by the team here."""

    def __init__(self, uow: UnitOfWork, team_id: int) -> None:
        self._uow, self._team_id = uow, team_id

    async def add(self, sweep: StoredSweep, *, trials: bytes) -> None:
        """Append a finished sweep, one for a run; call it inside a write."""
        values = {name: getattr(sweep, name) for name in SWEEP_FACTS if name != "sweep_id"}
        await self._uow.execute(insert(backtest_sweeps).values(team_id=self._team_id, content=trials, **values))

    async def find(self, run_id: str) -> tuple[StoredSweep, bytes] | None:
        """Return the sweep of a run with its packed trials."""
        mine = [backtest_sweeps.c.team_id == self._team_id, backtest_sweeps.c.run_id == run_id]
        row = await self._uow.fetch_one(select(backtest_sweeps).where(*mine))
        if row is None:
            return None
        facts = {name: getattr(row, "id" if name == "sweep_id" else name) for name in SWEEP_FACTS}
        return StoredSweep(**facts), bytes(row.content)


def _summary(row: Row[Any]) -> ResultSummary:
    metrics = row.metrics
    return ResultSummary(
        id=row.id,
        name=row.name,
        strategy=row.strategy,
        program_group=row.program_group,
        tags=tuple(row.tags),
        total_return=metrics.get("total_return"),
        cagr=metrics.get("cagr"),
        sharpe=metrics.get("sharpe"),
        max_drawdown=metrics.get("max_drawdown"),
        win_rate=metrics.get("win_rate"),
        num_trades=metrics.get("num_trades"),
        first_dt=row.first_dt,
        last_dt=row.last_dt,
        bars=row.bars,
        dataset=row.dataset,
        simulated=row.simulated,
        fingerprint=row.fingerprint,
        created_by=row.created_by,
        created_at=row.created_at,
    )


def _stored(row: Row[Any]) -> StoredResult:
    from core.performance.figures import codes_of  # noqa: PLC0415 - figures bring numpy, and most of the desk needs none

    return StoredResult(
        summary=_summary(row),
        parameters=row.parameters,
        metrics=row.metrics,
        undefined=codes_of(row.undefined),
        warnings=tuple(row.warnings),
    )
