"""The market folder: Parquet files in force, read by DuckDB, replaced as a whole by one commit.

    folder/manifest.json            names the files in force: the commit point
    folder/data/<dataset>-<hash>.parquet
    folder/panels/                  memory-mapped arrays made from the files; may be deleted at any time
    folder/quarantine/              rows that imports refused, with reasons

A commit writes new files, then the manifest, then removes what neither this generation nor the one before names. A
crash between any two steps leaves the previous state; what it left behind goes with the next commit.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.market.datasets import DATASETS, SQL_TYPES, Dataset, conform, dataset
from core.market.manifest import (
    MANIFEST,
    DatasetEntry,
    FolderLock,
    Manifest,
    Source,
    read_manifest,
    sha256_of,
    sync_folder,
    write_manifest,
)
from core.market.panel import Panel, PanelCache
from core.market.sorted_file import SortedFile

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ROWS_PER_GROUP: Final = 16_384
"""Small enough that one stock's ten years touch two groups, large enough for scans."""
FEW_SYMBOLS: Final = 32
"""Up to so many symbols are read past DuckDB, whose look at the whole footer costs more than their rows."""


@dataclass(frozen=True, slots=True)
class TableChange:
    """The whole new content of a dataset, and the sources added to those it had (or in place of them)."""

    table: "pa.Table"
    sources: tuple[Source, ...] = ()
    keep_sources: bool = True


