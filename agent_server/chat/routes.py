"""The chat over REST: a message in, server-sent events out; conversations to read, follow, stop and delete.

The stream shows what is stored, so a client that lost it goes on with `GET /agent/chat/{id}?after=N`, as JSON or, with
`Accept: text/event-stream`, as a stream again. Closing a stream stops nothing.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from agent_server.auth import known_caller
from agent_server.chat.desk_chat import DeskChat
from agent_server.desk import Desk
from agent_server.json_text import encode
from agent_server.rest.answers import answer
from agent_server.rest.body import known_only, query_values, read_object, text_field, whole_number
from agent_server.rest.documentation import body_of, parameter, problems
from core.conversation.model import MESSAGE_LENGTH, Conversation, ConversationNotFound, Entry, Wait
from core.errors import ArgumentsInvalid, FieldFault
from tools.envelope import KEY_LENGTH

EVENT_STREAM: Final = "text/event-stream"
MOST_EVENTS: Final = 200
MOST_SEQUENCE: Final = 999_999_999
STREAM_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
PING: Final = b": still here\n\n"
MESSAGE: Final = body_of(
    {
        "message": {"type": "string", "minLength": 1, "maxLength": MESSAGE_LENGTH},
        "conversationId": {"type": ["string", "null"], "description": "Left out: a new conversation."},
    },
    required=["message"],
)
SENT: Final = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["event", "data"],
}
"""One server-sent event; `data` is a JSON object as text."""
STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The events, as they happen", "content": {EVENT_STREAM: {"schema": SENT}}}
}
AFTER: Final = parameter("after", {"type": "integer", "minimum": 0, "default": 0}, "Only events behind this number.")

LIMIT: Final = parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST_EVENTS, "default": MOST_EVENTS})
PAGES: Final = [
    parameter("page", {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 1}),
    parameter("size", {"type": "integer", "minimum": 1, "maximum": 200, "default": 20}),
]


def router(desk: Desk, chat: DeskChat) -> APIRouter:
    """Return the routes of the chat."""
    routes = APIRouter(tags=["chat"])
    _add_talking(routes, desk, chat)
    _add_reading(routes, desk, chat)
    _add_deleting(routes, desk, chat)
    return routes


def _add_talking(routes: APIRouter, desk: Desk, chat: DeskChat) -> None:
    @routes.post(
        "/agent/chat",
        summary="Say something; the answer streams as events",
        response_class=StreamingResponse,
        responses=STREAM | problems(400, 401, 403, 404, 409, 422, 429),
        openapi_extra=MESSAGE,
    )
    async def say(request: Request) -> Response:
        caller = await known_caller(request, desk)
        fields = await read_object(request)
        known_only(fields, ("message", "conversationId"), required=("message",))
        named = text_field(fields, "conversationId") if fields.get("conversationId") is not None else None
        chat.check_place(caller)
        begun = await chat.say(caller, text_field(fields, "message"), conversation_id=named, key=_message_key(request))
        name = begun.conversation.conversation_id
        headers = STREAM_HEADERS | {"Location": f"/agent/chat/{name}"}
        entries = chat.follow(caller, name, after=begun.first_sequence - 1)
        return StreamingResponse(_stream(entries), headers=headers, media_type=EVENT_STREAM)

    @routes.post(
        "/agent/chat/{conversation_id}/cancel",
        summary="Stop the turn in progress",
        responses=problems(401, 403, 404),
    )
    async def cancel(request: Request, conversation_id: str) -> Response:
        caller = await known_caller(request, desk)
        return answer({"cancelled": await chat.cancel(caller, conversation_id)}, request)


def _add_reading(routes: APIRouter, desk: Desk, chat: DeskChat) -> None:
    @routes.get(
        "/agent/chat",
        summary="List your conversations",
        responses=problems(400, 401, 403),
        openapi_extra={"parameters": PAGES},
    )
    async def newest(request: Request) -> Response:
        values = query_values(request)
        known_only(values, ("page", "size"))
        page = whole_number(values, "page", default=1, low=1, high=100_000)
        size = whole_number(values, "size", default=20, low=1, high=200)
        caller = await known_caller(request, desk)
        found, total = await chat.newest(caller, page=page, size=size)
        return answer({"items": [_summary(each) for each in found], "page": page, "total": total}, request)

    @routes.get(
        "/agent/chat/{conversation_id}",
        summary="Read a conversation, or follow it",
        responses=STREAM | problems(400, 401, 403, 404),
        openapi_extra={"parameters": [AFTER, LIMIT]},
    )
    async def read(request: Request, conversation_id: str) -> Response:
        values = query_values(request)
        known_only(values, ("after", "limit"))
        after = whole_number(values, "after", default=_last_seen(request), low=0, high=MOST_SEQUENCE)
        limit = whole_number(values, "limit", default=MOST_EVENTS, low=1, high=MOST_EVENTS)
        caller = await known_caller(request, desk)
        conversation, entries, waiting = await chat.read(caller, conversation_id, after=after, limit=limit)
        if EVENT_STREAM in request.headers.get("accept", ""):
            chat.check_place(caller)
            stream = _stream(chat.follow(caller, conversation_id, after=after))
            return StreamingResponse(stream, headers=STREAM_HEADERS, media_type=EVENT_STREAM)
        events = [_event(entry) for entry in entries]
        shown = _summary(conversation) | {"events": events, "waiting": [_wait(wait) for wait in waiting]}
        return answer(shown, request)


def _add_deleting(routes: APIRouter, desk: Desk, chat: DeskChat) -> None:
    @routes.delete(
        "/agent/chat/{conversation_id}",
        summary="Delete a conversation and take back what it asked a person for",
        responses=problems(401, 403, 404),
    )
    async def delete(request: Request, conversation_id: str) -> Response:
        caller = await known_caller(request, desk)
        await chat.delete(caller, conversation_id)
        return answer({"deleted": conversation_id}, request)


async def _stream(entries: AsyncGenerator[Entry | None, None]) -> AsyncIterator[bytes]:
    """Write entries as server-sent events. A conversation that is deleted meanwhile ends its stream."""
    try:
        async with aclosing(entries) as following:
            async for entry in following:
                yield PING if entry is None else _sent(entry)
    except ConversationNotFound:
        return


def _sent(entry: Entry) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.sequence, entry.kind.encode(), encode(dict(entry.payload)))


def _event(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.sequence,
        "event": entry.kind,
        "turnId": entry.turn_id,
        "at": entry.created_at,
        "data": dict(entry.payload),
    }


def _summary(conversation: Conversation) -> dict[str, Any]:
    return {
        "conversationId": conversation.conversation_id,
        "title": conversation.title,
        "state": conversation.state,
        "lastEventId": conversation.last_sequence,
        "createdAt": conversation.created_at,
        "updatedAt": conversation.updated_at,
    }


def _wait(wait: Wait) -> dict[str, Any]:
    return {
        "callId": wait.call_id,
        "name": wait.name,
        "approvalId": wait.approval_id,
        "statusUrl": f"/agent/approvals/{wait.approval_id}",
        "expiresAt": wait.expires_at,
    }


def _last_seen(request: Request) -> int:
    """Return the number a browser's event source says it saw last."""
    text = request.headers.get("last-event-id", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _message_key(request: Request) -> str | None:
    """Return the key under which a message is taken in once."""
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= KEY_LENGTH and key.isprintable()):
        expected = f"1 to {KEY_LENGTH} printable characters"
        raise ArgumentsInvalid([FieldFault("Idempotency-Key", f"must have {expected}", expected=expected)])
    return key
