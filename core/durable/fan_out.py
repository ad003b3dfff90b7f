"""Spreading pure work over processes, of this machine or of many, behind one port.

A task is a function of a module and one argument. Results come back in the order of the arguments and are the same
wherever they were made. A task whose process died is done again: tasks must be free of effects. Data that many tasks
share is not sent with them: name a memory-mapped file.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from core.errors import NotPossible, Unavailable

Argument = TypeVar("Argument")
Result = TypeVar("Result")

AHEAD: Final = 4
"""Tasks in flight for each process: enough to keep it busy, few enough to stop soon and to keep results small."""
LOSSES: Final = 3
"""How often in a row processes may die without a task getting done, before the work is given up."""


class FanOut(Protocol):
    """Where tasks are carried out."""

    def map(self, function: Callable[[Argument], Result], arguments: Iterable[Argument]) -> Iterator[Result]:
        """Yield the results in the order of the arguments. Raises what a task raises, and `WorkersLost`."""
        ...


class WorkersLost(NotPossible):
    """Process after process died at the same work."""

    code = "workers_lost"
    template = "The processes that did the work died {losses} times in a row; it is given up."


class ClusterMissing(NotPossible):
    """The packages for a cluster are not installed."""

    code = "cluster_not_installed"
    template = "Spreading work over a cluster needs the extra cluster: pip install 'dingpan[cluster]'."


class ClusterUnreachable(Unavailable):
    """No scheduler answers at the address."""

    code = "cluster_unreachable"
    template = "No dask scheduler answers at {address}: {reason}"


@dataclass(frozen=True, slots=True)
class Serial:
    """Every task here, one after the other."""

    def map(self, function: Callable[[Argument], Result], arguments: Iterable[Argument]) -> Iterator[Result]:
        """Yield the results in the order of the arguments."""
        return map(function, arguments)


@dataclass(slots=True)
class ProcessPool(AbstractContextManager["ProcessPool"]):
    """Spawned processes of this machine; a fork would inherit what threads hold. Use it as a context manager.

    They end with it: when the block is left by an error their work is broken off, and when this process is killed, or
    interrupted from the keyboard, none of them stays behind.
    """

    processes: int
    _pool: ProcessPoolExecutor | None = field(default=None, init=False)
    _lifeline: tuple[Connection, Connection] | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._cut()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._cut()

    def _cut(self) -> None:
        for end in self._lifeline or ():
            end.close()
        self._lifeline = None

    def map(self, function: Callable[[Argument], Result], arguments: Iterable[Argument]) -> Iterator[Result]:
        """Yield the results in the order of the arguments; a few tasks are in flight ahead of what was taken."""
        rest = iter(arguments)
        flying: deque[tuple[Argument, Future[Result]]] = deque()
        losses = 0
        while True:
            for argument in rest:
                flying.append((argument, self._submit(function, argument)))
                if len(flying) >= self.processes * AHEAD:
                    break
            if not flying:
                return
            try:
                result = flying[0][1].result()
            except BrokenProcessPool:
                losses += 1
                if losses >= LOSSES:
                    raise WorkersLost(losses=losses) from None
                flying = self._again(function, flying)
                continue
            flying.popleft()
            losses = 0
            yield result

    def _submit(self, function: Callable[[Argument], Result], argument: Argument) -> "Future[Result]":
        try:
            return self._opened().submit(function, argument)
        except BrokenProcessPool:  # it broke between two tasks: the broken one is thrown away with its futures
            self._pool = None
            return self._opened().submit(function, argument)

    def _again(
        self, function: Callable[[Argument], Result], flying: "deque[tuple[Argument, Future[Result]]]"
    ) -> "deque[tuple[Argument, Future[Result]]]":
        """Begin every task anew that has no result, in a pool of new processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        return deque(
            (argument, future if _is_done(future) else self._submit(function, argument)) for argument, future in flying
        )

    def _opened(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._lifeline = self._lifeline or context.Pipe(duplex=False)
            theirs = self._lifeline[0]
            self._pool = ProcessPoolExecutor(
                self.processes, mp_context=context, initializer=_hang_on, initargs=(theirs,)
            )
        return self._pool


def _hang_on(lifeline: Connection) -> None:
    """Let a process of a pool live as long as the other end of a pipe, and leave the keyboard to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()


def _end_with_parent(lifeline: Connection) -> None:
    with suppress(EOFError, OSError):
        lifeline.recv()  # nothing is ever sent: this returns when the parent's end is closed
    os._exit(1)


def _is_done(future: "Future[Any]") -> bool:
    return future.done() and not future.cancelled() and not isinstance(future.exception(), BrokenProcessPool)


class DaskCluster(AbstractContextManager["DaskCluster"]):
    """The workers of a dask scheduler, which must have this release installed. Dask does a lost task again itself."""

    def __init__(self, address: str, *, seconds: float = 10.0) -> None:
        try:
            import distributed  # noqa: PLC0415 - an extra
        except ImportError:
            raise ClusterMissing from None
        try:
            connect: Any = distributed.Client
            self._client = connect(address, timeout=seconds, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterUnreachable(address=address, reason=str(error)) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def map(self, function: Callable[[Argument], Result], arguments: Iterable[Argument]) -> Iterator[Result]:
        """Yield the results in the order of the arguments."""
        rest, flying = iter(arguments), deque[Any]()
        width = max(sum(self._client.nthreads().values()), 1) * AHEAD
        while True:
            for argument in rest:
                flying.append(self._client.submit(function, argument, pure=False, retries=LOSSES))
                if len(flying) >= width:
                    break
            if not flying:
                return
            yield self._result(flying.popleft())

    def _result(self, future: Any) -> Any:
        from distributed.scheduler import KilledWorker  # noqa: PLC0415 - an extra

        try:
            return self._client.gather(future)
        except KilledWorker:
            raise WorkersLost(losses=LOSSES) from None


def fan_out(*, processes: int, cluster: str = "") -> ProcessPool | DaskCluster:
    """Return where to spread work: a cluster where an address is given, else processes of this machine."""
    return DaskCluster(cluster) if cluster else ProcessPool(processes)
