"""The pages a person signs in and decides on. They work without scripts, and opening one changes nothing."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from agent_server.auth import (
    SignInNeeded,
    person_of,
    require_csrf,
    require_origin,
    session_caller,
    session_cookie,
)
from agent_server.desk import Desk
from agent_server.errors import status_of, trace_of
from agent_server.rest.body import known_only, query_values, read_form, text_field, whole_number
from agent_server.rest.sessions import HOME_PAGE, mint_token, own_page
from agent_server.web import views
from agent_server.web.text import COOKIE, LANGUAGES, words_for
from core.access.model import ApprovalState, Session
from core.errors import ArgumentsInvalid, DeskError, ErrorKind, FieldFault, NotPossible
from tools.context import SkillCall, Surface
from tools.errors import ApprovalRequired

FOLDER: Final = Path(__file__).parent
PAGE_SIZE: Final = 50
TOKEN_FORM: Final = ("name", "presets", "expiresInDays", "csrf_token")
REVOKE: Final = "subscription.token.revoke"


class NotYours(NotPossible):
    """A call somebody else asked for cannot be run from this page."""

    code = "not_your_call"
    template = "Only the requester can run this call, and only once it is approved."


def mount_static(app: FastAPI) -> None:
    """Serve the style sheet and the mark."""
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")


class Site:
    """The pages of one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters["moment"] = views.moment
        self.environment.filters["visible"] = views.visible

    def render(
        self, request: Request, template: str, *, session: Session | None = None, status: int = 200, **data: Any
    ) -> Response:
        """Answer a page in the language of the request; `?lang=` is remembered for the next page."""
        words = words_for(request)
        here = {name: value for name, value in request.query_params.items() if name not in {"lang", "failed"}}
        switch = "?" + urlencode(here | {"lang": words.other})
        text = self.environment.get_template(template).render(
            words=words, session=session, switch=switch, path=request.scope["path"], **data
        )
        response = HTMLResponse(text, status, headers={"Cache-Control": "no-store", "Vary": "Accept-Language, Cookie"})
        if request.query_params.get("lang") in LANGUAGES:
            response.set_cookie(COOKIE, words.language, max_age=31_536_000, httponly=True, samesite="lax", path="/")
        return response

    async def person(self, request: Request) -> Session:
        """Return who is signed in. Raises `SignInNeeded`, which leads to the sign-in page."""
        if session_cookie(request) is None and "authorization" not in request.headers:
            raise SignInNeeded
        return await person_of(request, self.desk)

    async def form(self, request: Request) -> tuple[Session, dict[str, Any]]:
        """Return the person and the fields of a form that provably comes from their own page."""
        session = await self.person(request)
        require_origin(request, self.desk.services.settings, needed=True)
        fields = await read_form(request)
        require_csrf(session, text_field(fields, "csrf_token"))
        return session, fields

    def refusal(self, request: Request, error: DeskError) -> Response | None:
        """Answer a failure as a page, to browsers only; whoever is not signed in is led to the sign-in page."""
        if "text/html" not in request.headers.get("accept", ""):
            return None
        if error.kind is ErrorKind.UNAUTHENTICATED and request.method == "GET":
            return RedirectResponse("/login?" + urlencode({"next": request.scope["path"]}), status_code=303)
        trace_id = trace_of(request)
        return self.render(request, "problem.html", status=status_of(error), error=error, trace_id=trace_id)

    async def approvals(self, request: Request) -> Response:
        """Show what waits, then what was decided."""
        session = await self.person(request)
        page = whole_number(query_values(request), "page", default=1, low=1, high=10_000)
        caller = session_caller(request, self.desk, session)
        access = self.desk.services.access
        async with self.desk.unit_of_work(read_only=True) as uow:
            pending = await access.approvals(uow, caller=caller, state=ApprovalState.PENDING, limit=PAGE_SIZE)
            found = await access.approvals(uow, caller=caller, limit=PAGE_SIZE + 1, offset=(page - 1) * PAGE_SIZE)
        words, now = words_for(request), self.desk.services.clock.now()
        waiting = [views.approval_view(item, caller=caller, now=now, words=words) for item in pending]
        past = [item for item in found[:PAGE_SIZE] if item.state is not ApprovalState.PENDING]
        has_older = len(found) > PAGE_SIZE
        return self.render(
            request, "approvals.html", session=session, waiting=waiting, past=past, page=page, has_older=has_older
        )

    async def approval(self, request: Request, approval_id: str) -> Response:
        """Show one approval: what would run, with every parameter, and the two buttons."""
        session = await self.person(request)
        caller = session_caller(request, self.desk, session)
        async with self.desk.unit_of_work(read_only=True) as uow:
            found = await self.desk.services.access.approval(uow, approval_id=approval_id, caller=caller)
        now, words = self.desk.services.clock.now(), words_for(request)
        view = views.approval_view(found, caller=caller, now=now, words=words)
        minutes = self.desk.services.settings.approval_use_minutes
        return self.render(request, "approval.html", session=session, view=view, minutes=minutes)

    async def run_approved(self, request: Request, approval_id: str) -> Response:
        """Run a call the signed-in person asked for themselves, once it is approved."""
        session, fields = await self.form(request)
        known_only(fields, ("csrf_token",))
        caller = session_caller(request, self.desk, session)
        async with self.desk.unit_of_work(read_only=True) as uow:
            found = await self.desk.services.access.approval(uow, approval_id=approval_id, caller=caller)
        if found.requester != caller.requester:
            raise NotYours
        call = SkillCall(
            skill_id=found.skill_id,
            params=found.params,
            caller=caller,
            surface=Surface.PAGE,
            trace_id=trace_of(request),
            approval_id=approval_id,
        )
        await self.desk.dispatcher.run(call)
        return RedirectResponse(f"/approvals/{approval_id}", status_code=303)

    async def tokens(self, request: Request) -> Response:
        """Show the person's tokens and the form for a new one."""
        session = await self.person(request)
        async with self.desk.unit_of_work(read_only=True) as uow:
            found = await self.desk.services.access.tokens(uow, session.user.team_id, session.user.user_id)
        return self.render(
            request,
            "tokens.html",
            session=session,
            tokens=found,
            presets=self.desk.registry.presets,
            days=self.desk.services.settings.token_days,
        )

    async def mint(self, request: Request) -> Response:
        """Make a token and show its secret, once."""
        session, fields = await self.form(request)
        known_only(fields, TOKEN_FORM, required=("name",))
        asked = {"name": fields["name"], "presets": _list(fields.get("presets"))}
        days = text_field(fields, "expiresInDays")
        if days:
            asked["expiresInDays"] = whole_number(fields, "expiresInDays", default=1, low=1, high=3650)
        if not asked["presets"]:
            raise ArgumentsInvalid([FieldFault("presets", "choose at least one", expected="a preset")])
        minted = await mint_token(request, self.desk, session, asked)
        return self.render(request, "token_made.html", session=session, minted=minted)

    async def revoke(self, request: Request, token_id: str) -> Response:
        """Ask to revoke a token: a red skill like any other, so the answer is its approval page."""
        session, fields = await self.form(request)
        known_only(fields, ("csrf_token",))
        call = SkillCall(
            skill_id=REVOKE,
            params={"token_id": token_id},
            caller=session_caller(request, self.desk, session),
            surface=Surface.PAGE,
            trace_id=trace_of(request),
        )
        try:
            await self.desk.dispatcher.run(call)
        except ApprovalRequired as required:
            return RedirectResponse(f"/approvals/{required.data['approval_id']}", status_code=303)
        return RedirectResponse("/tokens", status_code=303)

    async def sign_in(self, request: Request) -> Response:
        """Show the sign-in form."""
        values = query_values(request)
        failed = text_field(values, "failed")
        reason = f"failed_{failed}" if failed in {"wrong", "limited"} else ""
        return self.render(request, "login.html", reason=reason, next=own_page(text_field(values, "next")))

    def router(self) -> APIRouter:
        """Return the routes of the pages."""
        routes = APIRouter(include_in_schema=False)
        routes.add_api_route("/", _home, methods=["GET"])
        for path, method, endpoint in (
            ("/login", "GET", self.sign_in),
            ("/approvals", "GET", self.approvals),
            ("/approvals/{approval_id}", "GET", self.approval),
            ("/approvals/{approval_id}/run", "POST", self.run_approved),
            ("/tokens", "GET", self.tokens),
            ("/tokens", "POST", self.mint),
            ("/tokens/{token_id}/revoke", "POST", self.revoke),
        ):
            routes.add_api_route(path, endpoint, methods=[method])
        return routes


async def _home() -> Response:
    return RedirectResponse(HOME_PAGE, status_code=303)


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
