"""One import: read every file, judge every row, join what is sound to what is stored, commit once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from core.clock import Clock, china_today
from core.errors import NotPossible
from core.market.bar_store import MarketStore, TableChange
from core.market.datasets import DATASETS
from core.market.importers.checks import Judge, Judged
from core.market.importers.detect import SUFFIXES, read_file
from core.market.importers.factors import with_factors
from core.market.importers.merge import Merged, merge
from core.market.importers.model import (
    FileContent,
    FileRefused,
    FileReport,
    FileStatus,
    ImportProgress,
    ImportReport,
    Part,
    Rejection,
    Told,
)
from core.market.importers.placing import Placed, place, settle, suspension_spells, with_sequence
from core.market.manifest import MarketBusy, Source, sha256_of
from core.market.quarantine import QuarantinedRow, write_quarantine

Progress = Callable[[ImportProgress], None]


class MarketSimulated(NotPossible):
    """Real figures must not be mixed into the simulated market."""

    code = "market_simulated"
    template = "{folder} holds the simulated market; real figures cannot be mixed into it. Use a fresh desk."


@dataclass(slots=True)
class _File:
    """One file on its way through the import."""

    path: Path
    content: FileContent | None = None
    sha256: str = ""
    refusal: str = ""
    judged: list[tuple[Part, Judged]] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, number: int) -> None:
        """Add to one of the figures of the file's report."""
        self.counts[name] = self.counts.get(name, 0) + number


