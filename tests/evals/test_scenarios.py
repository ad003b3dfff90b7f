"""Every scenario, as a test of its own: each case in one wire format, the smoke set over every transport."""

import pytest

from evals.baselines import differences
from evals.loader import cases, load_all
from evals.runner import play_case
from evals.suite import Run, runs
from evals.world import World

PLANNED = list(runs(list(cases(load_all())), wires=()))


@pytest.mark.anyio
@pytest.mark.parametrize("run", PLANNED, ids=lambda run: run.name.replace(" ", "/"))
async def test_scenario(world: World, run: Run) -> None:
    play = await play_case(world, run.case, wire=run.wire, transport=run.transport)
    assert [str(failure) for failure in play.failures] == []
    assert differences(play) == []


def test_every_scenario_has_a_case_and_every_smoke_case_every_transport() -> None:
    smoke = [run for run in PLANNED if "smoke" in run.case.scenario.tags]
    assert {run.transport for run in smoke} == {"mcp-memory", "mcp-stdio", "mcp-http", "rest", "chat"}
    assert {run.wire.value for run in PLANNED} == {"openai", "anthropic"}
