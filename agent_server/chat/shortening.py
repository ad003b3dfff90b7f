"""Making a large result small enough for a model: lists and texts are cut, and every cut says so."""

from collections.abc import Mapping
from typing import Any, Final

from agent_server.json_text import encode

KEPT: Final = ((40, 2000), (20, 1000), (10, 500), (5, 300), (2, 150), (1, 80))
"""Entries of a list and characters of a text, from generous to tight; the first that fits is used."""
NOTE: Final = "\n(Cut to fit. Ask for fewer rows, columns or days, or for the next page, to see the rest.)"


def shorten(value: Mapping[str, Any], *, text: str, limit: int) -> str:
    """Return `text`, the JSON of `value`; longer than `limit` bytes, a shorter one that says what it lacks."""
    if len(text.encode()) <= limit:
        return text
    for entries, characters in KEPT:
        shorter = encode(_cut(value, entries, characters))
        if len(shorter) <= limit:
            return shorter.decode() + NOTE
    return text.encode()[:limit].decode("utf-8", "ignore") + NOTE


def _cut(value: Any, entries: int, characters: int) -> Any:
    if isinstance(value, str):
        over = len(value) - characters
        return value if over <= 0 else f"{value[:characters]}... ({over} more characters)"
    if isinstance(value, Mapping):
        return {name: _cut(item, entries, characters) for name, item in value.items()}
    if isinstance(value, list | tuple):
        kept = [_cut(item, entries, characters) for item in value[:entries]]
        return kept + ([f"({len(value) - entries} more entries)"] if len(value) > entries else [])
    return value
