"""Secrets kept out of logs, the audit, approvals and error texts.

The first line is the annotation `Annotated[str, Secret()]` of an argument; the second is by name and by form, for what
nobody annotated.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

HIDDEN: Final = "(hidden)"
_SECRET_NAME: Final = re.compile(
    r"password|passwd|secret|api_?key|access_?key|private_?key|credential|authorization|cookie|csrf|bearer"
    r"|sign_?token|^token$|_token$|Token$",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}|\blgatk_[0-9A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class Secret:
    """Marks an argument whose value must not be kept or shown."""


def is_secret_name(name: str) -> bool:
    """Return whether a field of this name usually holds a secret. Names of ids and lists of tokens do not."""
    return _SECRET_NAME.search(name) is not None


def redact(value: Any, *, secrets: Collection[str] = ()) -> Any:
    """Return a copy of JSON data with secret fields hidden, at any depth, and bearer tokens masked inside text."""
    if isinstance(value, dict):
        return {
            name: HIDDEN if name in secrets or is_secret_name(name) else redact(item, secrets=secrets)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item, secrets=secrets) for item in value]
    return mask(value) if isinstance(value, str) else value


def redact_unread(text: str, *, secrets: Collection[str] = ()) -> str:
    """Return a text that could not be read as JSON data; nothing of it where it names a secret."""
    return HIDDEN if is_secret_name(text) or any(name in text for name in secrets) else mask(text)


def mask(text: str) -> str:
    """Replace bearer tokens inside a text."""
    return _BEARER.sub(lambda match: (match[1] or "") + HIDDEN, text)
