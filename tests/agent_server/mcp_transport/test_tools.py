"""Tools over MCP, in both eras: the list, answers, refusals, long answers, progress, cancellation."""

import json
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from agent_server.mcp_transport import progress
from agent_server.mcp_transport.answers import CEILING_TOKENS, MOST_TOKENS
from tests.support import mcp_desk
from tests.support.mcp_desk import ERAS, token_client
from tests.support.rest_desk import Person, RestDesk

pytestmark = pytest.mark.anyio
BAD = {"symbol": "600519", "limit": "x"}


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_the_list_is_the_callers_own(desk: RestDesk, ada: Person, era: str) -> None:
    async with await token_client(desk, ada.user, "market.quote.get", "subscription.token.revoke", mode=era) as client:
        listed = await client.list_tools()
    tools = {tool.name: tool for tool in listed.tools}
    assert list(tools) == [
        "auth_token_introspect",
        "market_quote_get",
        "skills_call",
        "skills_describe",
        "skills_search",
        "subscription_token_revoke",
    ]
    assert listed.cache_scope == "private"
    green, red = tools["market_quote_get"], tools["subscription_token_revoke"]
    assert green.annotations is not None
    assert red.annotations is not None
    assert (green.annotations.read_only_hint, green.annotations.destructive_hint) == (True, False)
    assert (red.annotations.read_only_hint, red.annotations.destructive_hint) == (False, True)
    assert red.meta is not None
    assert red.meta["dingpan/skillId"] == "subscription.token.revoke"
    assert (red.meta["dingpan/riskTier"], red.meta["dingpan/scope"]) == ("red", "subscription.token.revoke")
    for tool in listed.tools:
        assert tool.input_schema["type"] == "object"
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"


async def test_a_result_is_structured_and_text(desk: RestDesk, ada: Person, era: str) -> None:
    async with await token_client(desk, ada.user, mode=era) as client:
        result = await client.call_tool("sample_rows_get", {"count": 2, "width": 3})
    assert result.structured_content == {"rows": ["  0", "  1"], "text": "ttt", "total": 2}
    assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
    assert result.meta is not None
    assert result.meta["dingpan/skillId"] == "sample.rows.get"


async def test_a_failure_is_the_problem_and_nothing_structured(desk: RestDesk, ada: Person, era: str) -> None:
    async with await token_client(desk, ada.user, mode=era) as client:
        result = await client.call_tool("market_bars_get", BAD | {"size": "many"})
    assert result.is_error
    assert result.structured_content is None
    assert result.meta is not None
    problem = result.meta["dingpan/problem"]
    assert json.loads(result.content[0].text) == problem  # type: ignore[union-attr]
    assert {fault["path"] for fault in problem["errors"]} == {"limit", "size"}
    assert "limit: " in problem["message"]
    assert "size: " in problem["message"]


async def test_hidden_and_absent_tools_are_the_same_error(desk: RestDesk, ada: Person, era: str) -> None:
    errors = []
    async with await token_client(desk, ada.user, "market.quote.get", mode=era) as client:
        for name in ("feedback_list", "feedback_lost"):
            with pytest.raises(MCPError) as caught:
                await client.call_tool(name, {})
            errors.append(caught.value.error)
    assert [error.code for error in errors] == [-32602, -32602]
    assert errors[0].message.replace("feedback_list", "feedback_lost") == errors[1].message
    assert errors[0].data == errors[1].data == {"didYouMean": []}


async def test_a_long_result_is_shortened_and_whole_elsewhere(desk: RestDesk, ada: Person, era: str) -> None:
    minted = await desk.mint(ada.user)
    async with mcp_desk.secret_client(desk, minted.secret, mode=era) as client:
        result = await client.call_tool("sample_rows_get", {"count": 5000})
        assert result.meta is not None
        link = result.content[-1]
        assert link.type == "resource_link"
        whole = await client.read_resource(link.uri)
    shown = result.structured_content["rows"]
    assert len(json.dumps(result.structured_content)) / 4 <= MOST_TOKENS * 1.1
    assert (shown[0].strip(), shown[-1].strip()) == ("0", "4999")
    assert result.meta["dingpan/shortened"]["cuts"] == {"rows": [len(shown), 5000]}
    assert f"rows shows {len(shown)} of 5000" in result.content[1].text  # type: ignore[union-attr]
    assert len(json.loads(whole.contents[0].text)["rows"]) == 5000  # type: ignore[union-attr]


