"""Reading a request to run a skill: flat keys, the original's envelope, or both, into flat parameters.

    {"skillId": "...", "params": {"id": "42"}}
    {"skillId": "...", "params": {"pathParams": {"id": "42"}, "query": {}, "body": {}}}
    {"skillId": "...", "pathParams": {"id": "42"}}          folded into params where missing there

An explicit subtree wins over a flat key of the same name. Nothing is dropped in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from core.errors import ArgumentsInvalid, FieldFault
from tools.faults import MOST_FAULTS, quote
from tools.suggestions import closest

SUBTREES: Final = ("pathParams", "query", "body")
APPROVAL_KEYS: Final = ("approvalId", "approval_id")
IDEMPOTENCY_KEYS: Final = ("idempotencyKey", "idempotency_key")
NO_EFFECT: Final = "confirm"
"""A word some clients send. It has no effect: only a person's approval has."""
KEY_LENGTH: Final = 200
"""Most characters of an approval id or an idempotency key."""

_CONTROL: Final = {key: keys[0] for keys in (APPROVAL_KEYS, IDEMPOTENCY_KEYS) for key in keys}
_TOP: Final = ("skillId", "params", *SUBTREES)


@dataclass(frozen=True, slots=True)
class Params:
    """What a request's `params` say: the skill's own parameters, and the two keys that steer the call."""

    flat: dict[str, Any]
    approval_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class ExecuteRequest:
    """A request to run a skill, as it was sent."""

    skill_id: str
    params: Params


def read_execute(body: Any) -> ExecuteRequest:
    """Read the body of `POST /agent/skills/execute`. Raises `ArgumentsInvalid` with every fault of its shape."""
    if not isinstance(body, Mapping):
        raise ArgumentsInvalid([FieldFault("", "must be an object", expected="object", got=quote(body))])
    stray = ((key, value) for key, value in body.items() if key not in {*_TOP, NO_EFFECT})
    faults = [_stray(key, value) for key, value in islice(stray, MOST_FAULTS)]
    skill_id = body.get("skillId")
    if not isinstance(skill_id, str) or not skill_id:
        faults.append(FieldFault("skillId", "must be the name of a skill", expected="text", got=quote(skill_id)))
    inner = body.get("params")
    if inner is not None and not isinstance(inner, Mapping):
        faults.append(FieldFault("params", "must be an object", expected="object", got=quote(inner)))
    if faults:
        raise ArgumentsInvalid(faults)
    folded = {name: body[name] for name in SUBTREES if body.get(name) is not None}
    return ExecuteRequest(str(skill_id), read_params(folded | dict(inner or {})))


def read_params(params: Mapping[str, Any]) -> Params:
    """Flatten `params`. Raises `ArgumentsInvalid` for subtrees that are no objects, contradict each other, or hide
    `approvalId` or `idempotencyKey`.
    """
    faults: list[FieldFault] = []
    explicit = _subtrees(params, faults)
    spoken_for = {_folded(name) for name in explicit}
    flat = {
        name: value
        for name, value in params.items()
        if name not in {*SUBTREES, *_CONTROL, NO_EFFECT} and _folded(name) not in spoken_for
    }
    approval_id = _steering(params, APPROVAL_KEYS, faults)
    idempotency_key = _steering(params, IDEMPOTENCY_KEYS, faults)
    if faults:
        raise ArgumentsInvalid(faults)
    return Params(flat | explicit, approval_id, idempotency_key)


def _subtrees(params: Mapping[str, Any], faults: list[FieldFault]) -> dict[str, Any]:
    """Join the three subtrees into one mapping."""
    joined: dict[str, Any] = {}
    for subtree in SUBTREES:
        inner = params.get(subtree)
        if inner is None:
            continue
        if not isinstance(inner, Mapping):
            faults.append(FieldFault(f"params.{subtree}", "must be an object", expected="object", got=quote(inner)))
            continue
        for name, value in inner.items():
            if name in _CONTROL:
                faults.append(_misplaced(f"params.{subtree}.{name}", name, value))
            elif name in joined and joined[name] != value:
                message = "is given in two places with different values"
                faults.append(FieldFault(f"params.{subtree}.{name}", message, got=quote(value)))
            elif name != NO_EFFECT:
                joined[name] = value
    return joined


def _steering(params: Mapping[str, Any], keys: tuple[str, ...], faults: list[FieldFault]) -> str | None:
    """Return the approval id or idempotency key, under either spelling."""
    given = [params[key] for key in keys if params.get(key) is not None]
    if not given:
        return None
    value = given[0]
    fault = key_fault(value if value == given[-1] else None, path=f"params.{keys[0]}")
    if fault is not None:
        faults.append(fault)
        return None
    return str(value)


def key_fault(value: Any, *, path: str = "params.idempotencyKey") -> FieldFault | None:
    """Return what is wrong with an approval id or idempotency key; None for a good one."""
    if isinstance(value, str) and 0 < len(value) <= KEY_LENGTH and value.isprintable():
        return None
    message = f"must be one text of at most {KEY_LENGTH} printable characters"
    return FieldFault(path, message, expected="text", got=quote(value))


def _stray(key: str, value: Any) -> FieldFault:
    if key in _CONTROL:
        return _misplaced(key, key, value)
    suggestion = next(iter(closest(key, _TOP)), f"params.{key}")
    return FieldFault(
        key, "does not belong beside skillId; parameters go into params", got=quote(value), suggestion=suggestion
    )


def _misplaced(path: str, key: str, value: Any) -> FieldFault:
    place = f"params.{_CONTROL[key]}"
    return FieldFault(path, f"belongs in {place}; no approval was made or used", got=quote(value), suggestion=place)


def _folded(name: str) -> str:
    """Return the form two spellings of one argument share."""
    return name.replace("_", "").lower()
