"""The desk's database: SQLite in WAL mode by default, PostgreSQL by URL; nothing else knows which.

SQLite allows one writer. A deferred transaction that reads first and then writes fails at once when another writer
came between, so a write transaction begins with `BEGIN IMMEDIATE` and waits for its turn instead.
"""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from core.errors import Invalid, Unavailable
from core.storage.migrations import HEAD_REVISION
from core.storage.unit_of_work import BEGIN_WRITE, UnitOfWork

BUSY_TIMEOUT_SECONDS: Final = 15
MIGRATION_LOCK: Final = 0x64696E67
"""Key of PostgreSQL's advisory lock that lets one process at a time migrate."""


class DatabaseNewer(Invalid):
    """The database was written by a later release."""

    code = "database_newer"
    template = (
        "The database is at revision {found}, which this release (revision {known}) does not know. "
        "It was written by a newer dingpan: install that release, or restore a copy made before the upgrade."
    )


class DatabaseUnreachable(Unavailable):
    """The database server or file cannot be opened."""

    code = "database_unreachable"
    template = "The database {url} cannot be opened: {reason}"


class Database:
    """Owns the engine. One per process; made by `bootstrap`."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._make_engine()

    def _make_engine(self) -> AsyncEngine:
        if not self.is_sqlite:
            return create_async_engine(
                self.url, pool_pre_ping=True, pool_size=10, max_overflow=20, hide_parameters=True
            )
        engine = create_async_engine(
            self.url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS}, pool_size=10, hide_parameters=True
        )
        _configure_sqlite(engine.sync_engine)
        return engine

    def unit_of_work(self, *, read_only: bool = False) -> UnitOfWork:
        """Return a unit of work for one call. Use it as an async context manager."""
        return UnitOfWork(self.engine, read_only=read_only)

    async def migrate(self) -> None:
        """Bring the schema to this release's revision; alembic is imported only when that is not so already.

        Raises `DatabaseNewer` when the database knows a revision this release does not, `DatabaseUnreachable` when it
        cannot be opened.
        """
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        found = await self.revision()
        if found == HEAD_REVISION:
            return
        from core.storage.migrations import environment  # noqa: PLC0415 - alembic takes 0.4 s to import

        if found is not None and found not in environment.known_revisions():
            raise DatabaseNewer(found=found, known=HEAD_REVISION)
        async with self.engine.connect() as plain:
            connection = await plain.execution_options(**{BEGIN_WRITE: True})
            if not self.is_sqlite:  # SQLite's transaction has the writer's lock already
                await connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            await connection.run_sync(environment.upgrade)  # a process that was first leaves nothing to do
            await connection.commit()

    async def revision(self) -> str | None:
        """Return the stored schema revision, or None for an empty database."""
        try:
            async with self.engine.connect() as connection:
                if not await connection.run_sync(_has_version_table):
                    return None
                return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
        except (DBAPIError, OSError) as error:
            url = self.url.render_as_string(hide_password=True)
            raise DatabaseUnreachable(url=url, reason=str(error).splitlines()[0]) from error

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def _has_version_table(connection: Connection) -> bool:
    return connection.dialect.has_table(connection, "alembic_version")


def _configure_sqlite(engine: Engine) -> None:
    """Set the pragmas on each connection and take transaction control away from the driver."""

    @event.listens_for(engine, "connect")
    def _set_pragmas(driver_connection: Any, _record: Any) -> None:
        driver_connection.isolation_level = None  # the driver would begin deferred transactions by itself
        cursor = driver_connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(BEGIN_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
