"""Backtests and sweeps by skill, from the call to the kept result, over two stocks of a market of our own."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from core.backtest.api import backtest
from core.backtest.desk_bars import desk_bars
from core.backtest.problems import ParameterInvalid
from core.backtest.strategies.built_in import built_in
from core.backtest.strategy_runs import Terms
from core.backtest.sweep import sweep
from core.backtest.sweep_grid import DRAWS_FOR_ONE
from core.backtest.sweep_runs import TRIALS_CHECKED, SweepRun, checked_sweep
from core.backtest.walk_forward import walk_forward
from core.clock import FrozenClock
from core.durable.runner import Runner
from core.market.bar_store import TableChange
from tests.support.backtest_rows import walk
from tests.support.rest_desk import RestDesk, execute, rest_desk, settings_in
from tests.support.small_market import IMPORTED

pytestmark = pytest.mark.anyio
RUN, SWEEP = "investment.stock.backtest.run", "investment.stock.backtest.sweep"
ONE, OTHER = "600519.SH", "000878.SZ"
ASKED: dict[str, Any] = {"strategy": "dual_moving_average", "symbols": ["600519"], "parameters": {"fast": 3, "slow": 8}}


def market() -> dict[str, pa.Table]:
    names = ("symbol", "name", "exchange", "board", "kind", "currency")
    stocks = [(ONE, "贵州茅台", "SH", "main", "stock", "CNY"), (OTHER, "鞍钢股份", "SZ", "main", "stock", "CNY")]
    stocks.append(("00700.HK", "腾讯控股", "HK", "hk_main", "stock", "HKD"))
    rows = [{**row, "symbol": symbol} for symbol, seed in ((ONE, 3), (OTHER, 4)) for row in walk(120, seed=seed)]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["trade_date"] = [date.fromisoformat(day) for day in columns["trade_date"]]
    daily = pa.table(columns | {"source": ["test"] * len(rows)})
    hk = daily.slice(0, 120).set_column(daily.column_names.index("symbol"), "symbol", pa.array(["00700.HK"] * 120))
    return {
        "instruments": pa.table({name: [row[place] for row in stocks] for place, name in enumerate(names)}),
        "daily": daily,
        "hk_daily": hk,
    }


@pytest.fixture
async def desk(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[RestDesk]:
    async with rest_desk(settings_in(tmp_path), clock) as made:
        changes = {name: TableChange(table) for name, table in market().items()}
        made.desk.services.market_store.commit(changes, imported_at=IMPORTED)
        yield made


async def an_agent(desk: RestDesk, name: str = "ada") -> httpx.AsyncClient:
    return await desk.agent(await desk.user(name))


async def carried_out(desk: RestDesk, run_id: str) -> None:
    """Do what a worker does with a delivered run: the same job in the same child process."""
    services = desk.desk.services
    runner = Runner(
        services.database,
        jobs=services.jobs,
        clock=services.clock,
        ids=services.ids,
        children=services.children,
        owner="test",
    )
    assert await runner.execute(run_id, 1) is not None


async def test_a_backtest_from_the_call_to_the_kept_result(desk: RestDesk) -> None:
    agent = await an_agent(desk)
    answer = await agent.post(
        "/v1/backtests", json=ASKED | {"commission_bps": 3, "tags": ["ma"], "name": "first", "start": "2000-01-01"}
    )
    assert answer.status_code == 202, answer.text
    ticket = answer.json()["data"]
    run_id = ticket["runId"]
    action = {"skillId": f"{RUN}.get", "params": {"run_id": run_id}}
    assert ticket == {
        "runId": run_id,
        "state": "queued",
        "title": f"dual_moving_average on {ONE}",
        "nextAction": action,
    }
    waiting = (await agent.post("/agent/skills/execute", json=action)).json()["data"]
    assert (waiting["state"], waiting["progress"], waiting["result"]) == ("queued", 0.0, None)
    await carried_out(desk, run_id)
    run = (await agent.get(f"/v1/backtests/runs/{run_id}?wait_seconds=20")).json()["data"]
    assert (run["state"], run["progress"], run["result"]) == ("succeeded", 1.0, {"resultId": 1, "name": "first"})
    assert run["log"] == [
        f"reading bars of {ONE}",
        "running dual_moving_average over 120 bars",
        "measuring and packing",
    ]
    kept = (await execute(agent, "investment.stock.backtest.get", id=1)).json()["data"]
    market = desk.desk.services.market
    mine = backtest(
        built_in("dual_moving_average", {"fast": 3, "slow": 8}),
        bars=await desk_bars(market, ONE),
        market_rules="a_share",
        commission_bps=3.0,
    )
    assert (kept["name"], kept["tags"], kept["createdBy"]) == ("first", ["ma"], "ada")
    assert kept["metrics"]["total_return"] == mine.metrics["total_return"]
    assert kept["metrics"]["num_trades"] == len(mine.trades) > 3
    assert kept["parameters"]["strategy_parameters"] == {"fast": 3, "slow": 8}
    assert (kept["parameters"]["market_rules"], kept["parameters"]["start"]) == ("a_share", "2000-01-01")
    assert (await execute(agent, f"{RUN}.cancel", run_id=run_id)).status_code == 422


async def test_orders_meet_the_ticks_that_the_desk_has(desk: RestDesk) -> None:
    """One trade a day at 9.99 + 0.01 per day: every fill is at the price of its day, two steps against the trader."""
    agent = await an_agent(desk)
    store = desk.desk.services.market_store
    days = store.table("daily", columns=["trade_date"], symbols=[ONE])["trade_date"].to_pylist()
    ticks = pa.table(
        {
            "symbol": [ONE] * len(days),
            "ts": [np.datetime64(f"{day}T10:00:00", "ms") for day in days],
            "seq": [0] * len(days),
            "price": [(2_000 + place) / 100 for place in range(len(days))],
            "qty": [10**9] * len(days),
            "side": ["B"] * len(days),
            "source": ["test"] * len(days),
        }
    )
    store.commit({"ticks": TableChange(ticks)}, imported_at=IMPORTED)
    asked = {**ASKED, "matching": "next_tick_last", "slippage": "tick_size:2", "end": days[-2].isoformat()}
    answer = await execute(agent, RUN, **asked)
    assert answer.status_code == 202, answer.text
    await carried_out(desk, answer.json()["data"]["runId"])
    kept = (await execute(agent, "investment.stock.backtest.get", id=1)).json()["data"]
    assert (kept["parameters"]["matching"], kept["parameters"]["slippage"]) == ("next_tick_last", "tick_size:2")
    assert len(kept["parameters"]["ticks"]) == 64
    assert "warnings" not in kept or kept["warnings"] == []
    trades = json.loads(kept["tradesJson"])
    assert len(trades) > 3
    place = {day.isoformat(): number for number, day in enumerate(days)}
    for trade in trades:
        assert round(trade["entry_px"] * 100, 6) == 2_002 + place[trade["entry_dt"]]
        assert round(trade["exit_px"] * 100, 6) == 1_998 + place[trade["exit_dt"]]


async def test_several_symbols_share_one_pool_and_the_ledger_is_replayed(desk: RestDesk) -> None:
    agent = await an_agent(desk)
    trade = {
        "stock_num": ONE,
        "market": "SH",
        "trade_type": "BUY",
        "qty": 200,
        "price": "20",
        "trade_date": "2018-02-01",
    }
    assert (await execute(agent, "investment.stock.trading.create", **trade, fees="5")).status_code == 200
    together = await execute(agent, RUN, strategy="equal_weight", symbols=[OTHER, ONE], parameters={"reserve": 0.02})
    replay = await execute(agent, RUN, strategy="replay_trades", symbols=[ONE], parameters={"exit_after": 5})
    for answer in (together, replay):
        assert answer.status_code == 202, answer.text
        await carried_out(desk, answer.json()["data"]["runId"])
    first = (await execute(agent, "investment.stock.backtest.get", id=1)).json()["data"]
    assert list(first["metrics"]["per_asset"]) == [OTHER, ONE]
    second = (await execute(agent, "investment.stock.backtest.get", id=2)).json()["data"]
    assert second["metrics"]["num_trades"] == 1
    assert '"qty":200' in second["tradesJson"]
    nothing = await execute(agent, RUN, strategy="replay_trades", symbols=[OTHER])
    assert (nothing.status_code, nothing.json()["code"]) == (422, "no_trades_to_replay")


REFUSED: list[tuple[dict[str, Any], int, str, str]] = [
    ({"strategy": "dual_moving"}, 400, "unknown_strategy", "dual_moving_average"),
    ({"parameters": {"fast": 9, "slow": 3}}, 400, "backtest_parameter_invalid", "fast: 9 is not below slow"),
    ({"parameters": {"fats": 9}}, 400, "backtest_parameter_invalid", "no such parameter"),
    ({"parameters": {"fast": 0.5}}, 400, "backtest_parameter_invalid", "not a whole number"),
    ({"symbols": []}, 400, "validation_failed", "symbols"),
    ({"symbols": ["600000"]}, 400, "unknown_instrument", "600000"),
    ({"symbols": [ONE, "00700.HK"]}, 400, "validation_failed", "markets with different rules"),
    ({"start": "2019-01-01"}, 400, "bars_missing", f"no bars of {ONE} from 2019-01-01."),
    ({"start": "2018-03-01", "end": "2018-02-01"}, 400, "validation_failed", "is after end"),
    ({"benchmark": "000300.SH"}, 400, "unknown_instrument", "000300.SH"),
    ({"initial_cash": 0}, 400, "validation_failed", "initial_cash"),
    ({"commission_bps": 5000}, 400, "validation_failed", "commission_bps"),
    ({"name": "a\nb"}, 400, "validation_failed", "control character"),
    ({"code": "print(1)"}, 400, "validation_failed", "code"),
    ({"matching": "next_tick_last"}, 400, "ticks_needed", f"The desk has none of {ONE} on these days"),
    ({"matching": "vwap"}, 400, "ticks_needed", f"bars of {ONE} have none, and it has no trades"),
    ({"matching": "best"}, 400, "validation_failed", "matching"),
    ({"matching": "vwap", "fill": "this_close"}, 400, "backtest_parameter_invalid", "contradicts"),
    ({"slippage": "tick_size"}, 400, "backtest_parameter_invalid", "needs a size"),
    ({"slippage": "tick_size:1", "rules": "none"}, 400, "backtest_parameter_invalid", "give market_rules"),
    ({"slippage": "tick_size:1", "slippage_bps": 1}, 400, "backtest_parameter_invalid", "say one of them"),
    ({"slippage": "price_ratio:0.2"}, 400, "backtest_parameter_invalid", "more than a tenth"),
    ({"slippage": "limit_price", "symbols": ["00700.HK"]}, 400, "backtest_parameter_invalid", "price limits"),
]


async def test_what_cannot_run_is_refused_before_it_is_queued(desk: RestDesk) -> None:
    agent = await an_agent(desk)
    for changes, status, code, said in REFUSED:
        answer = await execute(agent, RUN, **ASKED | changes)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert said in answer.json()["message"]
    assert (await execute(agent, f"{RUN}.list")).json()["data"] == []


async def test_the_same_key_queues_one_run(desk: RestDesk) -> None:
    agent = await an_agent(desk)
    answers = await asyncio.gather(*(execute(agent, RUN, **ASKED, idempotencyKey="k") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["data"]["runId"] for answer in answers}) == 1
    assert (await execute(agent, f"{RUN}.list")).json()["total"] == 1


async def test_runs_and_sweeps_of_another_team_do_not_exist(desk: RestDesk) -> None:
    agent, stranger = await an_agent(desk), await an_agent(desk, "ben")
    run_id = (await execute(agent, RUN, **ASKED)).json()["data"]["runId"]
    for skill_id in (f"{RUN}.get", f"{RUN}.cancel", f"{SWEEP}.get"):
        answer = await execute(stranger, skill_id, run_id=run_id)
        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")
    assert (await execute(stranger, f"{RUN}.list")).json()["total"] == 0
    cancelled = (await execute(agent, f"{RUN}.cancel", run_id=run_id)).json()["data"]
    assert cancelled["state"] == "cancelled"
    assert (await execute(agent, f"{RUN}.list", state="cancelled")).json()["total"] == 1


@pytest.mark.parametrize(
    ("strategy", "grid", "tried", "refused"),
    [
        ("dual_moving_average", {"fast": [3, 5, 8], "slow": [8, 13]}, 5, 1),
        ("rsi_reversion", {"length": [6, 14], "low": [25.0, 35]}, 4, 0),
    ],
)
async def test_a_sweep_equals_its_single_runs(
    desk: RestDesk, strategy: str, grid: dict[str, list[Any]], tried: int, refused: int
) -> None:
    agent = await an_agent(desk)
    asked = {"strategy": strategy, "symbol": ONE, "grid": grid, "objective": "total_return", "commission_bps": 3}
    run_id = (await execute(agent, f"{SWEEP}.run", **asked)).json()["data"]["runId"]
    early = await execute(agent, f"{SWEEP}.get", run_id=run_id)
    assert (early.status_code, early.json()["code"], early.json()["state"]) == (404, "sweep_not_found", "queued")
    await carried_out(desk, run_id)
    run = (await execute(agent, f"{RUN}.get", run_id=run_id)).json()["data"]
    assert (run["state"], run["result"]["trials"]) == ("succeeded", tried), run
    found = (await execute(agent, f"{SWEEP}.get", run_id=run_id, size=3)).json()["data"]
    assert (found["trials"], found["refused"], found["failed"], len(found["items"])) == (tried, refused, 0, 3)
    assert found["verdict"]["trials"] == tried
    returns = [trial["total_return"] for trial in found["items"]]
    assert returns == sorted(returns, reverse=True)
    best = found["items"][0]
    mine = backtest(
        built_in(strategy, best["parameters"]),
        bars=await desk_bars(desk.desk.services.market, ONE),
        market_rules="a_share",
        commission_bps=3.0,
    )
    assert best["total_return"] == mine.metrics["total_return"]
    assert best["num_trades"] == mine.metrics["num_trades"]
    rest = (await execute(agent, f"{SWEEP}.get", run_id=run_id, page=2, size=3)).json()["data"]["items"]
    assert len(rest) == tried - 3


async def test_a_sweep_over_two_stocks_is_two_sweeps_and_what_they_are_together(desk: RestDesk) -> None:
    agent = await an_agent(desk)
    grid = {"fast": [3, 5], "slow": [8, 13]}
    asked = {"strategy": "dual_moving_average", "grid": grid, "objective": "total_return", "train": 40, "test": 20}
    answer = await execute(agent, f"{SWEEP}.run", **asked, symbols=[ONE, OTHER[:6], ONE])
    run_id = answer.json()["data"]["runId"]
    await carried_out(desk, run_id)
    found = (await execute(agent, f"{SWEEP}.get", run_id=run_id)).json()["data"]
    assert (found["symbol"], found["symbols"], found["trials"], found["stopped"]) == (ONE, [ONE, OTHER], 4, None)
    assert found["verdict"]["trials"] == 4
    assert [row["symbol"] for row in found["perSymbol"]] == [ONE, OTHER]
    tables = {symbol: await desk_bars(desk.desk.services.market, symbol) for symbol in (ONE, OTHER)}
    alone = {
        symbol: sweep("dual_moving_average", grid, bars=table, objective="total_return", market_rules="a_share")
        for symbol, table in tables.items()
    }
    for trial in found["items"]:
        figures = [alone[symbol].figures["total_return"][trial["number"]] for symbol in (ONE, OTHER)]
        assert trial["total_return"] == pytest.approx(float(np.median(figures)), rel=1e-12)
    for row in found["perSymbol"]:
        best = alone[row["symbol"]].best
        assert best is not None
        assert (row["bars"], row["best"]["number"], row["stopped"]) == (120, best.number, None)
        walked = walk_forward(
            "dual_moving_average", grid, bars=tables[row["symbol"]], objective="total_return", market_rules="a_share",
            train=40, test=20,
        )  # fmt: skip
        told = row["walk_forward"]
        assert told["metrics"]["total_return"] == walked.metrics["total_return"]
        assert [window["parameters"] for window in told["windows"]] == [one.parameters for one in walked.windows]
        assert len(told["windows"]) == 4


WALKS: list[tuple[dict[str, Any], str, str]] = [
    ({"symbols": [ONE]}, "validation_failed", "either symbol or symbols"),
    ({"symbol": None}, "validation_failed", "either symbol or symbols"),
    ({"symbols": [ONE] * 21}, "validation_failed", "20"),
    ({"train": 40}, "validation_failed", "train and test go together"),
    ({"anchored": True}, "validation_failed", "train and test go together"),
    ({"train": 110, "test": 20}, "backtest_parameter_invalid", "110 + 20 bars do not fit into the 120 of"),
    (
        {"grid": {"fast": list(range(2, 82)), "slow": list(range(90, 140))}, "train": 50, "test": 1},
        "backtest_parameter_invalid",
        "4,000 trials x (1 symbols + 70 windows) are 284,000 runs; at most 10,000",
    ),
]


async def test_walks_and_symbols_that_cannot_be_are_refused(desk: RestDesk) -> None:
    agent = await an_agent(desk)
    for changes, code, said in WALKS:
        asked = {"strategy": "dual_moving_average", "symbol": ONE, "grid": {"fast": [3], "slow": [8]}} | changes
        answer = await execute(agent, f"{SWEEP}.run", **{name: one for name, one in asked.items() if one is not None})
        assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
        assert said in answer.text


NO_SWEEPS: list[tuple[dict[str, Any], str]] = [
    ({"grid": {}}, "no parameter"),
    ({"grid": {"fast": [30], "slow": [5]}}, "no combination is left"),
    ({"grid": {"fats": [1, 2]}}, "no such parameter"),
    ({"grid": {"fast": list(range(1, 101)), "slow": list(range(101, 201))}}, "at most 5,000"),
    ({"grid": {"fast": list(range(1, 5002)), "slow": [9999]}, "trials": 2}, "5,001 values"),
    ({"grid": {"fast": ["x" * 65]}}, "at most 64 characters"),
    ({"grid": {"x" * 65: [1]}}, "at most 64 characters"),
    ({"objective": "luck"}, "is not one of sharpe"),
    ({"strategy": "replay_trades", "grid": {"exit_after": [1, 2]}}, "nothing to sweep"),
]


async def test_a_sweep_that_cannot_be_is_refused(desk: RestDesk) -> None:
    agent = await an_agent(desk)
    for changes, said in NO_SWEEPS:
        asked = {"strategy": "dual_moving_average", "symbol": ONE, "grid": {"fast": [3], "slow": [8]}} | changes
        answer = await execute(agent, f"{SWEEP}.run", **asked)
        assert (answer.status_code, answer.json()["code"]) == (400, "backtest_parameter_invalid"), answer.text
        assert said in answer.json()["message"]


async def test_the_lookahead_check_and_the_list_of_strategies(desk: RestDesk) -> None:
    agent = await an_agent(desk)
    check = "investment.stock.backtest.lookahead.check"
    answer = await execute(
        agent, check, strategy="breakout", symbol="600519", parameters={"entry": 5, "leave": 3}, samples=3
    )
    assert answer.json()["data"] == {
        "strategy": "breakout",
        "symbol": ONE,
        "bars": 120,
        "samples": 3,
        "isClean": True,
        "findings": [],
    }
    refused = await execute(agent, check, strategy="replay_trades", symbol=ONE)
    assert (refused.status_code, refused.json()["code"]) == (400, "backtest_parameter_invalid")
    listed = (await execute(agent, "investment.stock.backtest.strategy.list")).json()["data"]
    assert {card["name"]: card["parameters"] for card in listed}["equal_weight"] == {"every": "month", "reserve": 0.01}
    assert np.all([card["summary"].endswith(".") for card in listed])


def test_a_search_that_finds_nothing_is_refused_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[dict[str, Any]] = []

    def refusing(name: str, parameters: dict[str, Any]) -> object:
        tried.append(parameters)
        return built_in(name, parameters)

    monkeypatch.setattr("core.backtest.strategies.built_in.built_in", refusing)
    grid = {"fast": list(range(1000, 2000)), "slow": list(range(2, 1000))}
    terms = Terms()
    wish = SweepRun(strategy="dual_moving_average", symbol=ONE, grid=grid, terms=terms, trials=5_000)
    with pytest.raises(ParameterInvalid, match="no combination is left"):
        checked_sweep(wish)
    assert 1_000 < len(tried) <= TRIALS_CHECKED * DRAWS_FOR_ONE + 1
