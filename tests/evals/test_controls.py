"""What the scenarios are worth: with a protection taken away, the ones that guard it fail, and say why."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import agent_server.chat.loop
import tools.approvals
import tools.policy
from core.access.approval_service import ApprovalService
from core.access.audit_log import AuditLog
from core.backtest.store import BacktestResultStore
from evals.loader import Case, cases, load_all
from evals.results import Play
from evals.runner import play_case
from evals.suite import one_wire
from evals.world import World
from skills import modules
from tools.registry import Registry
from tools.risk import RiskTier

Patch = pytest.MonkeyPatch
CASES = {case.case_id: case for case in cases(load_all())}
REGISTRY = Registry.collect(modules())


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


def guarded_by(skill_id: str) -> list[Case]:
    """The cases whose script calls the skill."""
    return [case for case in CASES.values() if skill_id in scripted(case)]


def scripted(case: Case) -> set[str]:
    turns = [turn for phase in case.scenario.all_phases for turn in phase.turns]
    steps = [step for turn in turns for step in turn.steps(case.variant)]
    return {name for step in steps for call in step.scripted_calls for name in call.call}


@pytest.mark.anyio
@pytest.mark.parametrize("skill_id", [s.skill_id for s in REGISTRY if s.tier is not RiskTier.GREEN])
async def test_a_skill_without_its_tier_is_noticed(world: World, skill_id: str) -> None:
    harmless = Registry(
        replace(item, tier=RiskTier.GREEN, confirm_required=False) if item.skill_id == skill_id else item
        for item in REGISTRY
    )
    plays = []
    for case in guarded_by(skill_id):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world, "registry", harmless)
            plays.append(await played(world, case))
        if not plays[-1].passed:
            return
    pytest.fail(f"{skill_id} could become green unnoticed: {len(plays)} cases call it")
