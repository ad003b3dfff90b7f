"""What a provider's refusal means: try again in a moment, or never. One reading for all providers.

Nothing here keeps the provider's own exceptions: they hold the request, and with it the key.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

from core.clock import Clock
from core.errors import DeskError
from core.llm.model import ModelRequestRefused, ModelUnavailable

LONGEST_REASON: Final = 300
TRANSIENT: Final = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same request may succeed."""
UNPAID: Final = ("billing", "insufficient_quota")
"""How the codes of an account without credit begin: a 429 that no waiting cures."""
PERMANENT: Final = (
    *UNPAID,
    "authentication",
    "context_length",
    "invalid",
    "not_found",
    "permission",
    "request_too_large",
    "unsupported",
)
"""How the codes and types begin that end a stream for good."""
_KEY_LIKE: Final = re.compile(r"\b(?:sk|pk|rk)[-_][\w\-*.]{6,}|\bbearer\s+\S+", re.IGNORECASE)


class ModelBusy(ModelUnavailable):
    """A failure that may be over in a moment. `retry_after_seconds` in its data is what the provider asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model is reached, for messages. `key_setting` and `address_setting` are what a reader would change."""

    model: str
    host: str
    key_setting: str
    address_setting: str
    secret: str

    def __repr__(self) -> str:
        return f"Endpoint({self.model!r}, host={self.host!r})"

    def clean(self, text: str) -> str:
        """Return a provider's text on one line, cut, and without anything that looks like a key."""
        plain = text.replace(self.secret, "[key]") if self.secret else text
        return " ".join(_KEY_LIKE.sub("[key]", plain).split())[:LONGEST_REASON]

    def busy(self, reason: str, *, wait: float | None = None) -> ModelBusy:
        """Return the failure that is worth another try."""
        return ModelBusy(model=self.model, reason=self.clean(reason), retry_after_seconds=wait)

    def refused(self, reason: str) -> ModelRequestRefused:
        """Return the failure that no repetition cures."""
        return ModelRequestRefused(model=self.model, reason=self.clean(reason))

    def broken_off(self) -> ModelBusy:
        """Return the failure of a stream that ended before the model had finished."""
        return self.busy(f"the answer of {self.host} broke off")


def answer_failure(
    endpoint: Endpoint, *, status: int, body: Any, headers: Mapping[str, str], clock: Clock
) -> DeskError:
    """Return what a refusal with an HTTP status means."""
    kinds, said = describe(body)
    hint = _hint(endpoint, status)
    reason = f"{endpoint.host} answered {status}" + (f": {said}" if said else "") + hint
    again = status in TRANSIENT or status >= 500
    if headers.get("x-should-retry") in {"true", "false"}:
        again = headers["x-should-retry"] == "true"
    if status in TRANSIENT and _are(kinds, UNPAID):
        again = False
    return endpoint.busy(reason, wait=retry_after(headers, clock)) if again else endpoint.refused(reason)


def stream_failure(endpoint: Endpoint, body: Any) -> DeskError:
    """Return what an error event in the middle of a stream means."""
    kinds, said = describe(body)
    reason = f"{endpoint.host} stopped: {said or ', '.join(kinds) or 'no reason given'}"
    return endpoint.refused(reason) if _are(kinds, PERMANENT) else endpoint.busy(reason)


def describe(body: Any) -> tuple[tuple[str, ...], str]:
    """Return the codes and types that an error body names, and its message. Bodies differ from server to server."""
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(inner, Mapping):
        return (), inner if isinstance(inner, str) else ""
    kinds = tuple(str(inner[name]) for name in ("code", "type") if inner.get(name))
    said = inner.get("message") or inner.get("detail") or ""
    return kinds, said if isinstance(said, str) else str(said)


def retry_after(headers: Mapping[str, str], clock: Clock) -> float | None:
    """Return the seconds a server asks to wait: `retry-after-ms`, or `retry-after` as seconds or as a date."""
    millis, asked = headers.get("retry-after-ms", ""), headers.get("retry-after", "").strip()
    if (read := _seconds(millis)) is not None:
        return read / 1000
    if not asked or (read := _seconds(asked)) is not None:
        return read if asked else None
    try:
        moment = parsedate_to_datetime(asked)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - clock.now()).total_seconds())


def _seconds(text: str) -> float | None:
    try:
        read = float(text)
    except ValueError:
        return None
    return read if 0 <= read < 1e9 else None


def _are(kinds: tuple[str, ...], beginnings: tuple[str, ...]) -> bool:
    return any(kind.startswith(beginnings) for kind in kinds)


def _hint(endpoint: Endpoint, status: int) -> str:
    if status in {401, 403}:
        return f" (the key is not accepted: check {endpoint.key_setting})"
    if status == 404:
        return f" (no such model or address: check DINGPAN_MODEL and {endpoint.address_setting})"
    return f" (a redirect is not followed: check {endpoint.address_setting})" if 300 <= status < 400 else ""
