"""From the bytes of a file to a table of texts: CSV or tab-separated text in any usual encoding, or an Excel book.

What the file is follows from its content alone: brokers export tab-separated text under the name `.xls`.
"""

import codecs
import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.portfolio.refusals import StatementNotRecognised
from core.portfolio.statements.book_child import CANNOT_OPEN

ENCODINGS: Final = ("utf-8-sig", "gb18030")
BINARY_BOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
CHILD: Final = Path(__file__).with_name("book_child.py")
CHILD_SECONDS: Final = 45
MAX_BYTES: Final = 64 * 2**20
HEADER_LINES: Final = 20
"""A header may stand below that many lines of title."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One line of the file below the header; `number` counts from 1 at the top of the file."""

    number: int
    cells: dict[str, str]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class RawTable:
    """The header's names and the rows below it."""

    columns: tuple[str, ...]
    rows: tuple[RawRow, ...]


def read_table(content: bytes, file_name: str, headers: Sequence[frozenset[str]]) -> tuple[int, RawTable]:
    """Find the first line that contains one of `headers`; return which one, and the table below the line.

    A row with fewer cells than the header carries a fault: the file was cut. Raises `StatementNotRecognised`.
    """
    lines = list(_lines(content, file_name))
    for place, (_, cells) in enumerate(lines[:HEADER_LINES]):
        names = [cell.strip() for cell in cells]
        for which, wanted in enumerate(headers):
            if wanted <= set(names):
                return which, RawTable(tuple(names), tuple(_rows(names, lines[place + 1 :])))
    top = next((cells for _, cells in lines if any(cells)), [])
    shown = ", ".join(cell[:20] for cell in top[:8]) or "nothing"
    raise StatementNotRecognised(file_name=file_name, reason=f"no known header line; it begins with: {shown}.")


def _lines(content: bytes, file_name: str) -> Iterable[tuple[int, list[str]]]:
    if not content:
        raise StatementNotRecognised(file_name=file_name, reason="the file is empty.")
    if len(content) > MAX_BYTES:
        raise StatementNotRecognised(file_name=file_name, reason=f"it is larger than {MAX_BYTES // 2**20} MB.")
    if content.startswith(BINARY_BOOKS):
        return enumerate(_book_lines(content, file_name), start=1)
    return _text_lines(_decoded(content, file_name))


def _decoded(content: bytes, file_name: str) -> str:
    """Decode, leaving out a character that the end of the file cuts in two: its row is refused with the cut said."""
    for encoding in ("utf-16",) if content.startswith(UTF16_MARKS) else ENCODINGS:
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(content)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise StatementNotRecognised(file_name=file_name, reason="it is neither text in UTF-8 or GBK nor an Excel book.")


def _text_lines(text: str) -> Iterable[tuple[int, list[str]]]:
    separator = "\t" if text.count("\t") > text.count(",") else ","
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    for cells in reader:
        yield reader.line_num, cells


def _book_lines(content: bytes, file_name: str) -> list[list[str]]:
    """Read a book in a process of its own: a hostile one can end the process that reads it."""
    command = [sys.executable, "-I", str(CHILD)]
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter and file
            command, input=content, capture_output=True, timeout=CHILD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StatementNotRecognised(file_name=file_name, reason="the Excel book takes too long to read.") from error
    if child.returncode == CANNOT_OPEN:
        name = child.stderr.decode("ascii", "replace")[:40]
        reason = f"the Excel book cannot be opened ({name}); it may be cut or locked."
        raise StatementNotRecognised(file_name=file_name, reason=reason)
    if child.returncode != 0:
        raise StatementNotRecognised(file_name=file_name, reason="the Excel book is too large to read.")
    return [json.loads(line) for line in child.stdout.splitlines()]


def _rows(names: Sequence[str], lines: Iterable[tuple[int, list[str]]]) -> Iterable[RawRow]:
    for number, cells in lines:
        texts = [_plain(cell) for cell in cells]
        if not any(texts):
            continue
        while len(texts) > len(names) and not texts[-1]:
            texts.pop()
        fault = ""
        if len(texts) != len(names):
            fault = f"it has {len(texts)} of {len(names)} cells: the file is cut or damaged here."
        yield RawRow(number, dict(zip(names, texts, strict=False)), fault)


def _plain(cell: str) -> str:
    """Strip blanks and the formula brokers wrap codes in: ="000878"."""
    text = cell.strip()
    return text[2:-1].strip() if text.startswith('="') and text.endswith('"') else text
