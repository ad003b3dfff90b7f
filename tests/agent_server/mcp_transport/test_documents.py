"""Resources, prompts, completion and notices of change: what a caller may see, and nobody else's."""

import json
from typing import Any

import anyio
import pytest
from mcp import types
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged

from agent_server.mcp_transport.prompts import JOBS
from agent_server.mcp_transport.resources import KINDS
from core.market import demo
from tests.support.mcp_desk import ERAS, token_client
from tests.support.rest_desk import Person, RestDesk

pytestmark = pytest.mark.anyio
NOTE = {"category": "general", "subject": "Prices", "message": "They are late."}


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def parsed(result: types.ReadResourceResult) -> Any:
    return json.loads(result.contents[0].text)  # type: ignore[union-attr]


async def test_a_manual_is_a_resource(desk: RestDesk, ada: Person, era: str) -> None:
    async with await token_client(desk, ada.user, "market.quote.get", mode=era) as client:
        listed = await client.list_resources()
        manual = parsed(await client.read_resource("desk://skills/market.quote.get"))
        templates = await client.list_resource_templates()
    assert [item.uri for item in listed.resources] == [
        "desk://skills/auth.token.introspect",
        "desk://skills/market.quote.get",
    ]
    assert manual["skillId"] == "market.quote.get"
    assert manual["granted"] is True
    assert [item.uri_template for item in templates.resource_templates] == ["desk://skills/{id}"]


async def test_a_data_asset_is_read_through_its_skill(desk: RestDesk, ada: Person, era: str) -> None:
    async with await token_client(desk, ada.user, "dataasset.list", "dataasset.get", mode=era) as client:
        listed = await client.list_resources()
        uris = [item.uri for item in listed.resources if item.uri.startswith("desk://assets/")]
        assert uris
        asset = parsed(await client.read_resource(uris[0]))
    assert f"desk://assets/{asset['id']}" == uris[0]
    assert asset["columns"]


@pytest.mark.parametrize(
    "uri",
    [
        "desk://assets/999999",
        "desk://assets/x",
        "desk://backtests/1",
        "desk://runs/run_1",
        "desk://skills/feedback.list",
        "desk://skills/nothing.here",
        "desk://results/res_1",
        "desk://nothing/1",
        "desk://assets/../skills",
        "file:///etc/passwd",
    ],
)
async def test_what_is_not_there_or_not_theirs_is_not_found(desk: RestDesk, ada: Person, uri: str) -> None:
    async with await token_client(desk, ada.user, "dataasset.get", "market.quote.get") as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert (caught.value.error.code, caught.value.error.message) == (-32602, "Resource not found")
    assert caught.value.error.data == {"uri": uri}


async def test_lists_come_in_pages(desk: RestDesk, ada: Person, era: str) -> None:
    seen: list[str] = []
    async with await token_client(desk, ada.user, mode=era) as client:
        page = await client.list_resources()
        while True:
            seen += [item.uri for item in page.resources]
            if page.next_cursor is None:
                break
            page = await client.list_resources(cursor=page.next_cursor)
        with pytest.raises(MCPError, match="cursor"):
            await client.list_resources(cursor="MTIz")
    assert len(seen) == len(set(seen)) > 25
    assert {f"desk://skills/{skill.skill_id}" for skill in desk.desk.registry} <= set(seen)


async def test_prompts_are_offered_to_those_who_can_follow_them(desk: RestDesk, ada: Person, era: str) -> None:
    async with await token_client(desk, ada.user, mode=era) as client:
        every = await client.list_prompts()
        english = await client.get_prompt("explain_position", {"symbol": "600519.SH"})
        chinese = await client.get_prompt("explain_position", {"symbol": "600519.SH", "language": "zh"})
    async with await token_client(desk, ada.user, "market.quote.get", mode=era) as client:
        few = await client.list_prompts()
        with pytest.raises(MCPError, match="Unknown prompt"):
            await client.get_prompt("explain_position", {"symbol": "600519.SH"})
    assert [prompt.name for prompt in every.prompts] == [job.name for job in JOBS]
    assert all(prompt.description for prompt in every.prompts)
    assert few.prompts == []
    assert "position in 600519.SH" in english.messages[0].content.text  # type: ignore[union-attr]
    assert "我持有的600519.SH" in chinese.messages[0].content.text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "symbol is needed; idea is needed"),
        ({"symbol": "1", "idea": "x" * 501}, "idea is longer than 500 characters"),
        ({"symbol": "1", "idea": "y", "mood": "z"}, "mood is no argument of this prompt"),
        ({"symbol": "1", "idea": "y", "language": "fr"}, "language must be one of en, zh"),
    ],
)
async def test_faulty_arguments_of_prompts_are_all_named(
    desk: RestDesk, ada: Person, arguments: dict[str, str], message: str
) -> None:
    async with await token_client(desk, ada.user) as client:
        with pytest.raises(MCPError, match=message):
            await client.get_prompt("run_backtest", arguments)


