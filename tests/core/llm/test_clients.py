"""Which client the settings lead to, what a wrong setting is told, and what is not imported for it."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import FrozenClock
from core.llm.anthropic_client import AnthropicClient
from core.llm.clients import DEFAULT_MODELS, make_client
from core.llm.model import Prompt, Usage, UserMessage
from core.llm.offline.client import OfflineClient
from core.llm.openai_client import OpenAIClient
from core.llm.prices import cost_usd
from core.settings import SettingInvalid, Settings
from tests.support.provider_wire import Api, Provider, WireTurn, answers, events_of, finished, refuses

ASKED = Prompt("", (UserMessage("hello"),))
CHAT, RESPONSES = Api.CHAT, Api.RESPONSES


def settings(**given):
    return Settings(home=Path("/nowhere"), **given)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "offline"),
        ({"model": "offline", "openai_api_key": "k"}, "offline"),
        ({"model": "anthropic:claude-x", "anthropic_api_key": "k"}, "anthropic:claude-x"),
        ({"model": " openai:gpt-x ", "openai_api_key": "k"}, "openai:gpt-x"),
        ({"model": "openai:llama3:8b", "openai_base_url": "http://127.0.0.1:11434/v1"}, "openai:llama3:8b"),
        ({"anthropic_api_key": "k"}, f"anthropic:{DEFAULT_MODELS['anthropic']}"),
        ({"openai_api_key": "k"}, f"openai:{DEFAULT_MODELS['openai']}"),
    ],
)
def test_the_settings_name_the_model(given, name):
    client = make_client(settings(**given))
    assert client.name == name
    assert client.is_configured is (name != "offline")
    kind = {"offline": OfflineClient, "openai": OpenAIClient, "anthropic": AnthropicClient}[name.partition(":")[0]]
    assert type(client) is kind


@pytest.mark.parametrize(
    ("given", "setting", "reason"),
    [
        ({"model": "gpt-x", "openai_api_key": "k"}, "DINGPAN_MODEL", "write one of anthropic:NAME"),
        ({"model": "gemini:x"}, "DINGPAN_MODEL", "write one of"),
        ({"model": "openai:", "openai_api_key": "k"}, "DINGPAN_MODEL", "write one of"),
        ({"model": "openai:gpt-x"}, "DINGPAN_OPENAI_API_KEY", "openai:gpt-x needs a key"),
        ({"model": "anthropic:c", "openai_api_key": "k"}, "DINGPAN_ANTHROPIC_API_KEY", "needs a key"),
        ({"openai_api_key": "k", "anthropic_api_key": "k"}, "DINGPAN_MODEL", "both keys are set"),
        ({"model": "openai:x", "openai_api_key": "秘密-key"}, "DINGPAN_OPENAI_API_KEY", "plain letters"),
        ({"model": "openai:x", "openai_api_key": "a\nb"}, "DINGPAN_OPENAI_API_KEY", "plain letters"),
    ],
)
def test_a_wrong_setting_is_named_and_no_key_is_shown(given, setting, reason):
    with pytest.raises(SettingInvalid) as caught:
        make_client(settings(**given))
    assert caught.value.message.startswith(setting)
    assert reason in caught.value.message
    assert "秘密" not in caught.value.message
    assert "秘密" not in repr(caught.value.data)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("api", "given", "address"),
    [
        (RESPONSES, {"model": "openai:x", "openai_api_key": "k"}, "https://api.openai.com/v1/responses"),
        (CHAT, {"model": "openai-chat:x", "openai_api_key": "k"}, "https://api.openai.com/v1/chat/completions"),
        (CHAT, {"model": "openai:x", "openai_base_url": "http://[::1]:1/v1"}, "http://[::1]:1/v1/chat/completions"),
        (
            RESPONSES,
            {"model": "openai-responses:x", "openai_base_url": "http://[::1]:1/v1"},
            "http://[::1]:1/v1/responses",
        ),
        (
            Api.ANTHROPIC,
            {"model": "anthropic:x", "anthropic_base_url": "http://[::1]:1"},
            "http://[::1]:1/v1/messages",
        ),
    ],
)
async def test_a_server_of_ones_own_is_spoken_to_as_it_understands(api, given, address, monkeypatch):
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "http://elsewhere.example/v1")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_ORG_ID", "ANTHROPIC_AUTH_TOKEN", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "of-somebody-else")
    provider = Provider(api, [answers(WireTurn(text="Hello."))])
    client = make_client(settings(**given), transport=provider.transport())
    assert finished(await events_of(client, ASKED)).message.text == "Hello."
    assert provider.requests[0].url == address
    assert "of-somebody-else" not in str(provider.requests[0].headers.multi_items())
    assert provider.bodies[0]["model"] == "x"
    await client.close()


@pytest.mark.anyio
async def test_the_clock_of_the_desk_reads_the_dates_of_a_provider(clock: FrozenClock, ids):
    provider = Provider(
        RESPONSES, [refuses(429, retry_after="Fri, 20 Nov 2026 07:30:00 GMT"), answers(WireTurn("Hi."))]
    )
    client = make_client(
        settings(model="openai:x", openai_api_key="k"), clock=clock, ids=ids, transport=provider.transport()
    )
    events = await events_of(client, ASKED)
    assert events[0].wait_seconds == 0.0


def test_the_stand_in_and_the_choice_of_a_client_load_no_sdk():
    code = (
        "import sys; from pathlib import Path; from core.settings import Settings; "
        "from core.llm.clients import make_client; make_client(Settings(home=Path('.'))); "
        "make_client(Settings(home=Path('.'), model='openai:x', openai_api_key='k')); "
        "make_client(Settings(home=Path('.'), model='anthropic:x', anthropic_api_key='k')); "
        "print(sorted({'openai', 'anthropic', 'httpx2', 'httpx', 'pydantic', 'mcp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_price_is_told_where_it_is_known_and_never_guessed():
    usage = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=400_000)
    assert cost_usd("anthropic:claude-sonnet-4-6", usage) == Decimal("3.42")
    assert cost_usd("anthropic:claude-haiku-4-5-20251001", Usage(1_000_000)) == Decimal(1)
    assert cost_usd("openai:gpt-5.4-mini-2026-03-17", Usage(1_000_000)) == Decimal("0.75")
    assert cost_usd("openai:some-new-model", usage) is None
    assert cost_usd("offline", usage) is None
