"""What an approval is bound to."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access.model import Caller, CallerKind
from tests.support.sample_skills import sample_registry
from tools.approvals import default_preview, draft, params_hash
from tools.context import Preview

REGISTRY = sample_registry()
BREAK = REGISTRY.find("sample.jar.break")
SCHEMA = REGISTRY.schema(BREAK)
CALLER = Caller(
    kind=CallerKind.TOKEN, token_id=3, token_name="agent", user_id=1, username="anna", team_id=1, client="curl"
)


def digest(caller=CALLER, skill=BREAK, **params):
    return params_hash(skill, caller, SCHEMA.canonical(SCHEMA.bind({"name": "honey"} | params)))


def test_the_hash_is_that_of_the_canonical_json():
    text = (
        b'{"params":{"count":1,"force":false,"name":"honey","weight":"1.50"},"requester":"token:3",'
        b'"skillId":"sample.jar.break","team":1,"version":"1"}'
    )
    assert digest(weight="1.50") == hashlib.sha256(text).hexdigest()


@given(st.permutations([("name", "honey"), ("force", False), ("weight", "1"), ("count", 1)]), st.integers(0, 3))
def test_order_spelling_and_omitted_defaults_make_no_difference(pairs, dropped):
    kept = dict(pairs)
    for name in ["force", "weight", "count"][:dropped]:
        del kept[name]
    assert params_hash(BREAK, CALLER, SCHEMA.canonical(SCHEMA.bind(kept))) == digest()


@pytest.mark.parametrize("changed", [{"name": "Honey"}, {"weight": "1.0"}, {"count": 2}, {"force": True}], ids=str)
def test_any_other_change_makes_another_hash(changed):
    assert digest(**changed) != digest()


@pytest.mark.parametrize("changed", [{"token_id": 4}, {"team_id": 2}, {"kind": CallerKind.SESSION}], ids=str)
def test_the_hash_is_bound_to_team_and_requester(changed):
    assert digest(caller=replace(CALLER, **changed)) != digest()


def test_the_hash_is_bound_to_the_skills_version():
    assert digest(skill=replace(BREAK, version="2")) != digest()


def test_the_draft_hides_secrets_and_names_who_asks():
    create = REGISTRY.schema(REGISTRY.find("sample.jar.create"))
    params = create.canonical(create.bind({"name": "jam", "pin": "1234"}))
    made = draft(create, CALLER, canonical_params=params, digest="d", preview=Preview("Adds jam.", []))
    assert made.params == {"name": "jam", "pin": "(hidden)"}
    assert (made.requester, made.requester_name, made.requester_user_id) == ("token:3", "agent", 1)
    assert made.preview == {"summary": "Adds jam.", "changes": []}
    with pytest.raises(RuntimeError, match="no anonymous caller"):
        draft(create, Caller(kind=CallerKind.ANONYMOUS), canonical_params={}, digest="d", preview=Preview("", []))


def test_a_skill_without_preview_says_what_it_is():
    seal = REGISTRY.find("sample.jar.seal")
    assert default_preview(seal).summary == "Seal: runs once with the parameters shown."
