"""The people of a team: for its administrators, in a session."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from agent_server.auth import CSRF_HEADER, person_of, require_csrf, require_origin, session_caller
from agent_server.desk import Desk
from agent_server.errors import trace_of
from agent_server.rest.answers import answer
from agent_server.rest.body import known_only, read_object, text_field
from agent_server.rest.documentation import body_of, problems
from core.access.model import Role, Session, User
from core.access.problems import UserNotFound
from core.errors import ArgumentsInvalid, FieldFault, Forbidden
from core.storage.unit_of_work import UnitOfWork

TEXT: Final = {"type": "string"}
ROLE: Final = {"type": "string", "enum": [role.value for role in Role]}
NEW_USER: Final = body_of(
    {"username": TEXT, "password": TEXT, "email": TEXT, "role": ROLE}, required=["username", "password", "email"]
)
NEW_ROLE: Final = body_of({"role": ROLE}, required=["role"])


class AdministratorRequired(Forbidden):
    """The person is no administrator of the team."""

    code = "administrator_required"
    template = "Only an administrator of the team may do this."


def router(desk: Desk) -> APIRouter:
    """Return the routes of users."""
    routes = APIRouter(tags=["users"])
    _add_listing(routes, desk)
    _add_changing(routes, desk)
    return routes


def _add_listing(routes: APIRouter, desk: Desk) -> None:
    access = desk.services.access

    @routes.get("/api/users", summary="List the team's people", responses=problems(401, 403))
    async def list_users(request: Request) -> Response:
        session = await administrator(request, desk)
        async with desk.unit_of_work(read_only=True) as uow:
            users = await access.users(uow, session.user.team_id)
        return answer([view(user) for user in users], request)

    @routes.post(
        "/api/users",
        summary="Add a person to the team",
        responses=problems(400, 401, 403, 409),
        status_code=201,
        openapi_extra=NEW_USER,
    )
    async def add_user(request: Request) -> Response:
        session = await administrator(request, desk)
        fields = await read_object(request)
        known_only(fields, ("username", "password", "email", "role"), required=("username", "password", "email"))
        async with desk.unit_of_work() as uow:
            user = await access.register_user(
                uow,
                username=text_field(fields, "username"),
                password=text_field(fields, "password"),
                email=text_field(fields, "email"),
                team_name=session.user.team_name,
                role=role_of(fields, Role.MEMBER),
            )
            await finish(desk, uow, request=request, session=session, event="user.added", user=user)
        return answer(view(user), request, status=201)


def _add_changing(routes: APIRouter, desk: Desk) -> None:
    access = desk.services.access

    @routes.patch(
        "/api/users/{user_id}",
        summary="Change a person's role",
        responses=problems(400, 401, 403, 404, 422),
        openapi_extra=NEW_ROLE,
    )
    async def set_role(request: Request, user_id: str) -> Response:
        session = await administrator(request, desk)
        fields = await read_object(request)
        known_only(fields, ("role",), required=("role",))
        async with desk.unit_of_work() as uow:
            user = await access.set_role(
                uow, session.user.team_id, user_id=number(user_id), role=role_of(fields, Role.MEMBER)
            )
            await finish(desk, uow, request=request, session=session, event="user.role_changed", user=user)
        return answer(view(user), request)

    @routes.delete("/api/users/{user_id}", summary="Deactivate a person", responses=problems(401, 403, 404, 422))
    async def deactivate(request: Request, user_id: str) -> Response:
        session = await administrator(request, desk)
        async with desk.unit_of_work() as uow:
            user = await access.deactivate_user(uow, session.user.team_id, user_id=number(user_id))
            await finish(desk, uow, request=request, session=session, event="user.deactivated", user=user)
        return answer(view(user), request)


async def administrator(request: Request, desk: Desk) -> Session:
    """Return the session, which must be an administrator's; a changing request must come from their own page."""
    session = await person_of(request, desk)
    if request.method != "GET":
        require_origin(request, desk.services.settings, needed=False)
        require_csrf(session, request.headers.get(CSRF_HEADER, ""))
    if session.user.role is not Role.ADMINISTRATOR:
        raise AdministratorRequired
    return session


async def finish(desk: Desk, uow: UnitOfWork, *, request: Request, session: Session, event: str, user: User) -> None:
    """Note the change of a person in the audit and make both permanent."""
    detail: dict[str, object] = {"userId": user.user_id, "username": user.username, "role": user.role.value}
    caller = session_caller(request, desk, session)
    await desk.note(uow, event, caller=caller, trace_id=trace_of(request), detail=detail)
    await uow.commit()


def view(user: User) -> dict[str, Any]:
    """Return a person as administrators see them."""
    return {
        "userId": user.user_id,
        "username": user.username,
        "teamName": user.team_name,
        "email": user.email,
        "role": user.role,
        "isActive": user.is_active,
        "createdAt": user.created_at,
    }


def number(text: str) -> int:
    """Return a user's number from the address. Raises `UserNotFound`: what is no number names nobody."""
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise UserNotFound(user=text)
    return int(text)


def role_of(fields: dict[str, Any], default: Role) -> Role:
    """Return the role that is asked for."""
    text = text_field(fields, "role", default.value)
    try:
        return Role(text)
    except ValueError as error:
        expected = ", ".join(Role)
        raise ArgumentsInvalid([FieldFault("role", "no such role", expected=expected, got=text[:40])]) from error
