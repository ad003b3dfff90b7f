"""The file of rows an import kept out, with the reason for each."""

import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.market.manifest import write_atomically

HEADER: Final = ("file", "row", "reason", "original")


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A row of a file, the reason it was kept out, and its original text."""

    file: str
    row: int
    reason: str
    original: str


def write_quarantine(folder: Path, rows: Iterable[QuarantinedRow]) -> Path | None:
    """Write rows as CSV that spreadsheets open; return its path, or None without rows.

    The file is named after its content: an import repeated writes the same file again.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - the count is read after the loop
        writer.writerow((row.file, row.row, row.reason, row.original))
    if count == 0:
        return None
    content = b"\xef\xbb\xbf" + text.getvalue().encode()
    path = folder / "quarantine" / f"{hashlib.sha256(content).hexdigest()[:16]}.csv"
    if not path.exists():
        write_atomically(path, content)
    return path


def read_quarantine(path: Path) -> list[QuarantinedRow]:
    """Read a quarantine file back."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [
            QuarantinedRow(entry["file"], int(entry["row"]), entry["reason"], entry["original"])
            for entry in csv.DictReader(file)
        ]
