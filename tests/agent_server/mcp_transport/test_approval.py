"""Red calls over MCP: three kinds of client, one record that counts."""

import asyncio
import json
from contextlib import ExitStack
from typing import Any

import pytest
from mcp import types
from mcp.shared.exceptions import MCPError

from agent_server.mcp_transport import approval
from core.access.model import MintedToken
from core.clock import FrozenClock
from tests.support.mcp_desk import ERAS, Asked, secret_client, token_client
from tests.support.rest_desk import Person, RestDesk, execute
from tools.limits import CONCURRENT_CALLS, Limits

pytestmark = pytest.mark.anyio
REVOKE = "subscription_token_revoke"


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(approval, "LOOK_SECONDS", 0.01)


async def a_token(desk: RestDesk, person: Person) -> MintedToken:
    return await desk.mint(person.user, "feedback.list")


async def is_active(desk: RestDesk, minted: MintedToken) -> bool:
    client = desk.client(minted.secret)
    return (await client.get("/api/public/agent/token-introspect")).status_code == 200


def problem_of(result: types.CallToolResult) -> dict[str, Any]:
    assert result.is_error
    assert result.structured_content is None
    problem: dict[str, Any] = json.loads(result.content[0].text)  # type: ignore[union-attr]
    return problem


async def test_a_person_who_approves_on_the_page_sees_it_done_once(desk: RestDesk, ada: Person, era: str) -> None:
    victim = await a_token(desk, ada)
    asked = Asked(then=ada.decide)
    async with await token_client(desk, ada.user, mode=era, elicitation_callback=asked) as client:
        result = await client.call_tool(REVOKE, {"token_id": victim.token.token_id})
    assert not result.is_error, result
    assert result.structured_content is not None
    assert not await is_active(desk, victim)
    assert len(asked.shown) == 1
    shown = asked.shown[0]
    assert shown.url.startswith(f"{desk.settings.base_url}/approvals/apr_")
    assert "subscription.token.revoke" in shown.message
    events = await desk.events()
    assert events.count("call.closed") == 1


async def test_a_decision_that_takes_a_while_is_waited_for(
    desk: RestDesk, ada: Person, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approval, "WAIT_SECONDS", 20.0)
    victim = await a_token(desk, ada)
    later: list[asyncio.Task[Any]] = []

    async def leave_it_open(approval_id: str) -> None:
        later.append(asyncio.create_task(ada.decide(approval_id)))

    asked = Asked(then=leave_it_open)
    async with await token_client(desk, ada.user, mode=era, elicitation_callback=asked) as client:
        result = await client.call_tool(REVOKE, {"token_id": victim.token.token_id})
    assert not result.is_error
    assert (await later[0]).status_code == 200
    assert not await is_active(desk, victim)


@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
async def test_whatever_a_client_answers_nothing_runs_without_the_record(
    desk: RestDesk, ada: Person, era: str, action: str
) -> None:
    victim = await a_token(desk, ada)
    asked = Asked(action=action)
    async with await token_client(desk, ada.user, mode=era, elicitation_callback=asked) as client:
        problem = problem_of(await client.call_tool(REVOKE, {"token_id": victim.token.token_id}))
    assert problem["code"] in {"approval_pending", "approval_required"}
    assert problem["nextToolCall"]["arguments"]["approvalId"].startswith("apr_")
    assert await is_active(desk, victim)
    assert len(asked.shown) == 1


@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_a_denial_is_told(desk: RestDesk, ada: Person, era: str, action: str) -> None:
    victim = await a_token(desk, ada)

    async def deny(approval_id: str) -> None:
        assert (await ada.decide(approval_id, "deny")).status_code == 200

    asked = Asked(action=action, then=deny)
    async with await token_client(desk, ada.user, mode=era, elicitation_callback=asked) as client:
        problem = problem_of(await client.call_tool(REVOKE, {"token_id": victim.token.token_id}))
    assert problem["code"] in ({"approval_denied"} if action == "accept" or era != "legacy" else {"approval_required"})
    assert await is_active(desk, victim)


async def test_a_client_that_cannot_open_addresses_reads_the_problem(desk: RestDesk, ada: Person, era: str) -> None:
    victim = await a_token(desk, ada)
    async with await token_client(desk, ada.user, mode=era) as client:
        problem = problem_of(await client.call_tool(REVOKE, {"token_id": victim.token.token_id}))
        assert problem["code"] == "approval_required"
        assert problem["approval"]["url"] in json.dumps(problem)
        following = problem["nextToolCall"]
        assert (await ada.decide(problem["approvalId"])).status_code == 200
        done = await client.call_tool(following["name"], following["arguments"])
        again = problem_of(await client.call_tool(following["name"], following["arguments"]))
    assert not done.is_error
    assert again["code"] == "approval_consumed"
    assert not await is_active(desk, victim)


