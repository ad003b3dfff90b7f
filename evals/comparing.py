"""Values against what a scenario expects of them. Every mismatch says what was expected and what came instead."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from evals.answers import found_at
from evals.model import Reply
from evals.model_parts import Comparison, PathCheck
from evals.substitution import substitute

SHOWN: Final = 300


def check_path(check: PathCheck, document: Any, variables: Mapping[str, Any]) -> list[str]:
    """Return how an answer differs from a check; empty when it does not."""
    found = found_at(check.path, document)
    return [f"{check.path}: {fault}" for fault in mismatches(check, found, variables)]


def mismatches(check: Comparison, found: Sequence[Any], variables: Mapping[str, Any]) -> list[str]:
    """Return how the values found differ. A path to one value means that value, to several the list of them."""
    if check.exists is not None and bool(found) is not check.exists:
        return [f"expected {'something' if check.exists else 'nothing'} there, got {shown(list(found))}"]
    names = [name for name in check.asked if name != "exists"]
    if not found:
        return [f"expected {_wanted(check, names)}, got nothing: the path leads nowhere"] if names else []
    value = found[0] if len(found) == 1 else list(found)
    faults = []
    for name in names:
        wanted = substitute(getattr(check, name), variables)
        if not _holds(name, value, wanted, check.tol):
            tolerance = f" within {check.tol:g}" if name == "approx" else ""
            faults.append(f"expected {WORDS[name]} {shown(wanted)}{tolerance}, got {shown(value)}")
    return faults


def reply_faults(wanted: Reply, text: str, variables: Mapping[str, Any]) -> list[str]:
    """Return how a text differs from what it must and must not have."""
    faults = []
    matches, not_matches = substitute([wanted.matches, wanted.not_matches], variables)
    if matches is not None and not re.search(matches, text):
        faults.append(f"lacks what it must have: expected a match of {shown(matches)}, got {shown(text)}")
    if not_matches is not None and (found := re.search(not_matches, text)):
        message = f"expected no match of {shown(not_matches)}, got {shown(found[0])} in {shown(text)}"
        faults.append(f"has what it must not have: {message}")
    return faults


def _holds(name: str, value: Any, wanted: Any, tolerance: float) -> bool:
    if name == "approx":
        number = _number(value)
        return number is not None and math.isclose(number, wanted, rel_tol=0.0, abs_tol=tolerance)
    return _TESTS[name](value, wanted)


def _has_no_match(value: Any, pattern: str) -> bool:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return re.search(pattern, text) is None


def same(value: Any, wanted: Any) -> bool:
    """Return whether two values are equal as JSON: true is no 1."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, Mapping) and isinstance(wanted, Mapping):
        return value.keys() == wanted.keys() and all(same(value[key], wanted[key]) for key in wanted)
    if isinstance(value, list | tuple) and isinstance(wanted, list | tuple):
        return len(value) == len(wanted) and all(map(same, value, wanted))
    return bool(value == wanted)


def is_part(wanted: Any, value: Any) -> bool:
    """Return whether everything wanted is there: mappings may have more keys, other values must be equal."""
    if isinstance(wanted, Mapping) and isinstance(value, Mapping):
        return all(key in value and is_part(item, value[key]) for key, item in wanted.items())
    return same(value, wanted)


def _contains(value: Any, wanted: Any) -> bool:
    if isinstance(value, str):
        return str(wanted) in value
    return isinstance(value, list) and any(is_part(wanted, item) for item in value)


def _comparable(value: Any, wanted: Any) -> bool:
    both_numbers = _number(value) is not None and _number(wanted) is not None
    return both_numbers or (isinstance(value, str) and isinstance(wanted, str))


def _in_order(value: Any, wanted: Any, *, smaller: bool) -> bool:
    left, right = _number(value), _number(wanted)
    if left is not None and right is not None:
        return left < right if smaller else left > right
    if isinstance(value, str) and isinstance(wanted, str):
        return value < wanted if smaller else value > wanted
    return False


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": same,
    "ne": lambda value, wanted: not same(value, wanted),
    "one_of": lambda value, wanted: any(same(value, item) for item in wanted),
    "contains": _contains,
    "matches": lambda value, wanted: isinstance(value, str) and re.search(wanted, value) is not None,
    "not_matches": _has_no_match,
    "length": lambda value, wanted: isinstance(value, str | list | dict) and len(value) == wanted,
    "lt": lambda value, wanted: _in_order(value, wanted, smaller=True),
    "gt": lambda value, wanted: _in_order(value, wanted, smaller=False),
    "le": lambda value, wanted: _comparable(value, wanted) and not _in_order(value, wanted, smaller=False),
    "ge": lambda value, wanted: _comparable(value, wanted) and not _in_order(value, wanted, smaller=True),
}


def _wanted(check: Comparison, names: Sequence[str]) -> str:
    return " and ".join(f"{WORDS[name]} {shown(getattr(check, name))}" for name in names)


WORDS: Final = {
    "eq": "equal to",
    "ne": "other than",
    "one_of": "one of",
    "approx": "about",
    "contains": "something containing",
    "matches": "a match of",
    "not_matches": "no match of",
    "length": "a length of",
    "lt": "less than",
    "gt": "more than",
    "le": "at most",
    "ge": "at least",
}


def shown(value: Any) -> str:
    """Return a value for a message: as JSON, cut when long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"
