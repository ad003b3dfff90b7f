"""OpenAI's models, and those of every server that speaks its API, through the official SDK.

Where a request goes and who pays for it is decided by the desk's settings alone, not by the SDK's own environment
variables.
"""

from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from core.clock import Clock
from core.ids import IdSource, RandomIds
from core.llm import openai_chat, openai_responses
from core.llm.failures import Endpoint
from core.llm.model import Prompt
from core.llm.openai_tools import OpenAITools
from core.llm.provider_client import AnswerReader, ProviderClient
from core.llm.retrying import Retries

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

OPENAI: Final = "https://api.openai.com/v1"
OWN_HOSTS: Final = ("api.openai.com", ".openai.azure.com")
"""Where strict schemas and the Responses API are sure to be understood."""

Api = Literal["responses", "chat"]


def is_openai(base_url: str) -> bool:
    """Tell whether an address is OpenAI's own; empty means the default one."""
    host = urlsplit(base_url or OPENAI).hostname or ""
    return host in OWN_HOSTS or host.endswith(OWN_HOSTS[1])


class OpenAIClient(ProviderClient):
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
        self._ids = ids or RandomIds()
        endpoint = Endpoint(
            model=f"openai:{model}",
            host=urlsplit(self._base_url).hostname or self._base_url,
            key_setting="DINGPAN_OPENAI_API_KEY",
            address_setting="DINGPAN_OPENAI_BASE_URL",
            secret=api_key,
        )
        super().__init__(endpoint, retries=retries or Retries(self._ids), transport=transport, clock=clock)
        self._tools = OpenAITools(strict=is_openai(base_url) if strict is None else strict)
        self._keeps_reasoning = api == "responses"

    def _library(self) -> ModuleType:
        import openai  # noqa: PLC0415 - two seconds

        return openai

    def _connect(self, **options: Any) -> "AsyncOpenAI":
        from openai import AsyncOpenAI  # noqa: PLC0415 - two seconds

        sdk = AsyncOpenAI(base_url=self._base_url, **options)
        sdk.organization = sdk.project = sdk.admin_api_key = None
        _ = sdk.responses if self._api == "responses" else sdk.chat.completions  # what the first question would import
        return sdk

    def _reader(self) -> AnswerReader:
        if self._api == "responses":
            return openai_responses.ResponsesReader(self._endpoint, self._tools)
        return openai_chat.ChatReader(self._endpoint, self._tools, self._ids)

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
