"""Every code an error can carry is in the table of ARCHITECTURE.md, which `./dev golden` writes."""

import importlib
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent_server
import core
import skills
import tools
from agent_server.errors import STATUS, TransportRefusal
from core.errors import DeskError

PAGE = Path(__file__).resolve().parents[2] / "ARCHITECTURE.md"
BEGIN, END = "<!-- error codes: written by ./dev golden -->\n", "<!-- end of error codes -->\n"
LEFT_OUT = ("core.storage.migrations", "agent_server.__main__")


def every_error() -> Iterator[type[DeskError]]:
    """All error classes of the project, with those of modules that nothing has imported yet."""
    for package in (core, tools, skills, agent_server):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith(LEFT_OUT):
                importlib.import_module(module.name)
    waiting: list[type[DeskError]] = [DeskError]
    while waiting:
        error = waiting.pop()
        if error is not DeskError and error.__module__.split(".")[0] in {"core", "tools", "skills", "agent_server"}:
            yield error
        waiting += error.__subclasses__()


def status_of(error: type[DeskError]) -> int:
    return error.status if issubclass(error, TransportRefusal) else STATUS[error.kind]


def table() -> str:
    """A row per code; where several errors share one, the words of the most general."""
    chosen: dict[str, type[DeskError]] = {}
    for error in sorted(every_error(), key=lambda each: (len(each.__mro__), each.__module__, each.__name__)):
        chosen.setdefault(error.code, error)
    lines = ["| code | kind | status | when |", "|---|---|---|---|"]
    for code, error in sorted(chosen.items()):
        when = " ".join((error.__doc__ or "").split("\n\n")[0].split())
        lines.append(f"| `{code}` | {error.kind.value} | {status_of(error)} | {when} |")
    return "\n".join(lines) + "\n"


@pytest.mark.golden
def test_every_error_code_is_in_the_table() -> None:
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    written, _, after = rest.partition(END)
    if os.environ.get("DINGPAN_GOLDEN") == "write":
        PAGE.write_text(before + BEGIN + table() + END + after)
        return
    assert written == table(), "an error code is not in ARCHITECTURE.md; run ./dev golden"


def test_a_code_means_one_kind() -> None:
    kinds: dict[str, set[str]] = {}
    for error in every_error():
        kinds.setdefault(error.code, set()).add(error.kind.value)
    assert {code: found for code, found in kinds.items() if len(found) > 1} == {}


def test_every_error_says_what_it_means() -> None:
    assert [error.__name__ for error in every_error() if not error.__doc__] == []
