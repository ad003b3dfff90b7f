"""Runs: carried out once and kept once, whoever dies; cancelled, stopped, told apart by team. On both databases."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from core.access.store import teams
from core.clock import FrozenClock
from core.durable.model import Limits, RunEnded, RunLimit, RunNotFound, RunState
from core.durable.runner import LEASE
from core.durable.store import WorkerRuns
from core.durable.workbench import Workbench
from core.durable.worker import AHEAD, worker_processes
from core.errors import ArgumentsInvalid
from core.storage.database import Database
from tests.support import inline_executor as work
from tests.support.inline_executor import Draw, Works

pytestmark = pytest.mark.anyio


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


async def test_a_run_is_found_carried_out_and_kept(works: Works) -> None:
    run_id = await works.queue(7)
    queued = await works.get(run_id)
    assert (queued.state, queued.progress, queued.starts, queued.result) == (RunState.QUEUED, 0.0, 0, None)
    works.start_worker()
    run = await works.ended(run_id)
    assert (run.state, run.result, run.starts, run.progress) == (RunState.SUCCEEDED, {"drawn": 7}, 1, 1.0)
    assert (run.log, run.log_dropped, run.failure) == (("drawing",), 0, None)
    assert run.started_at is not None
    assert works.job.kept == [run_id]
    later = await works.queue(8)  # the worker is woken: it does not wait for its next look
    assert (await works.ended(later)).result == {"drawn": 8}
    assert works.executors[0].delivered == [(run_id, 1), (later, 1)]


async def test_a_run_exists_exactly_when_its_call_was_committed(works: Works) -> None:
    async with works.database.unit_of_work() as uow:
        draft = work.RunDraft(kind="draw", title="x", arguments={"number": 1})
        run = await works.service.queue(uow, 1, draft=draft, created_by="ada")
    with pytest.raises(RunNotFound):
        await works.get(run.run_id)


async def test_two_deliveries_and_two_workers_begin_a_run_once(works: Works) -> None:
    run_id = await works.queue()
    one, other = works.runner("w.0"), works.runner("w.1")
    states = await asyncio.gather(*(runner.execute(run_id, 1) for runner in (one, other, one)))
    assert sorted(states, key=str) == [None, None, RunState.SUCCEEDED]
    assert await one.execute(run_id, 1) is None
    assert await one.execute(run_id, 2) is None
    assert (works.job.starts, works.job.kept) == (1, [run_id])


async def test_failures_are_named(works: Works) -> None:
    async def refuse(bench: Workbench) -> Any:
        raise RunNotFound(run_id="run_x")

    async def break_down(bench: Workbench) -> Any:
        return await bench.in_child(work.break_down)

    async def leave(bench: Workbench) -> Any:
        return await bench.in_child(work.leave)

    failures = []
    for job in (refuse, break_down, leave):
        works.job.work = job
        run_id = await works.queue()
        assert await works.runner().execute(run_id, 1) is RunState.FAILED
        failures.append((await works.get(run_id)).failure)
    assert [failure.code for failure in failures if failure] == ["run_not_found", "internal", "run_process_died"]
    assert failures[1] is not None
    assert failures[1].details["incident_id"].startswith("inc_")
    assert "ZeroDivision" not in str(failures[1])
    assert failures[2] is not None
    assert failures[2].message == "The process of the run ended with exit code 3."
    assert works.job.kept == []


async def test_a_queued_run_is_cancelled_at_once_and_an_ended_one_not_at_all(works: Works) -> None:
    run_id = await works.queue()
    assert (await works.cancel(run_id)).state is RunState.CANCELLED
    assert await works.runner().execute(run_id, 1) is None
    with pytest.raises(RunEnded):
        await works.cancel(run_id)


async def test_cancelling_a_running_run_ends_its_process_and_what_that_started(works: Works, tmp_path: Path) -> None:
    async def hang(bench: Workbench) -> Any:
        return await bench.in_child(work.children_of, str(tmp_path / "pids"))

    works.job.work = hang
    works.start_worker()
    run_id = await works.queue()
    await works.at_step(run_id, "started")
    assert (await works.cancel(run_id)).cancel_requested is True
    run = await works.ended(run_id)
    assert (run.state, run.result, run.log) == (RunState.CANCELLED, None, ("drawing", "started"))
    for pid in (tmp_path / "pids").read_text().split():
        await gone(int(pid))


async def gone(pid: int) -> None:
    """A killed process is gone once the system comes to it."""
    for _ in range(6000):
        if not is_alive(pid):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{pid} lives")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("job", "limits", "reason"),
    [
        (lambda bench: bench.in_child(work.count_slowly, 10), Limits(seconds=1.5), "it took longer than 1.5 s"),
        (lambda bench: bench.in_child(work.take_memory, 300), Limits(memory_mb=200), "it needed more than 200 MB"),
    ],
)
async def test_limits_stop_a_run_and_keep_its_log(works: Works, job: Any, limits: Limits, reason: str) -> None:
    works.job.work = job
    run_id = await works.queue(limits=limits)
    assert await works.runner().execute(run_id, 1) is RunState.FAILED
    run = await works.get(run_id)
    assert run.failure is not None
    assert (run.failure.code, run.failure.message) == ("run_over_limit", f"The run was stopped: {reason}.")
    assert run.log[-1] == run.failure.message
    assert reason != "it took longer than 1.5 s" or run.log[1:3] == ("step 1", "step 2")


async def test_a_dead_workers_run_is_taken_over_once_its_lease_is_over(works: Works, clock: FrozenClock) -> None:
    run_id = await works.queue()
    dead = await claim(works, run_id, session="ses_dead")
    works.start_worker()
    other = await works.queue(1)
    await works.ended(other)
    assert (await works.get(run_id)).state is RunState.RUNNING
    clock.advance(LEASE + timedelta(seconds=1))
    await works.ended(await works.queue(2))
    run = await works.ended(run_id)
    assert (run.state, run.starts, run.result) == (RunState.SUCCEEDED, 2, {"drawn": 7})
    async with works.database.unit_of_work() as uow, uow.write():
        assert await WorkerRuns(uow).renew(dead, lease_until=clock.now()) is None
        assert await WorkerRuns(uow).end(dead, state=RunState.FAILED, now=clock.now()) is False


async def test_a_worker_takes_up_what_its_own_earlier_life_left_behind(works: Works) -> None:
    run_id = await works.queue()
    await claim(works, run_id, session="ses_dead", owner=await own_name(works))
    works.start_worker()  # the lease is not over: the slot's lock says that the earlier life is
    run = await works.ended(run_id)
    assert (run.state, run.starts) == (RunState.SUCCEEDED, 2)


async def test_a_run_that_takes_its_workers_down_is_given_up(works: Works, clock: FrozenClock) -> None:
    run_id = await works.queue()
    for start in (1, 2, 3):
        assert await claim(works, run_id, session=f"ses_{start}", start=start)
        clock.advance(LEASE + timedelta(seconds=1))
        async with works.database.unit_of_work() as uow:
            async with uow.write():
                assert await WorkerRuns(uow).requeue_abandoned(now=clock.now()) == 1
            await uow.commit()
    assert await works.runner().execute(run_id, 4) is RunState.FAILED
    run = await works.get(run_id)
    assert run.failure is not None
    assert (run.failure.code, works.job.starts) == ("run_lost", 0)


async def test_a_lost_lease_stops_the_work_and_writes_nothing(works: Works, clock: FrozenClock) -> None:
    works.job.gate = asyncio.Event()
    run_id = await works.queue()
    slow = works.runner("w.0")
    task = asyncio.create_task(slow.execute(run_id, 1))
    await works.job.begun.wait()
    clock.advance(LEASE + timedelta(seconds=1))
    async with works.database.unit_of_work() as uow:
        async with uow.write():
            await WorkerRuns(uow).requeue_abandoned(now=clock.now())
        await uow.commit()
    works.job.gate, gate = None, works.job.gate
    assert await works.runner("w.1").execute(run_id, 2) is RunState.SUCCEEDED
    gate.set()
    assert await task is None
    assert works.job.kept == [run_id]
    assert (await works.get(run_id)).starts == 2


async def test_a_worker_that_stops_gives_its_runs_back_without_blame(works: Works) -> None:
    works.job.gate = asyncio.Event()
    run_id = await works.queue()
    worker = works.start_worker()
    await works.job.begun.wait()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    run = await works.get(run_id)
    assert (run.state, run.starts) == (RunState.QUEUED, 1)
    works.job.gate.set()
    works.start_worker()
    assert (await works.ended(run_id)).starts == 2
    assert works.job.kept == [run_id]


async def test_a_worker_ends_when_told_to_also_when_news_come_at_that_moment(works: Works) -> None:
    for steps in range(5):
        worker = works.start_worker()
        news = works.service._listeners[-1].__self__._news  # type: ignore[attr-defined]
        while not news._waiters:  # noqa: ASYNC110 - until it listens
            await asyncio.sleep(0)
        news.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        worker.cancel()
        assert await asyncio.wait({worker}, timeout=10) == ({worker}, set()), steps


async def test_teams_see_their_own_runs_only(works: Works) -> None:
    run_id = await works.queue()
    with pytest.raises(RunNotFound):
        await works.get(run_id, team_id=2)
    with pytest.raises(RunNotFound):
        await works.cancel(run_id, team_id=2)
    async with works.database.unit_of_work(read_only=True) as uow:
        assert (await works.service.list(uow, 2)).total == 0
        mine = await works.service.list(uow, 1, kinds=["draw"], state=RunState.QUEUED)
        assert (mine.total, mine.items[0].run_id) == (1, run_id)
        assert (await works.service.list(uow, 1, kinds=["other"])).items == ()
        with pytest.raises(ArgumentsInvalid):
            await works.service.list(uow, 1, limit=51)
    assert (await works.get(run_id)).state is RunState.QUEUED


async def test_teams_take_turns(works: Works, clock: FrozenClock) -> None:
    first = []
    for _ in range(4):
        first.append(await works.queue())
        clock.advance(timedelta(seconds=1))
    second = [await works.queue(team_id=2) for _ in range(2)]
    async with works.database.unit_of_work(read_only=True) as uow:
        order = [run_id for run_id, _ in await WorkerRuns(uow).waiting(limit=100)]
    assert order[0] == first[0]
    assert {order[1], order[3]} == set(second)
    assert [order[2], *order[4:]] == first[1:]
    await claim(works, first[0], session="ses_1")
    await claim(works, first[1], session="ses_1")
    async with works.database.unit_of_work(read_only=True) as uow:
        order = [run_id for run_id, _ in await WorkerRuns(uow).waiting(limit=100)]
    assert set(order[:2]) == set(second)
    assert order[2:] == first[2:]


async def test_a_worker_hands_out_no_more_than_it_can_carry_out_soon(works: Works) -> None:
    works.job.gate = asyncio.Event()
    queued = [await works.queue(number) for number in range(12)]
    works.start_worker()
    await works.job.begun.wait()
    await works.queue(12)  # makes the worker look again
    works.job.gate.set()
    for run_id in queued:
        assert (await works.ended(run_id)).state is RunState.SUCCEEDED
    assert 1 <= works.job.most_at_once <= worker_processes() * AHEAD
    assert works.job.starts >= 12


async def test_a_team_may_have_twenty_open_runs(works: Works) -> None:
    runs = [await works.queue() for _ in range(20)]
    with pytest.raises(RunLimit) as refused:
        await works.queue()
    assert refused.value.data["count"] == 20
    await works.queue(team_id=2)
    await works.cancel(runs[0])
    await works.queue()


async def test_a_child_ends_with_its_parent(works: Works, tmp_path: Path) -> None:
    """The fork server's child notices that the pipe to its parent is closed."""
    from core.durable.child import Children

    process, pipe = Children()._start(work.children_of, (str(tmp_path / "pids"),))
    assert [pipe.recv()[1], pipe.recv()[1]] == [None, "started"]
    pipe.close()
    process.join(10)
    assert process.exitcode == -9
    for pid in (tmp_path / "pids").read_text().split():
        await gone(int(pid))
    process.close()
    assert os.getpid()


async def own_name(works: Works) -> str:
    from core.durable.slot import worker_slot

    with worker_slot(works.folder, works.ids) as name:
        return name


async def claim(works: Works, run_id: str, *, session: str, start: int = 1, owner: str = "w.9") -> Any:
    now = works.clock.now()
    async with works.database.unit_of_work() as uow:
        async with uow.write():
            found = await WorkerRuns(uow).claim(
                run_id, start=start, owner=owner, session=session, now=now, lease_until=now + LEASE
            )
        await uow.commit()
    return found
