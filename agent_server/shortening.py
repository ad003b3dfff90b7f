"""Long results made short for models without changing their shape, so that what is left still fits the tool's schema.

Lists keep their beginning and their end (curves and tables are often read from the end), long texts their beginning.
Nothing is cut in silence: the cuts are counted by path.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agent_server.json_text import encode

BYTES_PER_TOKEN: Final = 4
STEPS: Final = ((40, 2000), (20, 1000), (12, 500), (6, 300), (4, 200), (2, 120), (1, 80), (0, 40))
"""Items of each list and characters of each text, tried one after the other."""
MOST_PATHS: Final = 8
NOTE: Final = "\n(Cut to fit{what}. Ask for fewer rows, columns or days, or for the next page, to see the rest.)"


@dataclass(slots=True)
class Shortened:
    """A shorter value. `cuts` says for each path how much is shown of how much."""

    value: Any
    cuts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def sentence(self) -> str:
        """Say what is missing."""
        shown = [f"{path} shows {kept} of {total}" for path, (kept, total) in list(self.cuts.items())[:MOST_PATHS]]
        more = len(self.cuts) - len(shown)
        return "; ".join(shown) + (f"; and {more} more" if more else "")


def tokens(value: Any) -> int:
    """Return what a value costs as JSON, at four bytes a token."""
    return -(-len(encode(value)) // BYTES_PER_TOKEN)


def shorten(value: Any, *, most_tokens: int) -> Shortened:
    """Return the value within the budget, cut as little as the steps allow; the shortest when none is enough."""
    made = Shortened(value)
    for items, characters in STEPS:
        made = Shortened(None)
        made.value = _cut(value, "", items, characters, made.cuts)
        if tokens(made.value) <= most_tokens:
            break
    return made


def shortened_text(value: Mapping[str, Any], *, text: str, most_tokens: int) -> str:
    """Return `text`, the JSON of `value`; beyond the budget the JSON of less, and a line that says what it lacks."""
    limit = most_tokens * BYTES_PER_TOKEN
    if len(text.encode()) <= limit:
        return text
    short = shorten(dict(value), most_tokens=most_tokens)
    if tokens(short.value) <= most_tokens:
        return encode(short.value).decode() + NOTE.format(what=f": {short.sentence()}, beginning and end of lists")
    return text.encode()[:limit].decode("utf-8", "ignore") + NOTE.format(what="")


def _cut(value: Any, path: str, items: int, characters: int, cuts: dict[str, tuple[int, int]]) -> Any:
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        return {name: _cut(item, prefix + str(name), items, characters, cuts) for name, item in value.items()}
    if isinstance(value, str) and len(value) > characters:
        _note(cuts, path, characters, len(value))
        return value[:characters]
    if not isinstance(value, list):
        return value
    kept = value
    if len(value) > items:
        tail = items // 2
        kept = value[: items - tail] + value[len(value) - tail :]
        _note(cuts, path, items, len(value))
    return [_cut(item, f"{path}[]", items, characters, cuts) for item in kept]


def _note(cuts: dict[str, tuple[int, int]], path: str, kept: int, total: int) -> None:
    before = cuts.get(path, (0, 0))
    cuts[path] = (before[0] + kept, before[1] + total)
