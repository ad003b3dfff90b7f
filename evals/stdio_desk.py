"""The MCP server of a case as a process of its own: the same database, the same frozen clock, the real stdio transport.

Started by `evals.toolboxes` with the home of the case; not for people.
"""

import asyncio
import json
import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from evals.world import World

ORDERS: Final = "eval.json"
"""What the process of a case is told, inside its home."""


async def serve(home: Path) -> None:
    """Serve one principal until standard input ends."""
    import structlog  # noqa: PLC0415 - beside its only use
    from mcp.server.stdio import stdio_server  # noqa: PLC0415 - two seconds

    from agent_server.mcp_transport.server import build_server  # noqa: PLC0415 - imports mcp

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    orders = json.loads((home / ORDERS).read_text(encoding="utf-8"))
    world = World(home.parent)
    async with world.desk_at(home, datetime.fromisoformat(orders["moment"]), seed=orders["seed"]) as case:
        server = build_server(case.desk, identity=await _identity(case, orders))
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


async def _identity(case: Any, orders: dict[str, Any]) -> Any:
    from agent_server.mcp_transport.identity import FixedIdentity, SecretIdentity  # noqa: PLC0415 - imports mcp
    from core.access.model import Caller, CallerKind  # noqa: PLC0415 - beside its only use

    if orders["token"]:
        return SecretIdentity(case.desk, orders["token"], client="evals")
    if orders["username"] is None:
        return FixedIdentity(Caller(kind=CallerKind.ANONYMOUS, client="evals"))
    user = await case.user(orders["username"])
    person = Caller(
        kind=CallerKind(orders["kind"]),
        user_id=user.user_id,
        username=user.username,
        team_id=user.team_id,
        team_name=user.team_name,
        role=user.role,
        all_scopes=True,
        session_id="eval",
        client="evals",
    )
    return FixedIdentity(person)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
