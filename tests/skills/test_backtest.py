"""The skills about finished backtests, as every door runs them."""

import json
from pathlib import Path

import pytest

from core.access.model import Caller
from core.backtest.results import ResultNotFound
from core.backtest.service import BacktestService
from core.clock import FrozenClock
from core.errors import ArgumentsInvalid, Conflict, Forbidden
from core.storage.database import Database
from skills.investment import backtest
from tests.support.backtest_runs import EQUITY, TRADES, draft, long_draft
from tests.support.catalog_desk import ANNA, BEN, CatalogDesk
from tests.support.ledger_skills import make_users
from tests.support.rest_desk import rest_desk, settings_in
from tests.support.small_market import ANONYMOUS
from tools.context import SkillContext
from tools.registry import Registry
from tools.risk import RiskTier

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, tmp_path: Path) -> CatalogDesk:
    made = await CatalogDesk.make(database, clock, tmp_path, modules=[backtest])
    made.services.backtest = BacktestService(clock)
    return made


async def save(desk: CatalogDesk, run, caller: Caller = ANNA) -> int:
    async with desk.database.unit_of_work() as uow:
        kept = await desk.services.backtest.save(uow, caller.team_id, draft=run, created_by="anna")
        await uow.commit()
    return kept.id


async def test_list_as_on_the_wire(desk: CatalogDesk):
    await save(desk, draft(program_group="swing"))
    await save(desk, draft("other", tags=[]))
    found = await desk.run("investment.stock.backtest.list", tag="MA", programGroup="swing")
    assert found.beside == {"total": 1}
    assert found.data == [
        {
            "id": 1,
            "name": "run1",
            "strategy": "dual_ma",
            "programGroup": "swing",
            "tags": ["ma", "daily"],
            "totalReturn": -0.00999975,
            "cagr": -0.5,
            "sharpe": None,
            "maxDrawdown": -0.1,
            "winRate": 0.0,
            "numTrades": 1,
            "firstDt": "20240102",
            "lastDt": "20240104",
            "bars": 3,
            "dataset": "stock_day",
            "simulated": False,
            "fingerprint": "f" * 64,
            "createdBy": "anna",
            "createdAt": "2026-11-20T07:30:00+00:00",
        }
    ]
    everything = await desk.run("investment.stock.backtest.list")
    assert [(item["name"], item["programGroup"], item["tags"]) for item in everything.data] == [
        ("other", None, []),
        ("run1", "swing", ["ma", "daily"]),
    ]
    assert (await desk.run("investment.stock.backtest.list", BEN)).data == []


async def test_get_speaks_the_originals_words(desk: CatalogDesk):
    await save(desk, draft())
    found = (await desk.run("investment.stock.backtest.get", id=1)).data
    assert json.loads(found["equityCurveJson"]) == EQUITY
    assert json.loads(found["tradesJson"]) == TRADES
    assert json.loads(found["paramsJson"]) == {"initial_cash": 1_000_000.0, "fast": 5, "slow": 20}
    assert json.loads(found["metricsJson"])["max_drawdown"] == -0.1
    assert found["metrics"]["per_asset"] == {"600519.SH": {"return": -0.01}}
    assert (found["orderReasons"], found["undefined"]) == (
        {"filled": 2, "limit_down": 1},
        {"sharpe": "too_few_periods"},
    )
    assert (found["truncated"], found["equityRows"], found["name"]) == (False, 3, "run1")


async def test_compare(desk: CatalogDesk):
    await save(desk, draft(metrics={"total_return": -0.25}))
    await save(desk, draft("better", metrics={"total_return": 0.25}, fingerprint="e" * 64))
    found = (await desk.run("investment.stock.backtest.compare", ids=[1, 2])).data
    assert found["metrics"][0] == {
        "metric": "total_return",
        "values": [-0.25, 0.25],
        "differences": [0.0, 0.5],
        "best": 2,
    }
    assert (found["warnings"], found["parameters"]) == ([], [])
    with pytest.raises(ArgumentsInvalid):
        await desk.run("investment.stock.backtest.compare", ids=[1])
    with pytest.raises(ResultNotFound):
        await desk.run("investment.stock.backtest.compare", ids=[1, 3])


