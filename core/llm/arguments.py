"""What a model writes as the arguments of a call, read strictly: a JSON object that every reader understands alike."""

import json
from typing import Any, NoReturn


def read_arguments(text: str) -> dict[str, Any] | None:
    """Return the arguments; empty text means none were needed. None for anything but one plain JSON object.

    A repeated key, NaN, Infinity, or numbers and nesting beyond what can be read all count as unreadable: the model is
    told so and writes the call again.
    """
    if not text.strip():
        return {}
    try:
        read = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("a key is repeated")
    return read


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