class MarketStore:
    """Reads and replaces the datasets of one market folder. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest = folder / MANIFEST
        self._lock = FolderLock(folder)
        self._guard = threading.Lock()
        self._seen: tuple[object, Manifest] | None = None
        self._files: dict[str, SortedFile] = {}
        self._connection: tuple[Manifest, duckdb.DuckDBPyConnection] | None = None

    def manifest(self) -> Manifest:
        """Return the state in force. Costs one `stat` when nothing changed."""
        try:
            status = self._manifest.stat()
        except FileNotFoundError:
            return Manifest()
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        seen = self._seen
        if seen is None or seen[0] != mark:
            seen = (mark, read_manifest(self.folder))
            self._seen = seen
        return seen[1]

    def writing(self, *, wait: bool = True) -> AbstractContextManager[None]:
        """Keep other writers out for the block. Raises `MarketBusy` when one is in and `wait` is False."""
        return self._lock.hold(wait=wait)

    def commit(self, changes: Mapping[str, TableChange], *, imported_at: datetime, simulated: bool = False) -> Manifest:
        """Put new contents of datasets in force, all or none. Contents equal to those in force change nothing."""
        with self.writing():
            current = self.manifest()
            entries = dict(current.datasets)
            for name, change in changes.items():
                entries[name] = self._write(dataset(name), change, entries.get(name), simulated=simulated)
            if entries == dict(current.datasets):
                return current
            changed = replace(
                current,
                generation=current.generation + 1,
                committed_at=imported_at.isoformat(),
                datasets=entries,
                kept=tuple(sorted(entry.file for entry in current.datasets.values())),
            )
            sync_folder(self.folder / "data")
            write_manifest(self.folder, changed)
            self._remove_strays(changed)
            return changed

    def query(self, sql: str, parameters: Sequence[object] = ()) -> "pa.Table":
        """Run SQL written in this package; every dataset is a view of its name, empty when nothing was imported.

        The connection can read the market folder and nothing else; values go in as `?` parameters.
        """
        cursor = self._database().cursor()
        try:
            return cursor.sql(sql, params=list(parameters)).to_arrow_table()
        finally:
            cursor.close()

    def table(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        symbols: Sequence[str] | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> "pa.Table":
        """Read rows of a dataset in the order of its key; `start` and `end` are days, both included."""
        shape = dataset(name)
        chosen = list(columns) if columns is not None else list(shape.columns)
        file = self._file(name) if symbols is not None and 0 < len(symbols) <= FEW_SYMBOLS else None
        if file is not None and symbols is not None:
            bounded = shape.day if start is not None or end is not None else None
            return _cast(file.read(chosen, symbols, day=bounded, start=start, end=end), shape)
        where, values = _conditions(shape, symbols=symbols, start=start, end=end)
        listed = ", ".join(f'"{column}"' for column in chosen)
        order = ", ".join(f'"{column}"' for column in shape.key)
        found = self.query(f'SELECT {listed} FROM "{name}"{where} ORDER BY {order}', values)
        return _cast(found, shape)

    def panel(
        self,
        columns: Sequence[str],
        *,
        symbols: Sequence[str] | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> Panel:
        """Return raw daily bars as day-by-symbol arrays, memory-mapped; made on first use and kept."""
        entry = self.manifest().datasets.get("daily")
        cache = PanelCache(self.folder / "panels")
        return cache.panel(self.folder / entry.file if entry else None, columns, symbols=symbols, start=start, end=end)

    def _file(self, name: str) -> SortedFile | None:
        """Return the open file of a dataset; its footer is read once. None when there is no such data."""
        entry = self.manifest().datasets.get(name)
        if entry is None or entry.rows == 0:
            return None
        opened = self._files.get(entry.file)
        if opened is None:
            opened = SortedFile.open(self.folder / entry.file)
            with self._guard:
                current = {used.file for used in self.manifest().datasets.values()}
                self._files = {used: file for used, file in self._files.items() if used in current}
                self._files[entry.file] = opened
        return opened

    def _write(
        self, shape: Dataset, change: TableChange, previous: DatasetEntry | None, *, simulated: bool
    ) -> DatasetEntry:
        """Write a dataset's file under the name of its content; return the entry that names it."""
        table = conform(change.table, shape)
        first, last = _extent(table, shape)
        kept = previous.sources if previous and change.keep_sources else ()
        return DatasetEntry(
            file=f"data/{self._write_parquet(table, shape)}",
            rows=table.num_rows,
            first_date=first,
            last_date=last,
            simulated=simulated,
            sources=(*kept, *change.sources),
        )

    def _write_parquet(self, table: "pa.Table", shape: Dataset) -> str:
        """Write a table durably below `data/`; return the file's name, which carries the hash of its bytes."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - heavy; loaded on first use

        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        temporary = data / f".{shape.name}.new"
        texts = [name for name, kind in shape.columns.items() if kind == "text"]
        with temporary.open("wb") as file:
            pq.write_table(table, file, compression="zstd", row_group_size=ROWS_PER_GROUP, use_dictionary=texts)
            file.flush()
            os.fsync(file.fileno())
        name = f"{shape.name}-{sha256_of(temporary)[:16]}.parquet"
        temporary.replace(data / name)
        return name

    def _remove_strays(self, manifest: Manifest) -> None:
        """Remove files no generation names, and panels made from them."""
        for path in (self.folder / "data").iterdir():
            if f"data/{path.name}" not in manifest.files:
                path.unlink(missing_ok=True)
        PanelCache(self.folder / "panels").keep_only({Path(name).name for name in manifest.files})

    def _database(self) -> "duckdb.DuckDBPyConnection":
        """Return the connection whose views show the state in force; a new one after each commit."""
        manifest = self.manifest()
        with self._guard:
            if self._connection is None or self._connection[0] is not manifest:
                self._connection = (manifest, _connect(self.folder, manifest))
            return self._connection[1]


def _conditions(
    shape: Dataset, *, symbols: Sequence[str] | None, start: date | None, end: date | None
) -> tuple[str, list[object]]:
    """Write the WHERE clause for symbols and days, in a form whose bounds let Parquet skip row groups."""
    terms: list[str] = []
    values: list[object] = []
    if symbols is not None:
        wanted = sorted(set(symbols))
        if not wanted:
            return " WHERE false", []
        places = ", ".join("?" * len(wanted))
        terms.append(f'"{shape.key[0]}" BETWEEN ? AND ? AND "{shape.key[0]}" IN ({places})')
        values += [wanted[0], wanted[-1], *wanted]
    for bound, comparison in ((start, ">="), (end, "<=")):
        if bound is not None and shape.day is not None:
            day = f'"{shape.day}"' if shape.columns[shape.day] == "day" else f'CAST("{shape.day}" AS DATE)'
            terms.append(f"{day} {comparison} ?")
            values.append(bound)
    return (" WHERE " + " AND ".join(terms) if terms else ""), values


def _cast(table: "pa.Table", shape: Dataset) -> "pa.Table":
    """Give columns the types of the dataset again: DuckDB knows no milliseconds."""
    schema = shape.schema()
    for position, name in enumerate(table.column_names):
        wanted = schema.field(name)
        if table.schema.field(position).type != wanted.type:
            table = table.set_column(position, wanted, table[name].cast(wanted.type))
    return table


def _extent(table: "pa.Table", shape: Dataset) -> tuple[date | None, date | None]:
    """Return the first and the last day of a table."""
    import pyarrow.compute as pc  # noqa: PLC0415 - heavy; loaded on first use

    if shape.day is None or table.num_rows == 0:
        return None, None
    bounds = pc.min_max(table[shape.day]).as_py()
    days = [value.date() if isinstance(value, datetime) else value for value in (bounds["min"], bounds["max"])]
    return days[0], days[1]


def _connect(folder: Path, manifest: Manifest) -> "duckdb.DuckDBPyConnection":
    """Open a connection of our kind: it reads the market folder, nothing else, and nobody can widen that."""
    import duckdb  # noqa: PLC0415 - heavy; loaded on first use

    connection = duckdb.connect(
        ":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    connection.execute(f"SET allowed_directories=[{_quoted(str(folder.resolve()))}]")
    connection.execute("SET enable_external_access=false")
    for shape in DATASETS.values():
        connection.execute(_view(folder, shape, manifest.datasets.get(shape.name)))
    connection.execute("SET lock_configuration=true")
    return connection


def _view(folder: Path, shape: Dataset, entry: DatasetEntry | None) -> str:
    """Write the view of one dataset."""
    if entry is not None:
        path = _quoted(str(folder.resolve() / entry.file))
        return f'CREATE VIEW "{shape.name}" AS SELECT * FROM read_parquet({path})'
    columns = ", ".join(f'NULL::{SQL_TYPES[kind]} AS "{name}"' for name, kind in shape.columns.items())
    return f'CREATE VIEW "{shape.name}" AS SELECT {columns} WHERE false'


def _quoted(text: str) -> str:
    """Write a text literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