async def test_report(desk: CatalogDesk):
    await save(desk, long_draft(300))
    found = (await desk.run("investment.stock.backtest.report.get", resultId=1)).data
    assert (found["resultId"], found["language"]) == (1, "zh")
    assert found["html"].startswith('<!DOCTYPE html><html lang="zh-Hans">')
    english = (await desk.run("investment.stock.backtest.report.get", resultId=1, language="en")).data
    assert english["html"].startswith('<!DOCTYPE html><html lang="en">')
    with pytest.raises(ArgumentsInvalid):
        await desk.run("investment.stock.backtest.report.get", resultId=1, language="fr")


async def test_delete_waits_for_a_person_and_shows_what_goes(desk: CatalogDesk, clock: FrozenClock):
    await save(desk, draft())
    await make_users(desk.database, clock)
    with pytest.raises(Conflict) as caught:
        await desk.run("investment.stock.backtest.delete", id=1)
    assert caught.value.extras()["preview"] == {
        "summary": "Backtest result 1 (run1) with 3 bars and 1 trades is deleted.",
        "changes": [{"id": 1, "name": "run1", "bars": 3, "trades": 1}],
    }
    assert (await desk.run("investment.stock.backtest.list")).beside == {"total": 1}
    async with desk.database.unit_of_work() as uow:
        ctx = SkillContext(services=desk.services, uow=uow, caller=ANNA, clock=clock, trace_id="trc_1")
        assert (await backtest.backtest_delete(ctx, result_id=1)).name == "run1"
        await uow.commit()
    assert (await desk.run("investment.stock.backtest.list")).data == []


@pytest.mark.parametrize("wrong", [{"id": 0}, {"id": 2**64}, {"id": "one"}, {}, {"id": 1, "points": 1}])
async def test_wrong_arguments(desk: CatalogDesk, wrong: dict):
    with pytest.raises(ArgumentsInvalid):
        await desk.run("investment.stock.backtest.get", **wrong)


async def test_other_teams_and_strangers_find_nothing(desk: CatalogDesk):
    await save(desk, draft())
    for skill_id, params in (
        ("investment.stock.backtest.get", {"id": 1}),
        ("investment.stock.backtest.compare", {"ids": [1, 2]}),
        ("investment.stock.backtest.report.get", {"id": 1}),
        ("investment.stock.backtest.delete", {"id": 1}),
    ):
        with pytest.raises(ResultNotFound):
            await desk.run(skill_id, BEN, **params)
        with pytest.raises(Forbidden):
            await desk.run(skill_id, ANONYMOUS, **params)


async def test_each_has_a_route_of_its_own(tmp_path: Path, clock: FrozenClock):
    async with rest_desk(settings_in(tmp_path), clock) as desk:
        agent = await desk.agent(await desk.user("ada"))
        for name in ("first", "second"):
            async with desk.desk.unit_of_work() as uow:
                await desk.desk.services.backtest.save(uow, 1, draft=draft(name), created_by="ada")
                await uow.commit()
        base = "/api/profile/backtest-results"
        listed = (await agent.get(base, params={"name": "second"})).json()
        assert (listed["total"], listed["data"][0]["id"]) == (1, 2)
        assert (await agent.get(f"{base}/2")).json()["data"]["name"] == "second"
        compared = (await agent.get(f"{base}/compare", params={"ids": [2, 1]})).json()["data"]
        assert [run["name"] for run in compared["runs"]] == ["second", "first"]
        assert (
            "<h1>first</h1>" in (await agent.get(f"{base}/1/report", params={"language": "en"})).json()["data"]["html"]
        )
        assert (await agent.delete(f"{base}/1")).status_code == 409
        missing = await agent.get(f"{base}/3")
        assert (missing.status_code, missing.json()["code"]) == (404, "backtest_result_not_found")


def test_examples_bind_and_tiers_are_those_of_the_catalogue():
    registry = Registry.collect([backtest])
    assert {item.skill_id.rpartition("backtest.")[2]: item.tier for item in registry} == {
        "list": RiskTier.GREEN,
        "get": RiskTier.GREEN,
        "compare": RiskTier.GREEN,
        "report.get": RiskTier.GREEN,
        "delete": RiskTier.RED,
    }
    for item in registry:
        assert registry.schema(item).bind(item.example)
