"""Anthropic's models through the official SDK: the Messages API, streamed.

The SDK is imported with the first question (about three seconds, in a thread); its own retries and tracing are off.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from core.clock import Clock, SystemClock
from core.errors import DeskError
from core.ids import IdSource, RandomIds
from core.llm.anthropic_messages import MessagesReader, request_body
from core.llm.failures import Endpoint, answer_failure, stream_failure
from core.llm.model import ModelEvent, Prompt
from core.llm.retrying import Retries

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic

ANTHROPIC: Final = "https://api.anthropic.com"
CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 120.0
"""The longest pause within an answer; models that reason are silent for long."""
NO_KEY: Final = "none"


class AnthropicClient:
    """A model behind the Messages API. `transport` replaces the network; `retries` decides how often it is asked."""

    def __init__(
        self,
        *,
        model: str,
        api_key: str,
        base_url: str = "",
        transport: "httpx2.AsyncBaseTransport | None" = None,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        retries: Retries | None = None,
    ) -> None:
        self._model, self._base_url, self._transport = model, base_url or ANTHROPIC, transport
        self._clock = clock or SystemClock()
        self._retries = retries or Retries(ids or RandomIds())
        self._endpoint = Endpoint(
            model=f"anthropic:{model}",
            host=urlsplit(self._base_url).hostname or self._base_url,
            key_setting="DINGPAN_ANTHROPIC_API_KEY",
            address_setting="DINGPAN_ANTHROPIC_BASE_URL",
            secret=api_key,
        )
        self._opening = asyncio.Lock()
        self._sdk: AsyncAnthropic | None = None

    def __repr__(self) -> str:
        return f"AnthropicClient({self._model!r}, {self._endpoint.host!r})"

    @property
    def name(self) -> str:
        """`anthropic:` and the model."""
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

    async def _attempt(self, prompt: Prompt) -> AsyncGenerator[ModelEvent, None]:
        sdk = await self._opened()
        reader = MessagesReader(self._endpoint)
        body = request_body(prompt, model=self._model, client=self.name)
        try:
            async with await sdk.messages.create(stream=True, **body) as events:
                if "html" in events.response.headers.get("content-type", ""):
                    reason = f"{self._endpoint.host} answers with a page: check {self._endpoint.address_setting}"
                    raise self._endpoint.refused(reason)
                async for event in events:
                    for told in reader.read(event):
                        yield told
        except self._failures() as error:
            raise self._meaning(error) from None
        for told in reader.finish():
            yield told

    def _failures(self) -> tuple[type[Exception], ...]:
        import anthropic  # noqa: PLC0415 - loaded with the first question
        import httpx2  # noqa: PLC0415 - loaded with the SDK

        return anthropic.APIError, httpx2.HTTPError, ValueError

    def _meaning(self, error: Exception) -> DeskError:
        """Return what a failure of the SDK means, without the SDK's exception."""
        import anthropic  # noqa: PLC0415 - loaded with the first question
        import httpx2  # noqa: PLC0415 - loaded with the SDK

        host = self._endpoint.host
        if isinstance(error, anthropic.APIStatusError) and error.status_code >= 300:
            return answer_failure(
                self._endpoint,
                status=error.status_code,
                body=error.body if error.body is not None else error.message,
                headers=error.response.headers,
                clock=self._clock,
            )
        if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
            return self._endpoint.busy(f"{host} gave no answer in time")
        if isinstance(error, anthropic.APIConnectionError):
            return self._endpoint.busy(f"no connection to {host} ({type(error.__cause__ or error).__name__})")
        if isinstance(error, anthropic.APIError):
            return stream_failure(self._endpoint, error.body if error.body is not None else error.message)
        return self._endpoint.busy(f"the answer of {host} broke off ({type(error).__name__})")

    async def _opened(self) -> "AsyncAnthropic":
        async with self._opening:
            if self._sdk is None:
                self._sdk = await asyncio.to_thread(self._open)
            return self._sdk

    def _open(self) -> "AsyncAnthropic":
        import httpx2  # noqa: PLC0415 - loaded with the SDK
        from anthropic import AsyncAnthropic  # noqa: PLC0415 - three seconds

        timeout = httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        sdk = AsyncAnthropic(
            api_key=self._endpoint.secret or NO_KEY,
            base_url=self._base_url,
            max_retries=0,
            timeout=timeout,
            open_telemetry=False,
            http_client=httpx2.AsyncClient(transport=self._transport, timeout=timeout, follow_redirects=False),
        )
        _ = sdk.messages
        return sdk
