"""Every skill there is, called by one team with the ids of another: nothing is seen and nothing changes.

The list comes from the registry, so that a new skill is tested without a word here.
"""

from typing import Any

import httpx
import pytest

from tests.support.rest_desk import Person, RestDesk, every_skill, execute
from tools.registry import example_params
from tools.skill import Skill

pytestmark = pytest.mark.anyio
REGISTRY = every_skill()
SECRET = "NORTHERN-SECRET"
LOOKS = (
    "investment.stock.portfolio.list",
    "investment.stock.trading.list",
    "investment.stock.recommendation.list",
    "feedback.list",
    "subscription.token.list",
)


async def settle(desk: RestDesk) -> tuple[Person, httpx.AsyncClient, dict[str, int]]:
    """The northern team: a holding, a trade, advice, feedback and a token, each marked; and their ids."""
    north = await desk.person("north")
    agent = await desk.agent(north.user)
    found = (await execute(agent, "market.instrument.search", text="60", limit=20)).json()["data"]["instruments"]
    symbol = next(item["symbol"] for item in found if item["delistDate"] is None)
    trade = {"stock_num": symbol, "market": "SH", "trade_type": "BUY", "qty": 100, "price": "10.00"}
    calls: list[tuple[str, dict[str, Any]]] = [
        (
            "investment.stock.portfolio.create",
            {"stock_num": symbol, "market": "SH", "qty": 100, "cost": "10", "opened_on": "2026-11-02", "note": SECRET},
        ),
        ("investment.stock.trading.create", trade | {"trade_date": "2026-11-19", "fees": "5", "note": SECRET}),
        ("feedback.submit", {"category": "general", "subject": SECRET, "message": SECRET}),
        ("investment.stock.recommendation.write", {"items": [{"symbol": symbol, "action": "HOLD", "note": SECRET}]}),
    ]
    for skill_id, params in calls:
        answer = await execute(agent, skill_id, **params)
        assert answer.status_code == 200, answer.text
    victim = await desk.mint(north.user)
    record = (await execute(agent, "investment.stock.trading.list")).json()["data"][0]["recordId"]
    return north, agent, {"position_id": 1, "record_id": record, "token_id": victim.token.token_id}


async def look(agent: httpx.AsyncClient) -> list[Any]:
    """Everything the northern team can see of its own, the last use of its tokens left out."""
    seen = []
    for skill_id in LOOKS:
        answer = await execute(agent, skill_id)
        assert answer.status_code == 200, answer.text
        items = answer.json()["data"]
        assert items, skill_id
        seen.append([{k: v for k, v in item.items() if k != "lastUsedAt"} for item in items])
    return seen


async def test_another_teams_token_on_every_skill(desk: RestDesk) -> None:
    _, northern, ids = await settle(desk)
    before = await look(northern)
    for number, skill in enumerate(REGISTRY):
        south = await desk.person(f"south{number}")  # a team of its own each: what one call did cannot help the next
        await trespass(desk, south, skill, ids)
        assert await look(northern) == before, skill.skill_id


async def trespass(desk: RestDesk, south: Person, skill: Skill, ids: dict[str, int]) -> None:
    """Call a skill with the ids of the northern team, by a token and in a session."""
    agent, arguments = await desk.agent(south.user), REGISTRY.schema(skill).arguments
    names = {argument.name for argument in arguments}
    foreign = {name: number for name, number in ids.items() if name in names}
    params = example_params(skill, arguments) | foreign
    answers = [await execute(agent, skill.skill_id, **params), await execute(agent, skill.skill_id, **foreign)]
    answers.append(await south.execute(skill.skill_id, **params))
    for answer in answers:
        told = f"{skill.skill_id}: {answer.text}"
        assert SECRET not in answer.text, told
        assert answer.status_code != 500, told
        if foreign:
            assert answer.status_code in {400, 404}, told
    if foreign:
        assert answers[0].status_code == 404, f"{skill.skill_id}: {answers[0].text}"
