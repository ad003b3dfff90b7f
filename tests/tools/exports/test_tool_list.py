"""The tools a caller is offered: what is in the list, what it costs, what stays hidden."""

import json

import pytest

from core.access.model import Caller, CallerKind
from core.errors import ArgumentsInvalid
from skills import modules
from tools.exports.tool_list import DAILY, MOST_SKILLS, MOST_TOKENS, ToolEntry, ToolList, compact
from tools.registry import Registry

EVERYTHING = Caller(kind=CallerKind.LOCAL, all_scopes=True)
METAS = {"skills_search", "skills_describe", "skills_call"}


@pytest.fixture(scope="module")
def tools() -> ToolList:
    return ToolList(Registry.collect(modules()))


def token(*scopes: str) -> Caller:
    return Caller(kind=CallerKind.TOKEN, team_id=1, token_id=1, scopes=frozenset(scopes))


def test_the_full_list_keeps_its_budget_and_its_order(tools: ToolList) -> None:
    listed = tools.for_caller(EVERYTHING)
    names = [entry.name for entry in listed]
    assert names == sorted(names)
    assert set(names) >= METAS
    assert len(names) - len(METAS) <= MOST_SKILLS
    spent = sum(len(json.dumps(_shown(entry), ensure_ascii=False).encode()) for entry in listed) / 4
    assert spent <= MOST_TOKENS * 1.05
    assert sum(entry.tokens for entry in listed) <= MOST_TOKENS
    assert listed is tools.for_caller(EVERYTHING)


def test_the_daily_jobs_are_in_it(tools: ToolList) -> None:
    names = {entry.skill.skill_id for entry in tools.for_caller(EVERYTHING) if entry.skill is not None}
    assert names >= {
        "investment.stock.portfolio.pnl.get",
        "investment.stock.portfolio.list",
        "investment.stock.trading.list",
        "market.quote.get",
        "market.bars.get",
        "market.instrument.search",
        "investment.stock.recommendation.list",
        "investment.stock.trading.create",
        "investment.stock.backtest.run",
        "investment.stock.backtest.get",
        "dataasset.list",
    }


def test_every_daily_skill_exists(tools: ToolList) -> None:
    assert [skill_id for skill_id in DAILY if tools.registry.find(skill_id) is None] == []
    assert len(set(DAILY)) == len(DAILY)


def test_a_caller_with_few_rights_sees_all_of_them_and_nothing_else(tools: ToolList) -> None:
    listed = {entry.name for entry in tools.for_caller(token("feedback.list", "market.quote.get"))}
    assert listed == METAS | {"feedback_list", "market_quote_get", "auth_token_introspect"}


def test_a_preset_narrows_the_list_and_widens_no_right(tools: ToolList) -> None:
    listed = {entry.name for entry in tools.for_caller(token("market.quote.get", "feedback.list"), preset="read-data")}
    assert listed == METAS | {"market_quote_get"}


def test_an_unknown_preset_is_named_with_the_ones_there_are(tools: ToolList) -> None:
    with pytest.raises(ArgumentsInvalid) as caught:
        tools.for_caller(EVERYTHING, preset="readdata")
    fault = caught.value.faults[0]
    assert (fault.path, fault.suggestion) == ("preset", "read-data")


def test_hidden_and_absent_cannot_be_told_apart(tools: ToolList) -> None:
    caller = token("market.quote.get")
    assert tools.find(caller, "feedback_list") is None
    assert tools.find(caller, "no_such_tool") is None
    assert tools.suggest(caller, "feedback_lost") == []
    found = tools.find(caller, "market.quote.get")
    assert found is not None
    assert found is tools.find(caller, "market_quote_get")


def test_a_granted_skill_beyond_the_list_is_found(tools: ToolList) -> None:
    listed = {entry.name for entry in tools.for_caller(EVERYTHING)}
    assert "feedback_submit" not in listed
    assert tools.find(EVERYTHING, "feedback_submit") is not None


def test_a_tool_that_needs_a_person_takes_an_approval(tools: ToolList) -> None:
    red = tools.find(EVERYTHING, "investment_stock_trading_delete")
    green = tools.find(EVERYTHING, "market_quote_get")
    assert red is not None
    assert green is not None
    assert red.input_schema["properties"]["approvalId"]["type"] == "string"
    assert "approvalId" not in red.input_schema["required"]
    assert "approvalId" not in green.input_schema["properties"]


def test_what_the_name_says_is_no_argument(tools: ToolList) -> None:
    entry = tools.find(EVERYTHING, "investment_stock_trading_list")
    assert entry is not None
    assert "asset_class" not in entry.input_schema["properties"]


def test_null_as_left_out_is_not_shown() -> None:
    shape = {"anyOf": [{"type": "string", "description": "inner"}, {"type": "null"}], "default": None}
    both = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}], "default": None, "description": "d"}
    schema = {"type": "object", "properties": {"a": shape, "b": both, "c": shape}, "required": ["c"]}
    assert compact(schema)["properties"] == {
        "a": {"type": "string", "description": "inner"},
        "b": {"anyOf": [{"type": "number"}, {"type": "string"}], "description": "d"},
        "c": shape,
    }


def _shown(entry: ToolEntry) -> dict[str, object]:
    return {
        "name": entry.name,
        "description": entry.description,
        "inputSchema": entry.input_schema,
    }
