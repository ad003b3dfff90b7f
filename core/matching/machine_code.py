"""The machine code of kernels on disk: one file for each kernel and kind of arguments, safe among processes.

Besides `compiled` and `borrowed` the only import of numba.
"""

import hashlib
import pickle
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile


class MachineCodeNotKept(UserWarning):
    """Compiled kernels could not be written to disk: each process compiles them again."""


class MachineCode(IndexDataCacheFile):
    """The files of one kernel, each named by all that its content depends on.

    numba itself keeps an index of a kernel's files, and writes it before the code that it speaks of. Two processes
    that compile at the same time, or one that is stopped in between, can leave an index that names other code: that of
    other arguments, or of an older release. Here a name stands for one content for ever, and there is no index.
    """

    def __init__(self, cache: Any, stamp: str) -> None:
        base = cache._impl.filename_base  # noqa: SLF001 - numba has no other way
        both = (cache._cache_file._source_stamp, stamp)  # noqa: SLF001
        super().__init__(cache.cache_path, base, both)  # type: ignore[no-untyped-call]
        self.folder, self.python = Path(cache.cache_path), base.rpartition(".")[2]
        self.prefix = f"{base}.{_digest((self._version, self._source_stamp))}."

    def save(self, key: Any, data: Any) -> None:
        """Write machine code; where the disk refuses, say so and go on without."""
        try:
            self._save_data(self._name(key), data)  # type: ignore[no-untyped-call]
        except OSError as error:
            reason = f"Compiled kernels are not kept in {self.folder}: {error.strerror or error}."
            warnings.warn(reason, MachineCodeNotKept, stacklevel=1)

    def load(self, key: Any) -> Any:
        """Return machine code, None where it is not there or was cut short by a power failure."""
        try:
            return self._load_data(self._name(key))  # type: ignore[no-untyped-call]
        except (OSError, EOFError, pickle.UnpicklingError):
            return None

    def flush(self) -> None:
        """Forget the files."""
        for path in self.folder.glob(f"{self.prefix}*"):
            path.unlink(missing_ok=True)

    def _name(self, key: Any) -> str:
        return f"{self.prefix}{_digest(key)}.nbc"


def forget_old(files: Sequence[MachineCode]) -> int:
    """Delete what this Python kept of kernels that have changed since, in the same folders; return how many files."""
    current, count = tuple(one.prefix for one in files), 0
    for folder, python in {(one.folder, one.python) for one in files}:
        for path in list(folder.glob(f"*.{python}.*nb[ci]")):
            if not path.name.startswith(current):
                path.unlink(missing_ok=True)
                count += 1
    return count


def _digest(of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:16]
