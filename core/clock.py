"""Time, as a port. Nothing else in the project asks the operating system what time it is.

Mainland China and Hong Kong share one zone without daylight saving, so a fixed offset is exact since 1992.
"""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final, Protocol

CHINA: Final = timezone(timedelta(hours=8), "Asia/Shanghai")


class Clock(Protocol):
    """What time it is, and how long something took."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start that never go backwards."""
        ...


def china_today(clock: Clock) -> date:
    """Return the calendar day in Shanghai and Hong Kong."""
    return clock.now().astimezone(CHINA).date()


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


@dataclass(slots=True)
class FrozenClock:
    """A clock that stands still until it is moved; for tests, demonstrations and replays."""

    moment: datetime
    elapsed: float = 0.0

    def now(self) -> datetime:
        """Return the moment it was set to."""
        return self.moment.astimezone(UTC)

    def monotonic(self) -> float:
        """Return the seconds it was advanced by."""
        return self.elapsed

    def advance(self, delta: timedelta) -> None:
        """Move both readings forward."""
        self.moment += delta
        self.elapsed += delta.total_seconds()
