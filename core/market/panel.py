"""Day-by-symbol arrays of bars, memory-mapped, for engines that walk through time.

Bars are stored by symbol, then day; an engine wants all symbols of a day side by side. The transpose is done once, in
blocks of symbols that fit into the processor's cache, and kept on disk: mapping it again costs no reading.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from core.errors import Invalid
from core.market.datasets import dataset

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FORMAT: Final = 1
"""Part of every fingerprint: a change of the layout on disk makes new panels."""
META: Final = "panel.json"
DRAFT: Final = ".building-"
GROUPS_PER_BLOCK: Final = 8
"""Row groups transposed together: some fifty symbols, so that a day's stretch fills whole cache lines."""


class PanelColumnUnknown(Invalid):
    """A column that daily bars do not have, or that is not a number."""

    code = "panel_column_unknown"
    template = "Panels have no column {column}; there are {known}."


@dataclass(frozen=True, slots=True)
class Panel:
    """Columns of bars as arrays of shape (days, symbols), read-only.

    Real columns are float64 with NaN where there is no bar; whole columns and flags are int64 with 0 there. `days` is
    datetime64[D], ascending; `symbols` is ascending.
    """

    days: NDArray[np.datetime64]
    symbols: tuple[str, ...]
    columns: Mapping[str, NDArray[Any]] = field(repr=False)

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.columns[column]


@dataclass(frozen=True, slots=True)
class PanelCache:
    """The folder of panels. Everything in it can be made again."""

    folder: Path

    def panel(
        self,
        source: Path | None,
        columns: Sequence[str],
        *,
        symbols: Sequence[str] | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> Panel:
        """Map the panel of a Parquet file sorted by symbol and day, building it when it is not there yet."""
        _check(columns)
        if source is None:
            return _empty(columns)
        wanted = None if symbols is None else sorted(set(symbols))
        asked = [FORMAT, source.name, sorted(columns), wanted, str(start), str(end)]
        place = self.folder / hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:24]
        if not (place / META).exists():
            self._build(place, source, columns, wanted=wanted, start=start, end=end)
        return _mapped(place, columns)

    def keep_only(self, sources: Collection[str]) -> None:
        """Remove panels whose Parquet file is not among `sources`, and half-built ones."""
        if not self.folder.exists():
            return
        for place in self.folder.iterdir():
            if _is_being_built(place):
                continue
            meta = place / META
            if not meta.exists() or json.loads(meta.read_bytes())["source"] not in sources:
                shutil.rmtree(place, ignore_errors=True)

    def _build(
        self,
        place: Path,
        source: Path,
        columns: Sequence[str],
        *,
        wanted: list[str] | None,
        start: date | None,
        end: date | None,
    ) -> None:
        """Build a panel beside its place, then move it there: nobody ever sees half of one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f"{DRAFT}{os.getpid()}-", dir=self.folder))
        try:
            _build_into(draft, source, columns, wanted=wanted, start=start, end=end)
            try:
                draft.rename(place)
            except OSError:
                if not (place / META).exists():
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _is_being_built(place: Path) -> bool:
    """Tell whether a folder is the draft of a process that still runs."""
    if not place.name.startswith(DRAFT):
        return False
    try:
        os.kill(int(place.name.removeprefix(DRAFT).partition("-")[0]), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _check(columns: Sequence[str]) -> None:
    """Refuse columns that cannot be in a panel."""
    known = [name for name, kind in dataset("daily").columns.items() if kind in {"real", "whole", "flag"}]
    for column in columns:
        if column not in known:
            raise PanelColumnUnknown(column=column, known=", ".join(known))


def _is_real(column: str) -> bool:
    return dataset("daily").columns[column] == "real"


def _empty(columns: Sequence[str]) -> Panel:
    """Return the panel of a market without bars."""
    arrays = {name: np.empty((0, 0), dtype=np.float64 if _is_real(name) else np.int64) for name in columns}
    return Panel(np.empty(0, dtype="datetime64[D]"), (), arrays)


def _mapped(place: Path, columns: Sequence[str]) -> Panel:
    """Map the arrays of a finished panel."""
    meta = json.loads((place / META).read_bytes())
    arrays = {name: np.load(place / f"{name}.npy", mmap_mode="r") for name in columns}
    return Panel(np.load(place / "days.npy"), tuple(meta["symbols"]), arrays)


def _build_into(
    draft: Path,
    source: Path,
    columns: Sequence[str],
    *,
    wanted: list[str] | None,
    start: date | None,
    end: date | None,
) -> None:
    """Write the arrays of a panel and its description into an empty folder."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy; loaded on first use

    with pq.ParquetFile(source, read_dictionary=["symbol"], memory_map=True) as file:
        symbols, days = _axes(file, wanted=wanted, start=start, end=end)
        shape = (len(days), len(symbols))
        arrays = {
            name: np.lib.format.open_memmap(
                draft / f"{name}.npy", mode="w+", dtype=np.float64 if _is_real(name) else np.int64, shape=shape
            )
            for name in columns
            if shape[0] and shape[1]
        }
        if arrays:
            _fill(arrays, file, symbols, days)
        else:
            for name in columns:
                np.save(draft / f"{name}.npy", np.empty(shape, dtype=np.float64 if _is_real(name) else np.int64))
    np.save(draft / "days.npy", days.astype("datetime64[D]"))
    _sync_all(draft)
    (draft / META).write_text(json.dumps({"source": source.name, "symbols": symbols}))


