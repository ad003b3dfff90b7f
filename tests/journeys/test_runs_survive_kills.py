"""kill -9 of the server while backtests are queued and running: each one ends, and its result is kept once.

The runs are carried out by the real worker with its executor, its child processes and its leases.
"""

import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.real_desk import answered, real_desk, run

ROUNDS = [pytest.param(1, id="sample"), pytest.param(25, id="full", marks=pytest.mark.soak)]
RUN = "investment.stock.backtest.run"
SECONDS = 90


@pytest.mark.parametrize("rounds", ROUNDS)
def test_every_run_ends_once(tmp_path: Path, rounds: int) -> None:
    dice = random.Random(20261121)
    with real_desk(tmp_path / "desk") as desk:
        token = desk.demo()
        desk.start()
        with desk.agent(token) as agent:
            symbols = [row["symbol"] for row in answered(run(agent, "investment.stock.trading.list"))]
        names: list[str] = ["moving averages 10/30"]
        for number in range(rounds):
            with desk.agent(token) as agent:
                made = [queue(agent, symbols, f"round {number} run {count}") for count in range(2)]
            names += [f"round {number} run {count}" for count in range(2)]
            time.sleep(dice.uniform(0.0, 2.5))  # the moment of the kill is the point
            desk.kill()
            desk.start()
            with desk.agent(token) as agent:
                ended = [until_ended(agent, run_id) for run_id in made]
                assert [row["state"] for row in ended] == ["succeeded"] * 2, ended
                assert all(1 <= row["starts"] <= 3 for row in ended)
                kept = answered(run(agent, "investment.stock.backtest.list"))
                results = {row["id"]: row["name"] for row in kept}
                assert [results[row["result"]["resultId"]] for row in ended] == names[-2:]
                assert sorted(results.values()) == sorted(names[-50:])


def queue(agent: httpx.Client, symbols: list[str], name: str) -> str:
    answer = run(agent, RUN, strategy="breakout", symbols=symbols, name=name, idempotencyKey=name)
    assert answer.status_code == 202, answer.text
    again = run(agent, RUN, strategy="breakout", symbols=symbols, name=name, idempotencyKey=name)
    assert again.json()["data"] == answer.json()["data"]
    return answer.json()["data"]["runId"]


def until_ended(agent: httpx.Client, run_id: str) -> Any:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        row = answered(run(agent, f"{RUN}.get", run_id=run_id, wait_seconds=20))
        if row["state"] not in {"queued", "running"}:
            return row
    raise AssertionError(row)
