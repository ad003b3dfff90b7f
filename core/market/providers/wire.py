"""The one way adapters reach the network: bounded in time, size, attempts and hosts."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from core.market.providers.figures import Malformed
from core.market.sources import SourceAnswerInvalid, SourceUnavailable

USER_AGENT: Final = "Mozilla/5.0 (compatible; dingpan)"
ATTEMPTS: Final = 3
FIRST_WAIT_SECONDS: Final = 0.2
LONGEST_WAIT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 10.0
TIMEOUT: Final = httpx.Timeout(5.0, connect=3.0)
LARGEST_ANSWER: Final = 8 * 2**20
BROKEN_CONNECTIONS: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.RemoteProtocolError)

Sleep = Callable[[float], Awaitable[None]]


class SourceBusy(SourceUnavailable):
    """A failure that may be over in a moment: the connection broke, or the server said 429 or 5xx."""


class Wire:
    """Fetches answers for all adapters over one shared client.

    `sleep` is a port, so that tests wait for nothing. Redirects are never followed: a provider that redirects counts as
    unavailable, whatever the target.
    """

    def __init__(self, client: httpx.AsyncClient, *, sleep: Sleep = asyncio.sleep) -> None:
        self._client = client
        self._sleep = sleep

    async def get(
        self,
        source: str,
        urls: Sequence[str],
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        largest: int = LARGEST_ANSWER,
    ) -> bytes:
        """Return the body of the first good answer; each further attempt goes to the next of `urls`.

        Raises `SourceUnavailable` when the attempts are used up or the server refuses, `SourceAnswerInvalid` when the
        answer is larger than `largest` bytes. Only broken connections, 5xx and 429 are tried again; a `Retry-After` is
        kept, and one beyond three seconds ends the attempts.
        """
        attempts = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait,
            retry=retry_if_exception_type(SourceBusy),
            sleep=self._sleep,
            reraise=True,
        )
        sent = {"User-Agent": USER_AGENT, "Accept": "*/*"} | dict(headers or {})
        async for attempt in attempts:
            url = urls[(attempt.retry_state.attempt_number - 1) % len(urls)]
            with attempt:
                request = self._client.build_request("GET", url, params=params, headers=sent, timeout=TIMEOUT)
                return await self._once(source, request, largest)
        raise AssertionError("tenacity either returns or raises")  # pragma: no cover

    async def _once(self, source: str, request: httpx.Request, largest: int) -> bytes:
        host = request.url.host
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await self._client.send(request, stream=True, follow_redirects=False)
                try:
                    _check_status(source, response)
                    return await _read(source, response, largest)
                finally:
                    await response.aclose()
        except BROKEN_CONNECTIONS as error:
            raise SourceBusy(source=source, reason=f"{host}: {_kind(error)}") from error
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise SourceUnavailable(source=source, reason=f"{host}: {_kind(error)}") from error


def _kind(error: Exception) -> str:
    return "no answer in time" if isinstance(error, httpx.TimeoutException | TimeoutError) else type(error).__name__


def _check_status(source: str, response: httpx.Response) -> None:
    status, host = response.status_code, response.url.host
    if status == httpx.codes.OK:
        return
    if response.is_redirect:
        raise SourceUnavailable(source=source, reason=f"{host} redirects, which is not followed")
    if status != httpx.codes.TOO_MANY_REQUESTS and status < 500:
        raise SourceUnavailable(source=source, reason=f"{host} answered {status}")
    wait = _retry_after(response)
    kind = SourceUnavailable if wait is not None and wait > LONGEST_WAIT_SECONDS else SourceBusy
    raise kind(source=source, reason=f"{host} answered {status}", retry_after_seconds=wait)


def _retry_after(response: httpx.Response) -> float | None:
    """Read `Retry-After` in seconds. A date is taken for "later than we wait"."""
    value = response.headers.get("Retry-After", "").strip()
    if not value:
        return None
    return float(value) if value.isascii() and value.isdigit() and len(value) < 8 else 60.0


def _wait(state: RetryCallState) -> float:
    """Return what the server asked for, else 0.2 s doubled with every attempt."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.data.get("retry_after_seconds") if isinstance(error, SourceBusy) else None
    doubled: float = FIRST_WAIT_SECONDS * 2 ** (state.attempt_number - 1)
    return doubled if asked is None else float(asked)


async def _read(source: str, response: httpx.Response, largest: int) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > largest:
            raise SourceAnswerInvalid(source=source, reason=f"the answer is larger than {largest} bytes")
    return bytes(body)


def parse_json(body: bytes) -> Any:
    """Read JSON with numbers as decimals. Raises `Malformed` for anything else, NaN and Infinity included."""
    try:
        return json.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no JSON: {body[:40]!r}") from error


def _refuse(constant: str) -> None:
    raise Malformed(f"{constant} is no number")


def json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object."""
    read = parse_json(body)
    if not isinstance(read, dict):
        raise Malformed(f"a JSON object was expected, not {type(read).__name__}")
    return read
