"""Signing in and out, and what a signed-in person may make: tokens.

`POST /login` and `POST /logout` serve the pages' forms (answering a redirect) and scripts (answering JSON). No skill
mints tokens and no token opens these doors.
"""

from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent_server.auth import (
    COOKIE,
    CSRF_HEADER,
    address,
    person_of,
    require_csrf,
    require_origin,
    session_caller,
    session_cookie,
)
from agent_server.desk import Desk
from agent_server.errors import trace_of
from agent_server.rest.answers import answer
from agent_server.rest.body import is_form, known_only, read_fields, read_object, text_field
from agent_server.rest.documentation import body_of, problems
from agent_server.rest.presets import known_scopes, scopes_of
from core.access.model import AuditEntry, MintedToken, Session, SignIn
from core.access.tokens import is_reserved
from core.errors import ArgumentsInvalid, FieldFault, Limited, Unauthenticated
from core.settings import Settings

HOME_PAGE: Final = "/approvals"
TEXT: Final = {"type": "string"}
LOGIN: Final = body_of({"username": TEXT, "password": TEXT}, required=["username", "password"])
MINT: Final = body_of(
    {
        "name": {"type": "string", "minLength": 1},
        "scopes": {"type": "array", "items": TEXT},
        "presets": {"type": "array", "items": TEXT},
        "expiresInDays": {"type": ["integer", "null"], "minimum": 1},
    },
    required=["name"],
)
MINT_FIELDS: Final = ("name", "scopes", "presets", "expiresInDays", "csrf_token")


def router(desk: Desk) -> APIRouter:
    """Return the routes of sessions and of minting."""
    routes = APIRouter(tags=["sessions"])
    _add_signing(routes, desk)
    _add_minting(routes, desk)
    return routes


def _add_signing(routes: APIRouter, desk: Desk) -> None:
    @routes.post("/login", summary="Sign in", responses=problems(400, 401, 403, 429), openapi_extra=LOGIN)
    async def login(request: Request) -> Response:
        require_origin(request, desk.services.settings, needed=False)
        fields = await read_fields(request)
        known_only(fields, ("username", "password", "next"), required=("username", "password"))
        target = own_page(text_field(fields, "next"))
        try:
            signed_in = await sign_in(request, desk, fields)
        except (Unauthenticated, Limited) as error:
            if not is_form(request):
                raise
            reason = "limited" if isinstance(error, Limited) else "wrong"
            return RedirectResponse("/login?" + urlencode({"failed": reason, "next": target}), status_code=303)
        response = _welcome(request, signed_in, target)
        set_cookie(response, signed_in.cookie, desk.services.settings)
        return response

    @routes.post("/logout", summary="Sign out", responses=problems(400, 401, 403))
    async def logout(request: Request) -> Response:
        session = await person_of(request, desk)
        await _check_form(request, desk, session)
        caller = session_caller(request, desk, session)
        async with desk.unit_of_work() as uow:
            await desk.services.access.sign_out(uow, session_cookie(request) or "")
            await desk.note(uow, "session.closed", caller=caller, trace_id=trace_of(request))
            await uow.commit()
        response = RedirectResponse("/login", status_code=303) if is_form(request) else answer(None, request)
        response.delete_cookie(COOKIE, path="/")
        return response


def _add_minting(routes: APIRouter, desk: Desk) -> None:
    @routes.get("/api/session", summary="Who is signed in", responses=problems(401, 403))
    async def current(request: Request) -> Response:
        return answer(person(await person_of(request, desk)), request)

    @routes.post(
        "/api/subscription/tokens",
        summary="Mint a token; its secret is shown once",
        responses=problems(400, 401, 403),
        status_code=201,
        openapi_extra=MINT,
    )
    async def mint(request: Request) -> Response:
        session = await person_of(request, desk)
        require_origin(request, desk.services.settings, needed=False)
        require_csrf(session, request.headers.get(CSRF_HEADER, ""))
        minted = await mint_token(request, desk, session, await read_object(request))
        return answer({"secret": minted.secret, "token": minted.token}, request, status=201)


