"""Reads a few symbols out of a Parquet file sorted by symbol, without asking the whole footer each time."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class SortedFile:
    """A file that never changes, with its footer in memory: the first and last symbol of each row group."""

    path: Path
    footer: Any
    lows: tuple[str, ...]
    highs: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> "SortedFile":
        """Read the footer of a file whose first column is the symbol it is sorted by."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - heavy; loaded on first use

        footer = pq.read_metadata(path)
        bounds = [footer.row_group(group).column(0).statistics for group in range(footer.num_row_groups)]
        return cls(path, footer, tuple(bound.min for bound in bounds), tuple(bound.max for bound in bounds))

    def read(
        self,
        columns: Sequence[str],
        symbols: Sequence[str],
        *,
        day: str | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> "pa.Table":
        """Return the rows of some symbols in the file's order, between two days of the column `day`."""
        import pyarrow as pa  # noqa: PLC0415 - heavy; loaded on first use
        import pyarrow.compute as pc  # noqa: PLC0415 - heavy; loaded on first use
        import pyarrow.parquet as pq  # noqa: PLC0415 - heavy; loaded on first use

        needed = list(dict.fromkeys([*columns, self.footer.schema.names[0], *([day] if day else [])]))
        with pq.ParquetFile(self.path, metadata=self.footer, memory_map=True) as file:
            table = file.read_row_groups(self._groups(symbols), columns=needed)
        keep = pc.is_in(table[self.footer.schema.names[0]], pa.array(symbols))
        if day is not None:
            days = table[day].cast(pa.date32())
            keep = keep if start is None else pc.and_(keep, pc.greater_equal(days, pa.scalar(start)))
            keep = keep if end is None else pc.and_(keep, pc.less_equal(days, pa.scalar(end)))
        return table.filter(keep).select(list(columns))

    def _groups(self, symbols: Sequence[str]) -> list[int]:
        """Return the row groups in which the symbols can be."""
        found: set[int] = set()
        for symbol in symbols:
            group = bisect_left(self.highs, symbol)
            while group < len(self.lows) and self.lows[group] <= symbol:
                found.add(group)
                group += 1
        return sorted(found)
