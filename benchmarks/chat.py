"""How soon a chat begins to answer: from the request to the first words of a model that takes no time itself.

The server runs in its own process and is asked over loopback. The words come after everything the desk does for a turn:
the message is stored, the conversation so far is read, the tools are listed, the words are stored and then sent.
"""

import asyncio
import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harness import Row, summarise

ROOT = Path(__file__).resolve().parent.parent
TURNS = 40
TALK = 10
"""Messages of one conversation before another begins: what was said before is read each time."""


def rows() -> dict[str, Any]:
    return {"chat_first_event": chat_first_event}


def chat_first_event() -> Row:
    """Median milliseconds until the first words of the model."""
    figures = measure()
    note = f"the event that tells the conversation's id comes after {sorted(figures['first'])[TURNS // 2]:.1f} ms"
    return summarise("chat_first_event", figures["words"], unit="ms", target=50.0, note=note)


def measure() -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"DINGPAN_WARM_KERNELS": "false", "DINGPAN_HOME": folder}
        base = [sys.executable, "-m", "agent_server"]
        shared: dict[str, Any] = {"env": environment, "capture_output": True, "cwd": ROOT}
        subprocess.run([*base, "demo"], check=True, **shared)
        made = subprocess.run([*base, "token", "create", "bench", "--preset", "desk", "--json"], check=True, **shared)
        token = re.search(rb"lgatk_\w+", made.stdout)
        assert token is not None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, port), daemon=True)
        server.start()
        try:
            return asyncio.run(drive(f"http://127.0.0.1:{port}", token[0].decode()))
        finally:
            server.terminate()
            server.join()


class Parrot:
    """A model that answers at once, always the same."""

    name = "parrot"
    is_configured = True

    async def stream(self, _: Any) -> AsyncIterator[Any]:
        from core.llm.model import AssistantMessage, StopReason, TextDelta, TurnFinished, Usage

        yield TextDelta("All is well.")
        yield TurnFinished(AssistantMessage("All is well."), StopReason.END, Usage())

    async def warm_up(self) -> None:
        pass

    async def close(self) -> None:
        pass


def serve(folder: str, port: int) -> None:
    """Open the desk with the parrot for a model."""
    import uvicorn

    from agent_server.app import create_app
    from agent_server.log_output import configure
    from agent_server.opening import open_desk
    from core.settings import Settings

    async def run() -> None:
        settings = Settings(home=Path(folder), port=port, rate_limits=False)
        async with open_desk(settings) as desk:
            app = create_app(desk.services, desk.registry, desk.dispatcher, model=Parrot())
            config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
            await uvicorn.Server(config).serve()

    configure("console", quiet=True)
    asyncio.run(run())


async def drive(base_url: str, token: str) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {"first": [], "words": []}
    async with httpx.AsyncClient(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        await until_ready(client)
        await one(client, None)
        name = None
        for turn in range(TURNS):
            first, words, name = await one(client, name if turn % TALK else None)
            figures["first"].append(first)
            figures["words"].append(words)
    return figures


async def until_ready(client: httpx.AsyncClient) -> None:
    for _ in range(3000):
        try:
            if (await client.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.02)
    raise TimeoutError


async def one(client: httpx.AsyncClient, name: str | None) -> tuple[float, float, str]:
    """Ask once; return the milliseconds to the first event and to the first words, and the conversation."""
    body = {"message": "How is my portfolio?"} | ({"conversationId": name} if name else {})
    start = time.perf_counter()
    at: dict[str, float] = {}
    kind = ""
    async with client.stream("POST", "/agent/chat", json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
                at.setdefault(kind, (time.perf_counter() - start) * 1000)
            elif line.startswith("data: ") and kind == "user":
                name = json.loads(line.removeprefix("data: "))["conversationId"]
    return at["user"], at["text"], str(name)
