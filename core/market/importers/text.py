"""Text files: their encoding, their header, their lines, and a last line that was cut."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from core.market.importers.model import FileRefused, Rejection

ENCODINGS: Final = ("utf-8", "gb18030")
FOOTERS: Final = ("数据来源",)
"""Beginnings of closing lines that carry no row."""
CUT: Final = "the last line has no line end: the file may have been cut there; add the line end to accept it"


@dataclass(frozen=True, slots=True)
class TextFile:
    """The lines of a text file, without line ends. `is_cut`: nothing ends the last line."""

    lines: tuple[str, ...]
    encoding: str
    is_cut: bool

    def fields(self, position: int) -> tuple[str, ...]:
        """Split one line at its delimiter and trim what it finds."""
        line = self.lines[position]
        return tuple(field.strip() for field in next(csv.reader([line], delimiter=delimiter_of(line)), []))


@dataclass(frozen=True, slots=True)
class Frame:
    """The rows below a header as columns of text; `numbers` are their line numbers, from 1."""

    header: tuple[str, ...]
    title: str
    columns: tuple[pa.ChunkedArray, ...]
    numbers: NDArray[np.int64]
    torn: tuple[Rejection, ...]
    source: TextFile

    def has(self, name: str) -> bool:
        """Tell whether the header has a column of this name."""
        return name in self.header

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column by its name in the header; the first when the name is there twice."""
        return self.columns[self.header.index(name)]

    def text_of(self, number: int) -> str:
        """Return a line as it stands in the file."""
        return self.source.lines[number - 1]


def read_text(path: Path) -> TextFile:
    """Decode a file as UTF-8, with or without a byte order mark, or as GB 18030. Raises `FileRefused`."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FileRefused(reason="the file is in UTF-16; save it as UTF-8 or GBK")
    if b"\x00" in content[:65536]:
        raise FileRefused(reason="the file is neither text nor a binary layout known here")
    content = content.removeprefix(b"\xef\xbb\xbf")
    for encoding in ENCODINGS:
        text = _decode(content, encoding)
        if text is not None:
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            is_cut = lines[-1].strip() != ""
            return TextFile(tuple(lines if is_cut else lines[:-1]), encoding, is_cut)
    raise FileRefused(reason="the text is neither UTF-8 nor GBK")


def read_frame(file: TextFile, header_at: int) -> Frame:
    """Read the rows below the header line; lines with too few or too many fields, and a cut last one, are torn off."""
    header = file.fields(header_at)
    first = next((line for line in file.lines[header_at + 1 :] if line.strip()), "")
    delimiter = delimiter_of(first)
    good: list[str] = []
    numbers: list[int] = []
    torn: list[Rejection] = []
    for number, line in enumerate(file.lines[header_at + 1 :], start=header_at + 2):
        if not line.strip() or line.startswith(FOOTERS):
            continue
        if file.is_cut and number == len(file.lines):
            torn.append(Rejection(number, CUT, line))
        elif (count := _field_count(line, delimiter)) != len(header):
            torn.append(Rejection(number, f"{count} fields where the header has {len(header)}", line))
        else:
            good.append(line)
            numbers.append(number)
    columns = _parse(good, len(header), delimiter)
    title = "\n".join(file.lines[:header_at])
    return Frame(header, title, columns, np.array(numbers, dtype=np.int64), tuple(torn), file)


def delimiter_of(line: str) -> str:
    """Return the delimiter a line uses."""
    return "\t" if "\t" in line and "," not in line else ","


def _field_count(line: str, delimiter: str) -> int:
    """Count the fields of a line."""
    if '"' not in line:
        return line.count(delimiter) + 1
    return len(next(csv.reader([line], delimiter=delimiter), []))


def _parse(lines: Sequence[str], width: int, delimiter: str) -> tuple[pa.ChunkedArray, ...]:
    """Split lines into columns of text."""
    names = [str(position) for position in range(width)]
    if not lines:
        return tuple(pa.chunked_array([pa.array([], pa.string())]) for _ in names)
    table = pa.csv.read_csv(
        io.BytesIO("\n".join(lines).encode()),
        read_options=pa.csv.ReadOptions(column_names=names, block_size=1 << 24),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, quoted_strings_can_be_null=False
        ),
    )
    return tuple(table.columns)


def _decode(content: bytes, encoding: str) -> str | None:
    """Decode, forgiving only a character cut at the very end; None when the encoding is another."""
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start >= len(content) - 4 and error.start > 0 and not content.endswith(b"\n"):
            return content[: error.start].decode(encoding)
        return None
