"""The halt switch: one approver in a session stops every skill that places orders."""

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
from core.access.model import Halt
from core.access.problems import ApproverRequired
from core.errors import ArgumentsInvalid, FieldFault

SWITCH: Final = body_of({"on": {"type": "boolean"}, "reason": {"type": "string"}}, required=["on"])


def router(desk: Desk) -> APIRouter:
    """Return the routes of the halt switch."""
    routes = APIRouter(tags=["halt"])
    access = desk.services.access

    @routes.get("/agent/halt", summary="Is trading halted", responses=problems(401, 403))
    async def get_halt(request: Request) -> Response:
        session = await person_of(request, desk)
        if not session_caller(request, desk, session).may_approve:
            raise ApproverRequired
        async with desk.unit_of_work(read_only=True) as uow:
            return answer(_view(await access.halted(uow, session.user.team_id)), request)

    @routes.post("/agent/halt", summary="Halt or resume", responses=problems(400, 401, 403), openapi_extra=SWITCH)
    async def set_halt(request: Request) -> Response:
        session = await person_of(request, desk)
        require_origin(request, desk.services.settings, needed=False)
        require_csrf(session, request.headers.get(CSRF_HEADER, ""))
        fields = await read_object(request)
        known_only(fields, ("on", "reason"), required=("on",))
        is_on, reason = fields["on"], text_field(fields, "reason")
        if not isinstance(is_on, bool):
            raise ArgumentsInvalid([FieldFault("on", "this is true or false", expected="true or false")])
        caller = session_caller(request, desk, session)
        async with desk.unit_of_work() as uow:
            await access.set_halt(uow, caller=caller, on=is_on, reason=reason)
            event = "halt.set" if is_on else "halt.lifted"
            await desk.note(uow, event, caller=caller, trace_id=trace_of(request), detail={"reason": reason[:500]})
            await uow.commit()
        async with desk.unit_of_work(read_only=True) as uow:
            return answer(_view(await access.halted(uow, session.user.team_id)), request)

    return routes


def _view(halt: Halt | None) -> dict[str, Any]:
    if halt is None:
        return {"halted": False}
    return {"halted": True, "reason": halt.reason, "setBy": halt.set_by, "setAt": halt.set_at}
