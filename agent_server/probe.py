"""Asking who answers at a desk's address, from another process: is it ready, and is it this desk?"""

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from core.settings import Settings

REQUEST_SECONDS: Final = 3.0
READY: Final = "ready"
NOT_READY: Final = "not ready"
STARTING: Final = "starting"
DOWN: Final = "down"
STRANGER: Final = "another desk"
NO_DESK: Final = "not a desk"


def mark_of(settings: "Settings") -> str:
    """Return a short text that tells this desk from another one, without naming its folder."""
    return hashlib.sha256(str(settings.home).encode()).hexdigest()[:12]


def state_of(settings: "Settings", address: str) -> str:
    """Return what answers at an address: this desk as `ready`, `not ready` or `starting`, or one of the other words."""
    status, body = _ask(address)
    if status == 0:
        return DOWN
    if "desk" in body:
        return str(body["status"]) if body["desk"] == mark_of(settings) else STRANGER
    return STARTING if body.get("code") == STARTING else NO_DESK


def kernels_at(address: str) -> str:
    """Return what the server at an address says of the engine's kernels; empty when it says nothing."""
    checks = _ask(address)[1].get("checks")
    return str(checks.get("kernels", "")) if isinstance(checks, dict) else ""


def local_address(settings: "Settings") -> str:
    """Return where this machine itself reaches the port, whatever the public address is."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared only
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _ask(address: str) -> tuple[int, dict[str, Any]]:
    """Return status and body of `/readyz`; status 0 when nobody listens, an empty body for what is no JSON object."""
    from http.client import HTTPException  # noqa: PLC0415 - keeps --help fast
    from urllib.error import HTTPError  # noqa: PLC0415 - keeps --help fast
    from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415 - keeps --help fast

    try:
        with build_opener(ProxyHandler({})).open(f"{address}/readyz", timeout=REQUEST_SECONDS) as response:
            return response.status, _object(response.read())
    except HTTPError as error:
        return error.code, _object(error.read())
    except HTTPException:
        return 1, {}
    except OSError:
        return 0, {}


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
