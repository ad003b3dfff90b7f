"""The network under the real SDKs: each request takes the next step of the script and streams it back."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from evals.script import Script
from evals.wire import BYTES_PER_TOKEN, EVENT_STREAM, WireFormat, WireTurn, error_body, event_stream

OUT_OF_STEPS: Final = "the script has no step left"


class _Broken(httpx2.AsyncByteStream):
    """A body that breaks off in the middle."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body[: len(self._body) // 2]
        raise httpx2.ReadError("the connection broke off, as the scenario says")


@dataclass(slots=True)
class ScriptedProvider(httpx2.AsyncBaseTransport):
    """A provider of one wire format. `requests` counts how often it was asked."""

    script: Script
    wire: WireFormat
    requests: int = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        body = await request.aread()
        self.requests += 1
        path = self.script.peek_path()
        step = self.script.take()
        if step is not None:
            self.script.seen(step, path, "\n".join(_texts(json.loads(body))))
        else:
            return httpx2.Response(400, content=error_body(self.wire, status=400, message=OUT_OF_STEPS))
        fault = step.fault
        if fault is not None and fault.http is not None:
            headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
            content = error_body(self.wire, status=fault.http, message="as the scenario says")
            return httpx2.Response(fault.http, headers=headers, content=content)
        if fault is not None and fault.timeout:
            raise httpx2.ReadTimeout("no answer, as the scenario says", request=request)
        turn = self.script.turn_of(step, path)
        stream = self._stream(turn, input_tokens=len(body) // BYTES_PER_TOKEN)
        if fault is not None:
            return httpx2.Response(200, headers=EVENT_STREAM, stream=_Broken(stream))
        return httpx2.Response(200, headers=EVENT_STREAM, content=stream)

    def _stream(self, turn: WireTurn, *, input_tokens: int) -> bytes:
        whole = WireTurn(turn.text, turn.calls, turn.stop, input_tokens=input_tokens)
        return event_stream(whole, self.wire, number=self.requests)


def _texts(value: Any) -> Iterator[str]:
    """Return every text of a request, wherever the provider's format puts it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
