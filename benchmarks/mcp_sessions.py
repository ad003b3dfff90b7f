"""Many MCP clients at once against a real server: calls a second, no error, and memory that does not grow.

Half the clients speak 2025-11-25 as programs do: a session with its listening stream, ended and begun anew after some
calls. The other half speak 2026-07-28, where every request stands for itself. All ask as fast as they are answered.
"""

import asyncio
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx2

from benchmarks.harness import Row, summarise

HANDSHAKE: Final = "2025-11-25"
STATELESS: Final = "2026-07-28"
CLIENTS, SECONDS, EARLY_SECONDS = 200, 60.0, 10.0
CALLS_PER_SESSION = 5
META: Final = "io.modelcontextprotocol/"
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("investment_stock_trading_list", {"size": 5}),
    ("investment_stock_portfolio_pnl_get", {}),
    ("market_instrument_search", {"text": "600", "limit": 3}),
    ("skills_search", {"text": "holdings"}),
)


def rows() -> dict[str, Callable[[], Row]]:
    return {"mcp_sessions": mcp_sessions}


def mcp_sessions() -> Row:
    """Measure calls a second of 200 clients over a minute; the note holds errors, memory and waiting times."""
    figures = asyncio.run(against_new_server(clients=CLIENTS, seconds=SECONDS))
    return summarise("mcp_sessions", [figures.rate], unit="calls/s", target=150.0, note=figures.summary())


async def against_new_server(*, clients: int, seconds: float) -> "Figures":
    """Start a server on a demo desk, drive it, stop it."""
    from tests.support.real_desk import real_desk

    with tempfile.TemporaryDirectory() as folder, real_desk(Path(folder)) as desk:
        token = desk.demo()
        desk.start()
        assert desk.process is not None
        return await drive(desk.url, token, pid=desk.process.pid, clients=clients, seconds=seconds)


@dataclass
class Figures:
    """What a run found. `memory` is the server's, in MB, with the second it was read in; `waits` are seconds.

    `processor` is the seconds of processor time the server took: a fairer figure than the rate on a busy machine.
    """

    seconds: float
    waits: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    sessions: int = 0
    processor: float = 0.0

    @property
    def rate(self) -> float:
        """Answered calls a second."""
        return len(self.waits) / self.seconds

    def memory_at(self, second: float) -> float:
        """Return the first measurement from a second on."""
        return next((size for at, size in self.memory if at >= second), self.memory[-1][1])

    @property
    def growth(self) -> float:
        """Memory at the end over that after a third of the time, when every client has been served."""
        return self.memory[-1][1] / self.memory_at(self.seconds / 3)

    def summary(self) -> str:
        """Say the figures in one line."""
        ordered = sorted(self.waits)
        tail = ordered[int(len(ordered) * 0.99)]
        sizes = [self.memory_at(second) for second in (EARLY_SECONDS, self.seconds / 3, self.seconds)]
        return (
            f"{len(ordered)} calls, {self.sessions} sessions, {len(self.errors)} errors, "
            f"{self.processor / len(ordered) * 1000:.1f} ms of processor time a call, median wait "
            f"{statistics.median(ordered) * 1000:.0f} ms, 99 % within {tail * 1000:.0f} ms, memory {sizes[0]:.0f} MB "
            f"at {EARLY_SECONDS:.0f} s, {sizes[1]:.0f} MB after a third, {sizes[2]:.0f} MB at the end"
        )


async def drive(url: str, token: str, *, pid: int, clients: int, seconds: float, seed: int = 1) -> Figures:
    """Let the clients ask the server at `url` for so long. `pid` is the server's process, whose memory is read."""
    figures = Figures(seconds)
    unlimited = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, limits=unlimited, timeout=60) as http:
        start, used = time.perf_counter(), processor_seconds(pid)
        measuring = asyncio.create_task(_measure(figures, pid))
        every = [McpClient(http, figures, Random(f"{seed} {n}"), is_stateless=n % 2 == 0) for n in range(clients)]
        await asyncio.gather(*(client.live(start + seconds) for client in every))
        figures.seconds, figures.processor = time.perf_counter() - start, processor_seconds(pid) - used
        measuring.cancel()
    figures.memory.append((figures.seconds, resident_mb(pid)))
    return figures


