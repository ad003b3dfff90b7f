"""What asking a provider through its official SDK has in common; see the two clients for what differs.

An SDK is imported with the first question (two or three seconds, in a thread); its own retries are off. Both SDKs come
from one generator: their exceptions have the same names and fields.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Protocol

from core.clock import Clock, SystemClock
from core.errors import DeskError
from core.llm.failures import Endpoint, answer_failure, stream_failure
from core.llm.model import ModelEvent, Prompt
from core.llm.retrying import Retries

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 120.0
"""The longest pause within an answer; models that reason are silent for long."""
NO_KEY: Final = "none"
"""Sent to servers that ask for no key, because the SDKs insist on one."""


class AnswerReader(Protocol):
    """Turns the events of one answer into the desk's."""

    def read(self, event: Any) -> Iterable[ModelEvent]:
        """Return what an event of the provider means."""
        ...

    def finish(self) -> Iterable[ModelEvent]:
        """Return what is to be told when the answer has ended."""
        ...


class ProviderClient(ABC):
    """A model behind a provider's API. `transport` replaces the network; `retries` decides how often it is asked."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        retries: Retries,
        transport: "httpx2.AsyncBaseTransport | None" = None,
        clock: Clock | None = None,
    ) -> None:
        self._endpoint, self._retries, self._transport = endpoint, retries, transport
        self._clock = clock or SystemClock()
        self._opening = asyncio.Lock()
        self._sdk: Any = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._endpoint.model!r}, {self._endpoint.host!r})"

    @property
    def name(self) -> str:
        """The provider, a colon and the model."""
        return self._endpoint.model

    @property
    def is_configured(self) -> bool:
        """True: a real model answers."""
        return True

    def stream(self, prompt: Prompt) -> AsyncIterator[ModelEvent]:
        """Ask once, with retries. Raises `ModelUnavailable`, `ModelRequestRefused`."""
        return self._retries.run(lambda: self._attempt(prompt))

    async def warm_up(self) -> None:
        """Import the SDK now, so that the first question does not wait for it."""
        await self._opened()

    async def close(self) -> None:
        """Close the connections. A later question opens new ones."""
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            await sdk.close()

    @abstractmethod
    def _library(self) -> ModuleType:
        """Import the SDK."""

    @abstractmethod
    def _connect(self, **options: Any) -> Any:
        """Return the SDK's client, made with these options."""

    @abstractmethod
    def _reader(self) -> AnswerReader:
        """Return what reads one answer."""

    @abstractmethod
    async def _request(self, sdk: Any, prompt: Prompt) -> Any:
        """Send a question and return the stream of its answer."""

    async def _attempt(self, prompt: Prompt) -> AsyncGenerator[ModelEvent, None]:
        sdk = await self._opened()
        reader = self._reader()
        try:
            async with await self._request(sdk, prompt) as events:
                self._check_kind(events.response)
                async for event in events:
                    for told in reader.read(event):
                        yield told
        except self._failures() as error:
            raise self._meaning(error) from None
        for told in reader.finish():
            yield told

    def _check_kind(self, response: Any) -> None:
        if "html" in response.headers.get("content-type", ""):
            reason = f"{self._endpoint.host} answers with a page: check {self._endpoint.address_setting}"
            raise self._endpoint.refused(reason)

    def _failures(self) -> tuple[type[Exception], ...]:
        import httpx2  # noqa: PLC0415 - loaded with the SDK

        return self._library().APIError, httpx2.HTTPError, ValueError

    def _meaning(self, error: Exception) -> DeskError:
        """Return what a failure of the SDK means, without the SDK's exception."""
        import httpx2  # noqa: PLC0415 - loaded with the SDK

        library, host = self._library(), self._endpoint.host
        body = getattr(error, "body", None)
        said = body if body is not None else getattr(error, "message", "")
        # A stream that began well tells of its failure under the status it began with.
        if isinstance(error, library.APIStatusError) and error.status_code >= 300:
            return answer_failure(
                self._endpoint,
                status=error.status_code,
                body=said,
                headers=error.response.headers,
                clock=self._clock,
            )
        if isinstance(error, (library.APITimeoutError, httpx2.TimeoutException)):
            return self._endpoint.busy(f"{host} gave no answer in time")
        if isinstance(error, library.APIConnectionError):
            return self._endpoint.busy(f"no connection to {host} ({type(error.__cause__ or error).__name__})")
        if isinstance(error, library.APIError):
            return stream_failure(self._endpoint, said)
        return self._endpoint.busy(f"the answer of {host} broke off ({type(error).__name__})")

    async def _opened(self) -> Any:
        async with self._opening:
            if self._sdk is None:
                self._sdk = await asyncio.to_thread(self._open)
            return self._sdk

    def _open(self) -> Any:
        import httpx2  # noqa: PLC0415 - loaded with the SDK

        timeout = httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        return self._connect(
            api_key=self._endpoint.secret or NO_KEY,
            max_retries=0,
            timeout=timeout,
            http_client=httpx2.AsyncClient(transport=self._transport, timeout=timeout, follow_redirects=False),
        )
