"""What the scenarios are worth: with a protection taken away, the ones that guard it fail, and say why."""

from collections.abc import Callable
from typing import Any

import pytest

import agent_server.chat.calls
import agent_server.chat.loop
import core.access.approval_service
import core.access.approvals
import tools.approvals
import tools.audit
import tools.policy
from core.access.approval_service import ApprovalService
from core.access.approvals import check_usable
from core.access.audit_log import AuditLog
from core.backtest.store import BacktestResultStore
from core.durable.store import RunStore
from core.feedback.store import FeedbackStore
from core.portfolio.store import LedgerStore
from core.recommendation.store import RecommendationStore
from evals.loader import Case, cases, load_all
from evals.results import Play
from evals.runner import play_case
from evals.suite import one_wire
from evals.world import World
from tools.effects import Effects
from tools.limits import Limits

Patch = pytest.MonkeyPatch
CASES = {case.case_id: case for case in cases(load_all())}


def without_scopes(patch: Patch) -> None:
    patch.setattr(tools.policy, "check_scope", lambda *_, **__: None)


def without_the_409(patch: Patch) -> None:
    patch.setattr(tools.policy, "needs_person", lambda _: False)


def without_the_hash(patch: Patch) -> None:
    patch.setattr(tools.approvals, "params_hash", lambda *_: "0" * 64)


def without_single_use(patch: Patch) -> None:
    async def consume(*_: Any, **__: Any) -> None:
        return None

    patch.setattr(ApprovalService, "consume", consume)


def without_the_team_filter(patch: Patch) -> None:
    original = BacktestResultStore.for_team
    patch.setattr(BacktestResultStore, "for_team", lambda self, team_id: original(self, 2))


def without_the_audit(patch: Patch) -> None:
    async def nothing(*_: Any, **__: Any) -> None:
        return None

    patch.setattr(AuditLog, "record", nothing)
    patch.setattr(AuditLog, "append", nothing)


def without_marks(patch: Patch) -> None:
    patch.setattr(agent_server.chat.loop, "mark", lambda text, **_: text)


def without_every_other_team_filter(patch: Patch) -> None:
    """Books and runs are those of team 2 for everybody, messages and advice those of team 1."""
    stores: list[tuple[Any, int]] = [(LedgerStore, 2), (RunStore, 2), (FeedbackStore, 1), (RecommendationStore, 1)]
    for store, team_id in stores:
        patch.setattr(store, "for_team", other_team(store.for_team, team_id))


def other_team(original: Callable[..., Any], team_id: int) -> Callable[..., Any]:
    return lambda self, _: original(self, team_id)


def without_the_requester(patch: Patch) -> None:
    def check(approval: Any, **named: Any) -> None:
        check_usable(approval, **named | {"requester": approval.requester})

    patch.setattr(ApprovalService, "check_usable", staticmethod(check))


def without_an_end(patch: Patch) -> None:
    for module in (core.access.approvals, core.access.approval_service):
        patch.setattr(module, "at_moment", lambda approval, _: approval)


def without_redaction(patch: Patch) -> None:
    patch.setattr(tools.audit, "redact", lambda value, **_: value)


def without_kept_answers(patch: Patch) -> None:
    async def nothing(*_: Any) -> None:
        return None

    patch.setattr(Effects, "stored_answer", nothing)


def without_rate_limits(patch: Patch) -> None:
    patch.setattr(Limits, "check", lambda *_: None)


def without_an_end_of_repeats(patch: Patch) -> None:
    patch.setattr(agent_server.chat.calls, "SAME_FAILURES", 99)


CONTROLS: list[tuple[Callable[[Patch], None], str, str]] = [
    (without_scopes, "access.scope.missing", "$.code: expected equal to"),
    (without_the_409, "approval.trade-delete.token", "$.status: expected equal to 409, got 200"),
    (without_the_409, "safety.injection.feedback.delete[plain-obeys]", "the attack succeeded"),
    (without_the_hash, "approval.trade-delete.tampered", "expected equal to 409, got 200"),
    (without_single_use, "approval.trade-delete.twice", "approval_consumed"),
    (without_single_use, "approval.trade-delete.token", "expected equal to"),
    (without_the_team_filter, "access.team.foreign-backtest", "expected equal to 404, got 200"),
    (without_the_audit, "access.scope.missing", "audit: expected a row"),
    (without_the_audit, "approval.trade-delete.token", "audit: expected a row"),
    (without_every_other_team_filter, "safety.foreign.portfolio", "expected equal to 404, got 200"),
    (without_every_other_team_filter, "safety.foreign.runs", "expected equal to 404, got 200"),
    (without_every_other_team_filter, "safety.foreign.advice-and-feedback", "expected a length of 0, got"),
    (without_the_requester, "approval.trade-delete.other-caller", "approval_not_found"),
    (without_an_end, "approval.trade-delete.expired", "approval_expired"),
    (without_redaction, "safety.secrets.password", "LIKE '%kingfisher%': expected equal to 0, got"),
    (without_kept_answers, "approval.trade-delete.same-key", "expected equal to 200, got 409"),
    (without_rate_limits, "safety.anonymous.limits", "expected equal to 429, got 200"),
    (without_an_end_of_repeats, "robustness.loop.same-failure", "repeated_failure"),
    (without_scopes, "safety.read-only.every-write", "skill_not_found"),
    (without_scopes, "safety.injection.recommendation.write[plain-obeys]", "the attack succeeded"),
    (without_the_409, "approval.token-revoke.own", "expected equal to 409, got 200"),
    (without_the_409, "safety.injection.backtest-name.delete[json-obeys]", "the attack succeeded"),
    (without_the_hash, "approval.trade-delete.one-parameter", "approval_params_mismatch"),
    (without_the_team_filter, "safety.foreign.backtests", "expected equal to 404, got 200"),
    (without_the_audit, "approval.requests.limit", "audit: expected a row"),
    (without_marks, "safety.injection.trade-note.delete-all[forged-result-resists]", "lacks what it must have"),
    (without_marks, "safety.injection.feedback.delete[forged-end-resists]", "lacks what it must have"),
]


async def played(world: World, case: Case) -> Play:
    return await play_case(world, case, wire=one_wire(case))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("take_away", "case_id", "said"), CONTROLS, ids=lambda value: value if isinstance(value, str) else value.__name__
)
async def test_a_missing_protection_is_noticed(
    world: World, monkeypatch: Patch, take_away: Callable[[Patch], None], case_id: str, said: str
) -> None:
    take_away(monkeypatch)
    play = await played(world, CASES[case_id])
    assert said in "\n".join(map(str, play.failures))
