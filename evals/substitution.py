"""`${name}` in a scenario: replaced once, from the left, and never again inside what was put in.

Text that came from an attack or from a tool's answer may contain `${...}` itself; it stays as it is.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from evals.problems import ScriptProblem

VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_-]*)\}")


def substitute(value: Any, variables: Mapping[str, Any]) -> Any:
    """Return a copy of plain data with the variables put in.

    A text that is nothing but `${name}` becomes the value with its type. Raises `ScriptProblem` for an unknown name.
    """
    if isinstance(value, str):
        return _text(value, variables)
    if isinstance(value, Mapping):
        return {key: substitute(item, variables) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [substitute(item, variables) for item in value]
    return value


def _text(text: str, variables: Mapping[str, Any]) -> Any:
    whole = VARIABLE.fullmatch(text)
    if whole is not None:
        return _value(whole[1], variables)
    return VARIABLE.sub(lambda found: str(_value(found[1], variables)), text)


def _value(name: str, variables: Mapping[str, Any]) -> Any:
    if name not in variables:
        known = ", ".join(sorted(variables)) or "none yet"
        raise ScriptProblem(reason=f"there is no variable ${{{name}}} here; saved so far: {known}")
    return variables[name]
