"""The MCP door: a small call over loopback, the first answer of `dingpan mcp`, and what the default tools cost.

The client is the official one, in this process; the server runs in its own. Seconds until the first answer are wall
time from starting the process, with the processor time of that process in the note.
"""

import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, summarise

ROOT = Path(__file__).resolve().parent.parent
CALLS, WARM, STARTS = 300, 30, 5
ERAS = {"2026-07-28": "2026-07-28", "legacy": "2025-11-25"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}},
}


def rows() -> dict[str, Callable[[], Row]]:
    return {
        "mcp_call": mcp_call,
        "mcp_initialize": mcp_initialize,
        "mcp_bridge": mcp_bridge,
        "mcp_tools_list": mcp_tools_list,
    }


def mcp_call() -> Row:
    """Median milliseconds of one quote, called as a tool; the newer era is the figure, the older one is in the note."""
    with running_desk() as (url, token, _):
        figures = asyncio.run(calls(f"{url}/mcp", token))
    newer, older = figures["2026-07-28"], figures["legacy"]
    note = f"over the older era {sorted(older)[len(older) // 2]:.1f} ms"
    return summarise("mcp_call", newer, unit="ms", target=5.0, note=note)


def mcp_initialize() -> Row:
    """Seconds from starting `dingpan mcp` without a server to its first answer."""
    with demo_desk() as environment:
        samples, processor = first_answers(environment)
    return summarise("mcp_initialize", samples, unit="s", target=2.5, note=f"{processor:.2f} s of processor time")


def mcp_bridge() -> Row:
    """Seconds from starting `dingpan mcp` beside a running server to its first answer."""
    with running_desk() as (url, token, environment):
        asyncio.run(calls(f"{url}/mcp", token, count=1))
        samples, processor = first_answers(environment | {"DINGPAN_TOKEN": token})
    return summarise("mcp_bridge", samples, unit="s", target=0.5, note=f"{processor:.2f} s of processor time")


def mcp_tools_list() -> Row:
    """Tokens (bytes / 4) of names, descriptions and input schemas that a caller with every right is sent."""
    with running_desk() as (url, token, _):
        tools = asyncio.run(listed(f"{url}/mcp", token))
    shown = [{"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema} for tool in tools]
    size = sum(len(json.dumps(tool, ensure_ascii=False, separators=(",", ":")).encode()) for tool in shown)
    return summarise("mcp_tools_list", [size / 4], unit="tokens", target=4000.0, note=f"{len(tools)} tools")


async def calls(url: str, token: str, *, count: int = CALLS) -> dict[str, list[float]]:
    return {era: await calls_of(url, token, era, count) for era in ERAS}


async def calls_of(url: str, token: str, era: str, count: int) -> list[float]:
    samples = []
    async with client(url, token, era) as opened:
        await opened.list_tools()
        for place in range(WARM + count):
            start = time.perf_counter()
            result = await opened.call_tool("market_quote_get", {"symbols": ["000001.SH"]})
            if place >= WARM:
                samples.append((time.perf_counter() - start) * 1000)
            assert not result.is_error, result
    return samples


async def listed(url: str, token: str) -> list[Any]:
    async with client(url, token, "2026-07-28") as opened:
        return list((await opened.list_tools()).tools)


def client(url: str, token: str, era: str) -> Any:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60)
    return Client(streamable_http_client(url, http_client=http), mode=era)  # type: ignore[arg-type]


def first_answers(environment: dict[str, str]) -> tuple[list[float], float]:
    """Start the command some times; return the seconds of each, and the median of processor seconds."""
    first_answer(environment)
    figures = [first_answer(environment) for _ in range(STARTS)]
    return [wall for wall, _ in figures], sorted(used for _, used in figures)[STARTS // 2]


def first_answer(environment: dict[str, str]) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "agent_server", "mcp"],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(HELLO).encode() + b"\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    wall = time.perf_counter() - start
    assert b"protocolVersion" in answer, answer
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def demo_desk() -> Iterator[dict[str, str]]:
    """Make a desk with the simulated market; yield the environment of its commands."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "DINGPAN_WARM_KERNELS": "false",
            "DINGPAN_HOME": folder,
            "DINGPAN_RATE_LIMITS": "false",
        }
        command = [sys.executable, "-m", "agent_server", "demo"]
        subprocess.run(command, env=environment, check=True, capture_output=True, cwd=ROOT)
        yield environment


@contextmanager
def running_desk() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield address, token and environment of a server on a demo desk."""
    from tests.support.real_desk import real_desk

    with demo_desk() as environment, real_desk(Path(environment["DINGPAN_HOME"])) as desk:
        made = desk.command("token", "create", "bench", "--preset", "desk", "--json")
        found = re.search(r"lgatk_\w+", made.stdout)
        assert found is not None
        desk.start()
        yield desk.url, found[0], desk.environment
