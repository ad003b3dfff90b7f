"""What a job is given to carry out a run: a place to work, and a way to say how far it is."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from core.clock import Clock
from core.durable.child import Children, Kind
from core.durable.model import LINE_LENGTH, LOG_LINES, Claim

STEP_LENGTH = 200


class Workbench:
    """Keeps the news of one run until the worker writes them into its row."""

    def __init__(self, claim: Claim, clock: Clock, children: Children) -> None:
        self.claim = claim
        self._clock, self._children = clock, children
        self._started = clock.monotonic()
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._lines = 0
        self._progress, self._step = 0.0, ""
        self._is_new = True

    def step(self, text: str) -> None:
        """Say what is being done now; it goes into the log as well."""
        self._step = text[:STEP_LENGTH]
        self.log(text)

    def log(self, line: str) -> None:
        """Append to the run's log; what does not fit is cut, the oldest lines go first."""
        for part in str(line).splitlines() or [""]:
            self._lines += 1
            self._log.append("".join(c if c.isprintable() else " " for c in part[:LINE_LENGTH]))
        self._is_new = True

    def tell(self, done: float, total: float) -> None:
        """Say how much of the work is done."""
        self._progress = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
        self._is_new = True

    async def in_child(self, function: Callable[..., Any], *arguments: Any, grace: float = 0.0) -> Any:
        """Run `function(tell, *arguments)` in a process of its own, under the run's limits.

        `grace` are the seconds that a function has on top which keeps the limit of time itself.
        """
        self._started = self._clock.monotonic()
        limits = replace(self.claim.limits, seconds=self.claim.limits.seconds + grace)
        return await self._children.run(function, *arguments, limits=limits, on_message=self.hear)

    def hear(self, kind: Kind, content: Any) -> None:
        """Take in what the child says."""
        if kind is Kind.PROGRESS:
            self.tell(*content)
        elif kind is Kind.STEP:
            self.step(content)
        elif kind is Kind.LOG:
            self.log(content)

    def news(self) -> dict[str, Any]:
        """Return what changed since the last call, as columns of the row; empty when nothing did."""
        if not self._is_new:
            return {}
        self._is_new = False
        return {"eta_seconds": self._eta(), **self.kept()}

    def kept(self) -> dict[str, Any]:
        """Return what stays of the work, as columns of the row."""
        log = {"log": "\n".join(self._log), "log_dropped": self._lines - len(self._log)}
        return {"progress": self._progress, "step": self._step, **log}

    def _eta(self) -> float | None:
        if not 0 < self._progress < 1:
            return None
        elapsed = self._clock.monotonic() - self._started
        return round(elapsed * (1 - self._progress) / self._progress, 1)


async def finished(task: "asyncio.Task[Any]", seconds: float) -> bool:
    """Wait so long for a task, without harming it; tell whether it ended."""
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return bool(done)
