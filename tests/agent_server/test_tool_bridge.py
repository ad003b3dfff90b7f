"""Tool calls of models: answers and refusals, the tools that reach the rest, and what nobody may get at."""

import json
from decimal import Decimal
from typing import Any

import pytest

from agent_server.tool_bridge import ToolAnswer, ToolBridge
from core.access.model import Caller
from tests.support.rest_desk import Person, RestDesk, execute
from tools.context import Surface

pytestmark = pytest.mark.anyio
NOTE = {"category": "bug_report", "subject": "Prices", "message": "They are late."}


async def caller_of(desk: RestDesk, person: Person, *scopes: str) -> Caller:
    minted = await desk.mint(person.user, *scopes)
    async with desk.desk.unit_of_work(read_only=True) as uow:
        token, user = await desk.desk.services.access.authenticate_token(uow, minted.secret)
    return desk.desk.services.access.token_caller(token, user, address="127.0.0.1", client="test")


async def call(desk: RestDesk, caller: Caller, tool: str, /, **arguments: Any) -> ToolAnswer:
    return await ToolBridge(desk.desk).call(caller, tool, arguments, surface=Surface.MCP, trace_id="trc_1")


async def test_a_skill_answers_its_whole_result(desk: RestDesk, ada: Person) -> None:
    caller = await caller_of(desk, ada)
    answer = await call(desk, caller, "investment_stock_trading_list")
    assert not answer.is_error
    assert answer.problem is None
    assert answer.structured is not None
    assert json.loads(answer.text) == answer.structured
    assert answer.skill_id == "investment.stock.trading.list"
    assert answer.meta == {
        "dingpan/traceId": "trc_1",
        "dingpan/skillId": "investment.stock.trading.list",
        "dingpan/riskTier": "green",
    }


async def test_every_fault_comes_back_in_one_message(desk: RestDesk, ada: Person) -> None:
    caller = await caller_of(desk, ada)
    wrong = {"stock_num": "600519", "market": "SH", "trade_type": "BUY", "trade_date": "2026-11-19"}
    answer = await call(desk, caller, "investment_stock_trading_create", **wrong, qty="x", pric=1)
    assert answer.code == "validation_failed"
    assert answer.structured is None
    assert answer.problem is not None
    assert {fault["path"] for fault in answer.problem["errors"]} == {"qty", "pric", "price"}
    for path in ("qty", "pric", "price"):
        assert f"{path}: " in answer.problem["message"]
    assert json.loads(answer.text) == answer.problem


async def test_the_problem_is_the_one_of_rest(desk: RestDesk, ada: Person) -> None:
    arguments = {"symbols": ["nonsense"]}
    over_rest = (await execute(await desk.agent(ada.user), "market.quote.get", **arguments)).json()
    answer = await call(desk, await caller_of(desk, ada), "market_quote_get", **arguments)
    assert answer.problem is not None
    own = ("traceId", "instance")
    assert {k: v for k, v in answer.problem.items() if k not in own} == {
        k: v for k, v in over_rest.items() if k not in own
    }


async def test_hidden_and_absent_tools_answer_alike(desk: RestDesk, ada: Person) -> None:
    caller = await caller_of(desk, ada, "market.quote.get")
    hidden = await call(desk, caller, "feedback_submit", text="x")
    absent = await call(desk, caller, "feedback_submid", text="x")
    assert hidden.problem is not None
    assert absent.problem is not None
    assert json.dumps(hidden.problem).replace("feedback_submit", "feedback_submid") == json.dumps(absent.problem)
    assert hidden.code == "skill_not_found"
    assert hidden.meta == absent.meta
    inner = await call(desk, caller, "skills_call", name="feedback.submit", arguments={"text": "x"})
    described = await call(desk, caller, "skills_describe", name="feedback.submit")
    assert inner.code == described.code == "skill_not_found"
    assert "call.refused" in await desk.events()


