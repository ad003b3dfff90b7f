"""A real server in its own process, reached over a real socket; it can be killed at any moment and started again."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
EXECUTE = "/agent/skills/execute"
START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RealDesk:
    """A desk in `home`. The command line and the server run as their own processes."""

    home: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    browsers: list[httpx.Client] = field(default_factory=list)
    log: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    """Where servers write their lines: a pipe nobody reads would stop a busy one."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        ours = {"DINGPAN_HOME": str(self.home), "DINGPAN_PORT": str(self.port), "DINGPAN_RATE_LIMITS": "false"}
        return (
            {key: value for key, value in os.environ.items() if not key.startswith("DINGPAN_")} | ours | self.settings
        )

    def command(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `dingpan ARGUMENTS` on this desk."""
        return subprocess.run(
            [sys.executable, "-m", "agent_server", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=ROOT,
            check=check,
        )

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `dingpan ARGUMENTS` and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "agent_server", *arguments],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=self.log,
        )

    def add_user(self, name: str, *options: str) -> None:
        self.command(
            "user", "add", name, "--email", f"{name}@example.com", "--password-stdin", *options, stdin=PASSWORD
        )

    def token(self, user: str, *options: str) -> str:
        made = self.command("token", "create", "test", "--user", user, "--json", *(options or ("--preset", "desk")))
        return re.search(r"lgatk_\w+", made.stdout)[0]  # type: ignore[index]

    def demo(self) -> str:
        """Fill the desk for demonstration and return the token of its agent."""
        return re.search(r"lgatk_\w+", self.command("demo").stdout)[0]  # type: ignore[index]

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self.process = self.spawn("serve")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(self.last_words())
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise TimeoutError("the server did not become ready")

    def last_words(self) -> str:
        """The end of what the servers wrote."""
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), 2000, max(0, size - 2000)).decode(errors="replace")

    def kill(self) -> None:
        """End the server as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.communicate()
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.communicate()
            self.process = None

    def close(self) -> None:
        """End the server and everything that was opened to reach it."""
        self.kill()
        self.log.close()
        for browser in self.browsers:
            browser.close()

    def agent(self, token: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def person(self, name: str) -> "RealPerson":
        browser = httpx.Client(base_url=self.url, timeout=60)
        self.browsers.append(browser)
        answer = browser.post("/login", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return RealPerson(browser, answer.json()["data"]["csrfToken"], self.url)

    def audit_is_whole(self) -> dict[str, Any]:
        """Run `dingpan audit verify`; it must find nothing."""
        done = self.command("audit", "verify", "--json", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


@dataclass
class RealPerson:
    """Somebody at a browser."""

    browser: httpx.Client
    csrf: str
    origin: str

    def decide(self, approval_id: str, decision: str = "approve") -> httpx.Response:
        headers = {"X-CSRF-Token": self.csrf, "Origin": self.origin}
        return self.browser.post(
            f"/agent/approvals/{approval_id}/decision", json={"decision": decision}, headers=headers
        )


def run(client: httpx.Client, skill_id: str, **params: Any) -> httpx.Response:
    """Call a skill over the execute route."""
    return client.post(EXECUTE, json={"skillId": skill_id, "params": params})


def answered(response: httpx.Response) -> Any:
    """Return the `data` of an answer that must be a success."""
    assert response.status_code == 200, response.text
    return response.json()["data"]


@contextmanager
def real_desk(home: Path, **settings: str) -> Iterator[RealDesk]:
    desk = RealDesk(home, settings=settings)
    try:
        yield desk
    finally:
        desk.close()
