"""Anthropic's models through the official SDK: the Messages API, streamed."""

from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from core.clock import Clock
from core.ids import IdSource, RandomIds
from core.llm.anthropic_messages import MessagesReader, request_body
from core.llm.failures import Endpoint
from core.llm.model import Prompt
from core.llm.provider_client import ProviderClient
from core.llm.retrying import Retries

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic

ANTHROPIC: Final = "https://api.anthropic.com"


class AnthropicClient(ProviderClient):
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
        self._model, self._base_url = model, base_url or ANTHROPIC
        endpoint = Endpoint(
            model=f"anthropic:{model}",
            host=urlsplit(self._base_url).hostname or self._base_url,
            key_setting="DINGPAN_ANTHROPIC_API_KEY",
            address_setting="DINGPAN_ANTHROPIC_BASE_URL",
            secret=api_key,
        )
        super().__init__(endpoint, retries=retries or Retries(ids or RandomIds()), transport=transport, clock=clock)

    def _library(self) -> ModuleType:
        import anthropic  # noqa: PLC0415 - three seconds

        return anthropic

    def _connect(self, **options: Any) -> "AsyncAnthropic":
        from anthropic import AsyncAnthropic  # noqa: PLC0415 - three seconds

        sdk = AsyncAnthropic(base_url=self._base_url, open_telemetry=False, **options)
        _ = sdk.messages  # what the first question would import
        return sdk

    def _reader(self) -> MessagesReader:
        return MessagesReader(self._endpoint)

    async def _request(self, sdk: "AsyncAnthropic", prompt: Prompt) -> Any:
        return await sdk.messages.create(stream=True, **request_body(prompt, model=self._model, client=self.name))
