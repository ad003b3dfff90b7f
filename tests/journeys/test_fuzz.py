"""Every operation of the OpenAPI document, called with what its schema allows and with what it does not.

No answer may be a server error, and each must be one that the document describes: status, content type, body.
Building the calls of an operation takes half a second: a normal run calls each by a token or in a session, and some as
nobody; `soak` calls each as every kind of caller.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from core.clock import FrozenClock
from tests.support.fuzzing import KINDS, Fuzzer
from tests.support.rest_desk import rest_desk, settings_in

SAMPLE = 2
WHOLE = 300
SHARES = {"token": range(0, 1000, 2), "session": range(1, 1000, 2), "anonymous": range(0, 1000, 4)}


@pytest.fixture
def fuzzer(tmp_path: Path, clock: FrozenClock, demo_market: Path) -> Iterator[Fuzzer]:
    """A desk with the simulated market and no limits, which would hide what is behind them."""
    shutil.copytree(demo_market, tmp_path / "market")
    unlimited = settings_in(tmp_path, pending_limit=1_000_000)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(rest_desk(unlimited, clock)) as desk:
        yield Fuzzer(desk, portal)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_generated_calls(fuzzer: Fuzzer, kind: str) -> None:
    seen = fuzzer.run(kind, examples=SAMPLE, chosen=lambda place: place in SHARES[kind])
    assert fuzzer.faults == [], "\n\n".join(fuzzer.faults)
    assert {200, 401 if kind == "anonymous" else 400} <= set(seen)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_many_generated_calls(fuzzer: Fuzzer, kind: str) -> None:
    fuzzer.run(kind, examples=WHOLE, start=1000)
    assert fuzzer.faults == [], "\n\n".join(fuzzer.faults)
