"""The suite's fixtures laid over a server that was built elsewhere: its own answers stay, the fixtures are added.

Only tests lay them: nothing that `dingpan` starts imports this package.
"""

from collections.abc import Mapping
from typing import Any

from mcp import types
from mcp.server import Server
from mcp.server.subscriptions import InMemorySubscriptionBus

from tests.support.conformance import fixture_documents as documents
from tests.support.conformance.fixture_questions import asking_tools
from tests.support.conformance.fixture_tools import Answer, Context, FixtureTool, plain_tools


def lay_over(server: Server[Any], bus: InMemorySubscriptionBus) -> None:
    """Add every fixture to the server. `bus` carries its change notices to those who listen."""
    tools = {tool.name: tool for tool in (*plain_tools(bus), *asking_tools())}
    _lists(server, tools)
    _calls(server, tools)
    _documents(server)
    for method, kind in (
        ("logging/setLevel", types.SetLevelRequestParams),
        ("resources/subscribe", types.SubscribeRequestParams),
        ("resources/unsubscribe", types.UnsubscribeRequestParams),
    ):
        if server.get_request_handler(method) is None:
            server.add_request_handler(method, kind, _nothing)


async def _nothing(_: Context, __: Any) -> types.EmptyResult:
    return types.EmptyResult()


def _lists(server: Server[Any], tools: dict[str, FixtureTool]) -> None:
    added = {
        "tools/list": ("tools", [tool.listed for tool in tools.values()]),
        "resources/list": ("resources", list(documents.RESOURCES)),
        "resources/templates/list": ("resource_templates", list(documents.TEMPLATES)),
        "prompts/list": ("prompts", list(documents.PROMPTS)),
    }
    for method, (name, items) in added.items():
        _longer_list(server, method, name, items)


def _longer_list(server: Server[Any], method: str, name: str, items: list[Any]) -> None:
    """Add the items to the last page of a list of the server."""
    own = server.get_request_handler(method)
    assert own is not None, method

    async def listed(ctx: Context, params: types.PaginatedRequestParams) -> Any:
        page: Any = await own.handler(ctx, params)
        return page if page.next_cursor else page.model_copy(update={name: [*getattr(page, name), *items]})

    server.add_request_handler(method, own.params_type, listed)


def _calls(server: Server[Any], tools: dict[str, FixtureTool]) -> None:
    own = server.get_request_handler("tools/call")
    assert own is not None

    async def call(ctx: Context, params: types.CallToolRequestParams) -> Answer:
        fixture = tools.get(params.name)
        return await fixture.body(ctx, params) if fixture else await own.handler(ctx, params)  # type: ignore[return-value]

    server.add_request_handler("tools/call", types.CallToolRequestParams, call)
    schema_of = server.get_tool_input_schema
    if schema_of is not None:

        def schema(name: str) -> Mapping[str, Any] | None:
            return tools[name].schema if name in tools else schema_of(name)

        server.get_tool_input_schema = schema


def _documents(server: Server[Any]) -> None:
    reads, gets = server.get_request_handler("resources/read"), server.get_request_handler("prompts/get")
    assert reads is not None
    assert gets is not None

    async def read(ctx: Context, params: types.ReadResourceRequestParams) -> Any:
        return documents.read(params.uri) or await reads.handler(ctx, params)

    async def get(ctx: Context, params: types.GetPromptRequestParams) -> Any:
        return documents.prompt(params) or await gets.handler(ctx, params)

    server.add_request_handler("resources/read", types.ReadResourceRequestParams, read)
    server.add_request_handler("prompts/get", types.GetPromptRequestParams, get)
