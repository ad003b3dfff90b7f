"""Keeping finished runs, and answering questions about them."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from core.backtest import report, results_compare, results_tables
from core.backtest.report import Language, Report
from core.backtest.report_data import reason_counts
from core.backtest.results import (
    Cell,
    ExportFormat,
    ResultDraft,
    ResultFilter,
    ResultPage,
    ResultSummary,
    ResultTable,
    StoredResult,
    checked,
    checked_filter,
    restored,
)
from core.backtest.results_compare import ResultComparison
from core.backtest.store import BacktestResultStore
from core.clock import Clock
from core.errors import ArgumentsInvalid, FieldFault
from core.performance.images import Picture
from core.storage.unit_of_work import UnitOfWork

LATEST: Final = 50
MAXIMUM_COMPARED: Final = 10
MAXIMUM_POINTS: Final = 5_000
"""Rows of one table in one answer; the whole table is there to be exported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDetail(ResultSummary):
    """One run in full. The fields that end in `_json` are JSON text, as the original service answers them.

    `equity_rows` and `trade_rows` say how many rows the run has; where the text holds fewer, the curve was thinned
    evenly (first and last bar kept) and the trades cut after the first ones, and `truncated` is True.
    """

    parameters: dict[str, Any]
    metrics: dict[str, Any]
    undefined: dict[str, str]
    warnings: tuple[str, ...]
    order_reasons: dict[str, int]
    equity_rows: int
    trade_rows: int
    truncated: bool
    params_json: str
    metrics_json: str
    trades_json: str
    equity_curve_json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFile:
    """One table of a run as a file."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRemoval:
    """What deleting a run takes away."""

    result_id: int
    name: str
    bars: int
    trades: int

    @property
    def sentence(self) -> str:
        """What happens, for the person who approves."""
        return (
            f"Backtest result {self.result_id} ({self.name}) with {self.bars} bars and {self.trades} trades is deleted."
        )

    @property
    def changes(self) -> list[dict[str, Any]]:
        """The run as the preview lists it."""
        return [{"id": self.result_id, "name": self.name, "bars": self.bars, "trades": self.trades}]


class BacktestService:
    """Finished runs of a team; made once by `bootstrap`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def save(self, uow: UnitOfWork, team_id: int, *, draft: ResultDraft, created_by: str) -> ResultSummary:
        """Keep a finished run. Names may repeat: every run is a row of its own. Raises `ArgumentsInvalid`."""
        draft = checked(draft)
        tables = await asyncio.to_thread(results_tables.packed, draft)
        return await self.add(uow, team_id, draft=draft, tables=tables, created_by=created_by)

    async def add(
        self,
        uow: UnitOfWork,
        team_id: int,
        *,
        draft: ResultDraft,
        tables: Mapping[ResultTable, bytes],
        created_by: str,
    ) -> ResultSummary:
        """Keep a checked draft whose tables are packed already, inside the caller's write or one of its own."""
        async with uow.join_write():
            store = BacktestResultStore(uow).for_team(team_id)
            stored = await store.add(draft, tables=tables, created_by=created_by, created_at=self._clock.now())
        return stored.summary

    async def list(
        self, uow: UnitOfWork, team_id: int, *, asked: ResultFilter | None = None, limit: int = LATEST
    ) -> ResultPage:
        """Return the newest runs that match, at most 50, newest first, and how many match in all."""
        if not 1 <= limit <= LATEST:
            raise ArgumentsInvalid([FieldFault("limit", f"must lie between 1 and {LATEST}", got=str(limit))])
        asked = checked_filter(asked or ResultFilter())
        store = BacktestResultStore(uow).for_team(team_id)
        return ResultPage(items=tuple(await store.latest(asked, limit=limit)), total=await store.count(asked))

    async def get(self, uow: UnitOfWork, team_id: int, *, result_id: int, points: int = MAXIMUM_POINTS) -> ResultDetail:
        """Return one run with its tables, each cut to `points` rows. Raises `ResultNotFound`."""
        if not 2 <= points <= MAXIMUM_POINTS:
            raise ArgumentsInvalid([FieldFault("points", f"must lie between 2 and {MAXIMUM_POINTS}", got=str(points))])
        store = BacktestResultStore(uow).for_team(team_id)
        stored = await store.get(result_id)
        tables = await store.tables(result_id, (ResultTable.EQUITY, ResultTable.TRADES, ResultTable.ORDERS))
        return await asyncio.to_thread(_detail, stored, tables, points)

    async def compare(self, uow: UnitOfWork, team_id: int, *, ids: Sequence[int]) -> ResultComparison:
        """Put 2 to 10 different runs beside each other, the first being the base. Raises `ResultNotFound`."""
        if not 2 <= len(ids) <= MAXIMUM_COMPARED or len(set(ids)) < len(ids):
            message = f"needs 2 to {MAXIMUM_COMPARED} different ids"
            raise ArgumentsInvalid([FieldFault("ids", message, got=", ".join(map(str, ids)))])
        store = BacktestResultStore(uow).for_team(team_id)
        return results_compare.compare([await store.get(result_id) for result_id in ids])

    async def export(
        self, uow: UnitOfWork, team_id: int, *, result_id: int, table: ResultTable, form: ExportFormat
    ) -> ResultFile:
        """Return one whole table of a run as a CSV or Parquet file. Raises `ResultNotFound`."""
        content = (await BacktestResultStore(uow).for_team(team_id).tables(result_id, (table,)))[table]
        return ResultFile(
            name=f"backtest-{result_id}-{table.value}.{form.value}",
            media_type=form.media_type,
            content=await asyncio.to_thread(results_tables.exported, content, form=form),
        )

    async def report(self, uow: UnitOfWork, team_id: int, *, result_id: int, language: Language) -> Report:
        """Return one run as a page that stands alone. Raises `ResultNotFound`."""
        stored, tables = await self._whole(uow, team_id, result_id)
        return await asyncio.to_thread(_reported, stored, tables, language)

    async def image(self, uow: UnitOfWork, team_id: int, *, result_id: int, language: Language) -> ResultFile:
        """Return one run as a PNG. Raises `ResultNotFound`, and `ChartsMissing` without the extra `charts`."""
        from core.backtest import charts_image  # noqa: PLC0415 - an extra, on first use

        stored, tables = await self._whole(uow, team_id, result_id)
        content = await asyncio.to_thread(lambda: charts_image.draw(_restored(stored, tables), language=language))
        return ResultFile(name=f"backtest-{result_id}.png", media_type="image/png", content=content)

    async def picture(self, uow: UnitOfWork, team_id: int, *, result_id: int, language: Language) -> Picture:
        """Return one run as an image for a caller. Raises `ResultNotFound` and `ChartsMissing`."""
        file = await self.image(uow, team_id, result_id=result_id, language=language)
        return Picture.of_png(file.content, name=file.name, title=f"Equity curve and drawdown of backtest {result_id}")

    async def preview_delete(self, uow: UnitOfWork, team_id: int, *, result_id: int) -> ResultRemoval:
        """Say what a deletion takes away. Raises `ResultNotFound`."""
        stored = await BacktestResultStore(uow).for_team(team_id).get(result_id)
        return _removal(stored)

    async def delete(self, uow: UnitOfWork, team_id: int, *, result_id: int) -> ResultRemoval:
        """Delete one run with its tables. Raises `ResultNotFound`."""
        async with uow.write():
            store = BacktestResultStore(uow).for_team(team_id)
            stored = await store.get(result_id)
            await store.remove(result_id)
        return _removal(stored)

    async def _whole(
        self, uow: UnitOfWork, team_id: int, result_id: int
    ) -> tuple[StoredResult, dict[ResultTable, bytes]]:
        store = BacktestResultStore(uow).for_team(team_id)
        return await store.get(result_id), await store.tables(result_id, tuple(ResultTable))


