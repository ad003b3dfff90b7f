"""Runs carried out by tasks of the test's own event loop, and jobs whose moments a test decides."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from core.clock import Clock
from core.durable.child import Children, Kind, Tell
from core.durable.model import Claim, Limits, RunDetail, RunDraft
from core.durable.runner import Runner
from core.durable.runs import RunService
from core.durable.workbench import Workbench
from core.durable.worker import Worker, Workplace
from core.ids import SeededIds
from core.storage.database import Database
from core.storage.unit_of_work import UnitOfWork


class InlineExecutor:
    """Delivers each beginning as a task; remembers what it was asked to deliver."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.delivered: list[tuple[str, int]] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.forgot: list[datetime] = []

    async def launch(self) -> None:
        pass

    async def deliver(self, run_id: str, start: int, *, again: str = "") -> None:
        self.delivered.append((run_id, start))
        self.tasks.append(asyncio.create_task(self.runner.execute(run_id, start)))

    async def has_ended(self, run_id: str, start: int) -> bool:
        return True

    async def forget(self, *, before: datetime) -> int:
        self.forgot.append(before)
        return 0

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@dataclass
class Draw:
    """A job that counts how often it was begun and kept; it waits for `gate` where there is one."""

    kind: str = "draw"
    gate: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    work: Callable[[Workbench], Any] | None = None
    starts: int = 0
    at_once: int = 0
    most_at_once: int = 0
    kept: list[str] = field(default_factory=list)

    async def carry_out(self, bench: Workbench) -> Any:
        self.starts += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.begun.set()
        bench.step("drawing")
        try:
            return await self._draw(bench)
        finally:
            self.at_once -= 1

    async def _draw(self, bench: Workbench) -> Any:
        if self.gate is not None:
            await self.gate.wait()
        return await self.work(bench) if self.work is not None else bench.claim.arguments["number"]

    async def keep(self, uow: UnitOfWork, claim: Claim, outcome: Any) -> dict[str, Any]:
        self.kept.append(claim.run_id)
        return {"drawn": outcome}


@dataclass
class Works:
    """A database with runs, and workers on it."""

    database: Database
    clock: Clock
    folder: Path
    job: Draw
    ids: SeededIds = field(default_factory=lambda: SeededIds(9))
    workers: list[asyncio.Task[None]] = field(default_factory=list)
    executors: list[InlineExecutor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.service = RunService(self.clock, self.ids)

    async def queue(self, number: int = 7, *, team_id: int = 1, limits: Limits | None = None) -> str:
        async with self.database.unit_of_work() as uow:
            draft = RunDraft(kind="draw", title="a draw", arguments={"number": number}, limits=limits or Limits())
            run = await self.service.queue(uow, team_id, draft=draft, created_by="ada")
            await uow.commit()
        return run.run_id

    async def get(self, run_id: str, *, team_id: int = 1) -> RunDetail:
        async with self.database.unit_of_work(read_only=True) as uow:
            return await self.service.get(uow, team_id, run_id=run_id)

    async def cancel(self, run_id: str, *, team_id: int = 1) -> RunDetail:
        async with self.database.unit_of_work() as uow:
            run = await self.service.cancel(uow, team_id, run_id=run_id)
            await uow.commit()
        return run

    def runner(self, owner: str = "w.0") -> Runner:
        return Runner(
            self.database, jobs={"draw": self.job}, clock=self.clock, ids=self.ids, children=Children(), owner=owner
        )

    def start_worker(self, *, days: int = 0) -> asyncio.Task[None]:
        async def executor(runner: Runner) -> InlineExecutor:
            self.executors.append(InlineExecutor(runner))
            return self.executors[-1]

        place = Workplace(
            database=self.database,
            jobs={"draw": self.job},
            clock=self.clock,
            ids=self.ids,
            folder=self.folder,
            executor=executor,
            days=days,
        )
        worker = Worker(place)
        self.service.on_news(worker.wake)
        self.workers.append(asyncio.create_task(worker.work()))
        return self.workers[-1]

    async def ended(self, run_id: str) -> RunDetail:
        """The run once it has ended; each look lets the workers go on."""
        for _ in range(6000):
            run = await self.get(run_id)
            if run.state.has_ended:
                return run
            await asyncio.sleep(0.01)
        raise AssertionError(f"{run.state} {run.step}")

    async def at_step(self, run_id: str, step: str) -> None:
        for _ in range(6000):
            if (await self.get(run_id)).step == step:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{run_id} never came to {step}")

    async def close(self) -> None:
        for worker in self.workers:
            worker.cancel()
        await asyncio.gather(*self.workers, return_exceptions=True)


def count_slowly(tell: Tell, steps: int) -> int:
    """Work for a child process: tell each step; the first tenth goes by at once, the rest never ends."""
    import time

    for step in range(1, steps + 1):
        tell(Kind.PROGRESS, (step, steps))
        tell(Kind.LOG, f"step {step}")
        if step > steps / 10:
            time.sleep(60)
    return steps


def take_memory(tell: Tell, megabytes: int) -> int:
    held = bytearray(megabytes * 2**20)
    for place in range(0, len(held), 4096):
        held[place] = 1
    import time

    time.sleep(60)
    return len(held)


def add(tell: Tell, one: int, other: int) -> int:
    return one + other


def break_down(tell: Tell) -> None:
    raise ZeroDivisionError("of the work itself")


def leave(tell: Tell) -> None:
    import os

    os._exit(3)


def children_of(tell: Tell, path: str) -> None:
    """Start a process of its own, write down both, and hang."""
    import os
    import subprocess
    import sys
    import time

    inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(path).write_text(f"{os.getpid()} {inner.pid}")
    tell(Kind.STEP, "started")
    time.sleep(60)
