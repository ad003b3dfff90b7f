"""Forgetting runs that ended long ago: their rows after some months, what the executor remembers of them after a day.

What a run left behind, a result or the trials of a sweep, is in a store of its own and stays.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from core.clock import Clock
from core.durable.store import WorkerRuns
from core.storage.database import Database

DAY: Final = timedelta(days=1)
BATCH: Final = 500
"""Rows deleted in one write: others wait for it on SQLite."""

log = structlog.get_logger("dingpan.runs")


class Forgetful(Protocol):
    """An executor that can forget deliveries which are over."""

    async def forget(self, *, before: datetime) -> int:
        """Delete what it remembers of deliveries made before a moment that are over; return how many."""
        ...


@dataclass(slots=True)
class Tidying:
    """Tidies up once a day. `days` is how long ended runs are kept; 0 for ever."""

    database: Database
    clock: Clock
    days: int
    _rows: datetime | None = field(default=None, init=False)
    _deliveries: datetime | None = field(default=None, init=False)

    async def if_due(self, executor: Forgetful | None) -> None:
        """Tidy up what was not tidied for a day; an executor only where one is at work already."""
        now = self.clock.now()
        if self.days > 0 and _is_due(self._rows, now):
            self._rows = now
            count = await self._forget_rows(now - self.days * DAY)
            if count:
                log.info("old runs were forgotten", count=count, days=self.days)
        if executor is not None and _is_due(self._deliveries, now):
            self._deliveries = now
            await executor.forget(before=now - DAY)

    async def _forget_rows(self, before: datetime) -> int:
        total, count = 0, BATCH
        while count == BATCH:
            async with self.database.unit_of_work() as uow:
                async with uow.write():
                    count = await WorkerRuns(uow).forget(before=before, limit=BATCH)
                await uow.commit()
            total += count
        return total


def _is_due(last: datetime | None, now: datetime) -> bool:
    return last is None or now - last >= DAY
