"""Rules of a person's login. Pure.

A cookie is 256 random bits. The database keeps its hash; the token against cross-site requests is derived from it, so
that neither can be read out of the database.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final

from core.ids import encode

TOUCH_INTERVAL: Final = timedelta(minutes=1)
CSRF_CONTEXT: Final = b"dingpan cross-site request token"
CSRF_BITS: Final = 256


def csrf_token(cookie: str) -> str:
    """Derive the session's token against cross-site requests from its cookie: HMAC-SHA256, as 52 characters."""
    digest = hmac.digest(cookie.encode("utf-8", "surrogatepass"), CSRF_CONTEXT, hashlib.sha256)
    return encode(int.from_bytes(digest, "big"), CSRF_BITS)


def csrf_matches(expected: str, given: str) -> bool:
    """Compare two such tokens in constant time."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


def is_idle(last_seen_at: datetime, now: datetime, *, idle_hours: int) -> bool:
    """Tell whether the session has slept past its end; at exactly `idle_hours` it has."""
    return now - last_seen_at >= timedelta(hours=idle_hours)


def forgotten_before(now: datetime, *, idle_hours: int) -> datetime:
    """Return the moment since when an unused session may be deleted.

    That is twice the time after which it is refused: the last use may not be written down yet.
    """
    return now - timedelta(hours=2 * idle_hours)


def needs_touch(last_seen_at: datetime, now: datetime) -> bool:
    """Tell whether the last use is worth writing down again: once a minute is enough."""
    return now - last_seen_at >= TOUCH_INTERVAL
