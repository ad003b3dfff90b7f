"""Errors about people, sessions and tokens. Those about approvals are in `core.access.approvals`."""

from core.errors import Conflict, Forbidden, Invalid, Limited, NotFound, NotPossible, Unauthenticated


class UsernameInvalid(Invalid):
    """A name with a character or length that is not allowed."""

    code = "username_invalid"
    template = "{name!r} cannot be a name: use 3 to {longest} letters, digits, dots, hyphens or underscores."


class PasswordInvalid(Invalid):
    """A password that is too short or too long. Never carries the password."""

    code = "password_invalid"
    template = "The password cannot be used: {reason}."


class EmailInvalid(Invalid):
    """A text that is no mail address."""

    code = "email_invalid"
    template = "{email!r} is not a mail address."


class TextTooLong(Invalid):
    """A comment or reason that does not fit."""

    code = "text_too_long"
    template = "{field} may have {longest} characters and has {length}."


class TokenRequestInvalid(Invalid):
    """A token asked for with a name, life or scope that cannot be."""

    code = "token_request_invalid"
    template = "The token cannot be made: {reason}."


class NameTaken(Conflict):
    """The user or team name belongs to somebody else."""

    code = "name_taken"
    template = "The {thing} name {name!r} is taken."


class SignInFailed(Unauthenticated):
    """One message for every reason, so that nobody learns which names exist."""

    template = "The user name or the password is wrong."


class SignInLimited(Limited):
    """Too many failures of one name or address."""

    template = "Too many failed sign-ins. Try again in {retry_after_seconds} s."


class SessionRequired(Forbidden):
    """Only a person signed in with a browser may do this."""

    code = "session_required"
    template = "Only a person signed in at the web page may do this; no token can."


class ApproverRequired(Forbidden):
    """The person is neither approver nor administrator of the team."""

    code = "approver_required"
    template = "Only an approver or administrator of the team may do this."


class ReservedScope(Forbidden):
    """A scope the desk gives to its own runs only."""

    code = "reserved_scope"
    template = "The scope {scope} is reserved: the desk mints it itself, for one run at a time."
    shown = ("scope",)


class UserNotFound(NotFound):
    """No such user in the team."""

    code = "user_not_found"
    template = "No user {user}."


class TokenNotFound(NotFound):
    """No such token in the team."""

    code = "token_not_found"
    template = "No token {token_id}."


class LastAdministrator(NotPossible):
    """The change would leave a team without anybody to manage it."""

    code = "last_administrator"
    template = "{username} is the only active administrator of the team; make somebody else one first."
