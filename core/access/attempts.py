"""Counts failed sign-ins per name and per address, in memory, over a sliding window."""

import math
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from core.access.problems import SignInLimited
from core.clock import Clock

FAILURES: Final = 5
NAME_FAILURES: Final = 50
"""Failures of one name from everywhere together. More than of an address: five guesses must not lock a victim out."""
WINDOW_SECONDS: Final = 15 * 60
NAME: Final = "name:"
MOST_KEYS: Final = 10_000


@dataclass(slots=True)
class Attempts:
    """Every attempt counts as a failure until it has succeeded, so that parallel guesses cannot slip through.

    At most 10,000 keys are remembered; the one unused for longest is forgotten first.
    """

    clock: Clock
    _moments: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def begin(self, keys: Iterable[str]) -> float:
        """Count an attempt under each key and return its moment.

        Raises `SignInLimited`, counting nothing, when within fifteen minutes one of the keys has had five failures, or
        a key that begins with `NAME` fifty.
        """
        now = self.clock.monotonic()
        known = list(keys)
        windows = [self._window(key, now) for key in known]
        full = [
            window[len(window) - most]
            for key, window in zip(known, windows, strict=True)
            if len(window) >= (most := NAME_FAILURES if key.startswith(NAME) else FAILURES)
        ]
        if full:
            wait = math.ceil(max(full) + WINDOW_SECONDS - now)
            raise SignInLimited(bucket="sign_in", retry_after_seconds=max(wait, 1))
        for window in windows:
            window.append(now)
        return now

    def succeed(self, moment: float, *, name: str, others: Iterable[str]) -> None:
        """Forget the failures of `name`; of the other keys only this attempt, begun at `moment`.

        An address keeps its failures: an attacker could clear them with an account of his own.
        """
        self._moments.pop(name, None)
        for key in others:
            window = self._moments.get(key)
            if window is not None and moment in window:
                window.remove(moment)

    def _window(self, key: str, now: float) -> deque[float]:
        window = self._moments.setdefault(key, deque())
        self._moments.move_to_end(key)
        while window and now - window[0] >= WINDOW_SECONDS:
            window.popleft()
        if len(self._moments) > MOST_KEYS:
            self._moments.popitem(last=False)
        return window
