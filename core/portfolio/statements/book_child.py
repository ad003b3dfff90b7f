"""Reads one Excel book in a process of its own: standard input to JSON lines. Run as a file.

A book of two kilobytes can name a cell at the far corner of a sheet, and the compiled reader then asks for half a
terabyte and ends its process. Here that ends nothing else. Limits: memory, processor time, cells.
"""

import io
import json
import sys
from datetime import date, datetime
from typing import Any, Final

MEMORY_BYTES: Final = 1536 * 2**20
SECONDS: Final = 30
MOST_CELLS: Final = 4_000_000
CANNOT_OPEN: Final = 3
TOO_LARGE: Final = 4


def main() -> int:
    """Write each line of the first sheet as a JSON list of texts; return the exit code."""
    _limit()
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError  # noqa: PLC0415 - after the limits

    try:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read())).get_sheet_by_index(0)
        if sheet.total_height * sheet.total_width > MOST_CELLS:
            return TOO_LARGE
        rows = sheet.to_python(skip_empty_area=False)
    except (CalamineError, PasswordError, OSError, ValueError) as error:
        sys.stderr.write(type(error).__name__)
        return CANNOT_OPEN
    for row in rows:
        sys.stdout.write(json.dumps([_text(value) for value in row]) + "\n")
    return 0


def _limit() -> None:
    """Cap this process. Where the system knows no such caps it is still a process of its own."""
    try:
        import resource  # noqa: PLC0415 - POSIX only
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _text(value: Any) -> str:
    """Write an Excel value as the text a person sees: 878.0 as 878, a date without its midnight."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


if __name__ == "__main__":
    sys.exit(main())
