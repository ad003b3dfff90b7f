"""A green skill over HTTP, beside a bare FastAPI route that makes the same reads through the same session.

Both run in one server process and are asked in turn over one keep-alive connection on loopback. The bare route looks
the token up and reads the same rows with the same services, and returns them as JSON without registry, limits,
validation, envelope or log.
"""

import asyncio
import http.client
import json
import multiprocessing
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, summarise

ROOT = Path(__file__).resolve().parent.parent
CALLS = 80
ROUNDS = 5
BODY = json.dumps({"skillId": "investment.stock.trading.list", "params": {"size": 20}})
PATHS = {"skill": "/agent/skills/execute", "bare": "/bare"}


def rows() -> dict[str, Callable[[], Row]]:
    return {"green_skill": green_skill, "green_throughput": green_throughput}


def green_skill() -> Row:
    """Median milliseconds of one call."""
    figures = measure()
    return summarise("green_skill", figures["skill_ms"], unit="ms", target=5.0, references=figures["bare_ms"])


def green_throughput() -> Row:
    """Calls a second with eight connections; the ratio to the bare route is the figure that counts."""
    figures = measure()
    return summarise(
        "green_throughput",
        figures["skill_rate"],
        unit="calls/s",
        target=0.6,
        references=figures["bare_rate"],
        note="target is the ratio",
    )


def measure() -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"DINGPAN_WARM_KERNELS": "false", "DINGPAN_HOME": folder}
        base = [sys.executable, "-m", "agent_server"]
        subprocess.run([*base, "demo"], env=environment, check=True, capture_output=True, cwd=ROOT)
        made = subprocess.run(
            [*base, "token", "create", "bench", "--preset", "desk", "--json"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        token = re.search(r"lgatk_\w+", made.stdout)
        assert token is not None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, port), daemon=True)
        server.start()
        try:
            return drive(port, token[0])
        finally:
            server.terminate()
            server.join()


def serve(folder: str, port: int) -> None:
    """Open the desk, add the bare route, serve."""
    import uvicorn

    from agent_server.app import create_app
    from agent_server.log_output import configure
    from agent_server.opening import open_desk
    from core.settings import Settings

    async def run() -> None:
        settings = Settings(home=Path(folder), port=port, rate_limits=False)
        async with open_desk(settings) as desk:
            app = create_app(desk.services, desk.registry, desk.dispatcher)
            app.router.routes.insert(0, bare_route(desk.services))
            config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
            await uvicorn.Server(config).serve()

    configure("console", quiet=True)
    asyncio.run(run())


def bare_route(services: Any) -> Any:
    from fastapi import Request
    from fastapi.responses import JSONResponse
    from fastapi.routing import APIRoute

    from core.portfolio.requests import TradeQuery

    async def bare(request: Request) -> JSONResponse:
        size = json.loads(await request.body())["params"]["size"]
        secret = request.headers["authorization"].removeprefix("Bearer ")
        async with services.database.unit_of_work(read_only=True) as uow:
            _, user = await services.access.authenticate_token(uow, secret)
        async with services.database.unit_of_work(read_only=True) as uow:
            page = await services.portfolio.list_trades(uow, user.team_id, query=TradeQuery(page=1, size=size))
        return JSONResponse(
            [{"id": row.record_id, "symbol": row.symbol, "price": str(row.price)} for row in page.items]
        )

    return APIRoute("/bare", bare, methods=["POST"])


def drive(port: int, token: str) -> dict[str, list[float]]:
    """Ask both in turn. The client is the standard library's, which costs little itself."""
    figures: dict[str, list[float]] = {"skill_ms": [], "bare_ms": [], "skill_rate": [], "bare_rate": []}
    until_ready(port)
    ask = Asker(port, token)
    for path in PATHS.values():
        for _ in range(50):
            ask(path)
    for _ in range(ROUNDS):
        for name, path in PATHS.items():
            figures[f"{name}_ms"].append(statistics.median([one(ask, path) for _ in range(CALLS)]) * 1000)
            figures[f"{name}_rate"].append(rate(port, token, path))
    return figures


class Asker:
    """One keep-alive connection."""

    def __init__(self, port: int, token: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def __call__(self, path: str) -> None:
        self.connection.request("POST", path, body=BODY, headers=self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(text)


def until_ready(port: int) -> None:
    for _ in range(3000):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
                return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError


def one(ask: Asker, path: str) -> float:
    start = time.perf_counter()
    ask(path)
    return time.perf_counter() - start


def rate(port: int, token: str, path: str) -> float:
    askers = [Asker(port, token) for _ in range(8)]
    start = time.perf_counter()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda ask: [ask(path) for _ in range(CALLS // 4)], askers))
    return 8 * (CALLS // 4) / (time.perf_counter() - start)
