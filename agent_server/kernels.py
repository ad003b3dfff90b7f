"""The engine's kernels, compiled beside the desk after it answers, by a process of the lowest priority.

A fresh installation would otherwise make the first backtest wait for the compiler. The process ends with the server,
and only one of a machine compiles; what it has done is kept, so the next start goes on from there.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from core.clock import Clock

READY: Final = "ready"
LATER: Final = "not compiled: the first backtest of each kind does it"
IN_ANOTHER: Final = "in another process"
COMMAND: Final = ("-m", "agent_server", "backtest", "warm-up", "--background", "--json")

log = structlog.get_logger("agent_server")


@dataclass(slots=True)
class Kernels:
    """Knows how far the kernels of this machine are.

    `is_wanted`: whether to compile them. `chosen_folder`: numba's NUMBA_CACHE_DIR, where the operator set it.
    `command`: what follows the interpreter's name on the command line of the process that compiles.
    """

    clock: Clock
    is_wanted: bool = True
    chosen_folder: str = ""
    command: tuple[str, ...] = COMMAND
    _state: str = field(default="not looked at yet", init=False)
    _step: str | None = field(default=None, init=False)
    _started: float = field(default=0.0, init=False)

    def told(self) -> str:
        """Return `ready`, `compiling (2 of 6, 14 s)`, `failed: why`, or why nobody compiles them."""
        if self._step is None:
            return self._state
        return f"compiling ({self._step}, {self.clock.monotonic() - self._started:.0f} s)"

    @asynccontextmanager
    async def compiling(self) -> AsyncIterator[None]:
        """Compile them beside the block, where they are not ready and that is wanted."""
        task = asyncio.create_task(self._compile_if_needed())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _compile_if_needed(self) -> None:
        try:
            self._state = await asyncio.to_thread(self._look)
            if not self._state:
                await self._compile()
        except OSError as error:
            self._state = self._failed(error.strerror or str(error))

    def _look(self) -> str:
        """Return the state without compiling anything; empty when that is what remains to be done."""
        from core.backtest.kernel_stamp import (  # noqa: PLC0415 - beside the event loop
            KernelsNotKept,
            is_ready,
            kernel_folder,
        )

        folder = kernel_folder(self.chosen_folder)
        if folder is None:
            return self._failed(KernelsNotKept().message)
        if is_ready(folder):
            return READY
        return "" if self.is_wanted else LATER

    async def _compile(self) -> None:
        self._started = self.clock.monotonic()
        self._step = "starting"
        log.info("kernels are compiled in the background")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", *self.command, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        try:
            why = await self._follow(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            self._step = None
        self._state = self._failed(why) if why else READY
        if not why:
            log.info("kernels are ready", seconds=round(self.clock.monotonic() - self._started))

    async def _follow(self, process: Process) -> str:
        """Take in what the process says until it ends; return why it failed, empty when it did not."""
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        try:
            async for line in process.stdout:
                said = json.loads(line)
                self._step = IN_ANOTHER if said["waiting"] else f"{said['done']} of {said['total']}"
            if await process.wait() == 0:
                return ""
            lines = (await errors).decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else f"the process ended with exit code {process.returncode}"
        finally:
            errors.cancel()

    def _failed(self, why: str) -> str:
        log.warning("kernels could not be compiled", reason=why)
        return f"failed: {why}"
