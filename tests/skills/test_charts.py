"""Charts as callers get them: images over MCP, base64 over REST, and words where the extra is missing."""

import base64
from pathlib import Path
from typing import Any

import pytest

from core.clock import FrozenClock
from core.market import demo
from core.performance import images
from tests.support.mcp_desk import token_client
from tests.support.rest_desk import Person, RestDesk, execute, rest_desk, settings_in

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.anyio
TRADE = {
    "stock_num": "600869",
    "market": "SH",
    "trade_type": "BUY",
    "qty": 100,
    "price": "10",
    "trade_date": "2026-11-19",
}


@pytest.fixture
async def desk(tmp_path: Path, clock: FrozenClock) -> Any:
    async with rest_desk(settings_in(tmp_path), clock) as made:
        demo.install(made.desk.services.market_store, imported_at=made.desk.services.clock.now())
        yield made


@pytest.fixture
async def ada(desk: RestDesk) -> Person:
    return await desk.person("ada")


async def test_holdings_are_an_image(desk: RestDesk, ada: Person) -> None:
    agent = await desk.agent(ada.user)
    assert (await execute(agent, "investment.stock.trading.create", **TRADE)).status_code == 200
    over_rest = (await execute(agent, "investment.stock.portfolio.chart.get")).json()["data"]
    assert base64.b64decode(over_rest["dataBase64"])[:4] == b"\x89PNG"
    assert over_rest["title"].startswith("Holdings by market value")
    async with await token_client(desk, ada.user) as client:
        direct = await client.call_tool("investment_stock_portfolio_chart_get", {})
        called = await client.call_tool("skills_call", {"name": "investment.stock.portfolio.chart.get"})
    for result in (direct, called):
        image, text = result.content
        assert image.type == "image"
        assert image.mime_type == "image/png"
        assert image.data == over_rest["dataBase64"]
        assert text.type == "text"
        assert len(text.text) < 400
    assert direct.structured_content == over_rest | {"dataBase64": ""}


async def test_a_backtest_that_is_not_there_has_no_chart(desk: RestDesk, ada: Person) -> None:
    answer = await execute(await desk.agent(ada.user), "investment.stock.backtest.chart.get", result_id=1)
    assert (answer.status_code, answer.json()["code"]) == (404, "backtest_result_not_found")


async def test_without_the_extra_it_is_said(desk: RestDesk, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "find_spec", lambda _: None)
    answer = await execute(await desk.agent(ada.user), "investment.stock.portfolio.chart.get")
    assert (answer.status_code, answer.json()["code"]) == (422, "charts_not_installed")
