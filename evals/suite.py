"""Which cases are played, how, and all of them one after another."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evals.loader import SCENARIOS, Case, cases, load_all
from evals.results import Play
from evals.runner import SMOKE_TRANSPORTS, play_case, warm_up
from evals.wire import WireFormat
from evals.world import World

SMOKE: Final = "smoke"
BOTH: Final = tuple(WireFormat)


@dataclass(frozen=True, slots=True)
class Run:
    """One play to come."""

    case: Case
    transport: str
    wire: WireFormat

    @property
    def name(self) -> str:
        """The case, with how it is played."""
        return f"{self.case.case_id} {self.transport} {self.wire.value}"


def chosen(text: str = "", *, folder: Path = SCENARIOS) -> list[Case]:
    """Return the cases whose id, title or a tag contains every word of a text. Raises `ScenarioInvalid`."""
    words = text.lower().split()
    return [case for case in cases(load_all(folder, words=words)) if all(word in _described(case) for word in words)]


def _described(case: Case) -> str:
    scenario = case.scenario
    return " ".join([case.case_id, scenario.title, *(f"tag:{tag}" for tag in scenario.tags)]).lower()


def runs(selected: Sequence[Case], *, wires: Sequence[WireFormat] = BOTH, transport: str = "") -> Iterator[Run]:
    """Return the plays of cases: each in every wire format, those tagged `smoke` over every transport besides.

    Without `wires` each case has one of the two, always the same.
    """
    for case in selected:
        own = transport or case.scenario.transport
        these = wires or (one_wire(case),)
        for wire in these:
            yield Run(case, own, wire)
        if SMOKE in case.scenario.tags and not transport:
            for number, other in enumerate(SMOKE_TRANSPORTS):
                if other != own and can_be_played(case, other):
                    yield Run(case, other, these[number % len(these)])


def can_be_played(case: Case, transport: str) -> bool:
    """Tell whether a case can be played over a transport: a process of its own has a clock that nobody moves."""
    if transport != "mcp-stdio":
        return True
    turns = [turn for phase in case.scenario.all_phases for turn in phase.turns]
    moves = any(turn.advance or any(act.decision == "expire" for act in turn.approvals) for turn in turns)
    return not moves and not case.scenario.seed.faults


def one_wire(case: Case) -> WireFormat:
    """Return the wire format of a case where only one is played: always the same, half of the cases each."""
    return BOTH[zlib.crc32(case.case_id.encode()) % len(BOTH)]


async def play_all(world: World, planned: Sequence[Run], told: Callable[[Play], None]) -> list[Play]:
    """Play one after another; `told` hears of each as it ends."""
    await warm_up()
    plays = []
    for run in planned:
        play = await play_case(world, run.case, wire=run.wire, transport=run.transport)
        told(play)
        plays.append(play)
    return plays
