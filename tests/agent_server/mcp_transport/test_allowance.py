"""Messages that are no calls of skills are counted too."""

import pytest
from mcp.shared.exceptions import MCPError

from agent_server.mcp_transport.allowance import TOO_MANY
from core.clock import FrozenClock
from tests.support.mcp_desk import ERAS, token_client
from tests.support.rest_desk import Person, RestDesk
from tools.limits import PROTOCOL_ALLOWANCES, Limits

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("era", ERAS)
async def test_too_many_messages_are_told_when_to_come_again(
    desk: RestDesk, ada: Person, clock: FrozenClock, era: str
) -> None:
    limits = desk.desk.dispatcher.limits = Limits(clock)
    (window,) = (limits._windows[allowance] for allowance in PROTOCOL_ALLOWANCES)
    async with await token_client(desk, ada.user, mode=era) as client:
        await client.list_tools()
        for identity in list(window.counts):
            for _ in range(PROTOCOL_ALLOWANCES[0].calls):
                window.count(identity, clock.monotonic())
        refusals = []
        for ask in (client.list_resources, client.list_prompts, client.list_resource_templates):
            with pytest.raises(MCPError) as refused:
                await ask()
            refusals.append(refused.value.error)
    assert {refusal.code for refusal in refusals} == {TOO_MANY}
    assert [refusal.data["bucket"] for refusal in refusals] == ["protocol"] * 3
    assert refusals[0].data["code"] == "rate_limited"
    assert refusals[0].data["retryAfterSeconds"] == 61
    assert "Try again in 61 s" in refusals[0].message
