"""What a person and an agent live through together, over REST only, with what a caller can see."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.support.rest_desk import EXECUTE, RestDesk, execute

pytestmark = pytest.mark.anyio
PNL = "investment.stock.portfolio.pnl.get"
DELETE = "investment.stock.portfolio.delete"


async def data(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def newest_bars(agent: httpx.AsyncClient, count: int) -> tuple[str, list[dict[str, Any]]]:
    """The first main-board stock of the market, and its newest traded days."""
    found = await data(await execute(agent, "market.instrument.search", text="60", limit=20))
    symbol = next(item["symbol"] for item in found["instruments"] if item["delistDate"] is None)
    series = await data(await execute(agent, "market.bars.get", symbol=symbol, start="2026-09-01", end="2026-11-20"))
    bars = [bar for bar in series["bars"] if bar["volume"]]
    return symbol, bars[-count:]


async def test_profit_and_loss(desk: RestDesk) -> None:
    """An agent finds a stock, records a purchase and asks how it is doing; the figures follow from the bars."""
    person = await desk.person("mei")
    agent = await desk.agent(person.user)
    symbol, bars = await newest_bars(agent, 5)
    bought, last = bars[0], bars[-1]
    trade = {
        "asset_class": "stock",
        "stock_num": symbol[:6],
        "market": "SH",
        "trade_type": "BUY",
        "qty": 300,
        "price": bought["close"],
        "trade_date": bought["time"],
        "fees": "5.00",
    }
    await data(await execute(agent, "investment.stock.trading.create", **trade))
    body = (await execute(agent, PNL)).json()
    holding = body["data"]["holdings"][0]
    cost = 300 * Decimal(bought["close"]) + 5
    value = 300 * Decimal(last["close"])
    assert (holding["symbol"], holding["quantity"]) == (symbol, 300)
    assert Decimal(holding["totalCost"]) == cost
    assert Decimal(holding["marketValue"]) == value
    assert Decimal(holding["unrealizedPnl"]) == value - cost
    assert body["meta"]["simulated"] is True
    answers = [
        await agent.get("/api/profile/pnl"),
        await agent.post(EXECUTE, json={"skillId": PNL.replace(".", "_")}),
        await agent.post(EXECUTE, json={"skillId": PNL, "query": {}}),
        await agent.post(EXECUTE, json={"skillId": PNL, "params": {"query": {"asOf": "2026-11-20"}}}),
        await person.execute(PNL, as_of="20261120"),
    ]
    for answer in answers:
        assert (answer.json()["data"], answer.json()["meta"]) == (body["data"], body["meta"])


async def test_a_red_call_from_question_to_effect(desk: RestDesk) -> None:
    """An agent asks to delete a holding; nothing happens until its person agrees in the browser; then once."""
    person = await desk.person("mei")
    agent = await desk.agent(person.user)
    symbol, bars = await newest_bars(agent, 1)
    opening = {"stock_num": symbol, "market": "SH", "qty": 100, "cost": bars[0]["close"]}
    position = (await data(await execute(agent, "investment.stock.portfolio.create", **opening)))["positionId"]
    path = f"/api/profile/portfolio-positions/{position}"

    asked = await agent.delete(path)
    assert (asked.status_code, asked.json()["code"]) == (409, "approval_required")
    assert symbol in asked.json()["preview"]["summary"]
    assert (await agent.delete(path)).json()["approvalId"] == asked.json()["approvalId"]
    assert len((await data(await execute(agent, PNL)))["holdings"]) == 1

    page = await person.browser.get(asked.json()["approval"]["url"], headers={"Accept": "text/html"})
    assert symbol in page.text
    await person.decide(asked.json()["approvalId"])
    done = await agent.post(EXECUTE, json=asked.json()["nextAction"]["body"])
    assert done.status_code == 200, done.text
    assert (await data(await execute(agent, PNL)))["holdings"] == []
    again = await agent.post(EXECUTE, json=asked.json()["nextAction"]["body"])
    assert (again.status_code, again.json()["code"]) == (409, "approval_consumed")

    events = await desk.events()
    assert [event for event in events if event.startswith("approval.")][-1] == "approval.approved"
    async with desk.desk.unit_of_work(read_only=True) as uow:
        assert (await desk.desk.services.audit.verify(uow)).is_sound


@pytest.mark.parametrize("asset_class", ["fund", "gold", "", 1])
async def test_an_asset_class_the_desk_does_not_have(desk: RestDesk, asset_class: Any) -> None:
    agent = await desk.agent((await desk.person("mei")).user)
    body = {"asset_class": asset_class, "stock_num": "600519", "market": "SH", "qty": 1, "cost": "1"}
    answers = [
        (await agent.post("/api/profile/portfolio-positions", json=body)).json(),
        (await execute(agent, "investment.stock.portfolio.create", **body)).json(),
    ]
    assert answers[0]["status"] == 400
    assert "asset" in answers[0]["message"]
    for answer in answers:
        del answer["traceId"], answer["instance"]
    assert answers[0] == answers[1]
