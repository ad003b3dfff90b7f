"""The tools that the official suite asks a server for, by the names and texts of its scenario descriptions.

They exist to show that the transport carries every kind of content, progress, questions to the client and errors.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from mcp import types
from mcp.server import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError

Context = ServerRequestContext[Any, Any]
Answer = types.CallToolResult | types.InputRequiredResult
Body = Callable[[Context, types.CallToolRequestParams], Awaitable[Answer]]

STEP_SECONDS = 0.02
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
CONTACT_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
PERSON_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    },
    "required": ["username", "email"],
}
DEFAULTS_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
    "required": [],
}
TITLED = [{"const": f"value{number}", "title": title} for number, title in enumerate(("First", "Second", "Third"), 1)]
OPTIONS = ["option1", "option2", "option3"]
ENUMS_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": OPTIONS},
        "titledSingle": {"type": "string", "oneOf": TITLED},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
    },
    "required": [],
}


@dataclass(frozen=True)
class FixtureTool:
    """One tool of the suite: what is listed, and what a call does."""

    name: str
    body: Body
    schema: dict[str, Any] = field(default_factory=lambda: NOTHING)

    @property
    def listed(self) -> types.Tool:
        return types.Tool(name=self.name, description=f"Fixture {self.name} of the suite.", input_schema=self.schema)


def strings(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}}


def text(words: str) -> types.TextContent:
    return types.TextContent(type="text", text=words)


def image() -> types.ImageContent:
    return types.ImageContent(type="image", data=PNG, mime_type="image/png")


def embedded(uri: str, words: str, mime_type: str = "text/plain") -> types.EmbeddedResource:
    contents = types.TextResourceContents(uri=uri, mime_type=mime_type, text=words)
    return types.EmbeddedResource(type="resource", resource=contents)


def result(*content: types.ContentBlock, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=list(content), is_error=is_error)


def says(*content: types.ContentBlock, is_error: bool = False) -> Body:
    """Make a body that always answers the same."""

    async def body(_: Context, __: types.CallToolRequestParams) -> Answer:
        return result(*content, is_error=is_error)

    return body


async def with_logging(ctx: Context, _: types.CallToolRequestParams) -> Answer:
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", message, related_request_id=ctx.request_id)
        await asyncio.sleep(STEP_SECONDS)
    return result(text("Logged three times."))


async def logs_once(ctx: Context, _: types.CallToolRequestParams) -> Answer:
    await ctx.session.send_log_message("info", "Tool execution started", related_request_id=ctx.request_id)
    return result(text("Logged once."))


async def with_progress(ctx: Context, _: types.CallToolRequestParams) -> Answer:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100, f"Completed step {done} of 100")
        await asyncio.sleep(STEP_SECONDS)
    return result(text("Reported three times."))


async def sampling(ctx: Context, params: types.CallToolRequestParams) -> Answer:
    message = types.SamplingMessage(role="user", content=text((params.arguments or {})["prompt"]))
    made = await ctx.session.create_message(messages=[message], max_tokens=100, related_request_id=ctx.request_id)
    words = made.content.text if isinstance(made.content, types.TextContent) else ""
    return result(text(f"LLM response: {words}"))


def asks(form: dict[str, Any]) -> Body:
    """Make a body that asks the client's user to fill in the form, while the call waits."""

    async def body(ctx: Context, params: types.CallToolRequestParams) -> Answer:
        question = (params.arguments or {}).get("message", "Please provide your data")
        reply = await ctx.session.elicit_form(question, form, related_request_id=ctx.request_id)
        return result(text(f"User response: action={reply.action}, content={json.dumps(reply.content)}"))

    return body


async def missing_capability(ctx: Context, _: types.CallToolRequestParams) -> Answer:
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        raise MCPError(
            code=types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool needs a client that can sample.",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return result(text("The client can sample."))


async def reconnection(ctx: Context, _: types.CallToolRequestParams) -> Answer:
    """Close the stream in the middle; the client must come back for the answer."""
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await asyncio.sleep(0.2)
    return result(text("Reconnection test completed"))


def announces(bus: InMemorySubscriptionBus, event: ToolsListChanged | PromptsListChanged) -> Body:
    async def body(_: Context, __: types.CallToolRequestParams) -> Answer:
        await bus.publish(event)
        return result(text("Announced."))

    return body


def plain_tools(bus: InMemorySubscriptionBus) -> tuple[FixtureTool, ...]:
    """Every fixture whose call ends with its first answer."""
    mixed = embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
    contents = {
        "simple_text": (text("This is a simple text response for testing."),),
        "image_content": (image(),),
        "audio_content": (types.AudioContent(type="audio", data=WAV, mime_type="audio/wav"),),
        "embedded_resource": (embedded("test://embedded-resource", "This is an embedded resource content."),),
        "multiple_content_types": (text("Multiple content types test:"), image(), mixed),
    }
    failure = text("This tool intentionally returns an error for testing")
    region = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    return (
        *(FixtureTool(f"test_{name}", says(*content)) for name, content in contents.items()),
        FixtureTool("test_error_handling", says(failure, is_error=True)),
        FixtureTool("test_tool_with_logging", with_logging),
        FixtureTool("test_logging_tool", logs_once),
        FixtureTool("test_tool_with_progress", with_progress),
        FixtureTool("test_sampling", sampling, strings("prompt")),
        FixtureTool("test_elicitation", asks(PERSON_FORM), strings("message")),
        FixtureTool("test_elicitation_sep1034_defaults", asks(DEFAULTS_FORM)),
        FixtureTool("test_elicitation_sep1330_enums", asks(ENUMS_FORM)),
        FixtureTool("test_missing_capability", missing_capability),
        FixtureTool("test_reconnection", reconnection),
        FixtureTool("test_trigger_tool_change", announces(bus, ToolsListChanged())),
        FixtureTool("test_trigger_prompt_change", announces(bus, PromptsListChanged())),
        FixtureTool("test_x_mcp_header", says(text("The header agreed with the body.")), region),
        FixtureTool("json_schema_2020_12_tool", says(text("A contact.")), CONTACT_SCHEMA),
    )