async def test_other_arguments_do_not_pass_under_an_approval(desk: RestDesk, ada: Person, era: str) -> None:
    victim, other = await a_token(desk, ada), await a_token(desk, ada)
    async with await token_client(desk, ada.user, mode=era) as client:
        problem = problem_of(await client.call_tool(REVOKE, {"token_id": victim.token.token_id}))
        await ada.decide(problem["approvalId"])
        arguments = {"token_id": other.token.token_id, "approvalId": problem["approvalId"]}
        refused = problem_of(await client.call_tool(REVOKE, arguments))
    assert refused["code"] == "approval_params_mismatch"
    assert await is_active(desk, other)


class TestSealedState:
    """The state that the newer era hands to clients between the question and the answer."""

    @staticmethod
    async def question(desk: RestDesk, client: Any, victim: MintedToken) -> types.InputRequiredResult:
        arguments = {"token_id": victim.token.token_id}
        asked = await client.session.call_tool(REVOKE, arguments, allow_input_required=True)
        assert isinstance(asked, types.InputRequiredResult)
        return asked

    @staticmethod
    async def answer(client: Any, victim: MintedToken, state: str) -> Any:
        opened: types.InputResponses = {"approval": types.ElicitResult(action="accept")}
        arguments = {"token_id": victim.token.token_id}
        return await client.session.call_tool(
            REVOKE, arguments, input_responses=opened, request_state=state, allow_input_required=True
        )

    async def test_it_says_nothing_to_the_client(self, desk: RestDesk, ada: Person) -> None:
        victim = await a_token(desk, ada)
        async with await token_client(desk, ada.user, elicitation_callback=Asked()) as client:
            asked = await self.question(desk, client, victim)
        assert asked.request_state is not None
        assert "apr_" not in asked.request_state

    async def test_changed_by_a_letter_it_is_refused(self, desk: RestDesk, ada: Person) -> None:
        victim = await a_token(desk, ada)
        async with await token_client(desk, ada.user, elicitation_callback=Asked()) as client:
            asked = await self.question(desk, client, victim)
            state = str(asked.request_state)
            middle = len(state) // 2
            changed = state[:middle] + ("A" if state[middle] != "A" else "B") + state[middle + 1 :]
            for forged in (changed, "v1.", "", json.dumps({"approvalId": "apr_1"})):
                if forged == "":
                    continue
                with pytest.raises(MCPError, match="requestState"):
                    await self.answer(client, victim, forged)
        assert await is_active(desk, victim)

    async def test_it_serves_no_other_call_and_no_other_token(self, desk: RestDesk, ada: Person) -> None:
        victim, other = await a_token(desk, ada), await a_token(desk, ada)
        async with await token_client(desk, ada.user, elicitation_callback=Asked()) as client:
            state = str((await self.question(desk, client, victim)).request_state)
            with pytest.raises(MCPError, match="requestState"):
                await self.answer(client, other, state)
        stranger = await desk.mint(ada.user)
        async with secret_client(desk, stranger.secret, elicitation_callback=Asked()) as client:
            await client.list_tools()
            with pytest.raises(MCPError, match="requestState"):
                await self.answer(client, victim, state)

    async def test_it_runs_the_call_once(self, desk: RestDesk, ada: Person) -> None:
        victim = await a_token(desk, ada)
        async with await token_client(desk, ada.user, elicitation_callback=Asked()) as client:
            asked = await self.question(desk, client, victim)
            assert asked.input_requests is not None
            url = asked.input_requests["approval"].params.url  # type: ignore[union-attr]
            await ada.decide(url.rpartition("/")[2])
            done = await self.answer(client, victim, str(asked.request_state))
            again = await self.answer(client, victim, str(asked.request_state))
        assert not done.is_error
        assert problem_of(again)["code"] == "approval_consumed"


async def test_who_has_no_place_left_does_not_wait(
    desk: RestDesk, ada: Person, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approval, "WAIT_SECONDS", 600.0)
    minted, victim = await desk.mint(ada.user), await a_token(desk, ada)
    body = (
        await execute(desk.client(minted.secret), "subscription.token.revoke", token_id=victim.token.token_id)
    ).json()
    caller = desk.desk.services.access.token_caller(minted.token, ada.user)
    limits = desk.desk.dispatcher.limits = Limits(clock)
    with ExitStack() as places:
        for _ in range(CONCURRENT_CALLS - 1):
            places.enter_context(limits.running(caller))
        waiting = asyncio.create_task(approval.wait_until_decided(desk.desk, caller, body["approvalId"]))
        while limits._running[caller.requester] < CONCURRENT_CALLS:  # noqa: ASYNC110 - it takes its place at once
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await approval.wait_until_decided(desk.desk, caller, body["approvalId"])
        assert not waiting.done()
        await ada.decide(body["approvalId"])
        await waiting
    assert limits._running == {}
