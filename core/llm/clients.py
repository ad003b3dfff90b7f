"""Which model the desk talks to, by its settings.

    DINGPAN_MODEL           answered by
    (empty), no key         the stand-in `offline`
    (empty), one key        the default model of that key's provider
    anthropic:NAME          Anthropic's Messages API, or a server compatible with it at DINGPAN_ANTHROPIC_BASE_URL
    openai:NAME             OpenAI's Responses API; with DINGPAN_OPENAI_BASE_URL set to another server, Chat
                            Completions, which is what compatible servers speak
    openai-responses:NAME   the Responses API, whatever the server
    openai-chat:NAME        Chat Completions, whatever the server
    offline                 the stand-in, even with a key

A server of one's own may need no key; the providers themselves do. What tokens cost is not told by providers: see
`core.llm.prices`.
"""

from typing import TYPE_CHECKING, Final

from core.clock import Clock
from core.ids import IdSource
from core.llm.model import ModelClient
from core.settings import SettingInvalid, Settings

if TYPE_CHECKING:
    import httpx2

OFFLINE: Final = "offline"
DEFAULT_MODELS: Final = {"anthropic": "claude-sonnet-4-6", "openai": "gpt-5.4"}
"""Used when a key is set and no model is named."""
PROVIDERS: Final = ("anthropic", "openai", "openai-responses", "openai-chat")
HIDDEN: Final = "(hidden)"


def make_client(
    settings: Settings,
    *,
    clock: Clock | None = None,
    ids: IdSource | None = None,
    transport: "httpx2.AsyncBaseTransport | None" = None,
) -> ModelClient:
    """Return the client of the model that the settings name. It imports and connects with the first question only.

    Raises `SettingInvalid` for a model without its key, a provider that does not exist, or two keys and no model.
    """
    chosen = _chosen(settings)
    if chosen == OFFLINE:
        from core.llm.offline.client import OfflineClient  # noqa: PLC0415 - only the chosen client is loaded

        return OfflineClient(clock=clock, ids=ids)
    provider, _, model = chosen.partition(":")
    if provider not in PROVIDERS or not model.strip():
        wanted = ", ".join(f"{name}:NAME" for name in PROVIDERS)
        raise SettingInvalid(name="DINGPAN_MODEL", value=chosen, reason=f"write one of {wanted}, or {OFFLINE}")
    if provider == "anthropic":
        from core.llm.anthropic_client import AnthropicClient  # noqa: PLC0415 - only the chosen client is loaded

        key = _key("DINGPAN_ANTHROPIC_API_KEY", settings.anthropic_api_key, chosen, settings.anthropic_base_url)
        address = settings.anthropic_base_url
        return AnthropicClient(
            model=model.strip(), api_key=key, base_url=address, transport=transport, clock=clock, ids=ids
        )
    from core.llm.openai_client import OpenAIClient, is_openai  # noqa: PLC0415 - only the chosen client is loaded

    address = settings.openai_base_url
    own = is_openai(address)
    return OpenAIClient(
        model=model.strip(),
        api_key=_key("DINGPAN_OPENAI_API_KEY", settings.openai_api_key, chosen, "" if own else address),
        base_url=address,
        api="chat" if provider == "openai-chat" or (provider == "openai" and not own) else "responses",
        transport=transport,
        clock=clock,
        ids=ids,
    )


def _chosen(settings: Settings) -> str:
    """Return the model to use, as DINGPAN_MODEL would name it."""
    named = settings.model.strip()
    if named:
        return named
    keys = [name for name in DEFAULT_MODELS if getattr(settings, f"{name}_api_key").strip()]
    if len(keys) > 1:
        reason = "both keys are set: say which model to use, such as anthropic:NAME"
        raise SettingInvalid(name="DINGPAN_MODEL", value="", reason=reason)
    return f"{keys[0]}:{DEFAULT_MODELS[keys[0]]}" if keys else OFFLINE


def _key(name: str, value: str, model: str, own_server: str) -> str:
    """Return the key without blanks around it. A refusal never shows it."""
    key = value.strip()
    if not key and not own_server:
        raise SettingInvalid(
            name=name, value="", reason=f"{model} needs a key; without one set DINGPAN_MODEL={OFFLINE}"
        )
    if not (key.isascii() and key.isprintable()):
        raise SettingInvalid(name=name, value=HIDDEN, reason="a key is made of plain letters, digits and signs")
    return key
