"""Tools as OpenAI takes them, and the limits of its API.

Strict mode is used wherever a schema has a strict form (`core.llm.strict_schema`); the model then cannot write
arguments that do not fit. The limits are those of OpenAI's guides to function calling and structured outputs as read in
February 2026; those of names, descriptions and the number of tools are what the API's own refusals say.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from core.llm.strict_schema import NotStrict, strict_form
from tools.exports.tool_faults import ToolFault, over, parts
from tools.exports.tool_list import ToolEntry

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MOST_TOOLS: Final = 128
LONGEST_DESCRIPTION: Final = 1024
REFUSED_AT_ROOT: Final = ("anyOf", "oneOf", "allOf", "enum", "not")
MOST_LEVELS: Final = 10
MOST_PROPERTIES: Final = 5000
MOST_VALUES: Final = 1000
"""Values of closed lists in one schema."""
LONGEST_NAMES: Final = 120_000
"""Characters of all property names and values of closed lists in one schema."""


def openai_tool(entry: ToolEntry) -> dict[str, Any]:
    """Return a tool in the form of the Responses API."""
    try:
        parameters, strict = strict_form(entry.input_schema), True
    except NotStrict:
        parameters, strict = entry.input_schema, False
    return {
        "type": "function",
        "name": entry.name,
        "description": entry.description,
        "parameters": parameters,
        "strict": strict,
    }


def faults(entry: ToolEntry) -> Iterator[ToolFault]:
    """Yield every limit that a tool breaks."""
    if not NAME.fullmatch(entry.name):
        yield ToolFault(entry.name, "its name", entry.name, NAME.pattern)
    yield from over(entry.name, "characters of description", len(entry.description), LONGEST_DESCRIPTION)
    tool = openai_tool(entry)
    if tool["parameters"].get("type") != "object":
        yield ToolFault(entry.name, "the root of its schema", str(tool["parameters"].get("type")), "object")
    for keyword in REFUSED_AT_ROOT:
        if keyword in tool["parameters"]:
            yield ToolFault(entry.name, "at the root of its schema", keyword, "properties only")
    if tool["strict"]:
        yield from _strict_faults(entry.name, tool["parameters"])


def _strict_faults(name: str, schema: Mapping[str, Any]) -> Iterator[ToolFault]:
    found = list(parts(schema))
    properties = [key for _, part in found for key in part.get("properties", ())]
    values = [str(value) for _, part in found for value in part.get("enum", ())]
    yield from over(name, "levels of its schema", max(level for level, _ in found), MOST_LEVELS)
    yield from over(name, "properties", len(properties), MOST_PROPERTIES)
    yield from over(name, "values of closed lists", len(values), MOST_VALUES)
    yield from over(name, "characters of names and values", sum(map(len, properties + values)), LONGEST_NAMES)
