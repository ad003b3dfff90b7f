"""SQL over Arrow tables in a database of its own: users' SQL, and our own over a team's table.

Users' SQL gets a connection that can do nothing but compute: it holds the relations the caller may read and nothing
else, no file, network, extension, setting or Python variable is reachable, and it is checked before it runs: one
SELECT, over those relations, with no table function but the three that make rows from nothing. A timer interrupts what
takes too long; memory and rows are capped.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from core.catalog.problems import QueryFailed, QueryRefused, QueryTooExpensive

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

TABLE_FUNCTIONS: Final = frozenset({"range", "generate_series", "unnest"})
SECRETIVE_FUNCTIONS: Final = frozenset(
    {"current_setting", "getenv", "getvariable", "version", "current_database", "current_schemas", "pg_conf_load_time"}
)
"""Scalar functions that tell about the engine or the machine rather than the data."""

SWELLING_FUNCTIONS: Final = frozenset(
    {"repeat", "lpad", "rpad", "format", "printf", "list_resize", "array_resize", "bar", "write_log"}
)
"""Scalar functions that make gigabytes from a number; the engine does not count such texts against its memory limit."""

SAFE_SETTINGS: Final = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "enable_external_access": False,
    "python_enable_replacements": False,
    "temp_directory": "",
}


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows a caller may read: `sql` over the named `sources`, which are opened when the relation is used."""

    sql: str
    sources: Mapping[str, Callable[[], Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What one query of a user may cost."""

    seconds: float = 10.0
    megabytes: int = 256
    rows: int = 10_000
    length: int = 20_000


def run_on_relation(relation: Relation, sql: str, parameters: Sequence[object]) -> "pa.Table":
    """Run SQL written in this package over a relation's sources."""
    with _connection(Caps()) as connection:
        for name, opened in relation.sources.items():
            connection.register(name, opened())
        _lock(connection)
        return connection.sql(sql, params=list(parameters)).to_arrow_table()


class MemoryTable:
    """Rows held in a database in memory, for queries of ours that come again and again. Safe to share by threads."""

    NAME: Final = "kept"

    def __init__(self, rows: "pa.Table") -> None:
        import duckdb  # noqa: PLC0415 - heavy; loaded on first use

        settings: dict[str, Any] = {**SAFE_SETTINGS, "threads": 1}
        self._connection = duckdb.connect(":memory:", config=settings)
        self._connection.register("given", rows)
        self._connection.execute(f"CREATE TABLE {self.NAME} AS SELECT * FROM given")
        self._connection.unregister("given")
        _lock(self._connection)

    def run(self, sql: str, parameters: Sequence[object]) -> "pa.Table":
        """Run SQL written in this package over the table `kept`."""
        cursor = self._connection.cursor()
        try:
            return cursor.sql(sql, params=list(parameters)).to_arrow_table()
        finally:
            cursor.close()


class UserQueries:
    """Runs SQL that somebody else wrote. Blocking: call it in a thread."""

    def __init__(self, caps: Caps | None = None) -> None:
        self._caps = caps or Caps()

    def run(self, sql: str, readable: Mapping[str, Relation]) -> "pa.Table":
        """Return the rows of one SELECT over `readable`, which holds every relation the caller may read, by name.

        Raises `QueryRefused` for anything else than one SELECT over those names, `QueryFailed` when the engine cannot
        run it, `QueryTooExpensive` when it passes a cap.
        """
        import duckdb  # noqa: PLC0415 - heavy; loaded on first use

        with _connection(self._caps) as connection:
            try:
                named = _check(connection, sql, readable, self._caps)
                _define(connection, {name: readable[name] for name in sorted(named)})
                _lock(connection)
                return self._fetch(connection, sql)
            except RecursionError as error:
                raise QueryRefused(reason="The query is nested too deeply.") from error
            except duckdb.InterruptException as error:
                raise QueryTooExpensive(reason=f"it ran for more than {self._caps.seconds:g} s") from error
            except duckdb.OutOfMemoryException as error:
                raise QueryTooExpensive(reason=f"it needs more than {self._caps.megabytes} MB") from error
            except duckdb.Error as error:
                raise QueryFailed(reason=str(error).splitlines()[0]) from error

    def _fetch(self, connection: "duckdb.DuckDBPyConnection", sql: str) -> "pa.Table":
        """Run the checked query, taking one row more than the cap to see that there are more."""
        wanted = sql.strip().rstrip(";")
        with _interrupted_after(connection, self._caps.seconds):
            table = connection.sql(f"SELECT * FROM ({wanted}\n) LIMIT {self._caps.rows + 1}").to_arrow_table()
        if table.num_rows > self._caps.rows:
            raise QueryTooExpensive(reason=f"it returns more than {self._caps.rows} rows; aggregate, or add a LIMIT")
        return table


@contextmanager
def _connection(caps: Caps) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open a database in memory that reaches nothing outside itself."""
    import duckdb  # noqa: PLC0415 - heavy; loaded on first use

    settings: dict[str, Any] = {**SAFE_SETTINGS, "memory_limit": f"{caps.megabytes}MB", "threads": 1}
    connection = duckdb.connect(":memory:", config=settings)
    try:
        yield connection
    finally:
        connection.close()


def _lock(connection: "duckdb.DuckDBPyConnection") -> None:
    connection.execute("SET lock_configuration=true")


@contextmanager
def _interrupted_after(connection: "duckdb.DuckDBPyConnection", seconds: float) -> Iterator[None]:
    """Interrupt the connection once the block has taken too long, and again until it ends."""
    ended = threading.Event()

    def watch() -> None:
        if ended.wait(seconds):
            return
        while not ended.wait(0.05):  # an interrupt that comes between two steps of the engine is lost
            connection.interrupt()

    watcher = threading.Thread(target=watch, name="query-timer", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _define(connection: "duckdb.DuckDBPyConnection", named: Mapping[str, Relation]) -> None:
    """Make a view of each relation. A checked query can name the views, and not the sources below them."""
    sources = {source: opened for relation in named.values() for source, opened in relation.sources.items()}
    for source, opened in sources.items():
        connection.register(source, opened())
    for name, relation in named.items():
        columns = connection.sql(f"SELECT * FROM ({relation.sql}) LIMIT 0").columns
        shown = ", ".join(_quoted(column) for column in columns if not column.startswith("_"))
        connection.execute(f"CREATE VIEW {_quoted(name)} AS SELECT {shown} FROM ({relation.sql})")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _check(
    connection: "duckdb.DuckDBPyConnection", sql: str, readable: Mapping[str, Relation], caps: Caps
) -> frozenset[str]:
    """Return the relations a query reads; refuse it unless it is one SELECT over relations that may be read."""
    if len(sql) > caps.length:
        raise QueryRefused(reason=f"The query is longer than {caps.length} characters.")
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryRefused(reason=f"One SELECT is run at a time; this holds {len(statements)} statements.")
    ((serialized,),) = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    tree = json.loads(serialized)
    if tree["error"]:
        raise QueryRefused(reason="Only a SELECT is run: nothing is written, attached, loaded or set.")
    named: set[str] = set()
    _walk(tree["statements"], known=_names(readable), hidden=frozenset(), named=named)
    return frozenset(named)


def _names(readable: Mapping[str, Relation]) -> dict[str, str]:
    return {name.lower(): name for name in readable}


def _walk(node: Any, *, known: Mapping[str, str], hidden: frozenset[str], named: set[str]) -> None:
    """Visit a syntax tree; `hidden` are the names given by WITH clauses around the node."""
    if isinstance(node, list):
        for item in node:
            _walk(item, known=known, hidden=hidden, named=named)
    if not isinstance(node, dict):
        return
    entries = node.get("cte_map", {}).get("map", [])
    hidden |= {entry["key"].lower() for entry in entries}
    kind = node.get("type")
    if kind == "SHOW_REF":
        raise QueryRefused(reason="SHOW, DESCRIBE and SUMMARIZE are not run; ask for the schema of the asset.")
    if kind == "TABLE_FUNCTION":
        _check_function(node["function"], TABLE_FUNCTIONS)
    if kind == "FUNCTION" and _path(node)[-1] in SECRETIVE_FUNCTIONS | SWELLING_FUNCTIONS:
        raise QueryRefused(reason=f"The function {_path(node)[-1]} is not available.")
    if kind == "BASE_TABLE":
        _check_table(_path(node), known=known, hidden=hidden, named=named)
    for value in node.values():
        _walk(value, known=known, hidden=hidden, named=named)


def _path(node: Mapping[str, Any]) -> list[str]:
    return [str(part).strip('"').lower() for part in node["qualified_name"]["path"]]


def _check_function(function: Mapping[str, Any], allowed: frozenset[str]) -> None:
    path = _path(function)
    if len(path) != 1 or path[0] not in allowed:
        listed = ", ".join(sorted(allowed))
        raise QueryRefused(reason=f"The table function {'.'.join(path)} is not available; there are {listed}.")


def _check_table(path: list[str], *, known: Mapping[str, str], hidden: frozenset[str], named: set[str]) -> None:
    name = path[-1]
    if len(path) == 1 and name in hidden:
        return
    if len(path) != 1 or name not in known:
        close = get_close_matches(name, known, n=3)
        shown = ".".join(path)
        raise QueryRefused(
            reason=f"There is no asset {shown} that you may read.", did_you_mean=[known[match] for match in close]
        )
    named.add(known[name])
