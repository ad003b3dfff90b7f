"""Finished runs on both databases: kept, listed, compared, exported, deleted, and kept apart by team."""

import io
import json
import math
from dataclasses import asdict, fields
from datetime import timedelta

import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert

from core.access.store import teams
from core.backtest.report import Language
from core.backtest.results import (
    MAXIMUM_TAGS,
    ExportFormat,
    ResultDraft,
    ResultFilter,
    ResultNotFound,
    ResultSummary,
    ResultTable,
)
from core.backtest.results_compare import ComparisonWarning
from core.backtest.service import BacktestService, thinned
from core.clock import FrozenClock
from core.errors import ArgumentsInvalid
from core.storage.database import Database
from tests.support.backtest_runs import EQUITY, METRICS, ORDERS, TRADES, draft, long_draft

pytestmark = pytest.mark.anyio


@pytest.fixture
def service(clock: FrozenClock) -> BacktestService:
    return BacktestService(clock)


@pytest.fixture
async def desk(database: Database, clock: FrozenClock) -> Database:
    async with database.unit_of_work() as uow:
        async with uow.write():
            for name in ("alpha", "beta"):
                await uow.execute(insert(teams).values(name=name, name_key=name, created_at=clock.now()))
        await uow.commit()
    return database


async def save(service: BacktestService, desk: Database, run: ResultDraft, *, team: int = 1) -> ResultSummary:
    async with desk.unit_of_work() as uow:
        kept = await service.save(uow, team, draft=run, created_by="anna")
        await uow.commit()
    return kept


async def listed(service: BacktestService, desk: Database, *, team: int = 1, limit: int = 50, **asked: str):
    async with desk.unit_of_work(read_only=True) as uow:
        page = await service.list(uow, team, asked=ResultFilter(**asked), limit=limit)
    return page.total, [item.name for item in page.items]


async def test_a_run_is_kept_whole(service, desk, clock):
    kept = await save(service, desk, draft(tags=[" ma ", "", "daily", "ma"], program_group=" swing "))
    assert (kept.id, kept.name, kept.tags, kept.program_group) == (1, "run1", ("ma", "daily"), "swing")
    assert (kept.first_dt, kept.last_dt, kept.bars) == ("20240102", "20240104", 3)
    assert (kept.total_return, kept.sharpe, kept.num_trades) == (-0.00999975, None, 1)
    assert (kept.created_by, kept.created_at, kept.simulated) == ("anna", clock.now(), False)
    async with desk.unit_of_work(read_only=True) as uow:
        found = await service.get(uow, 1, result_id=1)
    assert {entry.name: getattr(found, entry.name) for entry in fields(kept)} == asdict(kept)
    assert json.loads(found.equity_curve_json) == EQUITY
    assert json.loads(found.trades_json) == TRADES
    assert json.loads(found.metrics_json) == found.metrics == METRICS
    assert json.loads(found.params_json) == found.parameters == {"initial_cash": 1_000_000.0, "fast": 5, "slow": 20}
    assert (found.undefined, found.warnings) == ({"sharpe": "too_few_periods"}, ())
    assert (found.order_reasons, found.equity_rows, found.trade_rows) == ({"filled": 2, "limit_down": 1}, 3, 1)
    assert found.truncated is False


async def test_long_tables_are_thinned_and_said_so(service, desk):
    await save(service, desk, long_draft(500))
    async with desk.unit_of_work(read_only=True) as uow:
        found = await service.get(uow, 1, result_id=1, points=100)
    curve = json.loads(found.equity_curve_json)
    assert (len(curve), found.equity_rows, found.trade_rows, found.truncated) == (100, 500, 250, True)
    assert (curve[0]["dt"], curve[-1]["dt"]) == (found.first_dt, found.last_dt)
    assert len(json.loads(found.trades_json)) == 100
    rows = [{"dt": place} for place in range(10)]
    assert [row["dt"] for row in thinned(rows, 4)] == [0, 3, 6, 9]
    for points in (1, 5001):
        async with desk.unit_of_work(read_only=True) as uow:
            with pytest.raises(ArgumentsInvalid):
                await service.get(uow, 1, result_id=1, points=points)


async def test_list_filters_are_joined_by_and(service, desk, clock):
    for run in (
        draft("a", tags=["Swing_1"], program_group="g1"),
        draft("a", tags=["swing%2", "other"], program_group="g2"),
        draft("b", tags=[], program_group=None),
    ):
        await save(service, desk, run)
        clock.advance(timedelta(seconds=1))
    assert await listed(service, desk) == (3, ["b", "a", "a"])
    assert await listed(service, desk, limit=1) == (3, ["b"])
    assert await listed(service, desk, name="a") == (2, ["a", "a"])
    assert await listed(service, desk, name="A") == (0, [])
    assert await listed(service, desk, tag="SWING") == (2, ["a", "a"])
    assert await listed(service, desk, tag="g%2") == (1, ["a"])
    assert await listed(service, desk, tag="g_2") == (0, [])
    assert await listed(service, desk, tag="2other") == (0, [])
    assert await listed(service, desk, program_group="g1") == (1, ["a"])
    assert await listed(service, desk, name="a", tag="other", program_group="g1") == (0, [])
    assert await listed(service, desk, name="b", program_group="g1") == (0, [])


