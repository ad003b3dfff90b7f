"""How statements reach a database: SQLite through threads of our own, PostgreSQL through asyncpg.

A read of SQLite mostly takes microseconds, less than a trip to another thread and back, and readers wait for nobody. So
a read begins where it is asked for, with an allowance of steps that a millisecond holds; one that needs more is
interrupted and begins anew on a thread, where it delays no other call. Writes always make the trip, once per statement:
they may wait for the disk and for other writers.

SQLite allows one writer. A deferred transaction that reads first and then writes fails at once when another writer
came between, so a write transaction begins with `BEGIN IMMEDIATE` and waits for its turn instead; writers of this
process wait for each other without holding a thread.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import URL, Connection, CursorResult, Engine, Executable, Row, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from core.errors import Unavailable

BUSY_TIMEOUT_SECONDS: Final = 15
THREADS: Final = 32
STEPS: Final = 1000
"""Of SQLite's machine, between two looks at the allowance; some 50 microseconds."""
ALLOWANCE: Final = 8
"""How many looks a read outlives in the loop; some hundreds of rows."""
_BEGIN_WRITE: Final = "begin_write"
_ALLOWANCE: Final = "allowance"

T = TypeVar("T")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class DatabaseBusy(Unavailable):
    """Another write takes too long."""

    code = "database_busy"
    template = "Another write of this desk has not ended within {seconds} seconds. Nothing was changed; try again."


