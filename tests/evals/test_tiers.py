"""No skill may lose its tier unnoticed: each one made milder in turn, some scenario that uses it fails.

A normal run tries a third of the skills, by their names always the same; `soak` tries all.
"""

import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from evals.loader import Case, cases, load_all
from evals.runner import play_case
from evals.suite import one_wire
from evals.world import World
from skills import modules
from tools.registry import Registry
from tools.risk import RiskTier

REGISTRY = Registry.collect(modules())
CASES = list(cases(load_all()))
MILDER = {RiskTier.RED: (RiskTier.YELLOW, RiskTier.GREEN), RiskTier.YELLOW: (RiskTier.GREEN,)}
CHANGES = [(skill.skill_id, tier) for skill in REGISTRY for tier in MILDER.get(skill.tier, ())]
SHARE = 3


def sampled(skill_id: str) -> bool:
    return zlib.crc32(skill_id.encode()) % SHARE == 0


def planned() -> Iterator[object]:
    for skill_id, tier in CHANGES:
        marks = [] if sampled(skill_id) else [pytest.mark.soak]
        yield pytest.param(skill_id, tier, id=f"{skill_id}-{tier.value}", marks=marks)


def scripted(case: Case) -> set[str]:
    """The skills a case's script calls, also those called before it and by others."""
    turns = [turn for phase in case.scenario.all_phases for turn in phase.turns]
    steps = [step for turn in turns for step in turn.steps(case.variant)]
    return {name for step in steps for call in step.scripted_calls for name in call.call}


def guards(skill_id: str) -> list[Case]:
    """The cases that call a skill: first those that look at approvals or the audit, since they notice soonest."""
    using = [case for case in CASES if skill_id in scripted(case)]
    return sorted(using, key=lambda case: not any(phase.expect.audit for phase in case.scenario.all_phases))


def milder(skill_id: str, tier: RiskTier) -> Registry:
    return Registry(
        replace(item, tier=tier, confirm_required=False) if item.skill_id == skill_id else item for item in REGISTRY
    )


@pytest.mark.anyio
@pytest.mark.parametrize(("skill_id", "tier"), list(planned()))
async def test_a_skill_made_milder_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch, skill_id: str, tier: RiskTier
) -> None:
    monkeypatch.setattr(world, "registry", milder(skill_id, tier))
    tried = []
    for case in guards(skill_id):
        play = await play_case(world, case, wire=one_wire(case))
        if not play.passed:
            return
        tried.append(case.case_id)
    pytest.fail(f"{skill_id} could become {tier.value} unnoticed; played {', '.join(tried) or 'nothing'}")


def test_the_sample_has_both_kinds_and_every_other_skill_is_green() -> None:
    kinds = {skill.tier for skill in REGISTRY if skill.tier is not RiskTier.GREEN and sampled(skill.skill_id)}
    assert kinds == {RiskTier.RED, RiskTier.YELLOW}
    assert len(CHANGES) == 2 * sum(s.tier is RiskTier.RED for s in REGISTRY) + sum(
        s.tier is RiskTier.YELLOW for s in REGISTRY
    )
