"""The nouns of an import."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.errors import Invalid
from core.market.model import Adjustment

ROW: Final = "#row"
"""Name of the column that carries a row's number in its file while it is being checked."""


class FileRefused(Invalid):
    """A file of which nothing can be imported, and what to do about it."""

    code = "file_refused"
    template = "{reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the caller says about files that do not say it themselves."""

    symbol: str | None = None
    adjustment: Adjustment | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was kept out. `row` counts lines (text), rows (Parquet) or records (binary) of the file from 1."""

    row: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows of one file for one dataset: columns of the dataset, and `ROW`.

    `adjustment` None: the layout does not say how prices were adjusted, and it must be told or found out. `faults` are
    reasons known from reading, as masks over the rows. `suspended` marks rows that say "no trade today".
    """

    dataset: str
    table: pa.Table
    adjustment: Adjustment | None = Adjustment.RAW
    faults: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    suspended: NDArray[np.bool_] | None = None
    has_prices: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """All that was read from one file, in the project's units, before any row was judged."""

    layout: str
    parts: tuple[Part, ...]
    rows_read: int
    torn: tuple[Rejection, ...]
    text_of: Callable[[int], str]
    unknown_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class FileStatus(StrEnum):
    """What became of a file."""

    IMPORTED = "imported"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What one file brought.

    `rows_read` is the sum of rows added, unchanged, replaced, merged (the same row twice in the file), suspended (a day
    without trade, recorded as suspension) and quarantined. `rows_completed` counts unchanged rows that filled blanks.
    """

    path: Path
    status: FileStatus
    layout: str | None = None
    dataset: str | None = None
    adjustment: Adjustment | None = None
    rows_read: int = 0
    rows_added: int = 0
    rows_unchanged: int = 0
    rows_quarantined: int = 0
    rows_merged: int = 0
    rows_suspended: int = 0
    rows_completed: int = 0
    rows_replaced: int = 0
    unknown_columns: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. `quarantine_path` is the file of refused rows, or None when there are none."""

    files: tuple[FileReport, ...]
    quarantine_path: Path | None
    committed: bool


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is. `stage` is waiting, reading, merging, writing or done."""

    stage: str
    path: Path | None
    files_done: int
    files_total: int
