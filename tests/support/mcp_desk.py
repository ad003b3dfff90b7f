"""A desk reached by MCP clients inside one process, and slow or long skills to look at what the door does with them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mcp import Client, types
from mcp.client.context import ClientRequestContext

from agent_server.mcp_transport.identity import FixedIdentity, SecretIdentity
from agent_server.mcp_transport.server import build_server
from core.access.model import User
from skills import modules
from tests.support.rest_desk import RestDesk
from tools.context import SkillContext
from tools.registry import Registry
from tools.risk import RiskTier
from tools.skill import ATTRIBUTE, skill

ERAS = ("legacy", "2026-07-28")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    rows: tuple[str, ...]
    text: str
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    fields: dict[str, str]


@dataclass(slots=True)
class Slow:
    """What the slow skill is doing; tests set it free or see it stopped."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    was_stopped: bool = False


SLOW = Slow()


@skill("sample.rows.get", tier=RiskTier.GREEN, http="GET /api/rows", title="Rows", title_zh="行")
async def rows_get(ctx: SkillContext, *, count: int, width: int = 10) -> Rows:
    """As many rows as asked for."""
    return Rows(rows=tuple(f"{n:>{width}}" for n in range(count)), text="t" * width, total=count)


@skill("sample.fields.get", tier=RiskTier.GREEN, http="GET /api/fields", title="Fields", title_zh="字段")
async def fields_get(ctx: SkillContext, *, count: int) -> Fields:
    """As many fields as asked for: nothing that could be left out."""
    return Fields(fields={f"field_{n}": "x" * 30 for n in range(count)})


@skill("sample.slow.get", tier=RiskTier.GREEN, http="GET /api/slow", title="Slow", title_zh="慢")
async def slow_get(ctx: SkillContext, *, steps: int = 0) -> Rows:
    """Report each step, then wait to be let go."""
    for step in range(1, steps + 1):
        await ctx.report(step, steps, f"step {step}")
    SLOW.started.set()
    try:
        await SLOW.gate.wait()
    except asyncio.CancelledError:
        SLOW.was_stopped = True
        raise
    return Rows(rows=(), text="", total=steps)


def registry() -> Registry:
    """The desk's skills and those of this module."""
    ours = [getattr(body, ATTRIBUTE) for body in (rows_get, fields_get, slow_get)]
    return Registry([*Registry.collect(modules()).skills, *ours])


@dataclass
class Asked:
    """A client's user: what was shown, and what the client answers without asking anybody."""

    action: str = "accept"
    shown: list[types.ElicitRequestURLParams] = field(default_factory=list)
    then: Callable[[str], Any] | None = None

    async def __call__(self, _: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        assert isinstance(params, types.ElicitRequestURLParams)
        self.shown.append(params)
        if self.then is not None:
            await self.then(params.url.rpartition("/")[2])
        return types.ElicitResult(action=self.action)  # type: ignore[arg-type]


async def token_client(desk: RestDesk, user: User, *scopes: str, mode: str = "2026-07-28", **more: Any) -> Client:
    """A client that acts by a token of the user."""
    secret = (await desk.mint(user, *scopes)).secret
    return secret_client(desk, secret, mode=mode, **more)


def secret_client(desk: RestDesk, secret: str, *, mode: str = "2026-07-28", **more: Any) -> Client:
    """A client that acts by this token."""
    server = build_server(desk.desk, identity=SecretIdentity(desk.desk, secret, client="pytest"))
    return Client(server, mode=mode, **more)


def fixed_client(desk: RestDesk, caller: Any, *, mode: str = "2026-07-28", **more: Any) -> Client:
    """A client that is one caller."""
    return Client(build_server(desk.desk, identity=FixedIdentity(caller)), mode=mode, **more)
