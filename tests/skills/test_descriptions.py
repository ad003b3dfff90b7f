"""What a model reads of a skill: short, and it says when to use the skill and when not."""

import re
from typing import Final

import pytest

from skills import modules
from tools.registry import Registry, description_of
from tools.skill import Skill

REGISTRY: Final = Registry.collect(modules())
LONGEST: Final = 700
ALL_TOGETHER: Final = 18_000
WHEN: Final = re.compile(r"\b(Use it|Only for)\b")
WHEN_NOT: Final = re.compile(r"\b(not|no|never|nothing|only|refused)\b|`[a-z]+\.[a-z.]+`", re.IGNORECASE)
CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")

skills = pytest.mark.parametrize("skill", REGISTRY.skills, ids=lambda item: item.skill_id)


@skills
def test_it_says_when_to_use_it_and_when_not(skill: Skill) -> None:
    text = description_of(skill)
    assert WHEN.search(text), "say when to use it"
    assert WHEN_NOT.search(text), "say when not to, or name the skill to use instead"
    assert 80 <= len(text) <= LONGEST, f"{len(text)} characters"


@skills
def test_it_has_a_title_in_both_languages_and_an_example(skill: Skill) -> None:
    assert 3 <= len(skill.title) <= 60
    assert CHINESE.search(skill.title_zh)
    if REGISTRY.schema(skill).arguments:
        has_own = bool(skill.example) or any(item.example is not None for item in REGISTRY.schema(skill).arguments)
        assert has_own, "an example call shows more than a schema"


@skills
def test_every_skill_it_names_exists(skill: Skill) -> None:
    named = re.findall(r"`((?:[a-z]+\.){2,}[a-z_]+)`", description_of(skill))
    assert [name for name in named if REGISTRY.find(name) is None] == []


def test_all_descriptions_together_stay_within_the_budget() -> None:
    assert sum(len(description_of(skill)) for skill in REGISTRY.skills) <= ALL_TOGETHER
