"""How many MCP sessions one token may keep. One more ends the one it has not used for longest.

The sessions of all tokens share one pool. Without a bound, a client that opens a session for every call and ends none
would use it up within a minute, and nobody else could begin. Sessions that are listening or being answered go last.
Clients of 2026-07-28 have no sessions.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_OF_ONE_TOKEN: Final = 200
"""Many programs on several machines may share a token; each keeps a few sessions."""
MOST_TOKENS: Final = 10_000
SESSION_HEADER: Final = "mcp-session-id"

Sessions = OrderedDict[str, int]
"""The open sessions of one token, the longest unused first, with the number of requests in progress."""


class BoundedSessions:
    """An ASGI layer around the MCP application, which has checked the token of whatever it answers with a session."""

    def __init__(self, app: ASGIApp, *, most: int = MOST_OF_ONE_TOKEN) -> None:
        self._app, self._most = app, most
        self._tokens: OrderedDict[bytes, Sessions] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and end what is too much after it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        # "bearer" may be written in any case: as part of the name it would make one token many
        secret = asked.get("authorization", "").partition(" ")[2]
        token = hashlib.sha256(secret.encode()).digest()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(token, scope["method"], asked, message)
            await send(message)

        with self._in_use(token, asked.get(SESSION_HEADER)):
            await self._app(scope, receive, noting)
        await self._end_surplus(token, scope)

    @contextmanager
    def _in_use(self, token: bytes, session: str | None) -> Iterator[None]:
        """Count a request of a session that is known."""
        sessions = self._tokens.get(token, Sessions())
        is_known = session is not None and session in sessions
        if session is not None and is_known:
            sessions[session] += 1
        try:
            yield
        finally:
            if session is not None and is_known and session in sessions:
                sessions[session] -= 1

    def _note(self, token: bytes, method: str, asked: Headers, message: Message) -> None:
        used, status = asked.get(SESSION_HEADER), int(message["status"])
        answered = Headers(raw=list(message.get("headers", ()))).get(SESSION_HEADER)
        if used and (status == 404 or (method == "DELETE" and status < 300)):
            self._tokens.get(token, Sessions()).pop(used, None)
        elif answered and status < 300:
            sessions = self._tokens.setdefault(token, Sessions())
            sessions.setdefault(answered, 0)
            sessions.move_to_end(answered)
            self._tokens.move_to_end(token)
            while len(self._tokens) > MOST_TOKENS:
                self._tokens.popitem(last=False)

    async def _end_surplus(self, token: bytes, scope: Scope) -> None:
        sessions = self._tokens.get(token, Sessions())
        while len(sessions) > self._most:
            session = min(sessions, key=lambda each: sessions[each] > 0)  # the first of those that do nothing, if any
            del sessions[session]
            await self._end(session, scope)
        if not sessions:
            self._tokens.pop(token, None)

    async def _end(self, session: str, scope: Scope) -> None:
        """Ask for the end of a session as its own client would."""
        kept = [(name, value) for name, value in scope["headers"] if name in {b"host", b"authorization"}]
        headers = [*kept, (b"accept", b"application/json, text/event-stream"), (b"mcp-session-id", session.encode())]
        ending = {**scope, "method": "DELETE", "headers": headers, "state": {}}
        await self._app(ending, _nothing, _nobody)


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _nobody(_: Message) -> None:
    return
