"""The examples of the catalogue work as printed on the desk that `./dev up` makes."""

import json
import shutil
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from core.clock import CHINA, FrozenClock
from core.market.bar_store import MarketStore
from core.market.demo import install
from core.market.model import Frequency
from skills import modules
from tests.support.backtest_runs import draft
from tests.support.rest_desk import EXECUTE, RestDesk, execute, rest_desk, settings_in
from tools.registry import Registry

REGISTRY = Registry.collect(modules())
SKILLS = [skill.skill_id for skill in REGISTRY]
RED = [skill.skill_id for skill in REGISTRY if skill.needs_person]
REFUSED_HERE = {
    "auth.user.register": (422, "registration_closed"),
    "dataasset.patch": (404, "asset_not_found"),
    "investment.stock.backtest.run.cancel": (404, "run_not_found"),
    "investment.stock.backtest.run.get": (404, "run_not_found"),
    "investment.stock.backtest.sweep.get": (404, "run_not_found"),
}
"""Examples that show the shape of a call and cannot come true on the demo desk: status and code of the refusal."""
FROM_DATA = [
    "dataasset.data.get",
    "investment.stock.portfolio.explain",
    "investment.stock.portfolio.list",
    "investment.stock.portfolio.pnl.get",
    "market.bars.get",
    "market.instrument.search",
    "market.quote.get",
]
"""Skills whose figures come from the market folder."""


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples") / "market"
    install(MarketStore(folder), imported_at=datetime(2026, 11, 20, 16, tzinfo=CHINA))
    return folder


@pytest.fixture
async def desk(tmp_path: Path, clock: FrozenClock, demo_folder: Path) -> AsyncIterator[RestDesk]:
    shutil.copytree(demo_folder, tmp_path / "market")
    async with rest_desk(settings_in(tmp_path), clock) as made:
        yield made


async def an_agent(desk: RestDesk, *, holds: bool = True) -> Any:
    """A client of a team; when it holds, its position 1 and record 1 are the purchase that the examples show."""
    agent = await desk.agent(await desk.user("ada"))
    if holds:
        answer = await agent.post(EXECUTE, json=example("investment.stock.trading.create"))
        assert answer.status_code == 200, answer.text
    await keep_two_backtests(desk)
    return agent


async def keep_two_backtests(desk: RestDesk) -> None:
    """Keep the runs 1 and 2 of the examples in the first team."""
    services = desk.desk.services
    async with desk.desk.unit_of_work() as uow:
        await services.backtest.save(uow, 1, draft=draft("first"), created_by="ada")
        await uow.commit()
    async with desk.desk.unit_of_work() as uow:
        await services.backtest.save(uow, 1, draft=draft("second"), created_by="ada")
        await uow.commit()


def example(skill_id: str) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(entry(skill_id)["exampleInvocation"])
    return printed


def entry(skill_id: str) -> dict[str, Any]:
    skill = REGISTRY.find(skill_id)
    assert skill is not None
    return REGISTRY._entries[skill.skill_id]


@pytest.mark.anyio
@pytest.mark.parametrize("skill_id", SKILLS)
async def test_the_example_of_a_skill_runs_as_printed(desk: RestDesk, skill_id: str) -> None:
    agent = await an_agent(desk, holds=skill_id != "investment.stock.portfolio.create")
    answer = await agent.post(EXECUTE, json=example(skill_id))
    body = answer.json()
    if skill_id in RED:
        assert (answer.status_code, body["code"]) == (409, "approval_required"), body
        assert body["preview"]["summary"]
        assert body["nextAction"]["body"]["params"]["approvalId"] == body["approvalId"]
    elif skill_id in REFUSED_HERE:
        assert (answer.status_code, body["code"]) == REFUSED_HERE[skill_id], body
    else:
        assert answer.status_code in {200, 202}, body
        assert body["success"] is True


@pytest.mark.anyio
@pytest.mark.parametrize("skill_id", SKILLS)
async def test_the_example_value_of_each_argument_is_accepted_where_it_stands(desk: RestDesk, skill_id: str) -> None:
    """A caller may take the required arguments with their examples one by one from the catalogue."""
    required = {item["name"]: item.get("example") for item in entry(skill_id)["params"] if item["required"]}
    assert None not in required.values(), f"{skill_id}: a required argument without an example"
    skill = REGISTRY.find(skill_id)
    assert skill is not None
    REGISTRY.schema(skill).bind(required)


@pytest.mark.parametrize("skill_id", SKILLS)
def test_a_skill_is_described_for_people_and_models(skill_id: str) -> None:
    shown = entry(skill_id)
    assert shown["title"]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in shown["titleZh"])
    assert "Use it" in shown["description"] or "Not for" in shown["description"] or "Only for" in shown["description"]
    nameless = [item["name"] for item in shown["params"] if not item["description"]]
    assert nameless == [], f"{skill_id}: arguments without a description"


@pytest.mark.anyio
async def test_every_figure_of_the_simulated_market_is_labelled(desk: RestDesk) -> None:
    agent = await an_agent(desk)
    unlabelled = {}
    for skill_id in FROM_DATA:
        meta = (await agent.post(EXECUTE, json=example(skill_id))).json().get("meta", {})
        if meta.get("simulated") is not True or not (meta.get("asOf") or skill_id == "market.instrument.search"):
            unlabelled[skill_id] = meta
    assert unlabelled == {}


@pytest.mark.anyio
@pytest.mark.parametrize("frequency", list(Frequency))
async def test_bars_of_every_length_reach_the_wire(desk: RestDesk, frequency: Frequency) -> None:
    agent = await an_agent(desk, holds=False)
    sql = "SELECT symbol FROM minute ORDER BY symbol LIMIT 1"
    symbol = desk.desk.services.market_store.query(sql).to_pylist()[0]["symbol"]
    answer = await execute(agent, "market.bars.get", symbol=symbol, frequency=frequency.value, size=3)
    bars = answer.json()["data"]["bars"]
    assert answer.status_code == 200
    assert len(bars) == 3
    assert bars[-1]["time"].endswith("T15:00:00+08:00") or frequency is Frequency.DAY
    assert answer.json()["meta"]["asOf"] == bars[-1]["time"]
