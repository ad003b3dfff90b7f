"""How often a caller may call: sliding windows per identity, and a bound on calls at the same time.

The windows live in the memory of the one server process. Each is divided into sixty segments; a call counts until the
whole of its segment has left the window, so that no window of the full length ever holds more calls than the limit.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from math import ceil
from typing import Final

from core.access.model import Caller, CallerKind
from core.access.networks import network_of
from core.clock import Clock
from core.errors import Limited

MINUTE: Final = 60.0
DAY: Final = 86_400.0
SEGMENTS: Final = 60
IDENTITIES: Final = 10_000
"""Most identities remembered per window; the one longest unseen is forgotten first."""
CONCURRENT_CALLS: Final = 64
"""Most calls of one identity at the same time."""
ANONYMOUS_DATA: Final = frozenset({"dataasset.data.get", "dataasset.data.getRealtime"})
"""Skills that return rows; anonymous callers have a smaller allowance for them."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most `calls` within any `seconds`. `bucket` is the name callers are told."""

    bucket: str
    calls: int
    seconds: float


TOKEN_ALLOWANCES: Final = (Allowance("burst", 600, MINUTE), Allowance("daily", 20_000, DAY))
PROTOCOL_ALLOWANCES: Final = (Allowance("protocol", 1_200, MINUTE),)
"""Messages of a protocol around the calls, such as lists: each is work, and none is a call of its own."""
ANONYMOUS_ALLOWANCES: Final = (Allowance("general", 60, MINUTE),)
ANONYMOUS_DATA_ALLOWANCES: Final = (Allowance("burst", 10, MINUTE), Allowance("daily", 100, DAY))
RECORDED_REFUSALS: Final = Allowance("refusals", 1, MINUTE)
"""Refusals for too many calls that are worth an audit row; a flood must not fill the audit."""


class TooManyAtOnce(Limited):
    """The identity has too many calls running."""

    template = "{limit} calls are running already. Wait for one to end."


@dataclass(slots=True)
class SlidingWindow:
    """Counts of one allowance, for many identities."""

    allowance: Allowance
    counts: "OrderedDict[str, deque[list[int]]]" = field(default_factory=OrderedDict)

    def wait(self, identity: str, now: float) -> int:
        """Return 0 when another call fits, else the whole seconds until one does."""
        segments = self._current(identity, now)
        over = sum(count for _, count in segments) - self.allowance.calls + 1
        for segment, count in segments:
            if over <= 0:
                break
            over -= count
            if over <= 0:
                leaves = (segment + SEGMENTS + 1) * self._length
                return max(1, ceil(leaves - now))
        return 0

    def count(self, identity: str, now: float) -> None:
        """Count one call."""
        segments = self._current(identity, now)
        here = int(now // self._length)
        if segments and segments[-1][0] == here:
            segments[-1][1] += 1
        else:
            segments.append([here, 1])
        while len(self.counts) > IDENTITIES:
            self.counts.popitem(last=False)

    @property
    def _length(self) -> float:
        return self.allowance.seconds / SEGMENTS

    def _current(self, identity: str, now: float) -> deque[list[int]]:
        segments = self.counts.setdefault(identity, deque())
        self.counts.move_to_end(identity)
        oldest = int(now // self._length) - SEGMENTS
        while segments and segments[0][0] < oldest:
            segments.popleft()
        return segments


class Limits:
    """Every window of the desk. One per process."""

    def __init__(self, clock: Clock, *, enabled: bool = True) -> None:
        self._clock = clock
        self._enabled = enabled
        known = (TOKEN_ALLOWANCES, PROTOCOL_ALLOWANCES, ANONYMOUS_ALLOWANCES, ANONYMOUS_DATA_ALLOWANCES)
        allowances = (*chain(*known), RECORDED_REFUSALS)
        self._windows = {allowance: SlidingWindow(allowance) for allowance in allowances}
        self._running: dict[str, int] = {}

    def check(self, caller: Caller, skill_id: str) -> None:
        """Count a call. Raises `Limited` naming the bucket and the wait; a refused call is not counted."""
        self._count(caller, allowances_of(caller, skill_id))

    def check_message(self, caller: Caller) -> None:
        """Count a message of a protocol, whatever it asks for. Raises `Limited` as `check` does."""
        self._count(caller, PROTOCOL_ALLOWANCES)

    def _count(self, caller: Caller, allowances: tuple[Allowance, ...]) -> None:
        if not self._enabled:
            return
        now, identity = self._clock.monotonic(), identity_of(caller)
        windows = [self._windows[allowance] for allowance in allowances]
        waits = [(window.wait(identity, now), window.allowance.bucket) for window in windows]
        seconds, bucket = max(waits, key=lambda wait: wait[0])
        if seconds:
            raise Limited(bucket=bucket, retry_after_seconds=seconds)
        for window in windows:
            window.count(identity, now)

    def is_worth_recording(self, caller: Caller) -> bool:
        """Return True for the first refusal of an identity within a minute."""
        now, identity, window = self._clock.monotonic(), identity_of(caller), self._windows[RECORDED_REFUSALS]
        if window.wait(identity, now):
            return False
        window.count(identity, now)
        return True

    @contextmanager
    def running(self, caller: Caller) -> Iterator[None]:
        """Hold one of the identity's places while a call runs. Raises `TooManyAtOnce`."""
        identity = identity_of(caller)
        running = self._running.get(identity, 0)
        if self._enabled and running >= CONCURRENT_CALLS:
            raise TooManyAtOnce(bucket="concurrency", retry_after_seconds=1, limit=CONCURRENT_CALLS)
        self._running[identity] = running + 1
        try:
            yield
        finally:
            left = self._running[identity] - 1
            if left:
                self._running[identity] = left
            else:
                del self._running[identity]


def allowances_of(caller: Caller, skill_id: str) -> tuple[Allowance, ...]:
    """Return what a caller may do per minute and day."""
    if caller.kind is not CallerKind.ANONYMOUS:
        return TOKEN_ALLOWANCES
    return ANONYMOUS_ALLOWANCES + (ANONYMOUS_DATA_ALLOWANCES if skill_id in ANONYMOUS_DATA else ())


def identity_of(caller: Caller) -> str:
    """Return whom a call counts for: the token or user; without one the address, of IPv6 its network of 64 bits."""
    if caller.kind is not CallerKind.ANONYMOUS:
        return caller.requester
    return network_of(caller.address)
