"""Joins new rows to stored ones: what is there stays, what agrees changes nothing, what differs is told."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.market.datasets import Dataset
from core.market.importers.keys import key_codes, same_rows


@dataclass(frozen=True, slots=True)
class Merged:
    """The outcome, per incoming table: how many rows were added, unchanged, completed, replaced, and who conflicts.

    `conflicts` pairs the positions of conflicting rows in their table with the source of the row that stands. `table`
    is the whole new content, sorted by key, or None when nothing changed.
    """

    table: pa.Table | None
    added: tuple[int, ...]
    unchanged: tuple[int, ...]
    completed: tuple[int, ...]
    replaced: tuple[int, ...]
    conflicts: tuple[tuple[tuple[int, str], ...], ...]


def merge(shape: Dataset, stored: pa.Table, incoming: Sequence[pa.Table], *, replace: bool) -> Merged:
    """Join tables of the dataset's columns. Within one incoming table no key may occur twice.

    A row whose key is stored, or came with an earlier table, is compared with that one: it is unchanged, and may fill
    blanks there, when it agrees; otherwise it conflicts, or takes the other's place with `replace`.
    """
    tables = [stored, *incoming]
    everything = pa.concat_tables(tables).combine_chunks()
    codes = np.concatenate(key_codes(tables, shape.key))
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    reference = first[inverse]
    later = np.flatnonzero(reference != np.arange(len(codes)))
    agrees = same_rows(everything, later, reference[later], shape.compared_columns())
    sources = {name: np.arange(len(codes)) for name in everything.column_names}
    completing = _complete(everything, sources, later[agrees], reference[later[agrees]])
    differing = later[~agrees]
    if replace:
        for column in sources.values():
            column[reference[differing]] = differing
    table_of = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
    starts = np.cumsum([0, *(table.num_rows for table in tables)])

    def counts(positions: NDArray[np.int64]) -> tuple[int, ...]:
        return tuple(int(count) for count in np.bincount(table_of[positions], minlength=len(tables))[1:])

    added = first[first >= stored.num_rows]
    is_changed = bool(len(added)) or bool(completing.any()) or (replace and bool(len(differing)))
    return Merged(
        table=_taken(everything, sources, first) if is_changed else None,
        added=counts(added),
        unchanged=counts(later[agrees]),
        completed=counts(later[agrees][completing]),
        replaced=counts(differing) if replace else (0,) * len(incoming),
        conflicts=((),) * len(incoming)
        if replace
        else _conflicts(everything, differing, reference[differing], table_of=table_of, starts=starts),
    )


def _complete(
    everything: pa.Table,
    sources: dict[str, NDArray[np.int64]],
    agreeing: NDArray[np.int64],
    standing: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Let agreeing rows fill blanks of the rows that stand; return which of them did."""
    completing = np.zeros(len(agreeing), dtype=bool)
    for name, source in sources.items():
        column = everything[name]
        if column.null_count and len(agreeing):
            valid = column.is_valid().to_numpy()
            fills = valid[agreeing] & ~valid[source[standing]]
            source[standing[fills]] = agreeing[fills]
            completing |= fills
    return completing


def _taken(everything: pa.Table, sources: dict[str, NDArray[np.int64]], rows: NDArray[np.int64]) -> pa.Table:
    """Gather the rows that stand, each column from where it comes."""
    return pa.table({name: everything[name].take(pa.array(sources[name][rows])) for name in everything.column_names})


def _conflicts(
    everything: pa.Table,
    differing: NDArray[np.int64],
    standing: NDArray[np.int64],
    *,
    table_of: NDArray[np.int64],
    starts: NDArray[np.int64],
) -> tuple[tuple[tuple[int, str], ...], ...]:
    """Return, per incoming table, the conflicting rows with the source of what stands."""
    found: list[list[tuple[int, str]]] = [[] for _ in range(len(starts) - 2)]
    names = everything["source"].take(pa.array(standing)).to_pylist() if "source" in everything.column_names else []
    for place, position in enumerate(differing.tolist()):
        table = int(table_of[position])
        found[table - 1].append((position - int(starts[table]), names[place] if names else "unknown"))
    return tuple(tuple(rows) for rows in found)