async def sign_in(request: Request, desk: Desk, fields: dict[str, Any]) -> SignIn:
    """Open a session; success and failure both go to the audit. A session the browser already has ends."""
    access, trace_id = desk.services.access, trace_of(request)
    username = text_field(fields, "username")
    try:
        async with desk.unit_of_work() as uow:
            signed_in = await access.sign_in(
                uow,
                username=username,
                password=text_field(fields, "password"),
                previous_cookie=session_cookie(request),
                address=address(request),
            )
            caller = session_caller(request, desk, signed_in.session)
            await desk.note(uow, "session.opened", caller=caller, trace_id=trace_id)
            await uow.commit()
    except Unauthenticated:
        entry = AuditEntry(
            event="session.refused",
            actor=f"anonymous:{address(request)}",
            trace_id=trace_id,
            detail={"username": username[:64]},
        )
        await desk.services.audit.record(desk.services.database, entry)
        raise
    return signed_in


async def mint_token(request: Request, desk: Desk, session: Session, fields: dict[str, Any]) -> MintedToken:
    """Mint a token for the signed-in person. Without scopes and presets it gets the default preset."""
    known_only(fields, MINT_FIELDS, required=("name",))
    scopes = chosen_scopes(desk, _texts(fields, "scopes"), presets=_texts(fields, "presets"))
    async with desk.unit_of_work() as uow:
        minted = await desk.services.access.mint_token(
            uow,
            user_id=session.user.user_id,
            name=text_field(fields, "name"),
            scopes=sorted(scopes),
            expires_in_days=_days(fields, desk.services.settings),
            minted_by=f"session:{session.user.username}",
        )
        detail: dict[str, object] = {"tokenId": minted.token.token_id, "scopes": sorted(scopes)}
        caller = session_caller(request, desk, session)
        await desk.note(uow, "token.minted", caller=caller, trace_id=trace_of(request), detail=detail)
        await uow.commit()
    return minted


def chosen_scopes(desk: Desk, scopes: list[str], *, presets: list[str]) -> set[str]:
    """Return the scopes of a new token: what is named, or the default preset when nothing is.

    A reserved scope passes here and is refused by the access service, which says why.
    """
    reserved = {scope for scope in scopes if is_reserved(scope)}
    named = known_scopes(set(scopes) - reserved, desk.registry) | scopes_of(presets, desk.registry) | reserved
    return named or set(desk.registry.default_scopes)


def set_cookie(response: Response, cookie: str, settings: Settings) -> None:
    """Give the browser its session: out of reach of scripts, kept from other sites, encrypted off loopback."""
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=settings.session_idle_hours * 3600,
        path="/",
        secure=not settings.is_loopback,
        httponly=True,
        samesite="lax",
    )


def own_page(target: str) -> str:
    """Return the page to go to after signing in: one of ours, or the first one."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain and "\\" not in target else HOME_PAGE


def person(session: Session) -> dict[str, Any]:
    """Return the signed-in person and the token that proves a request comes from their own page."""
    user = session.user
    return {
        "userId": user.user_id,
        "username": user.username,
        "teamName": user.team_name,
        "role": user.role,
        "csrfToken": session.csrf_token,
    }


def _welcome(request: Request, signed_in: SignIn, target: str) -> Response:
    if is_form(request):
        return RedirectResponse(target, status_code=303)
    return answer(person(signed_in.session), request)


async def _check_form(request: Request, desk: Desk, session: Session) -> None:
    require_origin(request, desk.services.settings, needed=False)
    fields = await read_fields(request)
    known_only(fields, ("csrf_token",))
    require_csrf(session, request.headers.get(CSRF_HEADER) or text_field(fields, "csrf_token"))


def _texts(fields: dict[str, Any], name: str) -> list[str]:
    value = fields.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ArgumentsInvalid([FieldFault(name, "this must be a list of texts", expected="list of texts")])
    return value


def _days(fields: dict[str, Any], settings: Settings) -> int | None:
    value = fields.get("expiresInDays", settings.token_days)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        fault = FieldFault("expiresInDays", "a whole number of days, or null for never", expected="1 or more, or null")
        raise ArgumentsInvalid([fault])
    return value
