"""The worker of a desk: carries out its runs, in the server or in a process of its own (`dingpan worker`)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from core.durable.runner import Runner
from core.durable.worker import Executor, Worker, Workplace, worker_processes

if TYPE_CHECKING:
    from core.bootstrap import Services
    from core.durable.executor import DbosExecutor


def worker_of(services: "Services") -> Worker:
    """Return the worker of a desk, woken by its runs. `work` sets it going."""
    worker = Worker(
        Workplace(
            database=services.database,
            jobs=services.jobs,
            clock=services.clock,
            ids=services.ids,
            folder=services.settings.home / "worker",
            executor=lambda runner: _dbos(services, runner),
            children=services.children,
            days=services.settings.run_days,
        )
    )
    services.runs.on_news(worker.wake)
    return worker


@asynccontextmanager
async def working(services: "Services") -> AsyncIterator[None]:
    """Have a worker beside the block, where the settings want one."""
    if not services.settings.worker:
        yield
        return
    task = asyncio.create_task(worker_of(services).work())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _dbos(services: "Services", runner: Runner) -> Executor:
    """Import DBOS beside the event loop, when the first run is there."""
    module = await asyncio.to_thread(_import_executor)
    return module(
        url=services.settings.executor_url,
        owner=runner.owner,
        execute=runner.execute,
        concurrency=worker_processes(),
    )


def _import_executor() -> "type[DbosExecutor]":
    from core.durable.executor import DbosExecutor  # noqa: PLC0415 - DBOS takes 1.5 s to import

    return DbosExecutor
