"""Passwords as argon2id hashes (RFC 9106). Hashing takes 64 MiB and tens of milliseconds: always in a thread."""

import asyncio
import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.access.problems import PasswordInvalid
from core.ids import IdSource

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 10
LONGEST = 1024
SALT_BYTES = 16
HASH_BYTES = 32


def check_password(password: str) -> None:
    """Raise `PasswordInvalid` unless the password has 10 to 1,024 characters; nothing else about it is prescribed."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise PasswordInvalid(reason=f"it must have {SHORTEST} to {LONGEST} characters and has {len(password)}")


@dataclass(frozen=True, slots=True)
class Passwords:
    """Makes and checks hashes. The defaults are the second recommendation of RFC 9106, section 4.

    Hashes remember their parameters: after raising these, old passwords still open, and `verify` tells that a hash
    should be made anew.
    """

    ids: IdSource
    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4

    async def hash(self, password: str) -> str:
        """Return the encoded hash under a fresh salt."""
        salt = self.ids.bits(8 * SALT_BYTES).to_bytes(SALT_BYTES, "big")
        return await asyncio.to_thread(self._hasher().hash, _encode(password), salt=salt)

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Tell whether the password fits. For a missing hash the answer is no, after the same work."""
        return await asyncio.to_thread(self._verify, password, password_hash or self._decoy())

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the hash was made with other parameters than today's."""
        return self._hasher().check_needs_rehash(password_hash)

    def _verify(self, password: str, password_hash: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - only at sign-in

        try:
            return self._hasher().verify(password_hash, _encode(password))
        except (VerificationError, InvalidHashError):
            return False

    def _hasher(self) -> "PasswordHasher":
        from argon2 import PasswordHasher  # noqa: PLC0415 - only at sign-in

        return PasswordHasher(
            time_cost=self.passes,
            memory_cost=self.memory_kib,
            parallelism=self.lanes,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
        )

    def _decoy(self) -> str:
        """Write a hash no password has, so that an unknown user costs as much time as a wrong password."""
        salt, digest = (base64.b64encode(bytes(count)).decode().rstrip("=") for count in (SALT_BYTES, HASH_BYTES))
        return f"$argon2id$v=19$m={self.memory_kib},t={self.passes},p={self.lanes}${salt}${digest}"


def _encode(password: str) -> bytes:
    """Encode also text that is no valid Unicode, so that it is a wrong password and not a crash."""
    return password.encode("utf-8", "surrogatepass")
