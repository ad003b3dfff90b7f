"""Chooses the layout of a file by what is in it; names are never trusted for that."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from core.market.importers import (
    baostock,
    eastmoney,
    joinquant,
    level2,
    netease,
    tdx_binary,
    tdx_text,
    tushare,
    xbx,
    yahoo,
)
from core.market.importers.model import FileContent, FileRefused, Told
from core.market.importers.parquet_files import PARQUET_MAGIC, read_parquet
from core.market.importers.text import Frame, TextFile, read_frame, read_text

HEADER_LINES: Final = 3
"""How many first lines may be the header: comment or title lines stand above some."""
SUFFIXES: Final = frozenset({".csv", ".txt", ".parquet", ".day", ".lc1", ".lc5"})
"""Which files of a folder are looked at; a file named on its own is always looked at."""
_STATEMENT_WORDS: Final = frozenset({"买卖标志", "发生金额"})


class Layout(Protocol):
    """A table with a header, as some vendor writes it."""

    @property
    def name(self) -> str:
        """The layout's name in reports."""
        ...

    @property
    def required(self) -> frozenset[str]:
        """Header names by which it is recognised."""
        ...

    def matches(self, header: tuple[str, ...]) -> bool:
        """Tell whether a header is this layout's."""
        ...

    def read(self, frame: Frame, path: Path, told: Told) -> FileContent:
        """Turn rows into content in our units."""
        ...


LAYOUTS: Final[Sequence[Layout]] = (
    *tushare.LAYOUTS,
    *baostock.LAYOUTS,
    *eastmoney.LAYOUTS,
    eastmoney.SpotLayout(),
    *joinquant.LAYOUTS,
    *xbx.LAYOUTS,
    *netease.LAYOUTS,
    *yahoo.LAYOUTS,
    *tdx_text.LAYOUTS,
    *level2.LAYOUTS,
)


def read_file(path: Path, told: Told) -> FileContent:
    """Read one file of any known layout. Raises `FileRefused` when it has none, or says too little."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
    except OSError as error:
        raise FileRefused(reason=f"the file cannot be opened: {error.strerror}") from error
    if not head:
        raise FileRefused(reason="the file is empty")
    if head.startswith(PARQUET_MAGIC):
        return read_parquet(path, told)
    if b"\x00" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return tdx_binary.read(path, told)
    text = read_text(path)
    layout, header_at = choose(text)
    return layout.read(read_frame(text, header_at), path, told)


def choose(text: TextFile) -> tuple[Layout, int]:
    """Return the layout of a text file and the position of its header. Raises `FileRefused`."""
    for position in range(min(HEADER_LINES, len(text.lines))):
        header = text.fields(position)
        fitting = [layout for layout in LAYOUTS if layout.matches(header)]
        if fitting:
            return max(fitting, key=lambda layout: len(layout.required)), position
        if set(header) >= _STATEMENT_WORDS:
            raise FileRefused(reason="this is a broker's statement: it holds trades, not prices; import it as trades")
    first = text.lines[0][:80] if text.lines else ""
    raise FileRefused(reason=f"no known layout has this header: {first!r}")
