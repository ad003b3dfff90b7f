"""Runs that fail, never end or eat the memory: stopped, and said where."""

import ctypes
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from core.backtest.problems import RunStopped, StrategyFailed
from core.clock import Clock

CHECK_SECONDS: Final = 0.1
AGAIN_SECONDS: Final = 0.25
TOLD: Final = 1_024
"""Bars between two words of progress; a part of the blocks in which bars are made."""
ENGINE: Final = str(Path(__file__).parent.parent)
STATUS: Final = Path("/proc/self/statm")
PAGE: Final = 4096


class Interrupt(BaseException):
    """Thrown into the strategy's thread, again and again: no `except Exception` catches it, and a bare one not all."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `eta_seconds` is None until enough is done to say."""

    done: int
    total: int
    elapsed_seconds: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """When to stop a run: seconds of wall time, megabytes of memory beyond those at the start. None is no limit."""

    time_seconds: float | None = None
    memory_mb: float | None = None


class Watch:
    """Keeps a run (`over`): turns what a strategy raises into an error that names bar and line, and keeps the limits.

    `where` returns the hook that runs, the number of its bar from 0, and the bar's date.
    """

    def __init__(
        self,
        clock: Clock,
        limits: RunLimits,
        *,
        total: int,
        where: Callable[[], tuple[str, int, str]],
        log: Iterable[str],
        progress: Callable[[Progress], object] | None = None,
    ) -> None:
        self._clock, self._limits, self._total, self._where, self._log = clock, limits, total, where, log
        self._progress = progress
        self._started = clock.monotonic()
        self._ended = threading.Event()
        self._left = False
        self._reason: str | None = None
        self._thread: threading.Thread | None = None

    def over(self, work: Callable[[], object]) -> None:
        """Do the work under the limits. Raises `StrategyFailed` and `RunStopped`.

        The interrupt may come at any instruction between the start of the thread that throws it and its end. Once
        `_left` is set that thread throws once more at the most, which it had begun to; so three ends are enough.
        """
        try:
            try:
                with self:
                    work()
            except Interrupt:
                self._left = True
                self._end()
        except Interrupt:
            self._end()
        if self._reason is not None:
            raise self._stopped()

    def __enter__(self) -> None:
        if self._limits.time_seconds is not None or self._limits.memory_mb is not None:
            target = threading.get_ident()
            self._thread = threading.Thread(target=self._guard, args=(target, _memory_mb()), daemon=True)
            self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        self._end()
        if self._reason is not None:
            raise self._stopped() from None
        if isinstance(error, Exception):
            hook, bar, when = self._where()
            place = _place(error)
            if place is not None:
                text = f"{type(error).__name__}: {error}"
                raise StrategyFailed(
                    hook=hook, bar=bar, when=when, place=place, error=text, log=list(self._log)[-100:]
                ) from error

    def _stopped(self) -> RunStopped:
        _, bar, when = self._where()
        return RunStopped(bar=bar, when=when, reason=self._reason, log=list(self._log)[-100:])

    def _end(self) -> None:
        """End the thread that keeps the limits, and take back what it threw and has not arrived."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)

    def tell(self, done: int) -> None:
        """Say how far the run is; called between blocks of bars."""
        if self._progress is not None:
            elapsed = self._clock.monotonic() - self._started
            eta = elapsed * (self._total - done) / done if done else None
            self._progress(Progress(done, self._total, elapsed, eta))

    def _guard(self, target: int, memory_at_start: float) -> None:
        """Wait for the end of the run, or for a limit; then interrupt the strategy's thread."""
        limits = self._limits
        step = CHECK_SECONDS if limits.memory_mb is not None else limits.time_seconds
        deadline = None if limits.time_seconds is None else self._clock.monotonic() + limits.time_seconds
        while not self._ended.wait(step):
            if deadline is not None and self._clock.monotonic() >= deadline:
                self._reason = f"it took longer than {limits.time_seconds:g} s"
            elif limits.memory_mb is not None and _memory_mb() - memory_at_start > limits.memory_mb:
                self._reason = f"it needed more than {limits.memory_mb:g} MB"
            if self._reason is not None:
                self._interrupt(target)
                return

    def _interrupt(self, target: int) -> None:
        """Interrupt the strategy's thread until the run ends: a bare `except` swallows it."""
        while not self._left:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(target), ctypes.py_object(Interrupt))
            if self._ended.wait(AGAIN_SECONDS):
                return


def _memory_mb() -> float:
    """Return the resident memory of this process; 0 where the system does not say."""
    if not STATUS.exists():
        return 0.0
    return int(STATUS.read_text().split()[1]) * PAGE / 2**20


def _place(error: BaseException) -> str | None:
    """Return the strategy's own line, the deepest in its file; None when no frame is outside the engine."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(ENGINE)]
    if not own:
        return None
    line = [frame for frame in own if frame.filename == own[0].filename][-1].lineno
    return f"line {line} of {Path(own[0].filename).name}"