async def test_only_the_latest_fifty_are_listed(service, desk):
    for number in range(52):
        await save(service, desk, draft(f"run{number}"))
    total, names = await listed(service, desk)
    assert (total, len(names), names[0], names[-1]) == (52, 50, "run51", "run2")
    for limit in (0, 51):
        with pytest.raises(ArgumentsInvalid):
            await listed(service, desk, limit=limit)


@pytest.mark.parametrize("asked", [{"name": "a\x00"}, {"tag": ""}, {"tag": "a\nb"}, {"program_group": "g" * 129}])
async def test_filters_that_can_match_nothing_are_refused(service, desk, asked):
    with pytest.raises(ArgumentsInvalid):
        await listed(service, desk, **asked)


async def test_every_fault_of_a_draft_is_told(service, desk):
    wrong = draft(
        " ",
        tags=["t" * 65, *(str(number) for number in range(MAXIMUM_TAGS))],
        program_group="g" * 129,
        equity_curve=[],
        parameters={"x": math.nan},
        metrics={"sharpe": "high", "total_return": math.inf},
        fingerprint="f" * 65,
    )
    with pytest.raises(ArgumentsInvalid) as caught:
        await save(service, desk, wrong)
    assert [fault.path for fault in caught.value.faults] == [
        "name",
        "programGroup",
        "fingerprint",
        "tags[0]",
        "tags",
        "equityCurve",
        "parameters",
        "metrics",
        "metrics.sharpe",
    ]
    assert await listed(service, desk) == (0, [])


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "n" * 129},
        {"name": "a\nb"},
        {"parameters": {"x": "y" * 1_000_001}},
        {"parameters": {"x": object()}},
        {"metrics": {"num_trades": True}},
        {"equity_curve": [{"equity": 1.0}]},
        {"equity_curve": [{"dt": "d" * 33, "equity": 1.0}]},
        {"trades": [{"pnl": math.nan}]},
        {"trades": [{"pnl": 1.0}, {"pnl": "x"}]},
        {"trades": [{"pnl": [1.0]}]},
        {"trades": [{"qty": 2**70}]},
    ],
)
async def test_bad_drafts_are_refused(service, desk, changed):
    with pytest.raises(ArgumentsInvalid):
        await save(service, desk, draft(**changed))


async def test_limits_themselves_are_allowed(service, desk):
    kept = await save(
        service, desk, draft("n" * 128, tags=[f"{number:064}" for number in range(20)], program_group="g" * 128)
    )
    assert (len(kept.tags), kept.tags[0], len(kept.program_group or "")) == (20, "0" * 64, 128)


async def test_teams_do_not_see_each_other(service, desk):
    await save(service, desk, draft("mine"))
    await save(service, desk, draft("theirs"), team=2)
    assert await listed(service, desk) == (1, ["mine"])
    assert await listed(service, desk, team=2) == (1, ["theirs"])
    async with desk.unit_of_work() as uow:
        for call in (
            service.get(uow, 1, result_id=2),
            service.compare(uow, 1, ids=[1, 2]),
            service.export(uow, 1, result_id=2, table=ResultTable.EQUITY, form=ExportFormat.CSV),
            service.report(uow, 1, result_id=2, language=Language.ENGLISH),
            service.preview_delete(uow, 1, result_id=2),
            service.delete(uow, 1, result_id=2),
        ):
            with pytest.raises(ResultNotFound):
                await call
    assert await listed(service, desk, team=2) == (1, ["theirs"])


async def test_compare_metric_by_metric(service, desk):
    await save(service, desk, draft("first", metrics={"sharpe": 1.0, "fees": 10.0, "max_drawdown": -0.2, "beta": 1.0}))
    later = [*EQUITY, {"dt": "20240105", "equity": 1.0, "cash": 1.0, "position": 0, "close": 1.0}]
    await save(
        service,
        desk,
        draft(
            "second",
            metrics={
                "sharpe": 1.5,
                "fees": 12.0,
                "max_drawdown": -0.1,
                "beta": 1.0,
                "per_asset": {"x": {"return": 0.1}},
            },
            parameters={"initial_cash": 1_000_000.0, "fast": 10, "size": "all"},
            equity_curve=later,
            dataset="stock_kline",
            simulated=True,
        ),
    )
    async with desk.unit_of_work(read_only=True) as uow:
        found = await service.compare(uow, 1, ids=[1, 2])
    assert [run.name for run in found.runs] == ["first", "second"]
    assert {row.metric: (row.values, row.differences, row.best) for row in found.metrics} == {
        "sharpe": ((1.0, 1.5), (0.0, 0.5), 2),
        "fees": ((10.0, 12.0), (0.0, 2.0), 1),
        "max_drawdown": ((-0.2, -0.1), (0.0, 0.1), 2),
        "beta": ((1.0, 1.0), (0.0, 0.0), None),
        "per_asset.x.return": ((None, 0.1), (None, None), None),
    }
    assert {row.parameter: row.values for row in found.parameters} == {
        "fast": (5, 10),
        "slow": (20, None),
        "size": (None, "all"),
    }
    assert found.warnings == (
        ComparisonWarning.DIFFERENT_PERIODS,
        ComparisonWarning.DIFFERENT_DATASETS,
        ComparisonWarning.SIMULATED_AND_REAL,
        ComparisonWarning.SAME_RUN,
    )


