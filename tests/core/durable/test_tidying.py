"""Old runs are forgotten once a day: those that ended long ago, of every team, and nothing else. On both databases."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from core.access.store import teams
from core.clock import FrozenClock
from core.durable import tidying
from core.durable.model import RunState
from core.durable.store import runs
from core.durable.tidying import Tidying
from core.storage.database import Database
from tests.support.inline_executor import Draw, InlineExecutor, Works

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)


@pytest.fixture
async def works(database: Database, clock: FrozenClock, tmp_path: Path) -> AsyncIterator[Works]:
    async with database.unit_of_work() as uow:
        async with uow.write():
            for name in ("alpha", "beta"):
                await uow.execute(insert(teams).values(name=name, name_key=name, created_at=clock.now()))
        await uow.commit()
    made = Works(database, clock, tmp_path / "worker", Draw())
    yield made
    await made.close()


async def left(works: Works) -> set[str]:
    async with works.database.unit_of_work(read_only=True) as uow:
        return {row.id for row in await uow.fetch_all(select(runs.c.id))}


async def ended_run(works: Works, *, team_id: int = 1) -> str:
    run_id = await works.queue(team_id=team_id)
    assert await works.runner().execute(run_id, 1) is RunState.SUCCEEDED
    return run_id


async def test_only_runs_that_ended_long_ago_go(works: Works, clock: FrozenClock) -> None:
    old = [await ended_run(works), await ended_run(works, team_id=2)]
    cancelled = await works.queue()
    await works.cancel(cancelled)
    waiting, ended_late = await works.queue(), await works.queue()
    clock.advance(60 * DAY)
    assert await works.runner().execute(ended_late, 1) is RunState.SUCCEEDED
    clock.advance(30 * DAY)
    tidy = Tidying(works.database, clock, 90)
    await tidy.if_due(None)
    assert await left(works) == {*old, cancelled, waiting, ended_late}, "to the day"
    clock.advance(DAY)
    await tidy.if_due(None)
    assert await left(works) == {waiting, ended_late}, "what waits is never old"


async def test_it_is_done_once_a_day_and_in_parts(
    works: Works, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "BATCH", 2)
    for _ in range(5):
        await ended_run(works)
    clock.advance(10 * DAY)
    tidy = Tidying(works.database, clock, 1)
    await tidy.if_due(None)
    assert await left(works) == set()
    young = await ended_run(works)
    clock.advance(DAY - timedelta(seconds=1))
    tidy.days = -1
    await tidy.if_due(None)
    assert await left(works) == {young}
    for_ever = Tidying(works.database, clock, 0)
    clock.advance(1_000 * DAY)
    await for_ever.if_due(None)
    assert await left(works) == {young}


async def test_a_worker_tidies_at_its_start_and_tells_what_hands_runs_out(works: Works, clock: FrozenClock) -> None:
    old = await ended_run(works)
    clock.advance(91 * DAY)
    works.start_worker(days=90)
    young = await works.queue()
    assert (await works.ended(young)).state is RunState.SUCCEEDED
    for _ in range(200):
        if await left(works) == {young} and works.executors[0].forgot:
            break
        await works.ended(young)
    assert (await left(works), works.executors[0].forgot) == ({young}, [clock.now() - DAY])
    assert old != young


async def test_what_hands_runs_out_is_told_once_a_day(works: Works, clock: FrozenClock) -> None:
    tidy, executor = Tidying(works.database, clock, 0), InlineExecutor(works.runner())
    for _ in range(3):
        await tidy.if_due(executor)
        clock.advance(DAY / 2)
    assert executor.forgot == [clock.now() - 2.5 * DAY, clock.now() - 1.5 * DAY]
