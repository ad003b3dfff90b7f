"""From the bytes of a file to a table of texts: CSV or tab-separated text in any usual encoding, or an Excel book.

What the file is follows from its content alone: brokers export tab-separated text under the name `.xls`.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from core.portfolio.refusals import StatementNotRecognised

ENCODINGS: Final = ("utf-8-sig", "gb18030")
BINARY_BOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
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
    from python_calamine import (  # noqa: PLC0415 - a compiled reader, needed for Excel books only
        CalamineError,
        CalamineWorkbook,
        PasswordError,
    )

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        values = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (CalamineError, PasswordError, OSError, ValueError) as error:
        reason = f"the Excel book cannot be opened ({type(error).__name__}); it may be cut or locked."
        raise StatementNotRecognised(file_name=file_name, reason=reason) from error
    return [[_cell_text(value) for value in row] for row in values]


def _cell_text(value: Any) -> str:
    """Write an Excel value as the text a person sees: 878.0 as 878, a date without its midnight."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


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
