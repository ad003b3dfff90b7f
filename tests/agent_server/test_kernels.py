"""The process that compiles kernels beside a desk: told of, waited for by nobody, ended with the desk."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from agent_server.app import create_app
from agent_server.cli.context import Invocation
from agent_server.cli.warm_up_command import COLD, warn_when_cold
from agent_server.kernels import COMMAND, LATER, Kernels
from core.backtest import kernel_stamp
from core.backtest.tiny_runs import STEPS
from core.clock import FrozenClock
from tests.support.rest_desk import rest_desk, settings_in

SCRIPT = """
import json, os, sys, pathlib
folder = pathlib.Path({folder!r})
def tell(**said):
    print(json.dumps({{"done": 0, "total": 5, "step": "panels", "waiting": False}} | said), flush=True)
tell({said})
(folder / "pid").write_text(str(os.getpid()))
{end}
"""
WAIT = "import time\nwhile not (folder / 'go').exists(): time.sleep(0.01)"


def kernels_of(folder: Path, clock: FrozenClock, *, said: str = "done=2", end: str = "", **more: Any) -> Kernels:
    """Return what follows a process that says something, and goes on as told."""
    script = SCRIPT.format(folder=str(folder), said=said, end=end)
    return Kernels(clock, chosen_folder=str(folder / "cache"), command=("-c", script), **more)


async def until(found: Any) -> None:
    async with asyncio.timeout(30):
        while not found():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.01)


@pytest.mark.anyio
async def test_it_is_told_how_far_it_is_and_ends_with_the_block(tmp_path: Path, clock: FrozenClock) -> None:
    kernels = kernels_of(tmp_path, clock, end=WAIT)
    async with kernels.compiling():
        await until((tmp_path / "pid").exists)
        await until(lambda: "of" in kernels.told())
        clock.advance(timedelta(seconds=14))
        assert kernels.told() == "compiling (2 of 5, 14 s)"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("", "ready"),
        ("sys.exit('Nobody can write there.')", "failed: Nobody can write there."),
        ("os._exit(9)", "failed: the process ended with exit code 9"),
    ],
)
async def test_its_end_is_told(tmp_path: Path, clock: FrozenClock, end: str, told: str) -> None:
    kernels = kernels_of(tmp_path, clock, said="waiting=True", end=f"{WAIT}\n{end}")
    async with kernels.compiling():
        await until(lambda: kernels.told() == "compiling (in another process, 0 s)")
        (tmp_path / "go").touch()
        await until(lambda: not kernels.told().startswith("compiling"))
        assert kernels.told() == told


@pytest.mark.anyio
async def test_nothing_starts_where_it_is_not_wanted_or_all_is_there(tmp_path: Path, clock: FrozenClock) -> None:
    later = kernels_of(tmp_path, clock, is_wanted=False)
    async with later.compiling():
        await until(lambda: later.told() == LATER)
    folder = kernel_stamp.kernel_folder(str(tmp_path / "cache"))
    assert folder is not None
    kernel_stamp.mark_ready(folder, kernel_stamp.stamp())
    ready = kernels_of(tmp_path, clock)
    async with ready.compiling():
        await until(lambda: ready.told() == "ready")
    assert not (tmp_path / "pid").exists()


@pytest.mark.anyio
async def test_nowhere_to_keep_them_is_told(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_stamp, "kernel_folder", lambda chosen: None)
    kernels = kernels_of(tmp_path, clock)
    async with kernels.compiling():
        await until(lambda: kernels.told().startswith("failed: Compiled kernels cannot be kept: no folder"))
    assert not (tmp_path / "pid").exists()


@pytest.mark.anyio
async def test_a_desk_is_ready_while_its_kernels_are_compiled(tmp_path: Path, clock: FrozenClock) -> None:
    async with rest_desk(settings_in(tmp_path), clock) as desk:
        inner = desk.desk
        app = create_app(inner.services, inner.registry, inner.dispatcher, kernels=lambda: "compiling (2 of 5, 14 s)")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"
    assert ready.json()["checks"]["kernels"] == "compiling (2 of 5, 14 s)"


def test_the_process_that_finds_all_compiled_ends_in_order(tmp_path: Path) -> None:
    """As its server starts it, and with its standard input open to the end."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    folder = kernel_stamp.kernel_folder(str(tmp_path))
    assert folder is not None
    kernel_stamp.mark_ready(folder, kernel_stamp.stamp())
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-P", *COMMAND], env=environment, **pipes) as process:
        assert process.wait(timeout=60) == 0
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


def test_the_compiler_takes_no_time_from_others_and_ends_with_who_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-P", *COMMAND]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first == {"done": 0, "total": len(STEPS), "step": next(iter(STEPS)), "waiting": False}
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
        process.stdin.close()
        assert process.wait(timeout=30) == 1


def test_a_person_at_a_terminal_is_told_why_a_first_run_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context: Any = SimpleNamespace(obj=Invocation({"NUMBA_CACHE_DIR": str(tmp_path)}))
    warn_when_cold(context)
    assert capsys.readouterr().err == "", "a program that reads the output is told nothing"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    warn_when_cold(context)
    assert capsys.readouterr().err == f"{COLD}\n"
    folder = kernel_stamp.kernel_folder(str(tmp_path))
    assert folder is not None
    kernel_stamp.mark_ready(folder, kernel_stamp.stamp())
    warn_when_cold(context)
    assert capsys.readouterr().err == ""
