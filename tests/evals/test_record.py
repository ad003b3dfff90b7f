"""A play that is recorded and played again is the same conversation; reports hold what happened."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from evals import report, report_html
from evals.loader import Case, cases, load, load_all
from evals.record import scenario_of
from evals.results import Failure, events_of_play, plays_from_json, plays_to_json
from evals.runner import play_case
from evals.wire import WireFormat
from evals.world import World


def case(case_id: str) -> Case:
    return next(case for case in cases(load_all()) if case.case_id == case_id)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "case_id", ["portfolio.pnl.read", "approval.trade-delete.denied", "market.instrument.ambiguous"]
)
async def test_a_recorded_play_can_be_played_again(world: World, tmp_path: Path, case_id: str) -> None:
    first = await play_case(world, case(case_id), wire=WireFormat.OPENAI)
    kept = plays_to_json([first])
    events = events_of_play(kept, case_id)
    principal = {"mode": "token", "user": "ada", "preset": "desk"}
    text = scenario_of(events, identity="recorded.one.case", registry=world.registry, principal=principal)
    path = tmp_path / "recorded" / "one.case.yaml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    second = await play_case(world, Case(load(path, tmp_path)), wire=WireFormat.ANTHROPIC)
    assert [str(failure) for failure in second.failures] == []
    said = [[turn.said for turn in phase.turns] for phase in first.phases]
    assert [[turn.said for turn in phase.turns] for phase in second.phases] == said
    made = [call.skill_id for phase in first.phases for call in phase.calls]
    assert [call.skill_id for phase in second.phases for call in phase.calls] == made
    assert plays_from_json(kept)[0].name == first.name


@pytest.mark.anyio
async def test_reports_hold_what_happened_and_escape_it(world: World) -> None:
    play = await play_case(world, case("approval.trade-delete.token"), wire=WireFormat.OPENAI)
    play.phases[0].turns[0].user = "<script>alert(1)</script>"
    play.failures.append(Failure("file.yaml:3", "turn 1", "expected <b>, got \x00"))
    page, text = report_html.page([play]), report.markdown([play])
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert '<span class="tag red">red</span> <code>investment.stock.trading.delete</code>' in page
    assert "approve by ada" in page
    assert "portfolio_facts" in page
    assert "- file.yaml:3: turn 1: expected <b>, got" in text
    suite = ET.fromstring(report.junit([play]))
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert suite.findall("testcase/failure")[0].get("message") == "file.yaml:3: turn 1: expected <b>, got \ufffd"