async def test_a_tie_has_no_best_and_one_known_value_is_the_best(service, desk):
    for sharpe in (1.0, 1.0, None):
        await save(service, desk, draft(metrics={"sharpe": sharpe}, fingerprint=""))
    async with desk.unit_of_work(read_only=True) as uow:
        assert [row.best for row in (await service.compare(uow, 1, ids=[1, 2])).metrics] == [None]
        found = await service.compare(uow, 1, ids=[3, 1])
    assert [(row.best, row.differences) for row in found.metrics] == [(1, (None, None))]
    assert found.warnings == ()


@pytest.mark.parametrize("ids", [[], [1], [1, 1], list(range(1, 12))])
async def test_what_cannot_be_compared(service, desk, ids):
    async with desk.unit_of_work(read_only=True) as uow:
        with pytest.raises(ArgumentsInvalid):
            await service.compare(uow, 1, ids=ids)


async def test_export(service, desk):
    await save(service, desk, draft())
    async with desk.unit_of_work(read_only=True) as uow:
        text = await service.export(uow, 1, result_id=1, table=ResultTable.EQUITY, form=ExportFormat.CSV)
        table = await service.export(uow, 1, result_id=1, table=ResultTable.TRADES, form=ExportFormat.PARQUET)
        empty = await service.export(uow, 1, result_id=1, table=ResultTable.BENCHMARK, form=ExportFormat.PARQUET)
    assert (text.name, text.media_type) == ("backtest-1-equity.csv", "text/csv; charset=utf-8")
    assert text.content.decode().splitlines()[:3] == [
        '"dt","equity","cash","position","close"',
        '"20240102",1000000,1000000,0,10',
        '"20240103",1100000,0.5,100000,11',
    ]
    assert (table.name, table.media_type) == ("backtest-1-trades.parquet", "application/vnd.apache.parquet")
    assert pq.read_table(io.BytesIO(table.content)).to_pylist() == TRADES
    assert pq.read_table(io.BytesIO(empty.content)).num_rows == 0


async def test_report_and_image_of_a_kept_run(service, desk):
    pytest.importorskip("matplotlib")
    await save(service, desk, long_draft(300))
    async with desk.unit_of_work(read_only=True) as uow:
        page = await service.report(uow, 1, result_id=1, language=Language.CHINESE)
        image = await service.image(uow, 1, result_id=1, language=Language.ENGLISH)
    assert (page.result_id, page.language) == (1, Language.CHINESE)
    assert "2026-11-20T07:30:00+00:00" in page.html
    assert "涨停封板，无法买入 (limit_up)" in page.html
    assert (image.name, image.media_type, image.content[:4]) == ("backtest-1.png", "image/png", b"\x89PNG")


async def test_delete_removes_one_run_for_good(service, desk):
    await save(service, desk, draft("keep"))
    await save(service, desk, draft("drop"))
    async with desk.unit_of_work() as uow:
        preview = await service.preview_delete(uow, 1, result_id=2)
        removed = await service.delete(uow, 1, result_id=2)
        await uow.commit()
    assert preview == removed
    assert removed.sentence == "Backtest result 2 (drop) with 3 bars and 1 trades is deleted."
    assert await listed(service, desk) == (1, ["keep"])
    async with desk.unit_of_work() as uow:
        with pytest.raises(ResultNotFound):
            await service.delete(uow, 1, result_id=2)
    assert (await save(service, desk, draft("next"))).id == 3


async def test_rows_with_different_keys_keep_their_values(service, desk):
    await save(service, desk, draft(orders=[{"id": 1, "reason": "filled"}, *ORDERS, {"note": "x"}]))
    async with desk.unit_of_work(read_only=True) as uow:
        file = await service.export(uow, 1, result_id=1, table=ResultTable.ORDERS, form=ExportFormat.PARQUET)
        found = await service.get(uow, 1, result_id=1)
    rows = pq.read_table(io.BytesIO(file.content)).to_pylist()
    assert (rows[0]["symbol"], rows[-1]["note"], len(rows)) == (None, "x", 5)
    assert found.order_reasons == {"filled": 3, "limit_down": 1}
