"""A desk whose chat is answered by a script, and clients that read its streams."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from agent_server.app import create_app
from agent_server.chat.desk_chat import DeskChat
from agent_server.desk import Desk
from core.clock import Clock
from core.llm.model import ModelClient
from core.llm.scripted import ScriptedClient, ScriptStep
from core.settings import Settings
from skills import modules
from tests.support.rest_desk import RestDesk, rest_desk
from tools.registry import Registry

CHAT = "/agent/chat"
ROUNDS = 2000


@dataclass
class Event:
    """One server-sent event."""

    id: int
    kind: str
    data: dict[str, Any]


@dataclass
class ChatDesk:
    """A desk, the chat in its server, and more chats on the same database, as other processes would have them."""

    rest: RestDesk
    chat: DeskChat
    model: Any
    others: list[DeskChat] = field(default_factory=list)

    def another_process(self, *steps: ScriptStep) -> DeskChat:
        desk = self.rest.desk
        made = DeskChat(Desk(desk.services, desk.registry, desk.dispatcher), ScriptedClient(steps))
        self.others.append(made)
        return made


@cache
def registry() -> Registry:
    """One for all tests: it holds no state but contracts, which take time to make."""
    return Registry.collect(modules())


@asynccontextmanager
async def chat_desk(
    settings: Settings, clock: Clock, *steps: ScriptStep, model: ModelClient | None = None
) -> AsyncIterator[ChatDesk]:
    async with rest_desk(settings, clock, registry()) as rest:
        given = model or ScriptedClient(steps)
        services = rest.desk.services
        rest.app = create_app(services, rest.desk.registry, rest.desk.dispatcher, model=given)
        made = ChatDesk(rest, rest.app.state.chat, given)
        try:
            yield made
        finally:
            for chat in (made.chat, *made.others):
                await chat.close()


def events_of(answer: httpx.Response) -> list[Event]:
    """The events of a stream; pings are left out."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in answer.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append(Event(int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found


def kinds_of(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


async def say(client: httpx.AsyncClient, text: str, conversation_id: str | None = None, **headers: str) -> list[Event]:
    """Say something and read the whole stream."""
    body = {"message": text} | ({"conversationId": conversation_id} if conversation_id else {})
    return events_of(await client.post(CHAT, json=body, headers=headers))


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Let others run until a condition holds; return what it returned."""
    for _ in range(ROUNDS):
        found = await condition()
        if found:
            return found
        await asyncio.sleep(0.001)
    raise TimeoutError


async def waiting_in(client: httpx.AsyncClient) -> dict[str, Any]:
    """Wait until the client's newest conversation is parked; return it."""

    async def parked() -> dict[str, Any] | None:
        found = (await client.get(CHAT)).json()["data"]["items"]
        if not found:
            return None
        shown = (await client.get(f"{CHAT}/{found[0]['conversationId']}")).json()["data"]
        return shown if shown["waiting"] and shown["state"] == "idle" else None

    return await until(parked)
