"""What a look-ahead check finds."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LookAhead:
    """An order, or its absence, that depends on bars after it: at bar `bar` (from 0) of date `dt`."""

    bar: int
    dt: str
    known: int
    with_future: list[dict[str, Any]] = field(default_factory=list)
    with_other_future: list[dict[str, Any]] = field(default_factory=list)
