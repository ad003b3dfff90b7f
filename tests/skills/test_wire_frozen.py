"""What callers depend on does not change by accident, and matches the original service where it has the skill."""

import difflib
import json
import os

import pytest

from skills import modules
from tests.support.wire_listing import GOLDEN, listing, original_catalogue, same_route
from tools.registry import Registry

FROZEN = GOLDEN / "skills.json"
GREEN_THERE_YELLOW_HERE = {
    "process.pipeline.update_node",
    "process.pipeline.patch_meta",
    "schedule.job.patch",
    "datasource.patch",
    "dataasset.update",
    "dataasset.patch",
    "dashboard.patch",
    "metric.alert.patch",
    "metric.alert.snooze",
    "metric.alert.unsnooze",
    "metric.alert.acknowledge",
    "auth.user.register",
    "feedback.submit",
}
"""These write; green changes nothing here, without exception."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.collect(modules())


@pytest.mark.golden
def test_the_contract_of_every_skill_is_the_frozen_one(registry: Registry) -> None:
    now = json.dumps(listing(registry), ensure_ascii=False, indent=1) + "\n"
    if os.environ.get("DINGPAN_GOLDEN") == "write":
        FROZEN.write_text(now)
    changes = difflib.unified_diff(FROZEN.read_text().splitlines(), now.splitlines(), "frozen", "now", n=3, lineterm="")
    told = "\n".join(changes)
    assert not told, f"callers would see this; if it is meant, run ./dev golden and review:\n{told}"


def test_a_skill_of_the_original_has_its_method_path_and_tier(registry: Registry) -> None:
    originals = original_catalogue()
    wrong = []
    for skill in registry:
        original = originals.get(skill.skill_id)
        if original is None:
            continue
        tier = "yellow" if skill.skill_id in GREEN_THERE_YELLOW_HERE else original.tier
        if skill.tier.value != tier:
            wrong.append(f"{skill.skill_id} is {skill.tier.value}, not {tier}")
        if original.method not in {"-", skill.method} and skill.method not in original.method.split("/"):
            wrong.append(f"{skill.skill_id} answers {skill.method}, not {original.method}")
        if original.path != "-" and not same_route(original.path, skill.path):
            wrong.append(f"{skill.skill_id} is at {skill.path}, not {original.path}")
    assert wrong == []


def test_the_deviations_are_deviations() -> None:
    originals = original_catalogue()
    assert {originals[skill_id].tier for skill_id in GREEN_THERE_YELLOW_HERE} <= {"green", "yellow"}
    assert {"dataasset.patch", "auth.user.register"} <= GREEN_THERE_YELLOW_HERE


def test_the_anonymous_skills_are_among_the_ten(registry: Registry) -> None:
    ten = {
        "marketplace.item.list",
        "dashboard.get",
        "dashboard.data.get",
        "dataasset.get",
        "dataasset.schema.get",
        "dataasset.metadata.get",
        "dataasset.data.get",
        "dataasset.data.getRealtime",
        "process.ingestion.get",
        "process.component.list",
    }
    assert {skill.skill_id for skill in registry if skill.anonymous} == ten & {s.skill_id for s in registry}
