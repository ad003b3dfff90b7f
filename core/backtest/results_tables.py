"""Tables of a run as Parquet bytes: typed, small (zstd), and readable by any tool."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from core.backtest.results import Cell, ExportFormat, ResultDraft, ResultTable, Rows
from core.errors import ArgumentsInvalid, FieldFault

if TYPE_CHECKING:
    import pyarrow as pa

COMPRESSION: Final = "zstd"


def packed(draft: ResultDraft) -> dict[ResultTable, bytes]:
    """Return the tables of a draft as Parquet. Raises `ArgumentsInvalid`."""
    return {table: pack(draft.rows(table), path=table.value) for table in ResultTable}


def pack(rows: Rows, *, path: str) -> bytes:
    """Return rows as Parquet. Columns are those of any row, in the order seen; what a row lacks is null.

    Raises `ArgumentsInvalid` naming the column whose values are of different kinds, nested, or not finite.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only runs that are kept need it
    import pyarrow.parquet as pq  # noqa: PLC0415

    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _column([row.get(name) for row in rows], f"{path}.{name}") for name in names}
    target = BytesIO()
    pq.write_table(pa.table(columns), target, compression=COMPRESSION)
    return target.getvalue()


def unpack(content: bytes) -> list[dict[str, Cell]]:
    """Return the rows that `pack` was given; a column that mixed integers and fractions comes back as fractions."""
    rows: list[dict[str, Cell]] = _read(content).to_pylist()
    return rows


def column(content: bytes, name: str) -> list[Cell]:
    """Return one column; empty when there is none of that name."""
    table = _read(content)
    found: list[Cell] = table.column(name).to_pylist() if name in table.column_names else []
    return found


def exported(content: bytes, *, form: ExportFormat) -> bytes:
    """Return the table in the asked form. CSV: UTF-8, a header, null as nothing, numbers as written by Python."""
    if form is ExportFormat.PARQUET:
        return content
    from pyarrow import csv  # noqa: PLC0415

    target = BytesIO()
    csv.write_csv(_read(content), target, csv.WriteOptions(quoting_style="needed"))
    return target.getvalue()


def _read(content: bytes) -> "pa.Table":
    import pyarrow.parquet as pq  # noqa: PLC0415

    return pq.read_table(BytesIO(content))


def _column(values: Sequence[Any], path: str) -> "pa.Array":
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    expected = "text, numbers, true or false, each column of one kind"
    try:
        made = pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError, TypeError) as error:
        raise ArgumentsInvalid([FieldFault(path, str(error), expected=expected)]) from error
    kind = made.type
    if not (pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_null(kind)):
        raise ArgumentsInvalid([FieldFault(path, f"holds values of the kind {kind}", expected=expected)])
    if pa.types.is_floating(kind) and not pc.all(pc.is_finite(made), min_count=0).as_py():
        raise ArgumentsInvalid([FieldFault(path, "holds a number that is not finite", expected="numbers or null")])
    return made
