"""The MCP server of a desk, whatever it is reached through.

    server = build_server(desk, identity=RequestIdentity(desk))

answers tools, resources, prompts, completion and subscriptions of both protocol eras. `identity` says who makes a
request; nothing else of a connection counts. `extension(server, bus)` may add to the finished server (replace handlers
through `server.add_request_handler`, publish on `bus`): only tests pass one, no setting and no flag reaches it.
"""

from collections.abc import Callable
from typing import Any, Final

from mcp.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus

from agent_server.desk import Desk
from agent_server.mcp_transport.about import INSTRUCTIONS, TITLE
from agent_server.mcp_transport.allowance import Allowance
from agent_server.mcp_transport.changes import Changes
from agent_server.mcp_transport.completion import Completer
from agent_server.mcp_transport.identity import Identity
from agent_server.mcp_transport.prompts import Prompts
from agent_server.mcp_transport.resources import Resources
from agent_server.mcp_transport.shelf import Shelf
from agent_server.mcp_transport.tools import Tools
from agent_server.release import NAME, release
from agent_server.tool_bridge import ToolBridge

STATE_LABEL: Final = "mcp request state"
STATE_SECONDS: Final = 900.0
"""How long a client may take between the question and its answer: the approval's ten minutes and some."""
ServerExtension = Callable[[Server[Any], InMemorySubscriptionBus], None]


def build_server(
    desk: Desk, *, identity: Identity, preset: str = "", extension: ServerExtension | None = None
) -> Server[Any]:
    """Return the server; it is run by whoever owns the connection. `preset` chooses the tools where no address does."""
    bridge, shelf = ToolBridge(desk), Shelf(desk.services.clock, desk.services.ids)
    changes = Changes(identity)
    tools = Tools(desk, bridge, identity, shelf, changes, preset=preset)
    resources = Resources(desk, bridge, identity, shelf)
    prompts = Prompts(bridge, identity)
    server: Server[Any] = Server(
        NAME,
        version=release(),
        title=TITLE,
        instructions=INSTRUCTIONS,
        on_list_tools=tools.listed,
        on_call_tool=tools.call,
        on_list_resources=resources.listed,
        on_list_resource_templates=resources.templates,
        on_read_resource=resources.read,
        on_list_prompts=prompts.listed,
        on_get_prompt=prompts.get,
        on_completion=Completer(desk, bridge, identity, resources).complete,
        on_subscriptions_listen=changes.listen,
        get_tool_input_schema=lambda _: None,
    )
    key = desk.services.audit.fingerprint(STATE_LABEL)
    security = RequestStateSecurity(keys=[key], ttl=STATE_SECONDS, bind_principal=identity.principal)
    server.middleware.append(Allowance(desk, identity))
    server.middleware.append(RequestStateBoundary(security, default_audience=NAME))
    if extension is not None:
        extension(server, changes.everybody)
    return server
