"""What can go wrong between a call and its skill; `gateway.md` lists the same codes for callers."""

from core.errors import Conflict, DeskError, Forbidden, Invalid, NotPossible, Unavailable


class SkillNotFound(Invalid):
    """No skill of that name."""

    code = "skill_not_found"
    template = "There is no skill {skill_id!r}. GET /agent/skills lists them all."
    shown = ("did_you_mean",)


class MissingScope(Forbidden):
    """The caller's scopes do not reach the skill. The caller should quote this to its user and not try again."""

    code = "missing_scope"
    template = "{skill_id} needs the scope {required_scope}, which {who} does not have. {remedy}"
    shown = ("required_scope", "granted_scopes", "presets_granting_scope", "remediation_url")


class TradingHalted(Unavailable):
    """The team's halt switch is on."""

    code = "trading_halted"
    template = "Trading is halted for this team: {halt_reason}. Only an approver in a session can lift it."
    shown = ("halt_reason",)


class TimedOut(Unavailable):
    """The body took too long and was stopped."""

    code = "timed_out"
    template = "{skill_id} was stopped after {seconds:g} s. {consequence}"


class CallCancelled(Unavailable):
    """The caller went away, or the desk is shutting down, while the body ran."""

    code = "call_cancelled"
    template = "{skill_id} was cancelled."


class IdempotencyConflict(Conflict):
    """The key was used for other parameters."""

    code = "idempotency_conflict"
    template = "The idempotency key {key!r} was used for another call. Use a new key for a new call."
    shown = ("idempotency_key",)


class IdempotencyUnfinished(Conflict):
    """A call with the key has begun, and has no stored answer."""

    code = "idempotency_unfinished"
    template = (
        "A call with the idempotency key {key!r} has begun and no answer of it is stored: it is still running, or its "
        "outcome is unknown. Look at the state before you use a new key."
    )
    shown = ("idempotency_key",)


class ResponseTooLarge(NotPossible):
    """The answer is longer than the desk sends in one piece."""

    code = "response_too_large"
    template = "The answer of {skill_id} is longer than {limit} bytes. Ask for fewer rows, columns or days."
    shown = ("limit",)


class ApprovalRequired(Conflict):
    """A person must approve first; carries the pending record and the exact next call."""

    code = "approval_required"
    template = (
        "{skill_id} {why}. A person must approve it in the browser; then send the same call with params.approvalId."
    )
    shown = (
        "title",
        "skill_id",
        "risk_tier",
        "confirm_required",
        "required_scope",
        "approval_id",
        "approval",
        "expires_at",
        "preview",
        "next",
        "next_action",
        "hint",
        "retryable",
    )


class Incident(DeskError):
    """A defect of the desk. Callers see the number to quote, the log has the rest."""

    template = "Something failed inside the desk. Quote incident {incident_id}."
    shown = ("incident_id",)
