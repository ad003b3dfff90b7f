"""An eval reaches nothing but this machine, and this machine only where its transport needs it."""

import socket
from collections.abc import Iterator

import pytest

from evals.network_guard import Guard, NetworkUsed, guarded


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("host", ["192.0.2.1", "8.8.8.8", "model.example", "localhost.example", "127.0.0.1.example"])
def test_a_foreign_host_is_refused_and_remembered(host: str) -> None:
    guard = Guard(loopback=True)
    with guarded(guard), pytest.raises(NetworkUsed, match=host):
        socket.create_connection((host, 443), timeout=1)
    assert len(guard.tries) == 1
    assert guard.tries[0].endswith(f" {host}")


def test_this_machine_is_reached_only_where_it_is_allowed(listening: int) -> None:
    allowed, forbidden = Guard(loopback=True), Guard(loopback=False)
    with guarded(allowed):
        socket.create_connection(("127.0.0.1", listening), timeout=1).close()
        with guarded(forbidden), pytest.raises(NetworkUsed):
            socket.create_connection(("127.0.0.1", listening), timeout=1)
    socket.create_connection(("127.0.0.1", listening), timeout=1).close()
    assert allowed.tries == []
    assert forbidden.tries == ["socket.getaddrinfo 127.0.0.1"]
