"""Everything about who may do what, under one name.

`AccessService` is four services that build on one another, each in its module: accounts, sign-in, tokens, approvals.
One object, because all four share the clock, the random bits and what is remembered between two writes.
"""

from core.access.approval_service import ApprovalService


class AccessService(ApprovalService):
    """People, sessions, tokens, approvals and the halt switch of a desk. One per process; made by `bootstrap`."""
