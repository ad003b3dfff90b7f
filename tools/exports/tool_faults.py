"""What makes a tool unfit for a provider, and the measuring of its schema."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolFault:
    """One limit that a tool breaks: what is too long, too many or misspelled, and what would be allowed."""

    tool: str
    what: str
    found: str | int
    allowed: str | int

    def __str__(self) -> str:
        return f"{self.tool}: {self.what} {self.found}, allowed {self.allowed}"


def over(tool: str, what: str, found: int, most: int) -> Iterator[ToolFault]:
    """Yield a fault when `found` is more than `most`."""
    if found > most:
        yield ToolFault(tool, what, found, most)


def parts(schema: Any, level: int = 1) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield every schema within a schema with its level; the whole is level 1, its properties are level 2."""
    if not isinstance(schema, Mapping):
        return
    yield level, schema
    for shape in schema.get("properties", {}).values():
        yield from parts(shape, level + 1)
    yield from parts(schema.get("items"), level + 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for member in schema.get(keyword, ()):
            yield from parts(member, level)
