"""Tables of teams as Parquet files below the desk's home: written whole, read whole, filtered by row on the way."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.catalog.model import AssetColumn, ColumnKind
from core.catalog.problems import AssetFileDamaged
from core.catalog.row_rules import RowRule
from core.errors import Invalid

if TYPE_CHECKING:
    import pyarrow as pa


class TableUnpublishable(Invalid):
    """A table cannot become an asset."""

    code = "table_unpublishable"
    template = "The table cannot be published: {reason}"


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A file in place: its name below the folder, its size in bytes and rows, and its columns."""

    file: str
    size_bytes: int
    rows: int
    columns: tuple[AssetColumn, ...]


class TeamTables:
    """The folder of team tables. Blocking: call it in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, team_id: int, table: "pa.Table") -> WrittenTable:
        """Store a table durably under the hash of its bytes. A file that no row names is garbage, never a risk."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - heavy; loaded on first use

        plain = _plain(table)
        folder = self._folder / str(team_id)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{os.getpid()}-{id(plain)}.new"
        with temporary.open("wb") as file:
            pq.write_table(plain, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        name = f"{team_id}/{hashlib.sha256(temporary.read_bytes()).hexdigest()[:32]}.parquet"
        temporary.replace(self._folder / name)
        size = (self._folder / name).stat().st_size
        return WrittenTable(name, size, plain.num_rows, columns_of(plain.schema))

    def read(self, file: str, asset_name: str, rules: Sequence[RowRule]) -> "pa.Table":
        """Return the rows that every rule lets through. Raises `AssetFileDamaged`."""
        import pyarrow as pa  # noqa: PLC0415 - heavy; loaded on first use
        import pyarrow.compute as pc  # noqa: PLC0415 - heavy; loaded on first use
        import pyarrow.parquet as pq  # noqa: PLC0415 - heavy; loaded on first use

        try:
            table = pq.ParquetFile(self._folder / file).read()
        except (OSError, pa.ArrowException) as error:
            reason = "its file is missing" if isinstance(error, FileNotFoundError) else "its file is damaged"
            raise AssetFileDamaged(asset_name=asset_name, reason=reason) from error
        for rule in rules:
            if rule.value is None:
                return table.slice(0, 0)
            table = table.filter(pc.equal(table[rule.column.name], rule.value))
        return table

    def schema(self, file: str, asset_name: str) -> tuple[AssetColumn, ...]:
        """Read the columns from the file itself."""
        return columns_of(self.read(file, asset_name, ()).schema)


def columns_of(schema: "pa.Schema") -> tuple[AssetColumn, ...]:
    """Describe the columns of a stored table."""
    kinds = {
        "string": ColumnKind.TEXT,
        "int64": ColumnKind.INTEGER,
        "double": ColumnKind.NUMBER,
        "bool": ColumnKind.BOOLEAN,
    }
    return tuple(AssetColumn(name=field.name, kind=kinds[str(field.type)]) for field in schema)


def _plain(table: "pa.Table") -> "pa.Table":
    """Bring every column to one of the four kinds; days and moments become ISO text. Raises `TableUnpublishable`."""
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded on first use

    names = [name.lower() for name in table.column_names]
    if not names or len(set(names)) != len(names) or any(not name.strip() or name.startswith("_") for name in names):
        raise TableUnpublishable(reason="columns need names that differ in more than case and do not begin with _")
    fields = [(field.name, _plain_type(field)) for field in table.schema]
    try:
        return table.cast(pa.schema(fields)).replace_schema_metadata(None)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TableUnpublishable(reason=str(error)) from error


def _plain_type(field: "pa.Field") -> "pa.DataType":
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded on first use

    kind = field.type
    if pa.types.is_boolean(kind):
        return pa.bool_()
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pa.float64()
    text = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_dictionary,
        pa.types.is_date,
        pa.types.is_timestamp,
    )
    if any(matches(kind) for matches in text):
        return pa.string()
    raise TableUnpublishable(reason=f"column {field.name} has the type {kind}")