def _axes(
    file: "pq.ParquetFile", *, wanted: list[str] | None, start: date | None, end: date | None
) -> tuple[list[str], NDArray[np.int32]]:
    """Return the symbols of a panel, and the days on which any of them has a bar, as days since 1970."""
    from_day = -(2**31) if start is None else int(np.datetime64(start, "D").astype(np.int64))
    to_day = 2**31 - 1 if end is None else int(np.datetime64(end, "D").astype(np.int64))
    chosen = None if wanted is None else frozenset(wanted)
    symbols: set[str] = set()
    days: set[int] = set()
    for groups in _blocks(file):
        table = file.read_row_groups(groups, columns=["symbol", "trade_date"])
        codes, names = _symbol_codes(table)
        dates = _days(table)
        fits = (dates >= from_day) & (dates <= to_day)
        if chosen is not None:
            fits &= np.array([name in chosen for name in names], dtype=bool)[codes]
        symbols.update(names[code] for code in np.flatnonzero(np.bincount(codes[fits], minlength=len(names))))
        if fits.any():
            lowest = int(dates[fits].min())
            days.update((np.flatnonzero(np.bincount(dates[fits] - lowest)) + lowest).tolist())
    return sorted(symbols), np.array(sorted(days), dtype=np.int32)


def _symbol_codes(table: "pa.Table") -> tuple[NDArray[np.int64], list[str]]:
    """Return the symbol column as codes into a list of names."""
    column = table["symbol"].unify_dictionaries().combine_chunks()
    if hasattr(column, "chunk"):
        column = column.chunk(0)
    return column.indices.to_numpy().astype(np.int64), column.dictionary.to_pylist()


def _days(table: "pa.Table") -> NDArray[np.int32]:
    """Return the day column as days since 1970."""
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded on first use

    days: NDArray[np.int32] = table["trade_date"].cast(pa.int32()).to_numpy()
    return days


def _fill(
    arrays: Mapping[str, NDArray[Any]], file: "pq.ParquetFile", symbols: list[str], days: NDArray[np.int32]
) -> None:
    """Copy bars into the arrays, one block of symbols after the other."""
    row_of_day = np.full(int(days[-1]) - int(days[0]) + 1, -1, dtype=np.int64)
    row_of_day[days - days[0]] = np.arange(len(days))
    column_of = {name: position for position, name in enumerate(symbols)}
    reached = 0
    for table in _whole_symbols(file, list(arrays)):
        codes, names = _symbol_codes(table)
        places = np.array([column_of.get(name, -1) for name in names], dtype=np.int64)[codes]
        dates = _days(table) - int(days[0])
        inside = (dates >= 0) & (dates < len(row_of_day)) & (places >= 0)
        rows = np.where(inside, row_of_day[np.where(inside, dates, 0)], -1)
        inside &= rows >= 0
        if not inside.any():
            continue
        last = int(places[inside].max()) + 1
        at = (places[inside] - reached) * len(days) + rows[inside]
        for name, array in arrays.items():
            _copy_block(array, table[name], inside, at=at, block=slice(reached, last))
        reached = last


def _copy_block(
    array: NDArray[Any], column: "pa.ChunkedArray", inside: NDArray[np.bool_], *, at: NDArray[np.int64], block: slice
) -> None:
    """Scatter one column of a block symbol by symbol, then turn it into the day-major array."""
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded on first use
    import pyarrow.compute as pc  # noqa: PLC0415 - heavy; loaded on first use

    real = array.dtype == np.float64
    if column.null_count:
        column = pc.fill_null(column, float("nan") if real else pa.scalar(0, column.type))
    values = column.cast(pa.float64() if real else pa.int64()).to_numpy()
    part = np.full((block.stop - block.start) * array.shape[0], np.nan if real else 0, dtype=array.dtype)
    part[at] = values if inside.all() else values[inside]
    array[:, block] = part.reshape(-1, array.shape[0]).T


def _whole_symbols(file: "pq.ParquetFile", columns: list[str]) -> Iterator["pa.Table"]:
    """Yield the file in blocks, cut so that no symbol is split; the next block is read meanwhile."""
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded on first use

    wanted = ["symbol", "trade_date", *columns]
    blocks = _blocks(file)
    carried = None
    with ThreadPoolExecutor(max_workers=1) as reader:
        ahead = reader.submit(file.read_row_groups, blocks[0], columns=wanted)
        for position in range(len(blocks)):
            table = ahead.result()
            if position + 1 < len(blocks):
                ahead = reader.submit(file.read_row_groups, blocks[position + 1], columns=wanted)
            table = table if carried is None else pa.concat_tables([carried, table])
            codes, _ = _symbol_codes(table)
            cut = int(np.argmax(codes == codes[-1]))
            carried = table.slice(cut)
            if cut:
                yield table.slice(0, cut)
    if carried is not None:
        yield carried


def _blocks(file: "pq.ParquetFile") -> list[list[int]]:
    """Return the file's row groups in runs that are read together."""
    count = file.num_row_groups
    return [list(range(first, min(first + GROUPS_PER_BLOCK, count))) for first in range(0, count, GROUPS_PER_BLOCK)]


def _sync_all(folder: Path) -> None:
    """Make the files durable before the panel gets its name: a torn panel would give silent zeros."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
