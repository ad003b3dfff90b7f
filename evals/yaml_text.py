"""YAML as scenarios are written in it: plain data, every value with its line, and no surprises.

Of YAML 1.1 only `true`, `false`, `null`, decimal numbers and text are read: a date stays text, `on` stays text, a key
that stands twice is an error, and so is a number with a leading zero, which would lose it (`000001` is a stock).
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

from evals.problems import EvalsNotInstalled, Fault

Path = tuple[str | int, ...]
INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
LEADING_ZERO: Final = re.compile(r"[-+]?0[0-9]+(\.[0-9]+)?")
WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(slots=True)
class Document:
    """Plain data, the line of every place in it, and what was wrong."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Return the line of a place, or of the nearest place around it that is written down."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(text: str) -> Document:
    """Read one document. Raises `EvalsNotInstalled` without PyYAML."""
    try:
        import yaml  # noqa: PLC0415 - part of the extra; listing the commands must not need it
    except ImportError as error:
        raise EvalsNotInstalled(package="PyYAML", extra="evals") from error
    document = Document()
    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = mark.line + 1 if mark else 1
        document.faults.append(Fault(place, "", f"no YAML: {error.problem or error.context}"))
        return document
    if node is not None:
        document.data = _build(node, (), document)
    return document


def _build(node: Any, path: Path, document: Document) -> Any:
    line = node.start_mark.line + 1
    document.lines.setdefault(path, line)
    if node.id == "scalar":
        return _scalar(node, path, document)
    if node.id == "sequence":
        return [_build(item, (*path, place), document) for place, item in enumerate(node.value)]
    built: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        here = key_node.start_mark.line + 1
        if key in built:
            document.faults.append(Fault(here, shown(path), f"the key {key!r} stands here twice"))
        document.lines[(*path, key)] = here
        built[key] = _build(value_node, (*path, key), document)
    return built


def _scalar(node: Any, path: Path, document: Document) -> Any:
    text: str = node.value
    if node.style:  # quoted or a block: text whatever it looks like
        return text
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if LEADING_ZERO.fullmatch(text):
        message = f'{text} has a leading zero that a number loses; write it as text: "{text}"'
        document.faults.append(Fault(node.start_mark.line + 1, shown(path), message))
    elif DECIMAL.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def shown(path: Path) -> str:
    """Return a place as people write it: `turns[0].model[1].call`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
