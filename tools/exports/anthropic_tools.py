"""Tools as Anthropic takes them, and the limits of its API.

Arguments that may be left out stay out of `required`: its strict mode takes few tools and few unions, so schemas go as
they are and the desk checks what comes back. The limits are those of the Messages API as read in September 2026 and
what its own refusals say; names keep to the 64 characters that older clients allow.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from tools.exports.tool_faults import ToolFault, over, parts
from tools.exports.tool_list import ToolEntry

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
PROPERTY: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
LONGEST_DESCRIPTION: Final = 10_000
REFUSED_AT_ROOT: Final = ("anyOf", "oneOf", "allOf")


def anthropic_tool(entry: ToolEntry) -> dict[str, Any]:
    """Return a tool in the form of the Messages API."""
    return {"name": entry.name, "description": entry.description, "input_schema": entry.input_schema}


def faults(entry: ToolEntry) -> Iterator[ToolFault]:
    """Yield every limit that a tool breaks."""
    if not NAME.fullmatch(entry.name):
        yield ToolFault(entry.name, "its name", entry.name, NAME.pattern)
    yield from over(entry.name, "characters of description", len(entry.description), LONGEST_DESCRIPTION)
    schema = anthropic_tool(entry)["input_schema"]
    if schema.get("type") != "object":
        yield ToolFault(entry.name, "the root of its schema", str(schema.get("type")), "object")
    for keyword in REFUSED_AT_ROOT:
        if keyword in schema:
            yield ToolFault(entry.name, "at the root of its schema", keyword, "properties only")
    for _, part in parts(schema):
        for key in part.get("properties", ()):
            if not PROPERTY.fullmatch(key):
                yield ToolFault(entry.name, "the property", key, PROPERTY.pattern)