def _restored(stored: StoredResult, tables: Mapping[ResultTable, bytes]) -> ResultDraft:
    return restored(stored, {table: results_tables.unpack(content) for table, content in tables.items()})


def _reported(stored: StoredResult, tables: Mapping[ResultTable, bytes], language: Language) -> Report:
    summary = stored.summary
    return report.write(_restored(stored, tables), language=language, result_id=summary.id, made=summary.created_at)


def _removal(stored: StoredResult) -> ResultRemoval:
    summary = stored.summary
    return ResultRemoval(
        result_id=summary.id, name=summary.name, bars=summary.bars, trades=int(summary.num_trades or 0)
    )


def _detail(stored: StoredResult, tables: dict[ResultTable, bytes], points: int) -> ResultDetail:
    equity = results_tables.unpack(tables[ResultTable.EQUITY])
    trades = results_tables.unpack(tables[ResultTable.TRADES])
    return ResultDetail(
        **{entry.name: getattr(stored.summary, entry.name) for entry in fields(ResultSummary)},
        parameters=stored.parameters,
        metrics=stored.metrics,
        undefined=stored.undefined,
        warnings=stored.warnings,
        order_reasons=reason_counts(results_tables.column(tables[ResultTable.ORDERS], "reason")),
        equity_rows=len(equity),
        trade_rows=len(trades),
        truncated=max(len(equity), len(trades)) > points,
        params_json=_json(stored.parameters),
        metrics_json=_json(stored.metrics),
        trades_json=_json(trades[:points]),
        equity_curve_json=_json(thinned(equity, points)),
    )


def thinned(rows: Sequence[dict[str, Cell]], points: int) -> Sequence[dict[str, Cell]]:
    """Return at most `points` rows, evenly spaced, the first and the last among them."""
    if len(rows) <= points:
        return rows
    return [rows[place * (len(rows) - 1) // (points - 1)] for place in range(points)]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
