"""Plays over several processes come to the same as one after another."""

from pathlib import Path
from typing import Any

import pytest

from core.durable.fan_out import Serial
from evals import spread
from evals.loader import cases, load_all
from evals.results import Play, plays_to_json
from evals.runner import play_case
from evals.suite import runs
from evals.world import World

CASES = [case for case in cases(load_all()) if case.scenario.id in {"chat.greeting.no-call", "portfolio.explain.cost"}]
PLANNED = list(runs(CASES))


class Here(Serial):
    """A pool without processes."""

    def __init__(self, processes: int) -> None: ...

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None: ...


def compared(plays: list[Play]) -> list[Any]:
    for play in plays:
        play.used.seconds = 0.0
    return plays_to_json(plays).split('{"case_id"')


async def one_after_another(world: World) -> list[Play]:
    return [await play_case(world, run.case, wire=run.wire, transport=run.transport) for run in PLANNED]


@pytest.mark.anyio
async def test_plays_come_back_in_their_order_and_are_told_of(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import anyio.to_thread

    monkeypatch.setattr(spread, "ProcessPool", Here)
    monkeypatch.setattr(spread, "_world", lambda _: world)
    told: list[Play] = []

    def play() -> list[Play]:
        return spread.play_spread(PLANNED, tmp_path, told.append, processes=2)

    plays = await anyio.to_thread.run_sync(play)
    assert len({play.name for play in plays}) == len(plays) == len(PLANNED) >= 4
    assert told == plays
    assert compared(plays) == compared(await one_after_another(world))


@pytest.mark.soak
@pytest.mark.anyio
async def test_played_by_two_processes_it_is_the_same(world: World, tmp_path: Path) -> None:
    plays = spread.play_spread(PLANNED, tmp_path, lambda _: None, processes=2)
    assert compared(plays) == compared(await one_after_another(world))


@pytest.mark.parametrize(
    ("plays", "asked", "processors", "found"), [(5, 0, 2, 1), (378, 0, 2, 2), (50, 0, 8, 2), (5, 3, 2, 3)]
)
def test_few_plays_are_not_worth_a_process(
    monkeypatch: pytest.MonkeyPatch, plays: int, asked: int, processors: int, found: int
) -> None:
    monkeypatch.setattr(spread, "default_threads", lambda: processors)
    assert spread.processes_for(plays, asked=asked) == found
