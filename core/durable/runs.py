"""What callers can do with runs: queue one, look, cancel.

A run is a row, written `queued` in the caller's own transaction: it exists exactly when what asked for it does. Workers
find it there; who carries it out is told by its `kind`.
"""

from collections.abc import Callable, Sequence
from typing import Final

from core.clock import Clock
from core.durable.model import OPEN_RUNS, RunDetail, RunDraft, RunEnded, RunLimit, RunPage, RunState
from core.durable.store import RunStore
from core.errors import ArgumentsInvalid, FieldFault
from core.ids import IdSource, new_id
from core.storage.unit_of_work import UnitOfWork

LATEST: Final = 50
TITLE_LENGTH: Final = 200
RETRY_SECONDS: Final = 10


class RunService:
    """Runs of a team; made once by `bootstrap`. A worker of the same process is woken by `on_news`."""

    def __init__(self, clock: Clock, ids: IdSource) -> None:
        self._clock, self._ids = clock, ids
        self._listeners: list[Callable[[], None]] = []

    def on_news(self, listener: Callable[[], None]) -> None:
        """Have `listener` called when a run was queued or asked to stop, once that is permanent."""
        self._listeners.append(listener)

    async def queue(self, uow: UnitOfWork, team_id: int, *, draft: RunDraft, created_by: str) -> RunDetail:
        """Write a queued run, inside the caller's write or one of its own. Raises `RunLimit`."""
        store = RunStore(uow).for_team(team_id)
        run_id = new_id(self._ids, "run")
        async with uow.join_write():
            count = await store.count_open()
            if count >= OPEN_RUNS:
                raise RunLimit(count=count, bucket="runs", retry_after_seconds=RETRY_SECONDS)
            await store.add(draft, run_id=run_id, created_by=created_by, created_at=self._clock.now())
            queued = await store.get(run_id)
        uow.after_commit(self._tell)
        return queued

    async def get(self, uow: UnitOfWork, team_id: int, *, run_id: str) -> RunDetail:
        """Return one run with its progress and log. Raises `RunNotFound`."""
        return await RunStore(uow).for_team(team_id).get(run_id)

    async def list(
        self,
        uow: UnitOfWork,
        team_id: int,
        *,
        kinds: Sequence[str] = (),
        state: RunState | None = None,
        limit: int = LATEST,
    ) -> RunPage:
        """Return the newest runs, at most 50, of the given kinds and state, and how many there are in all."""
        if not 1 <= limit <= LATEST:
            raise ArgumentsInvalid([FieldFault("limit", f"must lie between 1 and {LATEST}", got=str(limit))])
        items, total = await RunStore(uow).for_team(team_id).latest(limit=limit, kinds=kinds, state=state)
        return RunPage(items=items, total=total)

    async def cancel(self, uow: UnitOfWork, team_id: int, *, run_id: str) -> RunDetail:
        """End a queued run, or have a running one stopped. Raises `RunNotFound`, and `RunEnded` for one that ended."""
        store = RunStore(uow).for_team(team_id)
        async with uow.write():
            if not await store.request_cancel(run_id, now=self._clock.now()):
                raise RunEnded(run_id=run_id, state=(await store.get(run_id)).state.value)
            run = await store.get(run_id)
        uow.after_commit(self._tell)
        return run

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
