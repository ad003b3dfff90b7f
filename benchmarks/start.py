"""How long a person waits: help, first answer, readiness."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Row, duration, summarise

ROOT = Path(__file__).resolve().parent.parent


def rows() -> dict[str, Callable[[], Row]]:
    return {"help": help_text, "healthz": healthz, "readyz": readyz}


def help_text() -> Row:
    command = [sys.executable, "-m", "agent_server", "--help"]
    return duration("help", lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT), target=0.4)


def healthz() -> Row:
    return summarise("healthz", [seconds_until("/healthz") for _ in range(5)], unit="s", target=3.0)


def readyz() -> Row:
    return summarise("readyz", [seconds_until("/readyz") for _ in range(5)], unit="s", target=6.0)


def seconds_until(path: str) -> float:
    """Start a server on a desk with the simulated market and wait for 200 on `path`."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = os.environ | {"DINGPAN_WARM_KERNELS": "false", "DINGPAN_HOME": folder, "DINGPAN_PORT": str(port)}
        base = [sys.executable, "-m", "agent_server"]
        subprocess.run([*base, "demo"], env=environment, check=True, capture_output=True, cwd=ROOT)
        start = time.perf_counter()
        server = subprocess.Popen([*base, "serve"], env=environment, stdout=subprocess.DEVNULL, cwd=ROOT)
        try:
            while time.perf_counter() - start < 60:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
                        return time.perf_counter() - start
                except (urllib.error.URLError, OSError):
                    time.sleep(0.01)
            raise TimeoutError(path)
        finally:
            server.terminate()
            server.wait()
