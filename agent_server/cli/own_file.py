"""A person's own Python file: run with their rights, what it raises told by its own lines."""

import runpy
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import typer

from agent_server.cli.context import NOT_FOUND, USAGE, fail
from core.errors import DeskError


class OwnCode:
    """Surrounds code of a person's file: an error out of it ends the program with the file's lines, not with ours.

    The desk's own errors say what is wrong by themselves and pass, as does what the file never touched.
    """

    def __init__(self, path: str) -> None:
        self._path = str(Path(path).resolve())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, DeskError | typer.Exit):
            return
        told = traceback.TracebackException.from_exception(error)
        own = [place for place, frame in enumerate(told.stack) if str(Path(frame.filename).resolve()) == self._path]
        if not own and not self._is_syntax(error):
            return
        del told.stack[: own[0] if own else len(told.stack)]
        fail("".join(told.format()).rstrip())

    def _is_syntax(self, error: Exception) -> bool:
        return isinstance(error, SyntaxError) and str(Path(error.filename or "").resolve()) == self._path


def load(path: str, *, run_name: str = "<own file>") -> dict[str, Any]:
    """Run a file and return what it defines. Files beside it can be imported, as with `python FILE`."""
    if not Path(path).is_file():
        fail(f"There is no file {path}.", NOT_FOUND)
    sys.path.insert(0, str(Path(path).resolve().parent))
    with OwnCode(path):
        return runpy.run_path(path, run_name=run_name)


def check_target(path: Path | None) -> None:
    """End the program before the work when its report could not be written."""
    if path is None:
        return
    if path.is_dir():
        fail(f"--report {path}: that is a folder; name a file in it.", USAGE)
    if not path.parent.is_dir():
        fail(f"--report {path}: there is no folder {path.parent}.", USAGE)
