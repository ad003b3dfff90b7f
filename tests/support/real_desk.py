"""A real server in its own process, reached over a real socket; it can be killed at any moment and started again."""

import atexit
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any

import httpx
import structlog
from typer.testing import CliRunner

from agent_server.cli.context import Invocation
from agent_server.cli.main import app

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
        ours["DINGPAN_WARM_KERNELS"] = "false"  # compiling takes a processor for half a minute
        ours |= {"DINGPAN_WARM_KERNELS": "false"}  # what a test needs is compiled when it needs it
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

    def command_here(self, *arguments: str, stdin: str = "") -> str:
        """Run `dingpan ARGUMENTS` in this process, which saves the two seconds of a start; return what it prints."""
        invocation = Invocation(self.environment)
        logging = structlog.get_config()
        with ThreadPoolExecutor(1) as aside:  # where no event loop runs
            done = aside.submit(CliRunner().invoke, app, arguments, input=stdin, obj=invocation).result()
        structlog.configure(**logging)
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    def add_user(self, name: str, *options: str) -> None:
        mail = f"{name}@example.com"
        self.command_here("user", "add", name, "--email", mail, "--password-stdin", *options, stdin=PASSWORD)

    def token(self, user: str, *options: str) -> str:
        given = options or ("--preset", "desk")
        return secret_in(self.command_here("token", "create", "test", "--user", user, "--json", *given))

    def demo(self) -> str:
        """Fill the desk, which must be new, for demonstration and return the token of its agent."""
        home, told = _demo_made_once()
        shutil.copytree(home, self.home, dirs_exist_ok=True)
        return secret_in(told)

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self.process = self.spawn("serve")
        deadline = time.monotonic() + START_SECONDS
        with self.client(timeout=5) as asking:
            while time.monotonic() < deadline:
                if self.process.poll() is not None:
                    raise RuntimeError(self.last_words())
                try:
                    if asking.get("/readyz").status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.02)
        raise TimeoutError("the server did not become ready")

    def client(self, **more: Any) -> httpx.Client:
        """A client of the server; it reads no certificates, which takes longer than most calls."""
        return httpx.Client(**{"base_url": self.url, "timeout": 60, "verify": False} | more)

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
        return self.client(headers={"Authorization": f"Bearer {token}"})

    def person(self, name: str) -> "RealPerson":
        browser = self.client()
        self.browsers.append(browser)
        answer = browser.post("/login", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return RealPerson(browser, answer.json()["data"]["csrfToken"], self.url)

    def audit_is_whole(self) -> dict[str, Any]:
        """Run `dingpan audit verify`; it must find nothing."""
        found: dict[str, Any] = json.loads(self.command_here("audit", "verify", "--json"))
        return found


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


@cache
def _demo_made_once() -> tuple[Path, str]:
    """Return the folder of a demonstration desk, to be copied, and what the command said when it made it."""
    folder = Path(tempfile.mkdtemp(prefix="dingpan-demo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with real_desk(folder) as desk:
        return folder, desk.command_here("demo")


def secret_in(text: str) -> str:
    """The token that a command shows."""
    found = re.search(r"lgatk_\w+", text)
    assert found is not None, text
    return found[0]


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
