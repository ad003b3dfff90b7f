"""Whether every kernel has been compiled on this machine: asked without loading numba or one of them.

The warm-up leaves a stamp beside the machine code. It counts as long as the sources, the libraries and the processor
are those it was made with.
"""

import fcntl
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import platformdirs

from core.errors import NotPossible

ENGINE: Final = Path(__file__).parent
KERNELS: Final = ENGINE.parent / "matching"
LIBRARIES: Final = ("numba", "llvmlite", "numpy")
STAMP: Final = f"kernels.{sys.implementation.cache_tag}.ready"
LOCK: Final = "kernels.lock"
PROCESSOR: Final = Path("/proc/cpuinfo")


class KernelsNotKept(NotPossible):
    """There is nowhere to keep compiled kernels."""

    code = "kernels_not_kept"
    template = "Compiled kernels cannot be kept: no folder may be written to. Set NUMBA_CACHE_DIR to one."


def kernel_folder(chosen: str = "", *, kernels: Path = KERNELS) -> Path | None:
    """Return the folder that numba keeps our kernels in; `chosen` is its NUMBA_CACHE_DIR. None when it finds none.

    As numba does it: the folder chosen, that of Python's own compiled files, one of the user; the first that can be
    written to.
    """
    name = f"{kernels.name}_{hashlib.sha1(str(kernels).encode(), usedforsecurity=False).hexdigest()}"
    places = [Path(chosen) / name] if chosen else []
    places += [kernels / "__pycache__", Path(platformdirs.user_cache_dir("numba", appauthor=False)) / name]
    return next((place for place in places if _is_writable(place)), None)


def stamp() -> str:
    """Return a digest of all that compiled kernels depend on: sources, libraries, Python, processor."""
    sources = sorted((*KERNELS.glob("*.py"), *ENGINE.rglob("*.py")))
    states = [(path.name, (seen := path.stat()).st_mtime_ns, seen.st_size) for path in sources]
    libraries = [version(name) for name in LIBRARIES]
    return hashlib.sha256(repr((states, libraries, sys.version, _processor())).encode()).hexdigest()


def is_ready(folder: Path) -> bool:
    """Tell whether the kernels kept in a folder are all there and those of today."""
    try:
        return (folder / STAMP).read_text() == stamp()
    except OSError:
        return False


def mark_ready(folder: Path, made_with: str) -> None:
    """Leave the stamp that was taken before the kernels were compiled."""
    draft = folder / f"{STAMP}.{os.getpid()}"
    draft.write_text(made_with)
    draft.replace(folder / STAMP)


@contextmanager
def one_at_a_time(folder: Path, on_wait: Callable[[], object]) -> Iterator[None]:
    """Hold the folder's lock for a block; `on_wait` is called once where another process has it."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _processor() -> str:
    """Return what tells one kind of processor from another; a home folder may be shared by machines."""
    try:
        lines = PROCESSOR.read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return os.uname().machine
    return "".join(sorted(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))))
