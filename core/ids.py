"""Identifiers and secrets, as a port, so that a replay can make the same ones again.

An identifier is a prefix that says what it names and 128 random bits: `apr_8f3k...`. It is not a secret, but it cannot
be guessed either. Secrets (tokens, session ids) take 256 bits.
"""

import random
import secrets
from dataclasses import dataclass, field
from typing import Final, Protocol

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no i, l, o, u, so that ids survive being read aloud."""


class IdSource(Protocol):
    """Where random bits come from."""

    def bits(self, count: int) -> int:
        """Return `count` random bits as an integer."""
        ...


@dataclass(frozen=True, slots=True)
class RandomIds:
    """Bits from the operating system's generator."""

    def bits(self, count: int) -> int:
        """Return `count` unpredictable bits."""
        return secrets.randbits(count)


@dataclass(slots=True)
class SeededIds:
    """Repeatable bits for tests and replays; never for a desk that holds anything of value."""

    seed: int
    generator: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.generator = random.Random(self.seed)

    def bits(self, count: int) -> int:
        """Return the next `count` bits of the seeded sequence."""
        return self.generator.getrandbits(count)


def encode(value: int, count: int) -> str:
    """Write `count` bits as base-32 text of fixed length."""
    length = -(-count // 5)
    return "".join(ALPHABET[(value >> 5 * place) & 31] for place in reversed(range(length)))


def new_id(source: IdSource, prefix: str) -> str:
    """Make an identifier such as `apr_` followed by 26 characters."""
    return f"{prefix}_{encode(source.bits(128), 128)}"


def new_secret(source: IdSource) -> str:
    """Make 256 random bits as 52 characters."""
    return encode(source.bits(256), 256)