async def test_braces_in_an_argument_stay_text(desk: RestDesk, ada: Person) -> None:
    async with await token_client(desk, ada.user) as client:
        made = await client.get_prompt("explain_position", {"symbol": "{symbol.__class__}{0}"})
    assert "{symbol.__class__}{0}" in made.messages[0].content.text  # type: ignore[union-attr]


async def test_what_resources_and_prompts_need_exists(desk: RestDesk) -> None:
    needed = {need for job in JOBS for need in job.needs} | {
        skill for kind in KINDS for skill in (kind.reads, kind.lists)
    }
    assert {name for name in needed if desk.desk.registry.find(name) is None} == set()
    for kind in KINDS:
        reads, lists = (desk.desk.registry.find(name) for name in (kind.reads, kind.lists))
        assert reads is not None
        assert lists is not None
        assert kind.argument in desk.desk.registry.schema(reads).input_schema["properties"]
        shown = desk.desk.registry.schema(lists).output_schema["properties"][kind.items]["items"]["properties"]
        assert {kind.id_field, kind.label} <= set(shown)


async def complete(client: Any, uri_or_prompt: str, name: str, value: str) -> list[str]:
    is_template = uri_or_prompt.startswith("desk://")
    ref = (
        types.ResourceTemplateReference(uri=uri_or_prompt) if is_template else types.PromptReference(name=uri_or_prompt)
    )
    result = await client.complete(ref, {"name": name, "value": value})
    return list(result.completion.values)


async def test_completion_knows_symbols_skills_and_languages(desk: RestDesk, ada: Person, era: str) -> None:
    demo.install(desk.desk.services.market_store, imported_at=desk.desk.services.clock.now())
    async with await token_client(desk, ada.user, mode=era) as client:
        symbols = await complete(client, "explain_position", "symbol", "6008")
        assert "600869.SH" in symbols
        assert await complete(client, "explain_position", "symbol", "") == []
        assert await complete(client, "explain_position", "language", "z") == ["zh"]
        skills = await complete(client, "desk://skills/{id}", "id", "market.")
        assert skills == ["market.bars.get", "market.calendar.get", "market.instrument.search", "market.quote.get"]
        assert len(await complete(client, "desk://assets/{id}", "id", "")) > 0
        assert await complete(client, "desk://nothing/{id}", "id", "") == []
        assert await complete(client, "no_such_prompt", "x", "y") == []


async def test_completion_shows_only_what_the_caller_may_read(desk: RestDesk, ada: Person) -> None:
    async with await token_client(desk, ada.user, "feedback.list") as client:
        assert await complete(client, "desk://skills/{id}", "id", "market") == []
        assert await complete(client, "desk://assets/{id}", "id", "") == []
        assert await complete(client, "explain_position", "symbol", "6008") == []


async def test_a_team_hears_of_its_own_changes(desk: RestDesk, ada: Person) -> None:
    from agent_server.mcp_transport.identity import SecretIdentity
    from agent_server.mcp_transport.server import build_server
    from tests.support.mcp_desk import Client

    ben = await desk.person("ben")
    tokens = [(await desk.mint(person.user)).secret for person in (ada, ben)]
    identity = SecretIdentity(desk.desk, tokens[0], client="pytest")
    server = build_server(desk.desk, identity=identity)
    async with Client(server) as client, client.listen(resources_list_changed=True) as changes:
        identity._secret = tokens[1]
        await client.call_tool("feedback_submit", NOTE)
        identity._secret = tokens[0]
        await client.call_tool("feedback_submit", NOTE)
        with anyio.fail_after(5):
            first = await anext(aiter(changes))
        assert isinstance(first, ResourcesListChanged)
        with anyio.move_on_after(0.05):
            raise AssertionError(await anext(aiter(changes)))
