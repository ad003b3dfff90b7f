"""What the threads behind SQLite must get right: cancelled statements, waiting writers, many callers at once."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from core.storage import drivers
from core.storage.database import Database
from core.storage.drivers import DatabaseBusy

pytestmark = pytest.mark.anyio
ENDLESS = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")


@pytest.fixture
async def desk(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'desk.sqlite3'}")
    await database.run(lambda connection: connection.execute(text("CREATE TABLE box (content INTEGER)")))
    yield database
    await database.close()


async def contents(desk: Database) -> list[int]:
    async with desk.unit_of_work(read_only=True) as uow:
        return [row.content for row in await uow.fetch_all(text("SELECT content FROM box ORDER BY content"))]


async def test_a_cancelled_statement_is_stopped_and_its_connection_is_usable_again(desk: Database) -> None:
    async with desk.unit_of_work(read_only=True) as uow:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await uow.fetch_all(ENDLESS)
    assert await contents(desk) == []


def threads_of_databases() -> set[int | None]:
    return {thread.ident for thread in threading.enumerate() if thread.name.startswith("sqlite")}


async def test_a_short_read_makes_no_trip_to_a_thread_and_a_long_one_does(tmp_path: Path) -> None:
    path = tmp_path / "desk.sqlite3"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE box (content INTEGER)")
        other.executemany("INSERT INTO box VALUES (?)", [(number,) for number in range(50_000)])
        other.commit()
    desk = Database(f"sqlite:///{path}")
    before = threads_of_databases()
    async with desk.unit_of_work(read_only=True) as uow:
        for _ in range(500):  # what short reads have used up does not add up
            short = await uow.fetch_all(text("SELECT content FROM box LIMIT 100"))
        assert [row.content for row in short] == list(range(100))
        assert threads_of_databases() == before
        long = await uow.fetch_all(text("SELECT content FROM box ORDER BY content"))
        assert [row.content for row in long] == list(range(50_000))
        assert len(threads_of_databases() - before) == 1
        first = await uow.fetch_one(text("SELECT content FROM box"))
        assert first is not None
        assert first.content == 0
    await desk.close()


async def test_a_long_read_sees_what_the_short_ones_before_it_saw(desk: Database) -> None:
    await put(desk, 1)
    counted = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) "
        "SELECT count(i) AS steps, (SELECT count(*) FROM box) AS content FROM n"
    )
    async with desk.unit_of_work(read_only=True) as uow:
        assert (await uow.fetch_one(text("SELECT count(*) AS content FROM box"))).content == 1
        await put(desk, 2)
        row = await uow.fetch_one(counted)
        assert (row.steps, row.content) == (50_000, 1)
    assert await contents(desk) == [1, 2]


async def test_a_cancelled_write_is_rolled_back_and_lets_the_next_writer_in(desk: Database) -> None:
    async def stuck() -> None:
        async with desk.unit_of_work() as uow, uow.write():
            await uow.execute(text("INSERT INTO box VALUES (1)"))
            await uow.fetch_all(ENDLESS)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stuck(), 0.05)
    await put(desk, 2)
    assert await contents(desk) == [2]


async def put(desk: Database, content: int) -> None:
    async with desk.unit_of_work() as uow:
        async with uow.write():
            await uow.execute(text("INSERT INTO box VALUES (:content)"), {"content": content})
            await asyncio.sleep(0)
        await uow.commit()


async def test_more_writers_than_threads_all_get_their_turn(desk: Database) -> None:
    await asyncio.gather(*(put(desk, number) for number in range(3 * drivers.THREADS)))
    assert await contents(desk) == list(range(3 * drivers.THREADS))


async def test_more_open_readers_than_threads_go_on(desk: Database) -> None:
    await put(desk, 7)
    units = [desk.unit_of_work(read_only=True) for _ in range(3 * drivers.THREADS)]
    answers = await asyncio.gather(*(unit.fetch_one(text("SELECT content FROM box")) for unit in units))
    again = await asyncio.gather(*(unit.fetch_one(text("SELECT content FROM box")) for unit in units))
    for unit in units:
        await unit.commit()
    assert [row.content for row in (*answers, *again)] == [7] * 6 * drivers.THREADS


async def test_a_writer_that_waits_too_long_is_told_so(desk: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "BUSY_TIMEOUT_SECONDS", 0.05)
    async with desk.unit_of_work() as first, first.write():
        await first.execute(text("INSERT INTO box VALUES (1)"))
        with pytest.raises(DatabaseBusy, match="Nothing was changed"):
            await put(desk, 2)
        await first.execute(text("INSERT INTO box VALUES (3)"))
    assert await contents(desk) == []  # the first was never committed


async def test_a_write_of_another_process_is_waited_for_and_then_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "BUSY_TIMEOUT_SECONDS", 0.05)
    path = tmp_path / "desk.sqlite3"
    desk = Database(f"sqlite:///{path}")
    await desk.run(lambda connection: connection.execute(text("CREATE TABLE box (content INTEGER)")))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy):
        await put(desk, 1)
    other.execute("ROLLBACK")
    await put(desk, 2)
    assert await contents(desk) == [2]
    other.close()
    await desk.close()
