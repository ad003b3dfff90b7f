"""People are told once that an approval waits, and told nothing they should not be."""

import json
from datetime import timedelta
from typing import Any

import pytest
import requests

from agent_server.notices import MOST, Notices
from core.clock import FrozenClock
from core.notify import channels
from core.notify.model import Channel, ChannelKind, Notice
from tests.support.rest_desk import Person, RestDesk, execute

pytestmark = pytest.mark.anyio
REVOKE = "subscription.token.revoke"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    texts: list[str] = []

    def post(_: str, data: Any = None, **__: Any) -> requests.Response:
        texts.append(json.loads(data)["content"]["text"])
        answer = requests.Response()
        answer.status_code = 200
        return answer

    monkeypatch.setattr(requests, "post", post)
    return texts


async def add_channel(desk: RestDesk, person: Person) -> None:
    async with desk.desk.unit_of_work() as uow:
        await desk.desk.services.notify.add(
            uow,
            person.user.team_id,
            name="desk",
            kind=ChannelKind.FEISHU,
            address="https://open.feishu.cn/open-apis/bot/v2/hook/abc",
            created_by="operator",
        )
        await uow.commit()


async def test_the_team_is_told_once_where_to_decide(desk: RestDesk, ada: Person, said: list[str]) -> None:
    await add_channel(desk, ada)
    assert await Notices(desk.desk).send_due() == 0
    victim = (await desk.mint(ada.user)).token.token_id
    body = (await execute(await desk.agent(ada.user), REVOKE, token_id=victim)).json()
    assert await Notices(desk.desk).send_due() == 1
    assert await Notices(desk.desk).send_due() == 0
    (text,) = said
    assert f"{desk.settings.base_url}/approvals/{body['approvalId']}" in text
    assert REVOKE in text
    assert "test asks: Revoke a token" in text
    assert "批准" in text


async def test_no_parameter_and_no_other_teams_request_is_told(desk: RestDesk, ada: Person, said: list[str]) -> None:
    await add_channel(desk, ada)
    bert = await desk.person("bert")
    victim = (await desk.mint(bert.user)).token.token_id
    await execute(await desk.agent(bert.user), REVOKE, token_id=victim)
    assert await Notices(desk.desk).send_due() == 0
    assert said == []


async def test_what_is_decided_is_no_longer_told(desk: RestDesk, ada: Person, said: list[str]) -> None:
    victim = (await desk.mint(ada.user)).token.token_id
    body = (await execute(await desk.agent(ada.user), REVOKE, token_id=victim)).json()
    await ada.decide(body["approvalId"], "deny")
    await add_channel(desk, ada)
    assert await Notices(desk.desk).send_due() == 0


async def test_who_asks_without_end_does_not_wear_people_down(
    desk: RestDesk, ada: Person, clock: FrozenClock, said: list[str]
) -> None:
    await add_channel(desk, ada)
    victim = (await desk.mint(ada.user)).token.token_id
    flooding, other, notices = await desk.agent(ada.user), await desk.agent(ada.user), Notices(desk.desk)
    for _ in range(MOST.calls + 2):
        body = (await execute(flooding, REVOKE, token_id=victim)).json()
        await notices.send_due()
        await ada.decide(body["approvalId"], "deny")
    assert len(said) == MOST.calls
    await execute(other, REVOKE, token_id=victim)
    assert await notices.send_due() == 1
    clock.advance(timedelta(minutes=11))
    await execute(flooding, REVOKE, token_id=victim)
    assert await notices.send_due() == 1


async def test_a_channel_that_breaks_does_not_silence_the_others(
    desk: RestDesk, ada: Person, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_channel(desk, ada)
    bert = await desk.person("bert")
    await add_channel(desk, bert)
    for person in (ada, bert):
        victim = (await desk.mint(person.user)).token.token_id
        await execute(await desk.agent(person.user), REVOKE, token_id=victim)
    send = channels.send

    def breaking(channel: Channel, address: str, notice: Notice) -> None:
        if channel.team_id == ada.user.team_id:
            raise ValueError(address)
        send(channel, address, notice)

    monkeypatch.setattr(channels, "send", breaking)
    assert await Notices(desk.desk).send_due() == 1
    assert len(said) == 1
