"""What a tool call came to, in the protocol's words: content for people and models, structure for programs."""

from typing import Any, Final

from mcp import types

from agent_server.errors import problem_body
from agent_server.json_text import encode
from agent_server.mcp_transport.shelf import Shelf
from agent_server.shortening import BYTES_PER_TOKEN, Shortened, shorten, tokens
from agent_server.tool_bridge import ToolAnswer, picture_of, without_picture
from core.access.model import Caller
from tools.errors import ResponseTooLarge

PROBLEM_KEY: Final = "dingpan/problem"
SHORTENED_KEY: Final = "dingpan/shortened"
RESULTS: Final = "desk://results/"
MOST_TOKENS: Final = 2_000
"""A longer result is sent shortened, with the address of the whole."""
CEILING_TOKENS: Final = 20_000
"""No answer is longer, whatever its shape."""
JSON: Final = "application/json"


def answered(answer: ToolAnswer, caller: Caller, shelf: Shelf) -> types.CallToolResult:
    """Return the result of a call, short enough for a model."""
    if answer.structured is None:
        return refused(answer.problem or {}, answer.meta)
    picture = picture_of(answer.structured)
    if picture is not None:
        return _shown(answer, answer.structured, picture)
    if tokens(answer.structured) <= MOST_TOKENS:
        return types.CallToolResult(
            content=[types.TextContent(text=answer.text)], structured_content=answer.structured, _meta=answer.meta
        )
    whole = answer.text.encode()
    uri = RESULTS + shelf.put(caller, whole)
    short = shorten(answer.structured, most_tokens=MOST_TOKENS)
    if tokens(short.value) > CEILING_TOKENS:
        return _too_long(answer, uri)
    return types.CallToolResult(
        content=[
            types.TextContent(text=encode(short.value).decode()),
            types.TextContent(text=_notice(short, uri)),
            _link(uri, len(whole)),
        ],
        structured_content=short.value,
        _meta=answer.meta | {SHORTENED_KEY: {"uri": uri, "cuts": short.cuts}},
    )


def refused(problem: dict[str, Any], meta: dict[str, Any]) -> types.CallToolResult:
    """Return a failure: the problem body as text and in the metadata, no structured content."""
    content = [types.TextContent(text=encode(problem).decode())]
    return types.CallToolResult(content=content, is_error=True, _meta=meta | {PROBLEM_KEY: problem})


def _shown(answer: ToolAnswer, structured: dict[str, Any], picture: tuple[str, str]) -> types.CallToolResult:
    """Return an image as an image; the structure beside it says what it shows."""
    data, media_type = picture
    content = [types.ImageContent(data=data, mime_type=media_type), types.TextContent(text=answer.text)]
    return types.CallToolResult(content=content, structured_content=without_picture(structured), _meta=answer.meta)


def _notice(short: Shortened, uri: str) -> str:
    return (
        f"Shortened: {short.sentence()} (beginning and end of lists). The whole result is the resource {uri} for half "
        "an hour. To get less, use the tool's filters, limits or pages."
    )


def _link(uri: str, size: int) -> types.ResourceLink:
    return types.ResourceLink(uri=uri, name=uri.removeprefix(RESULTS), title="Whole result", mime_type=JSON, size=size)


def _too_long(answer: ToolAnswer, uri: str) -> types.CallToolResult:
    error = ResponseTooLarge(skill_id=answer.skill_id or answer.name, limit=CEILING_TOKENS * BYTES_PER_TOKEN)
    trace_id = str(answer.meta.get("dingpan/traceId", ""))
    body = problem_body(error, trace_id=trace_id, instance=f"urn:dingpan:call:{trace_id}")
    made = refused(body | {"resource": uri}, answer.meta)
    return made.model_copy(update={"content": [*made.content, _link(uri, len(answer.text.encode()))]})
