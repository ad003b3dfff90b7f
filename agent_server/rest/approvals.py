"""Approvals over REST: anybody concerned may look, only a person in a session may decide.

The decision is not a skill, and an `Authorization` header is refused whatever cookie comes with it: no model and no
token can press this button.
"""

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent_server.auth import (
    CSRF_HEADER,
    known_caller,
    person_of,
    require_csrf,
    require_origin,
    session_caller,
)
from agent_server.desk import Desk
from agent_server.errors import trace_of
from agent_server.rest.answers import answer
from agent_server.rest.body import is_form, known_only, query_values, read_fields, text_field, whole_number
from agent_server.rest.documentation import body_of, parameter, problems
from agent_server.signals import APPROVALS
from core.access.model import Approval, ApprovalState
from core.access.problems import SessionRequired
from core.errors import ArgumentsInvalid, FieldFault

DECISIONS: Final = ("approve", "deny")
MOST_COMMENT: Final = 500
APPROVAL_ID: Final = {"name": "approval_id", "in": "path", "required": True, "schema": {"type": "string"}}
DECISION: Final = body_of(
    {"decision": {"type": "string", "enum": list(DECISIONS)}, "comment": {"type": "string", "maxLength": MOST_COMMENT}},
    required=["decision"],
)


def view(approval: Approval, base_url: str) -> dict[str, Any]:
    """Return an approval as callers see it, in wire form; parameters as they will run."""
    address = f"/approvals/{approval.approval_id}"
    return {
        "id": approval.approval_id,
        "state": approval.state,
        "url": base_url + address,
        "statusUrl": f"{base_url}/agent{address}",
        "skillId": approval.skill_id,
        "riskTier": approval.risk,
        "params": approval.params,
        "paramsHash": approval.params_hash,
        "preview": approval.preview,
        "requester": approval.requester_name,
        "client": approval.client,
        "createdAt": approval.created_at,
        "expiresAt": approval.expires_at,
        "decidedAt": approval.decided_at,
        "comment": approval.comment,
        "finishedAt": approval.finished_at,
        "resultRef": approval.result_ref or None,
    }


def router(desk: Desk) -> APIRouter:
    """Return the routes of approvals."""
    routes = APIRouter(tags=["approvals"])
    _add_looking(routes, desk)
    _add_deciding(routes, desk)
    return routes


def _add_looking(routes: APIRouter, desk: Desk) -> None:
    access, base_url = desk.services.access, desk.services.settings.base_url

    @routes.get(
        "/agent/approvals",
        summary="List the approvals you may see",
        responses=problems(400, 401),
        openapi_extra={
            "parameters": [
                parameter("state", {"type": "string", "enum": [state.value for state in ApprovalState]}),
                parameter("page", {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 1}),
                parameter("size", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
            ]
        },
    )
    async def list_approvals(request: Request) -> Response:
        values = query_values(request)
        known_only(values, ("state", "page", "size"))
        page = whole_number(values, "page", default=1, low=1, high=100_000)
        size = whole_number(values, "size", default=50, low=1, high=200)
        caller = await known_caller(request, desk)
        async with desk.unit_of_work(read_only=True) as uow:
            found = await access.approvals(
                uow, caller=caller, state=_state(values), limit=size, offset=(page - 1) * size
            )
        return answer([view(approval, base_url) for approval in found], request)

    @routes.get("/agent/approvals/{approval_id}", summary="Look at one approval", responses=problems(401, 404))
    async def get_approval(request: Request, approval_id: str) -> Response:
        caller = await known_caller(request, desk)
        async with desk.unit_of_work(read_only=True) as uow:
            found = await access.approval(uow, approval_id=approval_id, caller=caller)
        return answer(view(found, base_url), request)


def _add_deciding(routes: APIRouter, desk: Desk) -> None:
    @routes.post(
        "/agent/approvals/{approval_id}/decision",
        summary="Approve or deny; a person in a session only",
        responses=problems(400, 401, 403, 404, 409),
        openapi_extra=DECISION,
    )
    async def decide(request: Request, approval_id: str) -> Response:
        return await decision(request, desk, approval_id)

    @routes.post(
        "/agent/approvals/{approval_id}/withdraw",
        summary="Take a request back; its requester, or an approver",
        responses=problems(401, 403, 404, 409),
    )
    async def withdraw(request: Request, approval_id: str) -> Response:
        return await withdrawal(request, desk, approval_id)

    @routes.post(
        "/api/agent/approvals/{approval_id}/confirm",
        summary="Always refused: a token cannot confirm its own request",
        responses=problems(403),
        status_code=403,
        openapi_extra={"parameters": [APPROVAL_ID]},
    )
    async def confirm() -> Response:
        raise SessionRequired


async def decision(request: Request, desk: Desk, approval_id: str) -> Response:
    """Take a person's decision; answer JSON to a script and the page to a form."""
    session = await person_of(request, desk)
    require_origin(request, desk.services.settings, needed=True)
    fields = await read_fields(request)
    require_csrf(session, request.headers.get(CSRF_HEADER) or text_field(fields, "csrf_token"))
    known_only(fields, ("decision", "comment", "csrf_token"), required=("decision",))
    caller = session_caller(request, desk, session)
    approve, comment = _decision(text_field(fields, "decision")), text_field(fields, "comment")
    if len(comment) > MOST_COMMENT:
        raise ArgumentsInvalid([FieldFault("comment", f"at most {MOST_COMMENT} characters", got=str(len(comment)))])
    async with desk.unit_of_work() as uow:
        decided = await desk.services.access.decide(
            uow, approval_id=approval_id, caller=caller, approve=approve, comment=comment
        )
        event = "approval.approved" if approve else "approval.denied"
        detail: dict[str, object] = {"approvalId": approval_id, "skillId": decided.skill_id}
        await desk.note(uow, event, caller=caller, trace_id=trace_of(request), detail=detail)
        await uow.commit()
    desk.signals.notify(APPROVALS)
    if is_form(request):
        return RedirectResponse(f"/approvals/{approval_id}", status_code=303)
    return answer(view(decided, desk.services.settings.base_url), request)


async def withdrawal(request: Request, desk: Desk, approval_id: str) -> Response:
    """Take a pending or unused approval back: it only ever takes rights away, so a token may do it."""
    caller = await known_caller(request, desk)
    async with desk.unit_of_work() as uow:
        taken = await desk.services.access.withdraw(uow, approval_id=approval_id, caller=caller)
        detail: dict[str, object] = {"approvalId": approval_id, "skillId": taken.skill_id}
        await desk.note(uow, f"approval.{taken.state.value}", caller=caller, trace_id=trace_of(request), detail=detail)
        await uow.commit()
    desk.signals.notify(APPROVALS)
    return answer(view(taken, desk.services.settings.base_url), request)


def _decision(text: str) -> bool:
    if text not in DECISIONS:
        raise ArgumentsInvalid([FieldFault("decision", "approve or deny", expected="approve or deny", got=text[:40])])
    return text == "approve"


def _state(values: dict[str, Any]) -> ApprovalState | None:
    text = text_field(values, "state")
    try:
        return ApprovalState(text) if text else None
    except ValueError as error:
        expected = ", ".join(ApprovalState)
        raise ArgumentsInvalid([FieldFault("state", "no such state", expected=expected, got=text[:40])]) from error
