import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest
from pydantic import Field

from skills import modules
from tools.context import Preview, SkillContext
from tools.exports.skill_md import END, START, MarkersInvalid, client_file, document, group_of, render, update
from tools.registry import Registry
from tools.risk import RiskTier
from tools.skill import skill

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Answer:
    word: str


@skill(
    "market.quote.get",
    tier=RiskTier.GREEN,
    http="GET /api/market/quotes",
    title="Quotes",
    title_zh="行情",
    gotchas=("It may\nstand.",),
)
async def quote_get(ctx: SkillContext, *, symbol: Annotated[str, Field(description="Code or symbol.")]) -> Answer:
    """Last price of
    one instrument.

    For history use bars.
    """
    return Answer(symbol)


async def preview_delete(ctx: SkillContext, *, trade_id: int) -> Preview:
    return Preview("Deletes it.", [])


@skill(
    "investment.stock.trading.delete",
    tier=RiskTier.RED,
    http="DELETE /api/trades/{trade_id}",
    title="Delete a trade",
    title_zh="删除成交",
    preview=preview_delete,
)
async def trading_delete(ctx: SkillContext, *, trade_id: int) -> Answer:
    """Delete one trade."""
    return Answer("gone")


@skill(
    "investment.stock.trading.create",
    tier=RiskTier.YELLOW,
    http="POST /api/trades",
    title="Record a trade",
    title_zh="记录成交",
    confirm_required=True,
)
async def trading_create(ctx: SkillContext, *, symbol: str) -> Answer:
    """Record one trade."""
    return Answer(symbol)


@pytest.fixture
def registry():
    module = ModuleType("sample")
    module.first, module.second, module.third = quote_get, trading_delete, trading_create
    return Registry.collect([module])


RENDERED = """\
3 skills. `describe` gives the arguments of each.

### investment-stock

- 🟡 `investment.stock.trading.create` *asks* `POST /api/trades`: Record one trade.
- 🔴 `investment.stock.trading.delete` `DELETE /api/trades/{trade_id}`: Delete one trade.

### market

- 🟢 `market.quote.get` `GET /api/market/quotes`: Last price of one instrument. **Note:** It may stand."""


def test_the_catalogue_is_grouped_and_one_line_per_skill(registry):
    assert render(registry) == RENDERED


def test_links_point_to_the_pages(registry):
    assert "### market ([details](references/market.md))" in render(registry, links=True).splitlines()


def test_groups(registry):
    assert [group_of(each) for each in registry.skills] == ["investment-stock", "investment-stock", "market"]


def test_only_the_text_between_the_markers_changes(registry):
    text = f"before\n{START}\nold\n{END}\nafter {{braces}} stay\n"
    updated = update(text, registry)
    assert updated == f"before\n{START}\n\n{RENDERED}\n\n{END}\nafter {{braces}} stay\n"
    assert update(updated, registry) == updated


@pytest.mark.parametrize("text", ["", START, END, f"{END}{START}", f"{START}{END}{START}{END}", f"{START}{START}{END}"])
def test_documents_without_one_pair_of_markers_are_refused(registry, text):
    with pytest.raises(MarkersInvalid):
        update(text, registry)


def test_the_document_names_its_version_and_what_an_agent_must_know(registry):
    text = document(registry, version="1.2.3")
    assert '  version: "1.2.3"\n' in text
    assert "@version@" not in text
    for said in (
        "LG_AGENT_TOKEN",
        "LG_AGENT_BASE_URL",
        "approval_required",
        "nextAction.body",
        "idempotencyKey",
        "T+1",
    ):
        assert said in text
    assert RENDERED in text


def test_the_guide_of_the_project_is_the_one_that_ships(registry):
    """The top-level SKILL.md differs from the shipped guide in nothing but version and catalogue."""
    text = (ROOT / "SKILL.md").read_text(encoding="utf-8")
    version = text.partition('version: "')[2].partition('"')[0]
    assert update(text, registry) == document(registry, version=version)


def test_the_guide_shows_calls_that_the_desk_accepts():
    """Every skill the guide names exists, and its example binds."""
    known = Registry.collect(modules())
    guide = client_file("guide.md")
    named = set(re.findall(r"\b(?:describe|exec) ([a-z]+(?:\.\w+)+)", guide))
    assert named == {"market.quote.get"}
    (request,) = re.findall(r'^\{"skillId".*\}$', guide, re.MULTILINE)
    call = json.loads(request)
    found = known.find(call["skillId"])
    assert found is not None
    arguments = {argument.name for argument in known.schema(found).arguments}
    assert set(call["params"]) <= arguments
