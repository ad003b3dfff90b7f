"""What must be true after a single turn: the last words, no calls where none may be, its events."""

from collections.abc import Iterator

from evals.comparing import reply_faults
from evals.loader import Case
from evals.model import Turn
from evals.results import Failure, PhaseRecord, TurnRecord
from evals.scorers import PhaseScorer
from evals.world import CaseDesk
from evals.yaml_text import Path


def check_turn(
    case: Case, turn: Turn, path: Path, *, played: TurnRecord, phase: PhaseRecord, desk: CaseDesk
) -> Iterator[Failure]:
    """Yield everything about a turn that is not as its scenario says."""
    place = f"{phase.name}, turn {path[-1] + 1 if isinstance(path[-1], int) else ''}"

    def failed(message: str, *inner: str | int) -> Failure:
        return Failure(case.loaded.where(*path, *inner), place, message)

    if turn.no_calls and played.calls:
        names = ", ".join(call.skill_id for call in played.calls)
        yield failed(f"expected no call in this turn, got {names}", "no_calls")
    for fault in reply_faults(turn.reply, played.said, desk.variables):
        yield failed(f"the reply {fault}", "reply")
    scorer = PhaseScorer(case, desk, phase, path)
    yield from scorer.events(turn.events, played.events, (*path, "events"))
