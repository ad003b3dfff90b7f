"""Asking a person: what exactly is asked, and the answer that tells a caller how to go on."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import rfc8785

from core.access.model import Approval, ApprovalDraft, Caller
from tools.context import Preview
from tools.errors import ApprovalRequired
from tools.redaction import redact
from tools.schema import SkillSchema
from tools.skill import Skill
from tools.wire import to_wire

EXECUTE_URL: Final = "/agent/skills/execute"
HINT: Final = (
    "Show approval.url to the user and wait. Do not decide for them. After the approval send nextAction.body "
    "unchanged; any change of the parameters needs a new approval."
)


def params_hash(skill: Skill, caller: Caller, canonical_params: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hexadecimal) of the RFC 8785 canonical JSON of who asks for what.

    `canonical_params` have their defaults filled in and decimals as text (`SkillSchema.canonical`), so key order,
    spelling and omitted defaults make no difference and everything else does. In place of secrets stand keyed
    fingerprints: the hash is stored, and a password could be guessed from it faster than from argon2.
    """
    asked = {
        "skillId": skill.skill_id,
        "version": skill.version,
        "team": caller.team_id,
        "requester": caller.requester,
        "params": dict(canonical_params),
    }
    return hashlib.sha256(rfc8785.dumps(asked)).hexdigest()


def default_preview(skill: Skill) -> Preview:
    """Return what is shown for a skill that asks first and computes no preview of its own."""
    return Preview(summary=f"{skill.title}: runs once with the parameters shown.", changes=[])


def draft(
    schema: SkillSchema, caller: Caller, *, canonical_params: dict[str, Any], digest: str, preview: Preview
) -> ApprovalDraft:
    """Make the record a person will see. Secret parameters are hidden in it; the hash covers their values."""
    if caller.team_id is None or caller.user_id is None:
        message = "an approval needs a user in a team; the dispatcher lets no anonymous caller come this far"
        raise RuntimeError(message)
    return ApprovalDraft(
        team_id=caller.team_id,
        skill_id=schema.skill.skill_id,
        skill_version=schema.skill.version,
        risk=schema.skill.tier.value,
        params=redact(canonical_params, secrets=schema.secrets),
        params_hash=digest,
        preview=to_wire(preview),
        requester=caller.requester,
        requester_user_id=caller.user_id,
        requester_name=caller.token_name or caller.username or caller.requester,
        client=caller.client,
        two_persons=schema.skill.two_persons,
    )


def approval_required(
    skill: Skill,
    approval: Approval,
    *,
    sent_params: Mapping[str, Any],
    idempotency_key: str | None,
    base_url: str,
) -> ApprovalRequired:
    """Make the whole 409: the pending record, what would change, and the next call, to be sent as it stands.

    Names inside the values are in wire form already; a transport writes the outer names in camel case.
    """
    params = to_wire(dict(sent_params)) | {"approvalId": approval.approval_id}
    if idempotency_key is not None:
        params["idempotencyKey"] = idempotency_key
    return ApprovalRequired(
        title="Human approval required",
        why="is red" if skill.tier.value == "red" else "asks before it runs",
        skill_id=skill.skill_id,
        risk_tier=skill.tier.value,
        confirm_required=True,
        required_scope=skill.scope,
        approval_id=approval.approval_id,
        approval=describe_approval(approval, base_url=base_url),
        expires_at=to_wire(approval.expires_at),
        preview=approval.preview,
        next="human-approves-then-resend-see-nextAction",
        next_action={"method": "POST", "url": EXECUTE_URL, "body": {"skillId": skill.skill_id, "params": params}},
        hint=HINT,
        retryable=True,
    )


def describe_approval(approval: Approval, *, base_url: str) -> dict[str, Any]:
    """Return the short form of an approval inside the 409."""
    return {
        "id": approval.approval_id,
        "state": approval.state.value,
        "url": f"{base_url}/approvals/{approval.approval_id}",
        "statusUrl": status_path(approval.approval_id),
        "paramsHash": approval.params_hash,
        "createdAt": to_wire(approval.created_at),
        "expiresAt": to_wire(approval.expires_at),
    }


def status_path(approval_id: str) -> str:
    """Return where the state of an approval is read; also the `Location` of the 409."""
    return f"/agent/approvals/{approval_id}"
