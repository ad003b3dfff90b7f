"""The one commit point of the market folder: a small JSON file that names the Parquet files in force."""

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from core.errors import Conflict, DeskError, ErrorKind

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
"""Version of the manifest's own layout; a newer one is refused, never guessed at."""


class MarketBusy(Conflict):
    """Another process is writing to the market folder."""

    code = "market_busy"
    template = "Another import is writing to {folder}. Wait until it has finished, then repeat."


class ManifestBroken(DeskError):
    """The manifest cannot be read by this version."""

    kind = ErrorKind.INTERNAL
    code = "market_manifest_broken"
    template = "{path} cannot be read: {reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file whose rows went into a dataset. `rows` counts the rows it added; `sha256` is of the file's bytes."""

    name: str
    sha256: str
    rows: int
    adjustment: str | None
    imported_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetEntry:
    """One dataset in force: its file below the folder, its extent and where it came from."""

    file: str
    rows: int
    first_date: date | None
    last_date: date | None
    simulated: bool
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The state of a market folder. `kept` are files of the generation before, for readers still at work."""

    generation: int = 0
    committed_at: str | None = None
    datasets: Mapping[str, DatasetEntry] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    @property
    def is_simulated(self) -> bool:
        """True when any dataset holds the simulated market."""
        return any(entry.simulated for entry in self.datasets.values())

    @property
    def files(self) -> frozenset[str]:
        """Every file that must stay: those in force and those of the generation before."""
        return frozenset(entry.file for entry in self.datasets.values()) | frozenset(self.kept)


def read_manifest(folder: Path) -> Manifest:
    """Read the folder's manifest; an absent one is an empty market. Raises `ManifestBroken`."""
    path = folder / MANIFEST
    try:
        stored = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Manifest()
    except ValueError as error:
        raise ManifestBroken(path=path, reason=str(error)) from error
    try:
        if stored["format"] != FORMAT:
            raise ManifestBroken(path=path, reason=f"its format {stored['format']} is not {FORMAT}")
        return _decode(stored)
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestBroken(path=path, reason=f"{type(error).__name__} {error}") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step that survives a crash at any moment."""
    text = json.dumps(
        {"format": FORMAT, **asdict(manifest)}, default=date.isoformat, ensure_ascii=False, indent=1, sort_keys=True
    )
    write_atomically(folder / MANIFEST, text.encode() + b"\n")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers see either the old content or all of the new, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FolderLock:
    """Lets one writer at a time into a folder, across processes and threads. Entering again in a thread is free."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".lock"
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._descriptor = -1

    @contextmanager
    def hold(self, *, wait: bool = True) -> Iterator[None]:
        """Hold the lock for the block. Raises `MarketBusy` when it is taken and `wait` is False."""
        if not self._thread_lock.acquire(blocking=wait):
            raise MarketBusy(folder=self._path.parent)
        try:
            if self._depth == 0:
                self._lock_file(wait=wait)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    os.close(self._descriptor)
        finally:
            self._thread_lock.release()

    def _lock_file(self, *, wait: bool) -> None:
        """Take the lock of the operating system; it ends with the process, however that ends."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            raise MarketBusy(folder=self._path.parent) from None
        self._descriptor = descriptor


def _decode(stored: dict[str, Any]) -> Manifest:
    """Turn the JSON of a manifest into its dataclasses."""
    datasets = {
        name: DatasetEntry(
            file=entry["file"],
            rows=entry["rows"],
            first_date=entry["first_date"] and date.fromisoformat(entry["first_date"]),
            last_date=entry["last_date"] and date.fromisoformat(entry["last_date"]),
            simulated=entry["simulated"],
            sources=tuple(Source(**source) for source in entry["sources"]),
        )
        for name, entry in stored["datasets"].items()
    }
    return Manifest(
        generation=stored["generation"],
        committed_at=stored["committed_at"],
        datasets=MappingProxyType(datasets),
        kept=tuple(stored["kept"]),
    )
