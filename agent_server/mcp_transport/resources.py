"""Resources: what the desk holds under addresses, read through the same skills as everything else.

    desk://backtests/{id}   desk://runs/{id}   desk://assets/{id}   desk://skills/{id}   desk://results/{id}

The last one is the whole of an answer that was too long to send. What a caller may not read is not there.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from mcp import types
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from agent_server.desk import Desk
from agent_server.json_text import encode
from agent_server.mcp_transport.identity import Context, Identity
from agent_server.mcp_transport.pages import page
from agent_server.mcp_transport.requests import caller_of, trace_of
from agent_server.mcp_transport.shelf import Shelf
from agent_server.tool_bridge import ToolAnswer, ToolBridge
from core.access.model import Caller
from tools.context import Surface
from tools.names import wire_name

JSON: Final = "application/json"
ADDRESS: Final = re.compile(r"desk://(backtests|runs|assets|skills|results)/([A-Za-z0-9._-]{1,120})")
READ_MILLISECONDS: Final = 5_000
LIST_MILLISECONDS: Final = 10_000
FAILED: Final = -32010
"""Our own error code: the resource may be there and cannot be read now; the problem body is in the data."""
ABSENT: Final = frozenset({"not_found", "invalid", "forbidden"})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource: the skill that reads one, and the skill that lists the newest with their ids."""

    name: str
    title: str
    description: str
    reads: str
    argument: str
    lists: str
    list_arguments: dict[str, int]
    items: str
    id_field: str
    label: str


KINDS: Final = (
    Kind(
        "backtests",
        "Backtest 回测",
        "A finished backtest: parameters, metrics, trades, equity curve.",
        "investment.stock.backtest.get",
        "result_id",
        "investment.stock.backtest.list",
        {"limit": 20},
        "items",
        "id",
        "name",
    ),
    Kind(
        "runs",
        "Run 运行",
        "A backtest that is queued, running or ended: its state, progress and result.",
        "investment.stock.backtest.run.get",
        "run_id",
        "investment.stock.backtest.run.list",
        {"limit": 20},
        "items",
        "runId",
        "kind",
    ),
    Kind(
        "assets",
        "Data asset 数据资产",
        "A data asset: columns, size, freshness.",
        "dataasset.get",
        "asset_id",
        "dataasset.list",
        {"size": 20},
        "items",
        "id",
        "assetName",
    ),
)


class Resources:
    """See the module."""

    def __init__(self, desk: Desk, bridge: ToolBridge, identity: Identity, shelf: Shelf) -> None:
        self._desk, self._bridge, self._identity, self._shelf = desk, bridge, identity, shelf

    async def templates(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """Return the forms of addresses whose skills the caller has."""
        caller = await caller_of(self._identity, ctx)
        made = [
            types.ResourceTemplate(
                uri_template=f"desk://{kind.name}/{{id}}",
                name=kind.name,
                title=kind.title,
                description=kind.description,
                mime_type=JSON,
            )
            for kind in self._kinds(caller)
        ]
        made.append(
            types.ResourceTemplate(
                uri_template="desk://skills/{id}",
                name="skills",
                title="Skill 技能",
                description="The manual of one skill: arguments, result, risk, example.",
                mime_type=JSON,
            )
        )
        shown, following = page(made, params)
        return types.ListResourceTemplatesResult(
            resource_templates=shown,
            next_cursor=following or None,
            ttl_ms=LIST_MILLISECONDS,
            cache_scope="private",
        )

    async def listed(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        """Return the newest things of each kind, and the manuals of the caller's skills."""
        caller = await caller_of(self._identity, ctx)
        made = [item for kind in self._kinds(caller) for item in await self._newest(ctx, caller, kind)]
        made += [
            types.Resource(
                uri=f"desk://skills/{item.skill_id}",
                name=item.skill_id,
                title=f"{item.title} {item.title_zh}",
                description=item.summary,
                mime_type=JSON,
            )
            for item in self._bridge.tools.granted(caller)
        ]
        shown, following = page(made, params)
        return types.ListResourcesResult(
            resources=shown, next_cursor=following or None, ttl_ms=LIST_MILLISECONDS, cache_scope="private"
        )

    async def read(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        """Return one resource as JSON. Raises `MCPError` alike for what is absent and what is another caller's."""
        caller = await caller_of(self._identity, ctx)
        uri = str(params.uri)
        found = ADDRESS.fullmatch(uri)
        text = await self._text(ctx, caller, found[1], found[2]) if found is not None else None
        if text is None:
            raise MCPError(INVALID_PARAMS, "Resource not found", data={"uri": uri[:200]})
        contents = types.TextResourceContents(uri=uri, mime_type=JSON, text=text)
        return types.ReadResourceResult(contents=[contents], ttl_ms=READ_MILLISECONDS, cache_scope="private")

    async def newest_ids(self, ctx: Context, caller: Caller, name: str) -> list[str]:
        """Return the ids a caller may mean by the beginning of one; for completion."""
        if name == "skills":
            return [item.skill_id for item in self._bridge.tools.granted(caller)]
        kinds = [kind for kind in self._kinds(caller) if kind.name == name]
        return [str(item[kind.id_field]) for kind in kinds for item in await self._items(ctx, caller, kind)]

    def _kinds(self, caller: Caller) -> list[Kind]:
        return [kind for kind in KINDS if self._bridge.tools.find(caller, kind.reads) is not None]

    async def _newest(self, ctx: Context, caller: Caller, kind: Kind) -> list[types.Resource]:
        return [
            types.Resource(
                uri=f"desk://{kind.name}/{item[kind.id_field]}",
                name=f"{kind.name} {item[kind.id_field]}",
                title=str(item.get(kind.label) or f"{kind.title} {item[kind.id_field]}"),
                mime_type=JSON,
            )
            for item in await self._items(ctx, caller, kind)
        ]

    async def _items(self, ctx: Context, caller: Caller, kind: Kind) -> list[dict[str, Any]]:
        """Return the newest of a kind; nothing when the caller may not list them or the desk cannot now."""
        if self._bridge.tools.find(caller, kind.lists) is None:
            return []
        answer = await self._ask(ctx, caller, kind.lists, dict(kind.list_arguments))
        items: list[dict[str, Any]] = (answer.structured or {}).get(kind.items, [])
        return items

    async def _text(self, ctx: Context, caller: Caller, kind_name: str, name: str) -> str | None:
        if kind_name == "results":
            return self._shelf.get(caller, name)
        if kind_name == "skills":
            entry = self._bridge.tools.find(caller, name)
            if entry is None or entry.skill is None:
                return None
            return encode(self._desk.registry.catalogue_entry(entry.skill, caller)).decode()
        kind = next(known for known in KINDS if known.name == kind_name)
        answer = await self._ask(ctx, caller, kind.reads, {kind.argument: name})
        if answer.problem is None:
            return answer.text
        if answer.problem["kind"] in ABSENT:
            return None
        raise MCPError(FAILED, str(answer.problem["message"]), data=answer.problem)

    async def _ask(self, ctx: Context, caller: Caller, skill_id: str, arguments: dict[str, Any]) -> ToolAnswer:
        trace_id = trace_of(ctx, self._desk)
        return await self._bridge.call(caller, wire_name(skill_id), arguments, surface=Surface.MCP, trace_id=trace_id)
