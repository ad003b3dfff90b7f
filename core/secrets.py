"""The desk's own keys in files only their owner can read, and texts kept encrypted under one of them."""

import base64
import binascii
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import Invalid
from core.ids import IdSource

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
SECRETS_KEY_FILE: Final = "secrets.key"


class KeyFileInvalid(Invalid):
    """The key file does not hold a key."""

    code = "key_file_invalid"
    template = "{path} does not hold {wanted} hexadecimal characters: restore it from a copy of the desk."


class SecretUnreadable(Invalid):
    """A stored secret does not belong to this desk's key."""

    code = "secret_unreadable"
    template = "The stored secret of {owner} cannot be read with this desk's key: enter it anew."


def load_or_create_key(path: Path, ids: IdSource) -> bytes:
    """Return the 256-bit key in the file, made on first use.

    Raises `KeyFileInvalid` for a damaged file: a new key would make everything the old one protects unreadable.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{ids.bits(64):016x}")
        _write_private(fresh, f"{ids.bits(8 * KEY_BYTES):0{2 * KEY_BYTES}x}\n")
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            os.link(fresh, path)
        fresh.unlink()
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyFileInvalid(path=path, wanted=2 * KEY_BYTES)
    return key


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class SecretBox:
    """Seals short texts with AES-256-GCM. A sealed text opens only for the owner it was sealed for.

    The key's file is read when the first text is sealed or opened.
    """

    path: Path
    ids: IdSource

    def seal(self, text: str, *, owner: str) -> str:
        """Return the text encrypted, as base 64 of nonce and ciphertext."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - few desks keep secrets

        nonce = self.ids.bits(8 * NONCE_BYTES).to_bytes(NONCE_BYTES, "big")
        sealed = AESGCM(load_or_create_key(self.path, self.ids)).encrypt(nonce, text.encode(), owner.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, *, owner: str) -> str:
        """Return the text. Raises `SecretUnreadable` when it was changed, moved, or sealed with another key."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - few desks keep secrets
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - few desks keep secrets

        try:
            raw = base64.b64decode(sealed, validate=True)
            key = load_or_create_key(self.path, self.ids)
            return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], owner.encode()).decode()
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise SecretUnreadable(owner=owner) from error
