"""Telling others in this process that something was written, so that they need not wait for their next look.

A signal is a hint and never the truth: whoever waits reads the database again, and looks now and then without a signal,
since the write may have come from another process.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

APPROVALS: Final = "approvals"
"""An approval was decided or taken back."""


class Bell:
    """Rings for one who waits. Cleared before a look, so that what is written during the look is not missed."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """End the wait, the one going on or the next."""
        self._rung.set()

    def clear(self) -> None:
        """Forget earlier rings."""
        self._rung.clear()

    async def wait(self, seconds: float) -> bool:
        """Wait for a ring, at most so long; return whether there was one."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        return True


class Signals:
    """The bells of a process, by what they listen to."""

    def __init__(self) -> None:
        self._bells: dict[str, set[Bell]] = {}

    def notify(self, topic: str) -> None:
        """Ring every bell that listens to a topic."""
        for bell in self._bells.get(topic, ()):
            bell.ring()

    def notify_all(self) -> None:
        """Ring every bell: something that concerns everybody, such as the end of the process."""
        for topic in self._bells:
            self.notify(topic)

    @contextmanager
    def listen(self, topic: str) -> Iterator[Bell]:
        """Hang up a bell for the time of a block."""
        bell = Bell()
        self._bells.setdefault(topic, set()).add(bell)
        try:
            yield bell
        finally:
            self._bells[topic].discard(bell)
            if not self._bells[topic]:
                del self._bells[topic]
