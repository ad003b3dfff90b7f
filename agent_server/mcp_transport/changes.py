"""Notices that something changed, for agents that listen: each team hears of its own changes only."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from mcp import types
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
)
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST

from agent_server.mcp_transport.identity import Context, Identity
from agent_server.mcp_transport.requests import caller_of
from agent_server.mcp_transport.resources import KINDS
from core.access.model import Caller

MOST_STREAMS: Final = 200
"""Of one team at a time."""
MOST_OF_ONE: Final = 40
"""Of one token: the rest of the team listens too."""
CHECK_SECONDS: Final = 30.0
"""How long a token that has ended may go on listening."""
TOO_MANY_STREAMS: Final = "{most} streams of this token are open already. Close one."


class TeamBus:
    """What one team hears: its own events, and those that concern everybody."""

    def __init__(self, everybody: InMemorySubscriptionBus) -> None:
        self._own, self._everybody = InMemorySubscriptionBus(), everybody

    async def publish(self, event: ServerEvent) -> None:
        """Tell the team."""
        await self._own.publish(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Listen to both; the returned function ends it."""
        ends = [bus.subscribe(listener) for bus in (self._own, self._everybody)]

        def end() -> None:
            for stop in ends:
                stop()

        return end


class Changes:
    """See the module. `everybody` is heard by all teams."""

    def __init__(self, identity: Identity) -> None:
        self.everybody = InMemorySubscriptionBus()
        self._identity = identity
        self._listening: Counter[str] = Counter()
        self._buses: dict[int | None, tuple[TeamBus, ListenHandler]] = {}

    async def listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve one listener until it goes away or its token ends. Raises `MCPError` for one too many."""
        caller = await caller_of(self._identity, ctx)
        if self._listening[caller.requester] >= MOST_OF_ONE:
            raise MCPError(INVALID_REQUEST, TOO_MANY_STREAMS.format(most=MOST_OF_ONE))
        self._listening[caller.requester] += 1
        try:
            return await self._serve(ctx, params, self._team(caller.team_id)[1])
        finally:
            self._listening[caller.requester] -= 1
            if not self._listening[caller.requester]:
                del self._listening[caller.requester]

    async def tell(self, caller: Caller, skill_id: str, structured: dict[str, Any] | None) -> None:
        """Tell the caller's team that a call has changed what there is."""
        if caller.team_id not in self._buses:
            return
        bus = self._buses[caller.team_id][0]
        await bus.publish(ResourcesListChanged())
        for kind in KINDS:
            named = (structured or {}).get(kind.id_field)
            if named is not None and skill_id.rpartition(".")[0] == kind.reads.rpartition(".")[0]:
                await bus.publish(ResourceUpdated(uri=f"desk://{kind.name}/{named}"))

    async def _serve(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams, handler: ListenHandler
    ) -> types.SubscriptionsListenResult:
        """Serve for as long as the token of the request is good."""
        serving = asyncio.ensure_future(handler(ctx, params))
        try:
            while not serving.done():
                await asyncio.wait({serving}, timeout=CHECK_SECONDS)
                await caller_of(self._identity, ctx, fresh=True)
            return serving.result()
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    def _team(self, team_id: int | None) -> tuple[TeamBus, ListenHandler]:
        known = self._buses.get(team_id)
        if known is None:
            bus = TeamBus(self.everybody)
            known = self._buses[team_id] = (bus, ListenHandler(bus, max_subscriptions=MOST_STREAMS))
        return known
