"""kill -9 at seeded moments: during writes, and during red calls that a person approved.

After each kill the server starts again and the desk must be whole: what was acknowledged is there once, what was not
is there once or not at all, repeating with the same idempotency key settles it, and the audit chain verifies.
"""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.real_desk import RealDesk, RealPerson, answered, real_desk, run

TRADE = {
    "market": "SH",
    "trade_type": "BUY",
    "qty": 100,
    "price": "10.00",
    "trade_date": "2024-06-05",
}
ROUNDS = [pytest.param(2, id="sample"), pytest.param(40, id="full", marks=pytest.mark.soak)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[RealDesk]:
    with real_desk(tmp_path / "desk", DINGPAN_WORKER="false") as opened:  # runs have kills of their own
        opened.demo()
        opened.add_user("ada")
        opened.start()
        yield opened


def stock(desk: RealDesk, token: str) -> str:
    """A Shanghai stock of the simulated market."""
    with desk.agent(token) as agent:
        found = answered(run(agent, "market.instrument.search", text="60", limit=50))
    symbols = [row["symbol"] for row in found["instruments"]]
    return next(symbol for symbol in symbols if symbol.endswith(".SH") and symbol.startswith("60"))


def kill_after(desk: RealDesk, seconds: float) -> threading.Thread:
    killer = threading.Thread(target=lambda: (time.sleep(seconds), desk.kill()))
    killer.start()
    return killer


@pytest.mark.parametrize("rounds", ROUNDS)
def test_writes_survive_kills(desk: RealDesk, rounds: int) -> None:
    token = desk.token("ada")
    symbol = stock(desk, token)
    dice = random.Random(20261120)
    done: set[str] = set()
    for number in range(rounds):
        killer = kill_after(desk, dice.uniform(0.05, 0.6))
        unsettled = write_until_it_falls(desk, token, symbol, number, done)
        killer.join()
        desk.start()
        with desk.agent(token) as agent:
            for key in unsettled:
                answered(create(agent, symbol, key))
                done.add(key)
            rows = answered(run(agent, "investment.stock.trading.list", size=1000))
        notes = [row["note"] for row in rows]
        assert len(notes) == len(set(notes)), "a trade was written twice"
        assert set(notes) == done
    desk.stop()
    desk.audit_is_whole()


def create(agent: httpx.Client, symbol: str, key: str) -> httpx.Response:
    parameters = TRADE | {"stock_num": symbol, "note": key, "idempotencyKey": key}
    return run(agent, "investment.stock.trading.create", **parameters)


def write_until_it_falls(desk: RealDesk, token: str, symbol: str, number: int, done: set[str]) -> list[str]:
    """Write one trade after another; return the keys whose answer never came."""
    with desk.agent(token) as agent:
        for count in range(1000):
            key = f"round {number} trade {count}"
            try:
                answered(create(agent, symbol, key))
            except httpx.TransportError:
                return [key]
            done.add(key)
    raise AssertionError("the server was not killed")


@pytest.mark.parametrize("rounds", ROUNDS)
def test_approved_red_call_happens_once_or_not_at_all(desk: RealDesk, rounds: int) -> None:
    token = desk.token("ada")
    symbol = stock(desk, token)
    dice = random.Random(7)
    for number in range(rounds):
        person = desk.person("ada")
        with desk.agent(token) as agent:
            record = answered(create(agent, symbol, f"red {number}"))["recordId"]
            approval = ask(agent, person, record)
            killer = kill_after(desk, dice.uniform(0.0, 0.03))
            parameters = {"record_id": record, "approvalId": approval}
            try:
                first = run(agent, "investment.stock.trading.delete", **parameters).status_code
            except httpx.TransportError:
                first = None
            killer.join()
        desk.start()
        with desk.agent(token) as agent:
            state = answered(agent.get(f"/agent/approvals/{approval}"))["state"]
            listed = [row["recordId"] for row in answered(run(agent, "investment.stock.trading.list", size=1000))]
            assert state in {"approved", "executed"}
            assert (state == "executed") == (record not in listed)
            assert first is None or (first == 200 and state == "executed")
            again = run(agent, "investment.stock.trading.delete", **parameters)
            assert again.status_code == (200 if state == "approved" else 409), again.text
            listed = [row["recordId"] for row in answered(run(agent, "investment.stock.trading.list", size=1000))]
            assert record not in listed
    desk.stop()
    desk.audit_is_whole()


def ask(agent: httpx.Client, person: RealPerson, record: int) -> str:
    """Be refused, let a person approve, return the approval's id."""
    refused = run(agent, "investment.stock.trading.delete", record_id=record)
    assert refused.status_code == 409, refused.text
    approval: str = refused.json()["approvalId"]
    assert person.decide(approval).status_code == 200
    return approval
