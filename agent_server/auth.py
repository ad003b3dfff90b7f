"""Who calls: a request to a `Caller`. Nothing here decides what the caller may do; the dispatcher does.

A bearer token that is bad in any way is 401 and never the anonymous caller. When a token and a session cookie come
together the token decides, since a browser adds the cookie without being asked.
"""

import hmac
import re
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from agent_server.desk import Desk
from core.access.model import Caller, CallerKind, Session
from core.access.problems import SessionRequired
from core.errors import Forbidden, Unauthenticated
from core.settings import LOOPBACK, Settings

COOKIE: Final = "dingpan_session"
BEARER: Final = re.compile(r"Bearer +([\x21-\x7e]{1,512})", re.IGNORECASE)
CSRF_HEADER: Final = "x-csrf-token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class CsrfRefused(Forbidden):
    """A changing request by a session without the proof that its own page, not another site, sent it."""

    code = "csrf_refused"
    template = "{reason}"


class SessionEnded(Unauthenticated):
    """The cookie names no living session."""

    template = "The session has ended. Sign in again."


class SignInNeeded(Unauthenticated):
    """The address needs a token or a session and neither was given."""

    template = "Sign in at /login, or send the header Authorization: Bearer with a token of this desk."


async def caller_of(request: Request, desk: Desk) -> Caller:
    """Return who makes the request. Raises `Unauthenticated` for bad credentials of either kind.

    A changing request by a session must carry the session's token against cross-site requests.
    """
    secret = bearer(request)
    if secret is not None:
        return await _token_caller(request, desk, secret)
    session = await session_of(request, desk)
    if session is None:
        return Caller(kind=CallerKind.ANONYMOUS, address=address(request), client=client(request))
    if request.method not in SAFE_METHODS:
        require_origin(request, desk.services.settings, needed=False)
        require_csrf(session, request.headers.get(CSRF_HEADER, ""))
    return session_caller(request, desk, session)


async def known_caller(request: Request, desk: Desk) -> Caller:
    """Return the caller, who must be somebody."""
    caller = await caller_of(request, desk)
    if caller.kind is CallerKind.ANONYMOUS:
        raise SignInNeeded
    return caller


async def session_of(request: Request, desk: Desk) -> Session | None:
    """Return the session of the cookie, or None without a cookie. Raises `SessionEnded` when it names none."""
    cookie = session_cookie(request)
    if cookie is None:
        return None
    async with desk.unit_of_work(read_only=True) as uow:
        session = await desk.services.access.session(uow, cookie)
    if session is None:
        raise SessionEnded
    return session


async def person_of(request: Request, desk: Desk) -> Session:
    """Return the signed-in session, for the doors no token opens, whatever cookie comes with the token.

    Raises `SessionRequired` when any `Authorization` header is present, or when nobody is signed in.
    """
    if request.headers.getlist("authorization"):
        raise SessionRequired
    session = await session_of(request, desk)
    if session is None:
        raise SessionRequired
    return session


def session_caller(request: Request, desk: Desk, session: Session) -> Caller:
    """Return the caller a session stands for."""
    return desk.services.access.session_caller(session, address=address(request), client=client(request))


def bearer(request: Request) -> str | None:
    """Return the token of the only `Authorization` header, or None without one."""
    given = request.headers.getlist("authorization")
    if not given:
        return None
    match = BEARER.fullmatch(given[0].strip())
    if len(given) > 1 or match is None:
        raise Unauthenticated
    return match[1]


def session_cookie(request: Request) -> str | None:
    """Return the session cookie's value. Two different ones are refused: one of them is not ours."""
    pairs = (part.strip().partition("=") for line in request.headers.getlist("cookie") for part in line.split(";"))
    values = {value.strip('"') for name, _, value in pairs if name == COOKIE}
    if len(values) > 1:
        raise SessionEnded
    return next(iter(values), None) or None


def require_csrf(session: Session, given: str) -> None:
    """Raise unless the token is the session's; compared in constant time."""
    if not hmac.compare_digest(session.csrf_token.encode(), given.encode("utf-8", "surrogatepass")):
        raise CsrfRefused(reason="The X-CSRF-Token header or csrf_token field is missing or is not this session's.")


def require_origin(request: Request, settings: Settings, *, needed: bool) -> None:
    """Raise unless the request comes from the desk's own pages. Without an `Origin` only where none is `needed`."""
    origins = request.headers.getlist("origin")
    if not origins and not needed and request.headers.get("sec-fetch-site", "none") in {"none", "same-origin"}:
        return
    if len(origins) != 1 or not is_own_origin(origins[0], settings):
        raise CsrfRefused(reason="The request does not come from a page of this desk.")


def is_own_origin(origin: str, settings: Settings) -> bool:
    """Tell whether an `Origin` is the desk's address; every name of this machine counts as one on a local desk."""
    try:
        given, own = urlsplit(origin), urlsplit(settings.base_url)
        if (given.scheme, given.port or _port(given.scheme)) != (own.scheme, own.port or _port(own.scheme)):
            return False
    except ValueError:
        return False
    return given.hostname == own.hostname or (settings.is_loopback and given.hostname in LOOPBACK)


def address(request: Request) -> str:
    """Return the network address of the peer; headers that claim another one are not believed."""
    return request.client.host if request.client else ""


def client(request: Request) -> str:
    """Return what the client calls itself, shortened."""
    return request.headers.get("user-agent", "")[:200]


async def _token_caller(request: Request, desk: Desk, secret: str) -> Caller:
    access = desk.services.access
    async with desk.unit_of_work(read_only=True) as uow:
        token, user = await access.authenticate_token(uow, secret)
    access.touch_token(token.token_id)
    return access.token_caller(token, user, address=address(request), client=client(request))


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