def import_paths(
    store: MarketStore,
    paths: Sequence[Path],
    *,
    clock: Clock,
    progress: Progress = lambda _: None,
    told: Told = Told(),  # noqa: B008 - frozen
    replace_stored: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    """Import files, and the known files of folders, in one commit. Refused files and rows are reported, not raised.

    Waits while another import runs. Raises `MarketSimulated` on the simulated market.
    """
    with _alone(store, progress):
        refuse_simulated(store)
        job = _Import(store, clock, told, progress, replace_stored)
        return job.run([_File(path) for path in expand(paths)], dry_run=dry_run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Content that was fetched rather than read from a file; `name` stands for the file, `sha256` for its bytes."""

    name: str
    content: FileContent
    sha256: str


def import_fetched(
    store: MarketStore,
    fetched: Sequence[Fetched],
    *,
    clock: Clock,
    progress: Progress = lambda _: None,
    replacing: frozenset[str] = frozenset(),
) -> ImportReport:
    """Take fetched contents through the steps of an import, in one commit.

    Rows of the datasets `replacing` take the place of stored ones that differ; elsewhere the stored ones stay. Raises
    `MarketSimulated` on the simulated market.
    """
    with _alone(store, progress):
        refuse_simulated(store)
        job = _Import(store, clock, Told(), progress, replace_stored=False, replacing=replacing)
        files = [_File(Path(each.name), each.content, each.sha256) for each in fetched]
        return job.run(files, dry_run=False)


def refuse_simulated(store: MarketStore) -> None:
    """Raise `MarketSimulated` when the folder holds the simulated market."""
    if store.manifest().is_simulated:
        raise MarketSimulated(folder=store.folder)


def expand(paths: Iterable[Path]) -> list[Path]:
    """Return files as given, and for folders the files below them that may hold market data, in order."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())
            found += [one for one in inside if not any(part.startswith(".") for part in one.relative_to(path).parts)]
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _alone(store: MarketStore, progress: Progress) -> AbstractContextManager[None]:
    """Return the block in which nobody else writes; says so when it has to wait."""
    try:
        with store.writing(wait=False):
            pass
    except MarketBusy:
        progress(ImportProgress("waiting", None, 0, 0))
    return store.writing()


@dataclass(slots=True)
class _Import:
    """The steps of one import."""

    store: MarketStore
    clock: Clock
    told: Told
    progress: Progress
    replace_stored: bool
    replacing: frozenset[str] = frozenset()
    renamed: dict[str, str] = field(default_factory=dict)

    def run(self, files: list[_File], *, dry_run: bool) -> ImportReport:
        """Take all files through all steps."""
        for position, file in enumerate(files):
            self.progress(ImportProgress("reading", file.path, position, len(files)))
            self._read(file)
        self.renamed = self._renamed(files)
        judge = Judge(self._known(files), self.renamed, china_today(self.clock))
        for file in files:
            self._judge(file, judge)
        self.progress(ImportProgress("merging", None, len(files), len(files)))
        tables = self._merge(files)
        quarantined = [
            QuarantinedRow(str(file.path), row.row, row.reason, row.text)
            for file in files
            for row in sorted(file.rejected, key=lambda row: row.row)
        ]
        if dry_run:
            return ImportReport(tuple(map(_report, files)), None, committed=False)
        self.progress(ImportProgress("writing", None, len(files), len(files)))
        path = write_quarantine(self.store.folder, quarantined)
        committed = self._commit(files, tables)
        self.progress(ImportProgress("done", None, len(files), len(files)))
        return ImportReport(tuple(map(_report, files)), path, committed=committed)

    def _read(self, file: _File) -> None:
        """Read one file, unless its content is there."""
        try:
            file.content = file.content or read_file(file.path, self.told)
            file.rejected = list(file.content.torn)
        except FileRefused as refusal:
            file.refusal = refusal.message

    def _renamed(self, files: Iterable[_File]) -> dict[str, str]:
        """Return old codes with their new ones: those stored and those the files bring."""
        tables = [self.store.table("code_changes", columns=["old_symbol", "new_symbol"])]
        tables += [part.table for part in _parts(files) if part.dataset == "code_changes"]
        return {row["old_symbol"]: row["new_symbol"] for table in tables for row in table.to_pylist()}

    def _known(self, files: Iterable[_File]) -> frozenset[str]:
        """Return every symbol of the security master, stored or brought by the files."""
        tables = [self.store.table("instruments", columns=["symbol"])]
        tables += [part.table for part in _parts(files) if part.dataset == "instruments"]
        return frozenset(symbol for table in tables for symbol in table["symbol"].to_pylist())

    def _judge(self, file: _File, judge: Judge) -> None:
        """Judge the rows of a file and find the dataset of those that are good."""
        content = file.content
        if content is None:
            return
        try:
            for part in content.parts:
                settled, how_known = settle(with_sequence(part), path=file.path, told=self.told, store=self.store)
                judged = judge.judge(settled, DATASETS[part.dataset])
                file.judged.append((settled, judged))
                file.placed.append(place(settled, judged.table, how_known))
        except FileRefused as refusal:
            file.refusal, file.content, file.placed, file.rejected = refusal.message, None, [], []
            return
        for _, judged in file.judged:
            file.rejected += [replace(row, text=content.text_of(row.row)) for row in judged.rejected]
            file.count("rows_merged", judged.merged)
            file.count("codes_restored", judged.codes_restored)
            file.count("rows_suspended", judged.suspended.num_rows if judged.suspended is not None else 0)

    def _merge(self, files: list[_File]) -> dict[str, pa.Table]:
        """Join placed rows to the stored ones; return the new content of datasets that change."""
        tables: dict[str, pa.Table] = {}
        for name in DATASETS:
            incoming = [(file, placed) for file in files for placed in file.placed if placed.dataset == name]
            if not incoming and not self._holds_old_codes(name):
                continue
            stored, recoded = self._stored(name)
            if not incoming:
                tables[name] = stored
                continue
            replace = self.replace_stored or name in self.replacing
            merged = merge(DATASETS[name], stored, [placed.table for _, placed in incoming], replace=replace)
            if merged.table is not None or recoded:
                changed = stored if merged.table is None else merged.table
                tables[name] = with_factors(changed) if name == "daily" else changed
            for position, (file, placed) in enumerate(incoming):
                _count(file, placed, merged, position)
        self._merge_suspensions(files, tables)
        return tables

    def _merge_suspensions(self, files: list[_File], tables: dict[str, pa.Table]) -> None:
        """Record the days without trade that bar files tell of."""
        suspended = [judged.suspended for file in files for _, judged in file.judged if judged.suspended is not None]
        suspended = [table for table in suspended if table is not None]
        if not suspended:
            return
        stored = tables.get("suspensions")
        stored = self._stored("suspensions")[0] if stored is None else stored
        symbols = {symbol for table in suspended for symbol in table["symbol"].unique().to_pylist()}
        traded = [
            judged.table.filter(pc.is_in(judged.table["symbol"], pa.array(sorted(symbols))))
            for file in files
            if file.content is not None
            for part, judged in file.judged
            if part.has_prices and "trade_date" in judged.table.column_names
        ]
        spells = suspension_spells(suspended, traded, stored)
        merged = merge(DATASETS["suspensions"], stored, [spells], replace=False)
        if merged.table is not None:
            tables["suspensions"] = merged.table

    def _holds_old_codes(self, name: str) -> bool:
        """Tell whether a stored dataset has rows under codes that changed since."""
        shape = DATASETS[name]
        if not self.renamed or "symbol" not in shape.columns or name == "instruments":
            return False
        symbols = self.store.query(f'SELECT DISTINCT symbol FROM "{name}"')["symbol"].to_pylist()
        return not self.renamed.keys().isdisjoint(symbols)

    def _stored(self, name: str) -> tuple[pa.Table, bool]:
        """Return a dataset as stored, under today's codes, and whether any code had to change for that."""
        shape = DATASETS[name]
        stored = self.store.table(name)
        if not self._holds_old_codes(name):
            return stored, False
        old = pc.is_in(stored["symbol"], pa.array(list(self.renamed)))
        moving = stored.filter(old)
        if moving.num_rows == 0:
            return stored, False
        symbols = pa.array([self.renamed[symbol] for symbol in moving["symbol"].to_pylist()], pa.string())
        moving = moving.set_column(stored.column_names.index("symbol"), "symbol", symbols)
        kept = stored.filter(pc.invert(old))
        joined = merge(shape, kept, [moving], replace=False).table
        return (kept if joined is None else joined), True

    def _commit(self, files: Iterable[_File], tables: Mapping[str, pa.Table]) -> bool:
        """Put the new tables in force; tell whether anything changed."""
        if not tables:
            return False
        now = self.clock.now()
        sources: dict[str, list[Source]] = {name: [] for name in tables}
        for file in files:
            for placed in file.placed:
                brought = file.counts.get(f"brought {placed.dataset}", 0)
                if brought and placed.dataset in sources:
                    entry = Source(
                        name=file.path.name,
                        sha256=file.sha256 or sha256_of(file.path),
                        rows=brought,
                        adjustment=placed.adjustment and placed.adjustment.value,
                        imported_at=now.isoformat(),
                    )
                    sources[placed.dataset].append(entry)
        changes = {name: TableChange(table, tuple(sources[name])) for name, table in tables.items()}
        self.store.commit(changes, imported_at=now)
        return True


def _parts(files: Iterable[_File]) -> Iterable[Part]:
    """Return all parts read."""
    return (part for file in files if file.content is not None for part in file.content.parts)


def _count(file: _File, placed: Placed, merged: Merged, position: int) -> None:
    """Add what joining said about one placed table to its file's figures and rejects."""
    file.count("rows_added", merged.added[position])
    file.count("rows_unchanged", merged.unchanged[position])
    file.count("rows_completed", merged.completed[position])
    file.count("rows_replaced", merged.replaced[position])
    brought = merged.added[position] + merged.completed[position] + merged.replaced[position]
    file.count(f"brought {placed.dataset}", brought)
    content = file.content
    for at, source in merged.conflicts[position]:
        row = placed.rows[at].as_py()
        text = content.text_of(row) if content is not None else ""
        file.rejected.append(Rejection(row, f"differs from stored (source {source})", text))


def _report(file: _File) -> FileReport:
    """Write the report of one file."""
    if file.content is None:
        return FileReport(path=file.path, status=FileStatus.REFUSED, message=file.refusal)
    figures = {name: number for name, number in file.counts.items() if name.startswith("rows_")}
    changed = any(figures.get(name) for name in ("rows_added", "rows_completed", "rows_replaced"))
    return FileReport(
        path=file.path,
        status=FileStatus.IMPORTED if changed else FileStatus.UNCHANGED,
        layout=file.content.layout,
        dataset=", ".join(dict.fromkeys(placed.dataset for placed in file.placed)),
        adjustment=next((placed.adjustment for placed in file.placed), None),
        rows_read=file.content.rows_read,
        rows_quarantined=len(file.rejected),
        unknown_columns=file.content.unknown_columns,
        message="; ".join(_remarks(file)),
        **figures,
    )


def _remarks(file: _File) -> list[str]:
    """Return what a reader of the report should know about a file."""
    assert file.content is not None
    remarks = list(file.content.notes)
    remarks += [f"adjustment {placed.how_known}" for placed in file.placed if placed.how_known]
    if file.content.torn:
        remarks.append(f"{len(file.content.torn)} torn lines: {file.content.torn[-1].reason}")
    if file.content.unknown_columns:
        remarks.append(f"unknown columns left out: {', '.join(file.content.unknown_columns)}")
    if restored := file.counts.get("codes_restored", 0):
        remarks.append(f"{restored} codes got their leading zeros back")
    if suspended := file.counts.get("rows_suspended", 0):
        remarks.append(f"{suspended} days without trade recorded as suspension")
    return remarks
