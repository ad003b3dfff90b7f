"""DBOS as we use it: a delivery arrives once on our loop, is told apart when repeated, and is given back at the end."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.durable.executor import DbosExecutor
from core.durable.slot import worker_slot
from core.ids import SeededIds
from core.settings import Settings
from tests.support.databases import PostgresCluster

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    database_url = ""
    if request.param == "postgres":
        cluster: PostgresCluster = request.getfixturevalue("postgres")
        database_url = await cluster.new_database(empty=True)
    return Settings(home=tmp_path, database_url=database_url).executor_url


async def test_deliveries(url: str) -> None:
    seen: list[tuple[str, int]] = []
    told = {name: asyncio.Event() for name in ("run_a", "run_b", "run_c", "given back")}

    async def execute(run_id: str, start: int) -> None:
        seen.append((run_id, start))
        told[run_id].set()
        if run_id == "run_c":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0.1)  # what is given back is written before anything is closed
                told["given back"].set()
                raise

    executor = DbosExecutor(url=url, owner="home.0", execute=execute, concurrency=2)
    await executor.launch()
    try:
        for run_id in ("run_a", "run_a", "run_b"):
            await executor.deliver(run_id, 1)
        await asyncio.wait_for(asyncio.gather(told["run_a"].wait(), told["run_b"].wait()), 20)
        assert sorted(seen) == [("run_a", 1), ("run_b", 1)]
        for _ in range(200):
            if await executor.has_ended("run_a", 1):
                break
            await asyncio.sleep(0.05)
        assert await executor.has_ended("run_a", 1)
        assert await executor.has_ended("run_never", 1)
        told["run_a"].clear()
        await executor.deliver("run_a", 1, again=".again_1")
        await asyncio.wait_for(told["run_a"].wait(), 20)
        await executor.deliver("run_c", 3)
        await asyncio.wait_for(told["run_c"].wait(), 20)
        assert not await executor.has_ended("run_c", 3)
        assert await executor.forget(before=datetime(2020, 1, 1, tzinfo=UTC)) == 0
        assert await executor.forget(before=datetime(2100, 1, 1, tzinfo=UTC)) == 3, "what is under way stays"
        assert not await executor.has_ended("run_c", 3)
    finally:
        await executor.close()
    assert told["given back"].is_set()
    assert seen[2:] == [("run_a", 1), ("run_c", 3)]


async def test_a_worker_has_the_same_name_again_and_never_that_of_a_live_one(tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    with worker_slot(folder, SeededIds(1)) as first, worker_slot(folder, SeededIds(2)) as second:
        assert first.endswith(".0")
        assert second == first[:-1] + "1"
    with worker_slot(folder, SeededIds(3)) as again:
        assert again == first
    with worker_slot(folder.with_name("other"), SeededIds(4)) as elsewhere:
        assert elsewhere.partition(".")[0] != first.partition(".")[0]
