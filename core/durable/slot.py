"""Which worker of a desk a process is: a number that is free, held by a file lock as long as the process lives.

The number, and with it the worker's name, is the same again after a restart, and never that of another live process.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from core.ids import IdSource, encode

SLOTS: Final = 64
NAME_BITS: Final = 40


class NoSlot(RuntimeError):
    """All slots are taken, which no desk can mean."""


@contextmanager
def worker_slot(folder: Path, ids: IdSource) -> Iterator[str]:
    """Hold a free slot of the folder for the block; yield the worker's name, such as `k3v9.0`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    home = _home_name(folder / "name", ids)
    for slot in range(SLOTS):
        descriptor = os.open(folder / f"{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        try:
            yield f"{home}.{slot}"
        finally:
            os.close(descriptor)
        return
    message = f"all {SLOTS} workers of {folder} are taken"
    raise NoSlot(message)


def _home_name(path: Path, ids: IdSource) -> str:
    """Return the folder's own name, so that workers of two machines on one database differ; the first one writes it."""
    made = path.with_suffix(f".{os.getpid()}")
    if not path.exists():
        made.write_text(encode(ids.bits(NAME_BITS), NAME_BITS))
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text().strip()
