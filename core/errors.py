"""The error tree: typed once here, mapped once per transport.

A class fixes a `kind` (what a caller can do about it) and a `code` (what happened; stable). It carries data, not
prose: the message comes from the class's template. Transports map kinds, never classes.

    class JobNotFound(NotFound):
        code = "job_not_found"
        template = "No job {job_id}."

    raise JobNotFound(job_id="job_1")
"""

from enum import StrEnum
from typing import Any, ClassVar


class ErrorKind(StrEnum):
    """What a caller can do about an error. Every transport maps each of these nine, and nothing else."""

    INVALID = "invalid"
    NOT_POSSIBLE = "not_possible"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class DeskError(Exception):
    """Base of every error the desk raises on purpose.

    Keyword arguments are the error's data. Those named in `template` form the message; those named in `shown` are
    returned to callers as extra fields of the problem body, in camel case.
    """

    kind: ClassVar[ErrorKind] = ErrorKind.INTERNAL
    code: ClassVar[str] = "internal"
    template: ClassVar[str] = "Something failed inside the desk."
    shown: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **data: Any) -> None:
        self.data = data
        super().__init__(self.template.format(**data))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an error travel between processes as it is: its class cannot be made anew from the message alone."""
        return _restored, (type(self), self.args, dict(self.__dict__))

    @property
    def message(self) -> str:
        """The sentence shown to callers."""
        return str(self)

    def extras(self) -> dict[str, Any]:
        """Return the fields of the problem body beyond the common ones; names in snake case."""
        return {name: self.data[name] for name in self.shown if name in self.data}


def _restored(kind: type[DeskError], arguments: tuple[Any, ...], state: dict[str, Any]) -> DeskError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(state)
    return error


class Invalid(DeskError):
    """The request is malformed; the same request can never succeed."""

    kind = ErrorKind.INVALID
    code = "validation_failed"
    template = "{reason}"

    def extras(self) -> dict[str, Any]:
        """Return the shown fields; `validation_failed` always lists its faults, as callers read them there."""
        told = super().extras()
        if self.code == Invalid.code and "errors" not in told:
            told["errors"] = [FieldFault(str(self.data.get("argument", "")), self.message).as_dict()]
        return told


class NotPossible(DeskError):
    """The request is well formed and the state of the world refuses it."""

    kind = ErrorKind.NOT_POSSIBLE
    code = "not_possible_now"
    template = "{reason}"


class Unauthenticated(DeskError):
    """The credentials are missing or bad."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "unauthenticated"
    template = "Invalid token"


class Forbidden(DeskError):
    """The caller is known and not allowed."""

    kind = ErrorKind.FORBIDDEN
    code = "forbidden"
    template = "{reason}"


class NotFound(DeskError):
    """The thing is absent, or another team's: callers cannot tell which."""

    kind = ErrorKind.NOT_FOUND
    code = "not_found"
    template = "{reason}"


class Conflict(DeskError):
    """Another write, name or approval stands in the way."""

    kind = ErrorKind.CONFLICT
    code = "conflict"
    template = "{reason}"


class VersionConflict(Conflict):
    """Somebody else wrote between the caller's read and this write."""

    code = "version_conflict"
    template = "{thing} was changed by somebody else in the meantime. Read it again and repeat the call."


class Limited(DeskError):
    """Too many calls; wait and repeat."""

    kind = ErrorKind.LIMITED
    code = "rate_limited"
    template = "Too many calls in the bucket {bucket}. Try again in {retry_after_seconds} s."
    shown: ClassVar[tuple[str, ...]] = ("bucket", "retry_after_seconds")


class Unavailable(DeskError):
    """Something outside, or still starting, is missing; the same call may succeed later."""

    kind = ErrorKind.UNAVAILABLE
    code = "upstream_unavailable"
    template = "{reason}"


class FieldFault:
    """One fault of one argument, as listed in `ArgumentsInvalid.errors`."""

    __slots__ = ("expected", "got", "message", "path", "suggestion")

    def __init__(self, path: str, message: str, *, expected: str = "", got: str = "", suggestion: str = "") -> None:
        self.path, self.message = path, message
        self.expected, self.got, self.suggestion = expected, got, suggestion

    def as_dict(self) -> dict[str, str]:
        """Return the fault as the problem body shows it; `suggestion` only where there is one."""
        shown = {"path": self.path, "message": self.message, "expected": self.expected, "got": self.got}
        return shown | ({"suggestion": self.suggestion} if self.suggestion else {})


class ArgumentsInvalid(Invalid):
    """One or more arguments are wrong. Carries every fault, not the first."""

    code = "validation_failed"
    template = "{summary}"
    shown = ("errors",)

    def __init__(self, faults: list[FieldFault]) -> None:
        self.faults = faults
        summary = "; ".join(f"{fault.path}: {fault.message}" for fault in faults)
        super().__init__(summary=summary, errors=[fault.as_dict() for fault in faults])
