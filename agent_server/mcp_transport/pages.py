"""Lists in pages: a cursor is a place in a list, written so that nobody is tempted to compute one."""

import base64
import binascii
from collections.abc import Sequence
from typing import Final, TypeVar

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, PaginatedRequestParams

Item = TypeVar("Item")
PAGE: Final = 25
LONGEST: Final = 40
_MARK: Final = "from:"


def page(items: Sequence[Item], params: PaginatedRequestParams | None, *, size: int = PAGE) -> tuple[list[Item], str]:
    """Return one page and the cursor of the next, empty at the end. Raises `MCPError` for a cursor that is none."""
    start = _place(params.cursor) if params is not None and params.cursor is not None else 0
    end = start + size
    following = base64.urlsafe_b64encode(f"{_MARK}{end}".encode()).decode() if end < len(items) else ""
    return list(items[start:end]), following


def _place(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor[:LONGEST]).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    number = text.removeprefix(_MARK)
    if not text.startswith(_MARK) or not number.isdigit():
        raise MCPError(INVALID_PARAMS, "The cursor is not one of this desk. Begin without a cursor.")
    return int(number)
