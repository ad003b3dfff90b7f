"""Who calls, and the records that say what they may do."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What a person may do in a team beyond using it."""

    MEMBER = "member"
    APPROVER = "approver"
    ADMINISTRATOR = "administrator"


class CallerKind(StrEnum):
    """How a caller proved who it is."""

    ANONYMOUS = "anonymous"
    TOKEN = "token"
    SESSION = "session"
    PROCESS = "process"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes a call: built by a transport, trusted by the dispatcher.

    `scopes` limits a token, process or local caller; a session has every scope of its user (`all_scopes`).
    `address` is the network address, for rate limits and the audit. `client` is what the client calls itself.
    """

    kind: CallerKind
    user_id: int | None = None
    username: str | None = None
    team_id: int | None = None
    team_name: str | None = None
    role: Role = Role.MEMBER
    token_id: int | None = None
    token_name: str | None = None
    session_id: str | None = None
    scopes: frozenset[str] = frozenset()
    all_scopes: bool = False
    address: str = ""
    client: str = ""

    @property
    def is_person(self) -> bool:
        """True for a signed-in session: the only kind that may decide."""
        return self.kind is CallerKind.SESSION

    @property
    def may_approve(self) -> bool:
        """True for a session of an approver or administrator of the team."""
        return self.is_person and self.role in {Role.APPROVER, Role.ADMINISTRATOR}

    @property
    def requester(self) -> str:
        """Name the identity an approval is bound to: another token of the same user is another requester."""
        match self.kind:
            case CallerKind.TOKEN | CallerKind.PROCESS:
                return f"token:{self.token_id}"
            case CallerKind.SESSION:
                return f"user:{self.user_id}"
            case CallerKind.LOCAL:
                return f"local:{self.user_id}"
            case CallerKind.ANONYMOUS:
                return "anonymous"


@dataclass(frozen=True, slots=True)
class User:
    """A person. `password_hash` is argon2id and never leaves the access package."""

    user_id: int
    username: str
    team_id: int
    team_name: str
    role: Role
    email: str
    created_at: datetime
    is_active: bool
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """A person's login. The cookie's value is kept as a hash only."""

    session_id: str
    user: User
    csrf_token: str = field(repr=False)
    created_at: datetime
    last_seen_at: datetime


class TokenStatus(StrEnum):
    """Whether a token still opens the door."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as shown to its owner: everything but the secret."""

    token_id: int
    token_name: str
    username: str
    team_name: str
    user_id: int
    status: TokenStatus
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class ApprovalState(StrEnum):
    """Life of an approval; `core.access.approvals` has the transitions."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    EXECUTING = "executing"
    EXECUTED = "executed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One request for a person's consent, bound to one exact call by `params_hash`.

    `params` are the full parameters in canonical form with defaults filled in; `preview` says what would change.
    `expires_at` is the end of the current state: ten minutes to decide, then five to use.
    """

    approval_id: str
    team_id: int
    skill_id: str
    skill_version: str
    risk: str
    state: ApprovalState
    params: dict[str, Any]
    params_hash: str
    preview: dict[str, Any]
    requester: str
    requester_user_id: int
    requester_name: str
    client: str
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None = None
    decided_by: int | None = None
    comment: str = ""
    finished_at: datetime | None = None
    result_ref: str = ""
    two_persons: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDraft:
    """What a request for consent is made of; `two_persons` keeps the requester's own user from deciding."""

    team_id: int
    skill_id: str
    skill_version: str
    risk: str
    params: dict[str, Any]
    params_hash: str
    preview: dict[str, Any]
    requester: str
    requester_user_id: int
    requester_name: str
    client: str = ""
    two_persons: bool = False


@dataclass(frozen=True, slots=True)
class SignIn:
    """A fresh login. `cookie` is shown to the browser once; the desk keeps its hash."""

    cookie: str = field(repr=False)
    session: Session


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A fresh token. `secret` is shown once; the desk keeps its hash."""

    secret: str = field(repr=False)
    token: Token


@dataclass(frozen=True, slots=True)
class Halt:
    """The team's halt switch while it is on."""

    team_id: int
    reason: str
    set_by: int
    set_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What a caller of the audit says; the log adds place, moment and hashes. `detail` is redacted already."""

    event: str
    actor: str
    team_id: int | None = None
    skill_id: str = ""
    trace_id: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One line of the audit chain. `row_hash` covers every other field and the previous row's hash."""

    sequence: int
    at: datetime
    event: str
    team_id: int | None
    actor: str
    skill_id: str
    trace_id: str
    detail: dict[str, Any]
    previous_hash: str
    row_hash: str
