"""Who calls over MCP: always the token of the request itself, never the MCP session it came in.

A session is a convenience of the transport. Every request over HTTP carries its own token, which is checked again; a
process on standard input and output acts for the one caller it was started for.
"""

from dataclasses import replace
from typing import Any, Protocol

from mcp.server import ServerRequestContext
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, TokenVerifier
from starlette.requests import Request

from agent_server.auth import address, client
from agent_server.desk import Desk
from core.access.model import Caller
from core.errors import Unauthenticated

Context = ServerRequestContext[Any, Any]


class Identity(Protocol):
    """Tells who makes a request."""

    async def caller(self, ctx: Context, *, fresh: bool = False) -> Caller:
        """Return the caller; with `fresh` after asking the database again. Raises `Unauthenticated`."""

    def principal(self, ctx: Context) -> str:
        """Return what a sealed state is bound to: the same for the same token."""


class FixedIdentity:
    """One caller for the life of the process: the desk's own machine."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def caller(self, _ctx: Context, *, fresh: bool = False) -> Caller:  # noqa: ARG002 - nothing can change
        """Return the caller."""
        return self._caller

    def principal(self, _ctx: Context) -> str:
        """Return the caller's identity."""
        return self._caller.requester


class SecretIdentity:
    """One token for the life of the process, asked for anew at each request: it may be revoked meanwhile."""

    def __init__(self, desk: Desk, secret: str, *, client: str) -> None:
        self._desk, self._secret, self._client = desk, secret, client
        self._requester = ""

    async def caller(self, _ctx: Context, *, fresh: bool = False) -> Caller:  # noqa: ARG002 - always is
        """Return the token's caller."""
        found = await authenticate(self._desk, self._secret, address="", client=self._client)
        self._requester = found.requester
        return found

    def principal(self, _ctx: Context) -> str:
        """Return the token's identity."""
        return self._requester


class CallerToken(AccessToken):
    """The SDK's token with the caller it stands for."""

    caller: Caller


class RequestIdentity:
    """The caller of an HTTP request, as `DeskVerifier` found it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def caller(self, ctx: Context, *, fresh: bool = False) -> Caller:
        """Return who sent this very request."""
        request, token = _request(ctx)
        if fresh:
            return await authenticate(self._desk, token.token, address=address(request), client=client(request))
        return replace(token.caller, address=address(request), client=client(request))

    def principal(self, ctx: Context) -> str:
        """Return the token's identity."""
        return _request(ctx)[1].caller.requester


class DeskVerifier(TokenVerifier):
    """Answers the SDK whose token it is. `resource` is the address that the desk's tokens are made for."""

    def __init__(self, desk: Desk, *, resource: str) -> None:
        self._desk, self._resource = desk, resource

    async def verify_token(self, token: str) -> CallerToken | None:
        """Return the token's caller, or None for one that opens nothing."""
        try:
            caller = await authenticate(self._desk, token, address="", client="")
        except Unauthenticated:
            return None
        return CallerToken(
            token=token,
            client_id=caller.requester,
            scopes=sorted(caller.scopes),
            resource=self._resource,
            subject=str(caller.user_id),
            caller=caller,
        )


async def authenticate(desk: Desk, secret: str, *, address: str, client: str) -> Caller:
    """Return the caller of a token. Raises `Unauthenticated`."""
    access = desk.services.access
    async with desk.unit_of_work(read_only=True) as uow:
        token, user = await access.authenticate_token(uow, secret)
    access.touch_token(token.token_id)
    return access.token_caller(token, user, address=address, client=client)


def _request(ctx: Context) -> tuple[Request, CallerToken]:
    """Return the HTTP request behind a message, and the token it came with."""
    request = ctx.request
    if not isinstance(request, Request):
        raise Unauthenticated
    user = request.scope.get("user")
    if not isinstance(user, AuthenticatedUser) or not isinstance(user.access_token, CallerToken):
        raise Unauthenticated
    return request, user.access_token
