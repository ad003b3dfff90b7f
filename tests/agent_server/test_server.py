"""The real server in a process of its own: the port opens early, the desk follows, signals end it in order."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent_server.cli.serve_command import listen
from agent_server.kernels import LATER, READY
from agent_server.starting import StartingApp
from core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, port: int, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DINGPAN_")}
    ours = {"DINGPAN_HOME": str(home), "DINGPAN_PORT": str(port), "DINGPAN_WARM_KERNELS": "false"}
    return inherited | ours | more


def ask(port: int, path: str) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


@contextmanager
def server(home: Path, port: int, **more: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "agent_server", "serve"],
        cwd=ROOT,
        env=environment(home, port, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(port: int, path: str, process: subprocess.Popen[str], seconds: float = 60) -> dict:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        status, body = ask(port, path)
        if status == 200:
            return body
        time.sleep(0.05)
    raise AssertionError(f"{path} did not answer: {process.poll()}")


def test_the_server_starts_answers_and_stops_in_order(tmp_path: Path) -> None:
    port = free_port()
    cold = {"DINGPAN_WARM_KERNELS": "true", "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    with server(tmp_path, port, **cold) as process:
        assert wait_for(port, "/healthz", process) == {"status": "alive"}
        assert wait_for(port, "/readyz", process)["status"] == "ready"
        status, body = ask(port, "/agent/skills?skillId=auth.token.introspect")
        assert (status, body["data"][0]["skillId"]) == (200, "auth.token.introspect")
        while ask(port, "/readyz")[1]["checks"]["kernels"].startswith(("not looked at", "compiling (starting")):
            time.sleep(0.05)
        assert re.fullmatch(r"compiling \(\d+ of \d+, \d+ s\)", ask(port, "/readyz")[1]["checks"]["kernels"])
        compilers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors
    assert len(compilers) == 1
    assert not Path(f"/proc/{compilers[0]}").exists(), "the process that compiles kernels outlived its server"
    assert (tmp_path / "desk.sqlite3").exists()
    assert not (tmp_path / "desk.sqlite3-wal").exists(), "the database was not closed in order"


def dingpan(home: Path, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent_server", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(home, port), capture_output=True, text=True, timeout=60, check=False
    )


def test_a_second_server_is_told_who_has_the_port(tmp_path: Path) -> None:
    port = free_port()
    own, other = tmp_path / "own", tmp_path / "other"
    assert dingpan(own, port, "status", "--wait", "0", "--quiet").returncode == 1
    with server(own, port):
        waited = dingpan(own, port, "status", "--wait", "30", "--short")
        assert waited.returncode == 0
        assert waited.stdout.strip() in {f"ready; kernels {told}" for told in ("not looked at yet", READY, LATER)}
        assert dingpan(other, port, "status", "--wait", "0", "--quiet").returncode == 1
        assert dingpan(other, port, "status", "--short").stdout == "another desk\n"
        for home, holder in ((own, "this desk's own server"), (other, "another desk's server")):
            refused = dingpan(home, port, "serve")
            assert refused.returncode == 1
            assert refused.stderr.startswith(f"Cannot listen at 127.0.0.1:{port}: {holder} listens there.")
    with socket.create_server(("127.0.0.1", port)) as held:
        held.settimeout(30)
        refused = subprocess.Popen(
            [sys.executable, "-m", "agent_server", "serve"],
            cwd=ROOT, env=environment(own, port), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        connection, _ = held.accept()
        connection.sendall(b"hello\r\n")
        connection.close()
        _, errors = refused.communicate(timeout=30)
    assert "another program listens there" in errors


def test_a_desk_that_cannot_be_opened_ends_with_the_reason(tmp_path: Path) -> None:
    url = "postgresql://desk@127.0.0.1:1/none"
    with server(tmp_path, free_port(), DINGPAN_DATABASE_URL=url) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot be opened" in errors
    assert "Traceback" not in errors


@pytest.mark.anyio
async def test_before_the_desk_is_open_everything_is_told_to_come_back() -> None:
    app = StartingApp(lambda: pytest.fail("not opened here"), on_failure=lambda: None)
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    async def receive() -> dict:
        return {}

    await app({"type": "http", "path": "/healthz"}, receive, send)
    await app({"type": "http", "path": "/agent/skills"}, receive, send)
    assert [message["status"] for message in sent[::2]] == [200, 503]
    assert json.loads(sent[1]["body"]) == {"status": "alive"}
    assert json.loads(sent[3]["body"])["code"] == "starting"
    assert dict(sent[2]["headers"])[b"retry-after"] == b"1"


def test_no_part_of_an_answer_waits_for_the_acknowledgement_of_the_one_before(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, host="127.0.0.1", port=0)
    with listen(settings) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