async def _measure(figures: Figures, pid: int) -> None:
    start = time.perf_counter()
    while True:
        figures.memory.append((time.perf_counter() - start, resident_mb(pid)))
        await asyncio.sleep(0.5)


def resident_mb(pid: int) -> float:
    """Memory that a process holds, as the kernel counts it."""
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0]) / 1024


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class McpClient:
    """One program that uses the desk, on the wire of one of the two eras."""

    http: httpx2.AsyncClient
    figures: Figures
    dice: Random
    is_stateless: bool
    session: str = ""
    number: int = 0

    async def live(self, end: float) -> None:
        """Open sessions and call tools until the time is over."""
        while time.perf_counter() < end:
            async with self._session():
                for _ in range(CALLS_PER_SESSION):
                    await self._call()
                    if time.perf_counter() >= end:
                        break

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[None]:
        self.figures.sessions += 1
        if self.is_stateless:
            await self._ask("tools/list", {})
            yield
            return
        hello = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "load", "version": "1"}}
        await self._ask("initialize", hello)
        await self._post({"jsonrpc": "2.0", "method": "notifications/initialized"}, {})
        async with AsyncExitStack() as stack:
            listening = await stack.enter_async_context(self.http.stream("GET", "/mcp", headers=self._headers()))
            self._expect(listening.status_code == 200, f"listening: {listening.status_code}")
            await self._ask("tools/list", {})
            yield
            ended = await self.http.delete("/mcp", headers=self._headers())
            self._expect(ended.status_code in {200, 204}, f"ending: {ended.status_code}")
        self.session = ""

    async def _call(self) -> None:
        name, arguments = self.dice.choice(CALLS)
        start = time.perf_counter()
        result = await self._ask("tools/call", {"name": name, "arguments": arguments})
        self.figures.waits.append(time.perf_counter() - start)
        self._expect(not result.get("isError", True), f"{name}: {json.dumps(result)[:300]}")

    async def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return its result; an empty one when it failed."""
        self.number += 1
        extra = {}
        if self.is_stateless:
            params = params | {"_meta": {f"{META}protocolVersion": STATELESS, f"{META}clientCapabilities": {}}}
            extra = {"Mcp-Method": method} | ({"Mcp-Name": params["name"]} if "name" in params else {})
        message = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        answer = _message(await self._post(message, extra), self.number)
        self._expect("result" in answer, f"{method}: {json.dumps(answer)[:300]}")
        result: dict[str, Any] = answer.get("result", {})
        return result

    async def _post(self, message: dict[str, Any], extra: dict[str, str]) -> str:
        answer = await self.http.post("/mcp", json=message, headers=self._headers() | extra)
        self._expect(answer.status_code in {200, 202}, f"{message['method']}: {answer.status_code} {answer.text[:300]}")
        self.session = answer.headers.get("mcp-session-id", self.session)
        return answer.text

    def _headers(self) -> dict[str, str]:
        if self.is_stateless:
            return {"MCP-Protocol-Version": STATELESS}
        return {"MCP-Protocol-Version": HANDSHAKE, "Mcp-Session-Id": self.session} if self.session else {}

    def _expect(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self.figures.errors.append(otherwise)


def _message(text: str, number: int) -> dict[str, Any]:
    """Find the answer in a JSON body or in an event stream."""
    bodies = [text] if text.startswith("{") else re.findall(r"^data: ?(\{.*)$", text, re.MULTILINE)
    messages: list[dict[str, Any]] = [json.loads(body) for body in bodies]
    return next((message for message in messages if message.get("id") == number), {})
