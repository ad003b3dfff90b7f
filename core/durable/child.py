"""One piece of work in a process of its own: told how far it is, stopped at will, never outliving its parent.

The work is a function of a module, called as `function(tell, *arguments)`. It runs in a process group of its own, so
that what it starts ends with it. Processes come from a fork server that has the given modules loaded already: a fresh
interpreter that imports the engine takes seconds, a fork of one milliseconds. The server itself runs no threads.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from core.durable.model import Limits, RunOverLimit, RunProcessDied
from core.errors import DeskError

WATCH_SECONDS: Final = 0.5
START_SECONDS: Final = 120.0
"""How long a process may take to come up: the first one of a new release compiles the kernels."""
PAGE: Final = 4096

Tell = Callable[["Kind", Any], None]
"""How work speaks to whoever waits for it: progress as (done, total), the step it is at, a line of its log."""


class Kind(StrEnum):
    """What a message from a child says."""

    BEGUN = "begun"
    PROGRESS = "progress"
    STEP = "step"
    LOG = "log"
    DONE = "done"
    REFUSED = "refused"
    BROKEN = "broken"


class ChildBroken(RuntimeError):
    """The work raised what no error of the desk is: a defect. Carries the child's traceback."""


@dataclass(frozen=True, slots=True)
class Children:
    """Starts processes. `preload` are modules that the fork server imports once."""

    preload: Sequence[str] = ()

    def warm(self) -> None:
        """Start the fork server, which then loads the modules in its own time."""
        self._context()
        forkserver.ensure_running()

    async def run(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        limits: Limits,
        on_message: Callable[[Kind, Any], None],
    ) -> Any:
        """Run the function in a process of its own and return what it returns.

        Raises what it raises where that is a `DeskError`, `ChildBroken` for other errors, `RunOverLimit`, and
        `RunProcessDied` when it ends without a word. Cancelling the caller kills the process.
        """
        messages: asyncio.Queue[tuple[Kind, Any]] = asyncio.Queue()
        process, pipe = await asyncio.to_thread(self._start, function, arguments)
        loop = asyncio.get_running_loop()
        reader = threading.Thread(target=_read, args=(pipe, loop, messages), daemon=True)
        reader.start()
        try:
            return await _conversation(messages, process, limits, on_message)
        finally:
            _kill(process.pid)
            await asyncio.shield(asyncio.to_thread(_bury, process, pipe, reader))

    def _start(self, function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Any, Connection]:
        context = self._context()
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, function, arguments))
        process.start()
        theirs.close()
        return process, ours

    def _context(self) -> Any:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(self.preload))
        return context


async def _conversation(
    messages: "asyncio.Queue[tuple[Kind, Any]]",
    process: Any,
    limits: Limits,
    on_message: Callable[[Kind, Any], None],
) -> Any:
    try:
        async with asyncio.timeout(START_SECONDS) as deadline:
            while True:
                kind, content = await _next(messages, process, limits)
                if kind is Kind.BEGUN:
                    deadline.reschedule(asyncio.get_running_loop().time() + limits.seconds)
                    continue
                if kind is Kind.DONE:
                    return content
                if kind is Kind.REFUSED:
                    raise content
                if kind is Kind.BROKEN:
                    raise ChildBroken(content) if content else RunProcessDied(exit_code=_exit_code(process))
                on_message(kind, content)
    except TimeoutError:
        if not deadline.expired():
            raise
        raise RunOverLimit(reason=f"it took longer than {limits.seconds:g} s") from None


async def _next(messages: "asyncio.Queue[tuple[Kind, Any]]", process: Any, limits: Limits) -> tuple[Kind, Any]:
    """Wait for a message, looking at the memory of the process meanwhile."""
    while True:
        held = memory_mb(process.pid)
        if held > limits.memory_mb:
            raise RunOverLimit(reason=f"it needed more than {limits.memory_mb:g} MB")
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCH_SECONDS):  # wait_for of Python 3.11 may swallow the limit of time
                return await messages.get()


def memory_mb(pid: int | None) -> float:
    """Return the resident memory of a process; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20
    except (OSError, IndexError):
        return 0.0


def _read(pipe: Connection, loop: asyncio.AbstractEventLoop, messages: "asyncio.Queue[tuple[Kind, Any]]") -> None:
    """Hand on what the child says, and its silence when it is gone."""
    with suppress(RuntimeError):  # the loop was closed meanwhile: nobody listens any more
        while True:
            try:
                message = pipe.recv()
            except (EOFError, OSError):
                message = (Kind.BROKEN, "")
            loop.call_soon_threadsafe(messages.put_nowait, message)
            if message[0] in {Kind.DONE, Kind.REFUSED, Kind.BROKEN}:
                return


def _kill(pid: int | None) -> None:
    """End a child with everything that it started."""
    if pid is None:
        return
    for end in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            end(pid, signal.SIGKILL)


def _bury(process: Any, pipe: Connection, reader: threading.Thread) -> None:
    process.join()
    reader.join()
    pipe.close()
    process.close()


def _exit_code(process: Any) -> int | None:
    process.join(1)
    code: int | None = process.exitcode
    return code


def _work(pipe: Connection, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """What the child does: work, answer, and end at once when its parent is gone."""
    os.setsid()
    sys.stdin.close()
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    guard = threading.Lock()

    def tell(kind: Kind, content: Any) -> None:
        with guard:
            pipe.send((kind, content))

    tell(Kind.BEGUN, None)
    try:
        answer = (Kind.DONE, function(tell, *arguments))
    except DeskError as error:
        answer = (Kind.REFUSED, error)
    except Exception:  # noqa: BLE001 - whatever it is, the parent must be told
        answer = (Kind.BROKEN, traceback.format_exc())
    tell(*answer)


def _end_with_parent(pipe: Connection) -> None:
    with suppress(EOFError, OSError):
        pipe.recv()  # nothing is ever sent: this returns when the parent's end is closed
    os.killpg(os.getpid(), signal.SIGKILL)