async def test_a_result_that_cannot_be_shortened_is_refused(desk: RestDesk, ada: Person) -> None:
    async with await token_client(desk, ada.user) as client:
        fits = await client.call_tool("sample_fields_get", {"count": 1000})
        result = await client.call_tool("sample_fields_get", {"count": CEILING_TOKENS // 8})
        assert result.meta is not None
        problem = result.meta["dingpan/problem"]
        whole = await client.read_resource(problem["resource"])
    assert not fits.is_error
    assert result.is_error
    assert problem["code"] == "response_too_large"
    assert len(json.loads(whole.contents[0].text)["fields"]) == CEILING_TOKENS // 8  # type: ignore[union-attr]


async def test_kept_results_are_for_their_caller(desk: RestDesk, ada: Person) -> None:
    """One server, as over HTTP; the kept result is asked for by another token of the same person, and another team."""
    ben = await desk.person("ben")
    tokens = [(await desk.mint(user)).secret for user in (ada.user, ada.user, ben.user)]
    from agent_server.mcp_transport.identity import SecretIdentity
    from agent_server.mcp_transport.server import build_server

    identity = SecretIdentity(desk.desk, tokens[0], client="pytest")
    server = build_server(desk.desk, identity=identity)
    async with mcp_desk.Client(server) as client:
        made = await client.call_tool("sample_rows_get", {"count": 5000})
        link = made.content[-1]
        assert link.type == "resource_link"
        for other in tokens[1:]:
            identity._secret = other
            with pytest.raises(MCPError, match="Resource not found"):
                await client.read_resource(link.uri, cache_mode="bypass")
        identity._secret = tokens[0]
        assert (await client.read_resource(link.uri, cache_mode="bypass")).contents


async def test_reports_and_signs_of_life_arrive(
    desk: RestDesk, ada: Person, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.01)
    seen: list[tuple[float, float | None, str | None]] = []

    async def told(done: float, total: float | None, message: str | None) -> None:
        seen.append((done, total, message))
        if len(seen) == 2:
            mcp_desk.SLOW.gate.set()

    async with await token_client(desk, ada.user, mode=era) as client:
        await client.call_tool("sample_slow_get", {}, progress_callback=told)
        mcp_desk.SLOW.gate.set()
        alive, seen[:] = list(seen), []
        await client.call_tool("sample_slow_get", {"steps": 3}, progress_callback=told)
    assert [message for _, _, message in alive[:2]] == ["sample_slow_get is running"] * 2
    assert alive[0][0] < alive[1][0] < 1
    assert seen[:3] == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]


async def test_a_client_that_goes_away_stops_the_work(desk: RestDesk, ada: Person, era: str) -> None:
    async with await token_client(desk, ada.user, mode=era) as client:
        async with anyio.create_task_group() as tasks:

            async def call() -> Any:
                return await client.call_tool("sample_slow_get", {})

            tasks.start_soon(call)
            await mcp_desk.SLOW.started.wait()
            tasks.cancel_scope.cancel()
        assert (await client.call_tool("market_instrument_search", {"text": "x"})).is_error is False
    assert mcp_desk.SLOW.was_stopped


async def test_a_revoked_token_opens_nothing(desk: RestDesk, ada: Person, era: str) -> None:
    minted = await desk.mint(ada.user)
    async with mcp_desk.secret_client(desk, minted.secret, mode=era) as client:
        assert (await client.list_tools()).tools
        async with desk.desk.unit_of_work() as uow:
            await desk.desk.services.access.revoke_token(uow, ada.user.team_id, minted.token.token_id)
            await uow.commit()
        with pytest.raises(MCPError, match="Invalid token"):
            await client.call_tool("market_instrument_search", {"text": "x"})
