"""One call on its way through the dispatcher: what the earlier steps found out for the later ones."""

from dataclasses import dataclass, field
from typing import Any

from tools.context import SkillCall, SkillResult
from tools.schema import SkillSchema
from tools.skill import EVERY_FIELD, Skill
from tools.wire import camel


@dataclass(slots=True)
class Job:
    """A call that has been resolved, authorized and validated.

    `digest` is the hash of who asks for what. `approval_id` is set when the call runs under an approval. `has_begun`:
    an external effect may have started. `has_run`: the body has returned. `has_lost`: a parallel call used the approval
    first. `was_stopped`: the body was cut off, by the timeout or (`was_cancelled`) because its caller went away.
    """

    call: SkillCall
    skill: Skill
    schema: SkillSchema
    arguments: dict[str, Any]
    canonical: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    approval_id: str | None = None
    has_begun: bool = False
    has_run: bool = False
    has_lost: bool = False
    was_stopped: bool = False
    was_cancelled: bool = False

    @property
    def key(self) -> str | None:
        """The idempotency key the caller gave."""
        return self.call.idempotency_key


def result_of(skill: Skill, wire: dict[str, Any], *, replayed: bool = False) -> SkillResult:
    """Split a result in wire form into what stands where in the envelope."""
    meta = wire.get("meta")
    is_lifted = isinstance(meta, dict)
    rest = {name: value for name, value in wire.items() if name != "meta"} if is_lifted else wire
    data: Any = rest
    beside: dict[str, Any] = {}
    if skill.unwrap == EVERY_FIELD:
        beside = rest
    elif skill.unwrap is not None:
        unwrapped = camel(skill.unwrap)
        data = rest[unwrapped]
        beside = {name: value for name, value in rest.items() if name != unwrapped}
    return SkillResult(
        skill_id=skill.skill_id,
        data=data,
        value=wire,
        beside=beside,
        meta=meta if isinstance(meta, dict) else {},
        replayed=replayed,
    )
