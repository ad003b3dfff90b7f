"""The shapes of a request: all the same call; nothing dropped in silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ArgumentsInvalid
from tools.envelope import ExecuteRequest, Params, key_fault, read_execute, read_params

WANTED = ExecuteRequest("x.y", Params({"id": "42", "page": 2, "name": "a"}))


@pytest.mark.parametrize(
    "body",
    [
        {"params": {"id": "42", "page": 2, "name": "a"}},
        {"params": {"pathParams": {"id": "42"}, "query": {"page": 2}, "body": {"name": "a"}}},
        {"params": {"pathParams": {"id": "42"}, "page": 2, "name": "a"}},
        {"pathParams": {"id": "42"}, "query": {"page": 2}, "body": {"name": "a"}},
        {"pathParams": {"id": "42"}, "params": {"query": {"page": 2}, "name": "a"}},
        {"query": {"page": 9}, "params": {"id": "42", "query": {"page": 2}, "name": "a"}},  # the nested one wins
        {"params": {"id": "7", "pathParams": {"id": "42"}, "page": 2, "name": "a"}},  # the subtree wins
        {"params": {"id": "42", "page": 2, "name": "a", "confirm": True}, "confirm": True},
        {"params": {"id": "42", "page": 2, "body": {"name": "a", "page": 2}, "query": None}},
    ],
)
def test_all_shapes_are_one_call(body):
    assert read_execute({"skillId": "x.y", **body}) == WANTED


def test_a_subtree_wins_over_another_spelling_of_the_flat_key():
    assert read_params({"filter_column": "a", "query": {"filterColumn": "b"}}).flat == {"filterColumn": "b"}


@pytest.mark.parametrize(("approval", "key"), [("approvalId", "idempotencyKey"), ("approval_id", "idempotency_key")])
def test_steering_keys_inside_params(approval, key):
    assert read_params({approval: "apr_1", key: "k1", "id": "1"}) == Params({"id": "1"}, "apr_1", "k1")


def faults(body):
    with pytest.raises(ArgumentsInvalid) as caught:
        read_execute(body)
    return [fault.as_dict() for fault in caught.value.faults]


def test_an_approval_id_outside_params_shows_the_right_place():
    shown = {"expected": "", "got": '"apr_1"', "suggestion": "params.approvalId"}
    message = "belongs in params.approvalId; no approval was made or used"
    assert faults({"skillId": "x", "approvalId": "apr_1"}) == [{"path": "approvalId", "message": message} | shown]
    assert faults({"skillId": "x", "params": {"body": {"approvalId": "apr_1"}}}) == [
        {"path": "params.body.approvalId", "message": message} | shown
    ]
    assert faults({"skillId": "x", "idempotencyKey": "k"})[0]["suggestion"] == "params.idempotencyKey"


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ([], [""]),
        ({}, ["skillId"]),
        ({"skillId": 7, "param": {}}, ["param", "skillId"]),
        ({"skill_id": "x"}, ["skill_id", "skillId"]),
        ({"skillId": "x", "params": []}, ["params"]),
        ({"skillId": "x", "params": {"body": [1], "query": "a"}}, ["params.query", "params.body"]),
        ({"skillId": "x", "query": 5}, ["params.query"]),
        ({"skillId": "x", "params": {"query": {"a": 1}, "body": {"a": 2}}}, ["params.body.a"]),
        ({"skillId": "x", "params": {"approvalId": 5}}, ["params.approvalId"]),
        ({"skillId": "x", "params": {"idempotencyKey": ""}}, ["params.idempotencyKey"]),
        ({"skillId": "x", "params": {"idempotencyKey": "a", "idempotency_key": "b"}}, ["params.idempotencyKey"]),
        ({"skillId": "x", "params": {"idempotencyKey": "a\x00"}}, ["params.idempotencyKey"]),
    ],
)
def test_faults_of_the_shape(body, paths):
    assert [fault["path"] for fault in faults(body)] == paths


def test_misspelt_outer_keys_are_suggested():
    assert faults({"skillid": "x"})[0]["suggestion"] == "skillId"
    assert faults({"skillId": "x", "page": 2})[0]["suggestion"] == "params.page"


def test_key_fault():
    assert key_fault("k" * 200) is None
    assert key_fault("k" * 201).path == "params.idempotencyKey"


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=2))
KEYS = st.sampled_from(["skillId", "params", "query", "body", "approvalId", "confirm", "x"]) | st.text(max_size=3)


@given(st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=4), max_size=5))
def test_any_object_is_read_or_refused_with_faults(body):
    try:
        request = read_execute(body)
    except ArgumentsInvalid as error:
        request = error
    assert request.faults if isinstance(request, ArgumentsInvalid) else request.skill_id == body["skillId"]
