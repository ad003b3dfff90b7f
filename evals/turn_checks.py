"""What must be true after a single turn: the last words, no calls where none may be, its events."""

import re
from collections.abc import Iterator

from evals.comparing import shown
from evals.loader import Case
from evals.model import Turn
from evals.results import Failure, PhaseRecord, TurnRecord
from evals.scorers import PhaseScorer
from evals.substitution import substitute
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
    wanted, unwanted = turn.reply.matches, turn.reply.not_matches
    if wanted is not None and not re.search(str(substitute(wanted, desk.variables)), played.said):
        yield failed(f"reply: expected a match of {shown(wanted)}, got {shown(played.said)}", "reply", "matches")
    if unwanted is not None and (found := re.search(str(substitute(unwanted, desk.variables)), played.said)):
        message = f"reply: expected no match of {shown(unwanted)}, got {shown(found[0])} in {shown(played.said)}"
        yield failed(message, "reply", "not_matches")
    scorer = PhaseScorer(case, desk, phase, path)
    yield from scorer.events(turn.events, played.events, (*path, "events"))
