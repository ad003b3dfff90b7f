"""OpenAI's models, and those of every server that speaks its API, through the official SDK.

The SDK is imported with the first question (about two seconds, in a thread); its own retries are off. Where a request
goes and who pays for it is decided by the desk's settings alone, not by the SDK's own environment variables.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from core.clock import Clock, SystemClock
from core.errors import DeskError
from core.ids import IdSource, RandomIds
from core.llm import openai_chat, openai_responses
from core.llm.failures import Endpoint, answer_failure, stream_failure
from core.llm.model import ModelEvent, Prompt
from core.llm.openai_tools import OpenAITools
from core.llm.retrying import Retries

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

OPENAI: Final = "https://api.openai.com/v1"
OWN_HOSTS: Final = ("api.openai.com", ".openai.azure.com")
"""Where strict schemas and the Responses API are sure to be understood."""
CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 120.0
"""The longest pause within an answer; models that reason are silent for long."""
NO_KEY: Final = "none"
"""Sent to servers that ask for no key, because the SDK insists on one."""

Api = Literal["responses", "chat"]


def is_openai(base_url: str) -> bool:
    """Tell whether an address is OpenAI's own; empty means the default one."""
    host = urlsplit(base_url or OPENAI).hostname or ""
    return host in OWN_HOSTS or host.endswith(OWN_HOSTS[1])


class OpenAIClient:
    """A model behind OpenAI's Responses API or behind Chat Completions.

    `strict` asks for arguments that fit their schema; by default only of OpenAI itself, since other servers know only
    parts of it. `transport` replaces the network. `retries` decides how often a busy provider is asked.
    """

    def __init__(  # noqa: PLR0913 - the model, where it is, and the ports
        self,
        *,
        model: str,
        api_key: str,
        base_url: str = "",
        api: Api = "responses",
        strict: bool | None = None,
        transport: "httpx2.AsyncBaseTransport | None" = None,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        retries: Retries | None = None,
    ) -> None:
        self._model, self._api, self._base_url = model, api, base_url or OPENAI
        self._clock, self._ids = clock or SystemClock(), ids or RandomIds()
        self._retries = retries or Retries(self._ids)
        self._transport = transport
        self._endpoint = Endpoint(
            model=f"openai:{model}",
            host=urlsplit(self._base_url).hostname or self._base_url,
            key_setting="DINGPAN_OPENAI_API_KEY",
            address_setting="DINGPAN_OPENAI_BASE_URL",
            secret=api_key,
        )
        self._tools = OpenAITools(strict=is_openai(base_url) if strict is None else strict)
        self._keeps_reasoning = api == "responses"
        self._opening = asyncio.Lock()
        self._sdk: AsyncOpenAI | None = None

    def __repr__(self) -> str:
        return f"OpenAIClient({self._model!r}, {self._api!r}, {self._endpoint.host!r})"

    @property
    def name(self) -> str:
        """`openai:` and the model."""
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
        reader: Any
        if self._api == "responses":
            reader = openai_responses.ResponsesReader(self._endpoint, self._tools)
        else:
            reader = openai_chat.ChatReader(self._endpoint, self._tools, self._ids)
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

    async def _request(self, sdk: "AsyncOpenAI", prompt: Prompt) -> Any:
        if self._api == "chat":
            body = openai_chat.request_body(prompt, model=self._model, tools=self._tools)
            return await sdk.chat.completions.create(stream=True, **body)
        try:
            return await sdk.responses.create(stream=True, **self._responses_body(prompt))
        except self._failures() as error:
            if not self._refuses_reasoning(error):
                raise
        self._keeps_reasoning = False
        return await sdk.responses.create(stream=True, **self._responses_body(prompt))

    def _responses_body(self, prompt: Prompt) -> dict[str, Any]:
        return openai_responses.request_body(
            prompt,
            model=self._model,
            client=self.name,
            tools=self._tools,
            keeps_reasoning=self._keeps_reasoning,
        )

    def _refuses_reasoning(self, error: Exception) -> bool:
        """Tell whether the server minds being asked for reasoning, or cannot read what it gave out earlier."""
        said = str(getattr(error, "message", "")).lower()
        is_about_it = getattr(error, "param", None) == "include" or "encrypted" in said
        return self._keeps_reasoning and getattr(error, "status_code", 0) == 400 and is_about_it

    def _check_kind(self, response: Any) -> None:
        kind = response.headers.get("content-type", "")
        if "html" in kind:
            reason = f"{self._endpoint.host} answers with a page: check {self._endpoint.address_setting}"
            raise self._endpoint.refused(reason)

    def _failures(self) -> tuple[type[Exception], ...]:
        import httpx2  # noqa: PLC0415 - loaded with the SDK
        import openai  # noqa: PLC0415 - loaded with the first question

        return openai.APIError, httpx2.HTTPError, ValueError

    def _meaning(self, error: Exception) -> DeskError:
        """Return what a failure of the SDK means, without the SDK's exception."""
        import openai  # noqa: PLC0415 - loaded with the first question

        if isinstance(error, openai.APIStatusError):
            body = error.body if error.body is not None else error.message
            return answer_failure(
                self._endpoint, status=error.status_code, body=body, headers=error.response.headers, clock=self._clock
            )
        if isinstance(error, openai.APITimeoutError):
            return self._endpoint.busy(f"{self._endpoint.host} gave no answer in time")
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__ or error
            return self._endpoint.busy(f"no connection to {self._endpoint.host} ({type(cause).__name__})")
        if isinstance(error, openai.APIError):
            return stream_failure(self._endpoint, error.body if error.body is not None else error.message)
        return self._endpoint.busy(f"the answer of {self._endpoint.host} broke off ({type(error).__name__})")

    async def _opened(self) -> "AsyncOpenAI":
        async with self._opening:
            if self._sdk is None:
                self._sdk = await asyncio.to_thread(self._open)
            return self._sdk

    def _open(self) -> "AsyncOpenAI":
        import httpx2  # noqa: PLC0415 - loaded with the SDK
        from openai import AsyncOpenAI  # noqa: PLC0415 - two seconds

        timeout = httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        sdk = AsyncOpenAI(
            api_key=self._endpoint.secret or NO_KEY,
            base_url=self._base_url,
            max_retries=0,
            timeout=timeout,
            http_client=httpx2.AsyncClient(transport=self._transport, timeout=timeout, follow_redirects=False),
        )
        sdk.organization = sdk.project = sdk.admin_api_key = None
        _ = sdk.responses if self._api == "responses" else sdk.chat.completions
        return sdk
