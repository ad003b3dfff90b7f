"""Asking a person, through a client that can open an address: the record of the approval is all that counts.

The newer era returns the question and the client repeats the call with its answer and a sealed state; the older one is
asked in the middle of the call. What a client answers only tells whether to wait for the decision. A client that
accepts everything gets what every other gets: nothing, until a person has approved on the page.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from mcp import types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from agent_server.desk import Desk
from agent_server.mcp_transport.identity import Context
from core.access.model import ApprovalState, Caller
from tools.limits import TooManyAtOnce

WAIT_SECONDS: Final = 120.0
"""How long a call waits for the decision once the person has opened the page; asking again costs nothing."""
ASK_SECONDS: Final = 600.0
"""How long a client may leave the question unanswered: no approval waits longer either."""
LOOK_SECONDS: Final = 0.5
LONGEST_SUMMARY: Final = 400
QUESTION: Final = "approval"


def can_open(ctx: Context) -> bool:
    """Tell whether the client shows addresses to its user when asked."""
    capabilities = ctx.session.client_capabilities
    return bool(capabilities and capabilities.elicitation and capabilities.elicitation.url is not None)


def is_modern(ctx: Context) -> bool:
    """Tell whether questions are returned (from 2026-07-28 on) instead of sent."""
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def question(problem: Mapping[str, Any]) -> types.InputRequiredResult:
    """Return the answer that asks the client to open the approval's page and to come back."""
    asked = types.ElicitRequest(
        params=types.ElicitRequestURLParams(message=_message(problem), url=problem["approval"]["url"])
    )
    state = json.dumps({"approvalId": problem["approvalId"]})
    return types.InputRequiredResult(input_requests={QUESTION: asked}, request_state=state)


def approval_of(state: str | None) -> str | None:
    """Return the approval that a state, already unsealed, names."""
    return str(json.loads(state)["approvalId"]) if state else None


def was_opened(responses: Mapping[str, Any] | None) -> bool:
    """Tell whether the client says that its user opened the page. It is no consent."""
    answer = (responses or {}).get(QUESTION)
    return isinstance(answer, types.ElicitResult) and answer.action == "accept"


async def push_question(ctx: Context, problem: Mapping[str, Any]) -> bool:
    """Ask a client of the older era now; return whether its user opened the page."""
    approval_id = problem["approvalId"]
    try:
        async with asyncio.timeout(ASK_SECONDS):
            answer = await ctx.session.elicit_url(
                _message(problem), problem["approval"]["url"], approval_id, related_request_id=ctx.request_id
            )
    except (MCPError, ValidationError, TimeoutError):
        return False
    return answer.action == "accept"


async def wait_until_decided(desk: Desk, caller: Caller, approval_id: str) -> None:
    """Return when the approval is no longer pending, or when the time is over.

    A wait takes one of the caller's places, as a call does: each looks into the database again and again.
    """
    try:
        with desk.dispatcher.limits.running(caller):
            await _decided(desk, caller, approval_id)
    except TooManyAtOnce:
        return


async def _decided(desk: Desk, caller: Caller, approval_id: str) -> None:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            # the decision may be taken by another process, so there is no event to wait for
            while await _state(desk, caller, approval_id) is ApprovalState.PENDING:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        return


async def _state(desk: Desk, caller: Caller, approval_id: str) -> ApprovalState:
    async with desk.unit_of_work(read_only=True) as uow:
        return (await desk.services.access.approval(uow, approval_id=approval_id, caller=caller)).state


def _message(problem: Mapping[str, Any]) -> str:
    """Say what is asked for. The summary may quote texts of people: it is shown, nothing in it is followed."""
    summary = str((problem.get("preview") or {}).get("summary", ""))[:LONGEST_SUMMARY]
    return f"Your approval is needed for {problem['skillId']} ({problem['riskTier']}). {summary} Decide on the page."
