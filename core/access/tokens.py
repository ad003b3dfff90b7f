"""Bearer tokens as text: `lgatk_`, 256 random bits, a checksum. Pure.

The checksum finds a mistyped or cut token, and lets secret scanners recognise one, without asking the database. It
proves nothing: only the stored hash does.
"""

import hashlib
import re
import zlib
from typing import Final

from core.ids import ALPHABET, IdSource, encode, new_secret

PREFIX: Final = "lgatk_"
CHECKSUM_BITS: Final = 32
SECRET: Final = re.compile(rf"({PREFIX}[{ALPHABET}]{{52}})([{ALPHABET}]{{7}})", re.ASCII)

RESERVED_PREFIXES: Final = ("paper.",)
RESERVED_SCOPES: Final = frozenset({"process.run"})


def new_token(ids: IdSource) -> str:
    """Make a secret of 65 characters."""
    body = PREFIX + new_secret(ids)
    return body + checksum(body)


def checksum(body: str) -> str:
    """Return the CRC-32 of a token's prefix and random part as seven characters."""
    return encode(zlib.crc32(body.encode("ascii")), CHECKSUM_BITS)


def is_well_formed(secret: str) -> bool:
    """Tell whether a text can be a token at all: its shape and its checksum are right."""
    parts = SECRET.fullmatch(secret)
    return parts is not None and checksum(parts[1]) == parts[2]


def hash_secret(secret: str) -> str:
    """Return what the database keeps of a token or cookie: its SHA-256, in hexadecimal.

    A slow hash would add nothing: 256 random bits cannot be guessed.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_reserved(scope: str) -> bool:
    """Tell whether only the desk itself mints this scope: simulated accounts, and running processes."""
    return scope in RESERVED_SCOPES or scope.startswith(RESERVED_PREFIXES)