class Session(Protocol):
    """One transaction. Ends with `commit` or `close`; `close` alone rolls back, and is always called."""

    async def fetch_all(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        """Return all rows."""
        ...

    async def fetch_one(self, statement: Executable, parameters: Parameters) -> Row[Any] | None:
        """Return the first row, or None."""
        ...

    async def execute(self, statement: Executable, parameters: Parameters) -> CursorResult[Any]:
        """Run a changing statement."""
        ...

    async def commit(self) -> None:
        """Make it permanent."""
        ...

    async def close(self) -> None:
        """Give the connection back."""
        ...


class Driver(Protocol):
    """A database that can be connected to."""

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, for its events and its dialect."""
        ...

    async def session(self, *, writing: bool) -> Session:
        """Begin a transaction; a `writing` one takes the writer's lock at once. Raises `DatabaseBusy`."""
        ...

    async def run(self, work: Callable[[Connection], T], *, writing: bool) -> T:
        """Run `work` inside one transaction; a `writing` one is committed."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class SqliteDriver:
    """SQLite in WAL mode. A connection is used by one thread at a time, and not always by the same."""

    def __init__(self, url: URL) -> None:
        self.engine = create_engine(
            url,
            connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            pool_size=10,
            max_overflow=-1,  # a thread waiting for a connection could be the one its holder needs
            hide_parameters=True,
        )
        _configure_sqlite(self.engine)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sqlite")
        self._writer = asyncio.Lock()

    async def session(self, *, writing: bool) -> Session:
        """Begin when the first statement arrives; a writer waits here for the writer before it."""
        if writing:
            try:
                async with asyncio.timeout(BUSY_TIMEOUT_SECONDS):
                    await self._writer.acquire()
            except TimeoutError as error:
                raise DatabaseBusy(seconds=BUSY_TIMEOUT_SECONDS) from error
        return _SqliteSession(self.engine, self._threads, writing=writing, writer=self._writer if writing else None)

    async def run(self, work: Callable[[Connection], T], *, writing: bool) -> T:
        """Run `work` inside one transaction; a `writing` one is committed."""
        session = _SqliteSession(self.engine, self._threads, writing=writing)
        try:
            result = await session.run(work)
            if writing:
                await session.commit()
        finally:
            await session.close()
        return result

    async def close(self) -> None:
        """Close every connection and end the threads."""
        self.engine.dispose()
        self._threads.shutdown(wait=False)


class _SqliteSession:
    def __init__(
        self, engine: Engine, threads: ThreadPoolExecutor, *, writing: bool, writer: asyncio.Lock | None = None
    ) -> None:
        self._engine, self._threads, self._writing, self._writer = engine, threads, writing, writer
        self._connection: Connection | None = None

    async def fetch_all(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        return await self._read(lambda connection: connection.execute(statement, parameters).fetchall())

    async def fetch_one(self, statement: Executable, parameters: Parameters) -> Row[Any] | None:
        return await self._read(lambda connection: connection.execute(statement, parameters).first())

    async def execute(self, statement: Executable, parameters: Parameters) -> CursorResult[Any]:
        return await self.run(lambda connection: connection.execute(statement, parameters))

    async def commit(self) -> None:
        if self._connection is not None:
            await self.run(lambda connection: connection.commit())

    async def close(self) -> None:
        """Give the connection back here: what it rolls back is in memory."""
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.close()
        finally:
            if self._writer is not None:
                self._writer.release()
                self._writer = None

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do the work on another thread. A cancelled caller stops the statement and waits until the thread let go."""
        task = asyncio.get_running_loop().run_in_executor(self._threads, self._work, work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._interrupt()
            with suppress(Exception):
                await asyncio.wait([task])
            if not task.cancelled():
                task.exception()
            raise

    async def _read(self, work: Callable[[Connection], T]) -> T:
        """Read here while it is short. Inside a write nothing may be interrupted: it would roll all of it back."""
        if not self._writing:
            try:
                return self._work_shortly(work)
            except OperationalError as error:
                if "interrupted" not in str(error.orig):
                    raise
        return await self.run(work)

    def _work_shortly(self, work: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._connected()
        allowance: _Allowance = self._connection.info[_ALLOWANCE]
        allowance.looks_left = ALLOWANCE
        try:
            return work(self._connection)
        finally:
            allowance.looks_left = None

    def _work(self, work: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._connected()
            if self._writing:
                self._begin(self._connection)
        return work(self._connection)

    def _connected(self) -> Connection:
        return self._engine.connect().execution_options(**{_BEGIN_WRITE: self._writing})

    @staticmethod
    def _begin(connection: Connection) -> None:
        """Take the writer's lock, for which SQLite itself waits while another process has it."""
        try:
            connection.begin()
        except OperationalError as error:
            if "locked" in str(error.orig):
                raise DatabaseBusy(seconds=BUSY_TIMEOUT_SECONDS) from error
            raise

    def _interrupt(self) -> None:
        connection = self._connection
        if connection is not None and not connection.closed:
            driver: Any = connection.connection.driver_connection
            driver.interrupt()


class PostgresDriver:
    """PostgreSQL through asyncpg."""

    def __init__(self, url: URL) -> None:
        self._engine = create_async_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20, hide_parameters=True)

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, for its events and its dialect."""
        return self._engine.sync_engine

    async def session(self, *, writing: bool) -> Session:  # noqa: ARG002 - writers of PostgreSQL do not exclude each other
        """Connect."""
        return _PostgresSession(await self._engine.connect())

    async def run(self, work: Callable[[Connection], T], *, writing: bool) -> T:
        """Run `work` inside one transaction; a `writing` one is committed."""
        async with self._engine.connect() as connection:
            result = await connection.run_sync(work)
            if writing:
                await connection.commit()
        return result

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


class _PostgresSession:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def fetch_all(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        return (await self._connection.execute(statement, parameters)).fetchall()

    async def fetch_one(self, statement: Executable, parameters: Parameters) -> Row[Any] | None:
        return (await self._connection.execute(statement, parameters)).first()

    async def execute(self, statement: Executable, parameters: Parameters) -> CursorResult[Any]:
        return await self._connection.execute(statement, parameters)

    async def commit(self) -> None:
        await self._connection.commit()

    async def close(self) -> None:
        await self._connection.close()


class _Allowance:
    """Ends a statement that takes more looks than it is allowed; None allows any number."""

    __slots__ = ("looks_left",)

    def __init__(self) -> None:
        self.looks_left: int | None = None

    def __call__(self) -> int:
        """Return 1 to interrupt the statement."""
        if self.looks_left is None:
            return 0
        self.looks_left -= 1
        return int(self.looks_left < 0)


def _configure_sqlite(engine: Engine) -> None:
    """Set the pragmas and the allowance on each connection and take transaction control away from the driver."""

    @event.listens_for(engine, "connect")
    def _prepare(driver_connection: Any, record: Any) -> None:
        driver_connection.isolation_level = None  # the driver would begin deferred transactions by itself
        record.info[_ALLOWANCE] = allowance = _Allowance()
        driver_connection.set_progress_handler(allowance, STEPS)
        cursor = driver_connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_BEGIN_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