async def test_search_finds_only_what_is_granted(desk: RestDesk, ada: Person) -> None:
    few = await caller_of(desk, ada, "market.quote.get")
    every = await caller_of(desk, ada)
    found = await call(desk, few, "skills_search", text="")
    assert found.structured is not None
    assert [line["skillId"] for line in found.structured["skills"]] == ["auth.token.introspect", "market.quote.get"]
    best = await call(desk, every, "skills_search", text="股票持仓 浮动盈亏", limit=3)
    assert best.structured is not None
    assert len(best.structured["skills"]) == 3
    assert all(line["name"].startswith("investment_stock_") for line in best.structured["skills"])
    assert best.structured["total"] > 3


async def test_describe_shows_the_arguments(desk: RestDesk, ada: Person) -> None:
    answer = await call(desk, await caller_of(desk, ada), "skills_describe", name="investment.stock.trading.delete")
    assert answer.structured is not None
    assert answer.structured["needsApproval"] is True
    assert set(answer.structured["inputSchema"]["properties"]) == {"record_id", "note", "approvalId"}


async def test_a_call_by_name_runs_under_the_same_rules(desk: RestDesk, ada: Person) -> None:
    caller = await caller_of(desk, ada)
    made = await call(desk, caller, "skills_call", name="feedback_submit", arguments=NOTE)
    assert made.structured is not None, made.text
    assert made.structured["skillId"] == "feedback.submit"
    victim = {"token_id": (await desk.mint(ada.user)).token.token_id}
    refused = await call(desk, caller, "skills_call", name="subscription.token.revoke", arguments=victim)
    assert refused.problem is not None
    assert refused.code == "approval_required"
    assert refused.meta["dingpan/riskTier"] == "red"
    assert refused.problem["message"].endswith("then send the same call with the argument approvalId.")
    assert refused.problem["detail"] == refused.problem["message"]
    assert refused.problem["nextToolCall"] == {
        "name": "skills_call",
        "arguments": {
            "name": "subscription.token.revoke",
            "arguments": victim | {"approvalId": refused.problem["approvalId"]},
        },
    }
    wrong = await call(desk, caller, "skills_call", name="skills_call", arguments={})
    assert wrong.code == "skill_not_found"


async def test_an_approved_call_runs_once(desk: RestDesk, ada: Person) -> None:
    caller = await caller_of(desk, ada)
    victim = (await desk.mint(ada.user)).token.token_id
    refused = await call(desk, caller, "subscription_token_revoke", token_id=victim)
    assert refused.problem is not None
    following = refused.problem["nextToolCall"]
    pending = await call(desk, caller, following["name"], **following["arguments"])
    assert pending.code == "approval_pending"
    assert (await ada.decide(refused.problem["approvalId"])).status_code == 200
    done = await call(desk, caller, following["name"], **following["arguments"])
    assert not done.is_error, done.text
    again = await call(desk, caller, following["name"], **following["arguments"])
    assert again.code == "approval_consumed"


async def test_an_idempotency_key_is_taken_out(desk: RestDesk, ada: Person) -> None:
    caller = await caller_of(desk, ada)
    first = await call(desk, caller, "feedback_submit", **NOTE, idempotencyKey="k1")
    second = await call(desk, caller, "feedback_submit", **NOTE, idempotencyKey="k1")
    assert first.structured is not None, first.text
    assert first.structured == second.structured
    assert "dingpan/replayed" not in first.meta
    assert second.meta["dingpan/replayed"] is True


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "a\x00b", "\ud800", 10**70, Decimal("1E+99"), object()],
    ids=["nan", "infinity", "nul", "surrogate", "large", "decimal", "object"],
)
async def test_what_no_door_reads_is_refused(desk: RestDesk, ada: Person, value: object) -> None:
    answer = await call(desk, await caller_of(desk, ada), "market_instrument_search", text=value)
    assert answer.is_error
    assert answer.problem is not None
    assert answer.problem["kind"] == "invalid"


async def test_arguments_nested_too_deeply_are_refused(desk: RestDesk, ada: Person) -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    answer = await call(desk, await caller_of(desk, ada), "market_quote_get", symbols=deep)
    assert answer.problem is not None
    assert answer.problem["kind"] == "invalid"
    while deep:
        deep = deep[0]
