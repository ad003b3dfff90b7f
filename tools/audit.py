"""The audit entries of calls. Parameters are redacted here, before anything is kept."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from core.access.model import AuditEntry
from core.errors import DeskError
from tools.context import SkillCall
from tools.redaction import redact
from tools.schema import SkillSchema

OPENED: Final = "call.opened"
LONGEST_TEXT: Final = 2_000
CLOSED: Final = "call.closed"
REFUSED: Final = "call.refused"


def shortened(value: Any) -> Any:
    """Replace long texts, such as whole files, by their length and SHA-256: rows of the audit stay for ever."""
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        return f"({len(value)} characters, sha256 {digest})"
    return value


def opened(call: SkillCall, schema: SkillSchema, params: Mapping[str, Any]) -> AuditEntry:
    """A yellow or red call has passed every check and is about to run."""
    detail: dict[str, Any] = {
        "params": shortened(redact(dict(params), secrets=schema.secrets)),
        "surface": call.surface.value,
        "address": call.caller.address,
        "client": call.caller.client,
    }
    if call.approval_id is not None and schema.skill.needs_person:
        detail["approvalId"] = call.approval_id
    return _entry(OPENED, call, schema.skill.skill_id, detail)


def closed(call: SkillCall, skill_id: str, *, error: DeskError | None = None) -> AuditEntry:
    """A yellow or red call has ended; without an error its effect is in the same transaction as this entry."""
    outcome = {"outcome": "succeeded"} if error is None else {"outcome": "failed"} | _why(error)
    return _entry(CLOSED, call, skill_id, outcome)


def refused(call: SkillCall, skill_id: str, error: DeskError) -> AuditEntry:
    """A call was refused before it ran. Its parameters are not kept: they were not understood, or not allowed."""
    return _entry(
        REFUSED, call, skill_id, _why(error) | {"surface": call.surface.value, "address": call.caller.address}
    )


def _why(error: DeskError) -> dict[str, Any]:
    why = {"code": error.code, "kind": error.kind.value}
    extras = error.extras()
    return why | {name: extras[name] for name in ("approval_id", "incident_id", "bucket") if name in extras}


def _entry(event: str, call: SkillCall, skill_id: str, detail: dict[str, Any]) -> AuditEntry:
    caller = call.caller
    return AuditEntry(
        event=event,
        actor=caller.requester if caller.username is None else f"{caller.requester} {caller.username}",
        team_id=caller.team_id,
        skill_id=skill_id,
        trace_id=call.trace_id,
        detail=detail,
    )
