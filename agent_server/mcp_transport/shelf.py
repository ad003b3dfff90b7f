"""Whole results that were too long to send, kept for a while for the caller who asked."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from core.access.model import Caller
from core.clock import Clock
from core.ids import IdSource, new_id

KEPT_SECONDS: Final = 1800.0
MOST_BYTES: Final = 64 * 1024 * 1024
MOST_BYTES_EACH: Final = 16 * 1024 * 1024
"""Of one caller: beyond it the caller's own oldest results go, nobody else's."""


@dataclass(frozen=True, slots=True)
class _Kept:
    owner: tuple[int | None, str]
    text: bytes
    until: float


class Shelf:
    """Keeps results in memory, bounded in bytes and time."""

    def __init__(self, clock: Clock, ids: IdSource) -> None:
        self._clock, self._ids = clock, ids
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def put(self, caller: Caller, text: bytes) -> str:
        """Keep a result and return the name its caller can read it by."""
        now, owner = self._clock.monotonic(), (caller.team_id, caller.requester)
        for name in [name for name, kept in self._kept.items() if kept.until <= now]:
            del self._kept[name]
        self._make_room(len(text), MOST_BYTES_EACH, owner)
        self._make_room(len(text), MOST_BYTES, None)
        name = new_id(self._ids, "res")
        self._kept[name] = _Kept(owner, text, now + KEPT_SECONDS)
        return name

    def get(self, caller: Caller, name: str) -> str | None:
        """Return a result of this caller; None for one that is gone, never was, or is another caller's."""
        kept = self._kept.get(name)
        if kept is None or kept.until <= self._clock.monotonic():
            return None
        return kept.text.decode() if kept.owner == (caller.team_id, caller.requester) else None

    def _make_room(self, size: int, limit: int, owner: tuple[int | None, str] | None) -> None:
        mine = [(name, len(kept.text)) for name, kept in self._kept.items() if owner in {None, kept.owner}]
        taken = sum(length for _, length in mine)
        for name, length in mine:
            if taken + size <= limit:
                return
            del self._kept[name]
            taken -= length
