"""The desk's database: SQLite in WAL mode by default, PostgreSQL by URL; nothing else knows which."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from core.errors import Invalid, Unavailable
from core.storage.drivers import Driver, PostgresDriver, SqliteDriver
from core.storage.migrations import HEAD_REVISION
from core.storage.unit_of_work import UnitOfWork

MIGRATION_LOCK: Final = 0x64696E67
"""Key of PostgreSQL's advisory lock that lets one process at a time migrate."""

T = TypeVar("T")


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
    """Owns the connections. One per process; made by `bootstrap`."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.url = self.url.set(drivername="sqlite")
        self.driver: Driver = SqliteDriver(self.url) if self.is_sqlite else PostgresDriver(self.url)

    def unit_of_work(self, *, read_only: bool = False) -> UnitOfWork:
        """Return a unit of work for one call. Use it as an async context manager."""
        return UnitOfWork(self.driver, read_only=read_only)

    async def run(self, work: Callable[[Connection], T], *, writing: bool = True) -> T:
        """Run `work` on a plain connection inside one transaction; for schemas. A `writing` one is committed."""
        return await self.driver.run(work, writing=writing)

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

        def upgrade(connection: Connection) -> None:
            if not self.is_sqlite:  # SQLite's transaction has the writer's lock already
                connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            environment.upgrade(connection)  # a process that was first leaves nothing to do

        await self.run(upgrade)

    async def revision(self) -> str | None:
        """Return the stored schema revision, or None for an empty database."""
        try:
            return await self.run(_stored_revision, writing=False)
        except (DBAPIError, OSError) as error:
            url = self.url.render_as_string(hide_password=True)
            raise DatabaseUnreachable(url=url, reason=str(error).splitlines()[0]) from error

    async def close(self) -> None:
        """Close every connection."""
        await self.driver.close()


def _stored_revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision
