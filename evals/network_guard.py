"""No eval reaches the network: an audit hook of the interpreter watches every socket, whoever opens it.

A try is refused and remembered, so that a case fails also where the code under test swallows the refusal. The hook is
installed once per process and sleeps outside of `guarded`.
"""

import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

WATCHED: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"})


class NetworkUsed(OSError):
    """Something tried to reach the network during an eval."""


@dataclass(slots=True)
class Guard:
    """What may be reached: nothing, or this machine. `tries` holds what was refused."""

    loopback: bool
    tries: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Watch:
    guard: Guard | None = None
    is_installed: bool = False


_WATCH: Final = _Watch()


@contextmanager
def guarded(guard: Guard) -> Iterator[None]:
    """Refuse every connection within the block, except to this machine where the guard says so."""
    if not _WATCH.is_installed:
        sys.addaudithook(_hook)
        _WATCH.is_installed = True
    outer, _WATCH.guard = _WATCH.guard, guard
    try:
        yield
    finally:
        _WATCH.guard = outer


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    guard = _WATCH.guard
    if guard is None or event not in WATCHED:
        return
    host = _host(event, arguments)
    if host is None or (guard.loopback and _is_this_machine(host)):
        return
    guard.tries.append(f"{event} {host}")
    raise NetworkUsed(f"an eval tried to reach {host} ({event})")


def _is_this_machine(host: str) -> bool:
    """Say whether a host is the loopback; a name that only begins like it is not."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(event: str, arguments: tuple[Any, ...]) -> str | None:
    """Return the host of a try; None for what is no network: sockets of this machine's file system."""
    if event == "socket.getaddrinfo":
        return str(arguments[0] or "")
    address = arguments[1] if len(arguments) > 1 else None
    return str(address[0]) if isinstance(address, tuple) and address else None
