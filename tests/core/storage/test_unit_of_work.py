"""The unit of work on both databases: snapshots, one short write, rollback, hooks."""

import asyncio

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from core.storage.database import Database
from core.storage.unit_of_work import UnitOfWork, WriteRefused

pytestmark = pytest.mark.anyio
box = Table("box", MetaData(), Column("number", Integer, primary_key=True))


@pytest.fixture
async def desk(database: Database) -> Database:
    await database.run(box.create)
    return database


async def numbers(database: Database) -> list[int]:
    async with database.unit_of_work(read_only=True) as uow:
        return [row.number for row in await uow.fetch_all(select(box).order_by(box.c.number))]


async def test_write_is_kept_only_after_commit(desk: Database) -> None:
    async with desk.unit_of_work() as uow:
        async with uow.write():
            await uow.execute(insert(box).values(number=1))
        assert uow.has_written
        assert await numbers(desk) == []
        await uow.commit()
    async with desk.unit_of_work() as uow, uow.write():
        await uow.execute(insert(box).values(number=2))
    assert await numbers(desk) == [1]


async def test_exception_inside_write_rolls_back_and_leaves_reading_possible(desk: Database) -> None:
    async with desk.unit_of_work() as uow:
        with pytest.raises(ZeroDivisionError):
            async with uow.write():
                await uow.execute(insert(box).values(number=1))
                raise ZeroDivisionError
        assert await uow.fetch_all(select(box)) == []
    assert await numbers(desk) == []


async def test_green_calls_and_second_writes_are_refused(desk: Database) -> None:
    async with desk.unit_of_work(read_only=True) as uow:
        with pytest.raises(WriteRefused):
            async with uow.write():
                pass
    async with desk.unit_of_work() as uow:
        with pytest.raises(WriteRefused):
            await uow.execute(insert(box).values(number=1))
        async with uow.write():
            pass
        with pytest.raises(WriteRefused):
            async with uow.write():
                pass


async def test_hooks_run_first_inside_the_transaction(desk: Database) -> None:
    async def add_seven(uow: UnitOfWork) -> None:
        await uow.execute(insert(box).values(number=7))

    async with desk.unit_of_work() as uow:
        uow.on_write(add_seven)
        async with uow.write():
            assert [row.number for row in await uow.fetch_all(select(box))] == [7]
        await uow.commit()
    assert await numbers(desk) == [7]


async def test_a_snapshot_read_before_does_not_break_the_write(desk: Database) -> None:
    async def add(number: int) -> None:
        async with desk.unit_of_work() as uow:
            await uow.fetch_all(select(box))
            async with uow.write():
                await uow.execute(insert(box).values(number=number))
            await uow.commit()

    await asyncio.gather(*(add(number) for number in range(20)))
    assert await numbers(desk) == list(range(20))


async def test_a_step_begins_a_write_alone_and_joins_one_in_progress(desk: Database) -> None:
    async def add(uow: UnitOfWork, number: int) -> None:
        async with uow.join_write():
            await uow.execute(insert(box).values(number=number))

    async with desk.unit_of_work() as uow:
        await add(uow, 1)
        await add(uow, 2)
        await uow.commit()
    async with desk.unit_of_work() as uow:
        async with uow.write():
            await add(uow, 3)
        await uow.commit()
    assert await numbers(desk) == [1, 2, 3]


async def test_a_failing_step_rolls_back_the_write_it_joined_and_forgets_its_callbacks(desk: Database) -> None:
    told: list[str] = []
    async with desk.unit_of_work() as uow:
        async with uow.write():
            await uow.execute(insert(box).values(number=1))
            uow.after_commit(lambda: told.append("rolled back"))
        with pytest.raises(ZeroDivisionError):
            async with uow.join_write():
                raise ZeroDivisionError
        async with uow.write():
            await uow.execute(insert(box).values(number=2))
            uow.after_commit(lambda: told.append("kept"))
        await uow.commit()
    assert (await numbers(desk), told) == ([2], ["kept"])


async def test_a_read_only_call_cannot_join(desk: Database) -> None:
    async with desk.unit_of_work(read_only=True) as uow:
        assert uow.dialect in {"sqlite", "postgresql"}
        with pytest.raises(WriteRefused):
            async with uow.join_write():
                pass
