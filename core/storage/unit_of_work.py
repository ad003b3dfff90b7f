"""One call's view of the database: a snapshot to read from and at most one short write transaction.

Reads before `write()` run in a deferred transaction of their own. `write()` ends that, takes the writer's lock at once
(`BEGIN IMMEDIATE` on SQLite) and stays open after its block, so that the opener can add what belongs to the same
effect (a stored result, an audit row) before `commit()`. Only the opener commits; leaving the unit of work
without a commit rolls everything back.

    async with database.unit_of_work() as uow:      # the dispatcher
        async with uow.write():                     # the service
            await uow.execute(insert(trades).values(...))
        await uow.commit()                          # the dispatcher
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

from sqlalchemy import CursorResult, Executable, Row

from core.storage.drivers import Driver, Session

Hook = Callable[["UnitOfWork"], Awaitable[None]]


class _Phase(Enum):
    READING = 1
    WRITING = 2
    WRITTEN = 3


class WriteRefused(RuntimeError):
    """A write outside `write()`, a second `write()`, or a write by a skill declared green: a programming error."""


class UnitOfWork:
    """See the module. Made by `Database.unit_of_work`; not shared between tasks."""

    def __init__(self, driver: Driver, *, read_only: bool) -> None:
        self._driver = driver
        self._read_only = read_only
        self._session: Session | None = None
        self._phase = _Phase.READING
        self._on_write: list[Hook] = []
        self._after_commit: list[Callable[[], None]] = []

    async def fetch_all(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        """Return all rows of a query."""
        return await (await self._open()).fetch_all(statement, parameters)

    async def fetch_one(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Row[Any] | None:
        """Return the first row of a query, or None."""
        return await (await self._open()).fetch_one(statement, parameters)

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run a changing statement. Only inside `write()`, or after it by the opener."""
        if self._phase is _Phase.READING:
            message = "a changing statement outside uow.write()"
            raise WriteRefused(message)
        return await (await self._open()).execute(statement, parameters)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[None]:
        """Take the writer's lock, run the hooks, then the block. An exception rolls back at once."""
        if self._read_only or self._phase is not _Phase.READING:
            message = "a read-only call may not write" if self._read_only else "only one uow.write() per call"
            raise WriteRefused(message)
        await self._close()
        self._phase = _Phase.WRITING
        try:
            for hook in self._on_write:
                await hook(self)
            yield
        except BaseException:
            await self._roll_back()
            raise
        self._phase = _Phase.WRITTEN

    @asynccontextmanager
    async def join_write(self) -> AsyncIterator[None]:
        """Go on inside the write in progress, or begin one; for steps that are used alone and as part of another's.

        An exception rolls back the whole write, also what was done before joining it.
        """
        if self._phase is _Phase.READING:
            async with self.write():
                yield
            return
        try:
            yield
        except BaseException:
            await self._roll_back()
            raise

    def on_write(self, hook: Hook) -> None:
        """Have `hook` run as the first thing inside the write transaction; used by the opener."""
        self._on_write.append(hook)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Have `callback` run once the write is permanent; forgotten when it is rolled back."""
        self._after_commit.append(callback)

    @property
    def dialect(self) -> str:
        """Name of the database in use, `sqlite` or `postgresql`; for the rare statement only one of them has."""
        return self._driver.engine.dialect.name

    @property
    def has_written(self) -> bool:
        """True once a `write()` block ended well and is waiting for `commit()`."""
        return self._phase is _Phase.WRITTEN

    async def commit(self) -> None:
        """Make the write permanent. For the opener only; without a write it just ends the snapshot."""
        if self._session is not None:
            await self._session.commit()
            await self._close()
        self._phase = _Phase.READING
        self._on_write.clear()
        callbacks, self._after_commit = self._after_commit, []
        for callback in callbacks:
            callback()

    async def _open(self) -> Session:
        if self._session is None:
            self._session = await self._driver.session(writing=self._phase is not _Phase.READING)
        return self._session

    async def _roll_back(self) -> None:
        await self._close()
        self._phase = _Phase.READING
        self._after_commit.clear()

    async def _close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def __aenter__(self) -> "UnitOfWork":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()
