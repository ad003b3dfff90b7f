"""The desk's database before and after: which rows of which tables differ.

The audit is not part of it (it grows with every call, and scenarios check it by itself), nor are logins, kept answers
of idempotent calls and the moments a token was last used.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LEFT_OUT: Final = frozenset({"audit", "sessions", "idempotency", "alembic_version", "sqlite_sequence"})
LEFT_OUT_COLUMNS: Final = frozenset({("tokens", "last_used_at")})
PAPERWORK: Final = frozenset({"approvals", "tokens"})
"""Tables about how something was asked for. Direct calls leave other rows there than a conversation does."""

Row = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class TableChange:
    """The rows of one table that went and came, as mappings."""

    table: str
    gone: tuple[Mapping[str, Any], ...]
    come: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows of all tables that count."""

    tables: Mapping[str, Counter[Row]]

    def changes(self, after: "Snapshot") -> list[TableChange]:
        """Return what differs in a later one, by table."""
        names = sorted(set(self.tables) | set(after.tables))
        return [change for name in names if (change := self._change(name, after)) is not None]

    def _change(self, name: str, after: "Snapshot") -> TableChange | None:
        old, new = self.tables.get(name, Counter()), after.tables.get(name, Counter())
        if old == new:
            return None
        gone, come = old - new, new - old
        return TableChange(name, tuple(map(dict, gone.elements())), tuple(map(dict, come.elements())))

    def domain(self) -> "Snapshot":
        """Return the tables of the domain alone, without the paperwork of asking."""
        return Snapshot({name: rows for name, rows in self.tables.items() if name not in PAPERWORK})


def snapshot(database: Path) -> Snapshot:
    """Read the database file."""
    with closing(sqlite3.connect(database)) as connection:
        return Snapshot({name: Counter(_rows(connection, name)) for name in _tables(connection)})


def _tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return sorted(name for (name,) in found if name not in LEFT_OUT)


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[Row]:
    cursor = connection.execute(f'SELECT * FROM "{table}"')
    names = [column[0] for column in cursor.description]
    kept = [place for place, name in enumerate(names) if (table, name) not in LEFT_OUT_COLUMNS]
    for row in cursor:
        yield tuple((names[place], row[place]) for place in kept)


def run_sql(database: Path, sql: str, value: Any = None) -> None:
    """Change the database file directly; `:v` stands for the value."""
    with closing(sqlite3.connect(database, timeout=15)) as connection:
        connection.execute(sql, {"v": value} if ":v" in sql else {})
        connection.commit()


def first_value(database: Path, sql: str) -> tuple[bool, Any]:
    """Return whether there is a row, and the first column of the first."""
    with closing(sqlite3.connect(database)) as connection:
        row = connection.execute(sql).fetchone()
    return row is not None, row[0] if row else None


def audit_rows(database: Path, *, after: int = 0) -> list[dict[str, Any]]:
    """Return the rows of the audit beyond a sequence number, oldest first."""
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT * FROM audit WHERE sequence > ? ORDER BY sequence", (after,))
        return [dict(row) for row in found]
