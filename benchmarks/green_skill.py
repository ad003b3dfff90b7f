"""A green skill over HTTP, beside a bare FastAPI route that makes the same reads through the same session.

Both run in one server process and are asked in turn over one keep-alive connection on loopback. The bare route looks
the token up and reads the same rows with the same services, and returns them as JSON without registry, limits,
validation, envelope or log.
"""

import asyncio
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harness import Row, summarise

ROOT = Path(__file__).resolve().parent.parent
CALLS = 80
ROUNDS = 5
SKILL = {"skillId": "investment.stock.trading.list", "params": {"size": 20}}


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
        environment = os.environ | {"DINGPAN_HOME": folder}
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
            return asyncio.run(drive(f"http://127.0.0.1:{port}", token[0]))
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


async def drive(base_url: str, token: str) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {"skill_ms": [], "bare_ms": [], "skill_rate": [], "bare_rate": []}
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60) as client:
        await until_ready(client)
        for path in ("/agent/skills/execute", "/bare"):
            for _ in range(50):
                (await client.post(path, json=SKILL)).raise_for_status()
        for _ in range(ROUNDS):
            for name, path in (("skill", "/agent/skills/execute"), ("bare", "/bare")):
                figures[f"{name}_ms"].append(statistics.median([await one(client, path) for _ in range(CALLS)]) * 1000)
                figures[f"{name}_rate"].append(await rate(client, path))
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


async def one(client: httpx.AsyncClient, path: str) -> float:
    start = time.perf_counter()
    (await client.post(path, json=SKILL)).raise_for_status()
    return time.perf_counter() - start


async def rate(client: httpx.AsyncClient, path: str) -> float:
    async def caller() -> None:
        for _ in range(CALLS // 4):
            (await client.post(path, json=SKILL)).raise_for_status()

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(8)))
    return 8 * (CALLS // 4) / (time.perf_counter() - start)
