"""Every operation of the OpenAPI document, called with what its schema allows and with what it does not.

No answer may be a server error, and each must be one that the document describes: status, content type, body.
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


@pytest.fixture
def fuzzer(tmp_path: Path, clock: FrozenClock, demo_market: Path) -> Iterator[Fuzzer]:
    """A desk with the simulated market and no limits, which would hide what is behind them."""
    shutil.copytree(demo_market, tmp_path / "market")
    unlimited = settings_in(tmp_path, pending_limit=1_000_000)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(rest_desk(unlimited, clock)) as desk:
        yield Fuzzer(desk, portal)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_generated_calls(fuzzer: Fuzzer, kind: str) -> None:
    seen = fuzzer.run(kind, examples=SAMPLE)
    assert fuzzer.faults == [], "\n\n".join(fuzzer.faults)
    assert {200, 400} <= set(seen)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_many_generated_calls(fuzzer: Fuzzer, kind: str) -> None:
    fuzzer.run(kind, examples=WHOLE, start=1000)
    assert fuzzer.faults == [], "\n\n".join(fuzzer.faults)
