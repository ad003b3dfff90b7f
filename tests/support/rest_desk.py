"""A whole desk in one process, reached over HTTP without a socket."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from agent_server.app import create_app
from agent_server.desk import Desk
from core import bootstrap
from core.access.model import MintedToken, Role, User
from core.access.passwords import Passwords
from core.access.service import AccessService
from core.clock import Clock
from core.ids import RandomIds
from core.settings import Settings
from skills import modules
from tools.dispatcher import Dispatcher
from tools.registry import Registry

PASSWORD = "correct horse battery"
EXECUTE = "/agent/skills/execute"


def cheap_passwords() -> Passwords:
    """argon2id with the least work, so that a test signs in within a millisecond."""
    return Passwords(RandomIds(), passes=1, memory_kib=8, lanes=1)


@dataclass
class Person:
    """A signed-in user with their browser, and the proof their own pages would send."""

    user: User
    browser: httpx.AsyncClient
    csrf: str

    async def decide(self, approval_id: str, decision: str = "approve", **changes: Any) -> httpx.Response:
        headers = {"X-CSRF-Token": self.csrf, "Origin": str(self.browser.base_url).rstrip("/")}
        headers |= changes.pop("headers", {})
        path = f"/agent/approvals/{approval_id}/decision"
        body = {"decision": decision} | changes
        return await self.browser.post(path, json=body, headers={k: v for k, v in headers.items() if v is not None})

    async def execute(self, skill_id: str, **params: Any) -> httpx.Response:
        body = {"skillId": skill_id, "params": params}
        return await self.browser.post(EXECUTE, json=body, headers={"X-CSRF-Token": self.csrf})


@dataclass
class RestDesk:
    """The desk under test: `desk` inside, `app` outside."""

    desk: Desk
    app: FastAPI
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return self.desk.services.settings

    def client(self, token: str | None = None, *, address: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
        given = headers | ({"Authorization": f"Bearer {token}"} if token else {})
        transport = httpx.ASGITransport(self.app, client=(address, 1234), raise_app_exceptions=False)
        made = httpx.AsyncClient(transport=transport, base_url=self.settings.base_url, headers=given)
        self.clients.append(made)
        return made

    async def user(self, name: str, *, team: str | None = None, role: Role | None = None) -> User:
        async with self.desk.unit_of_work() as uow:
            user = await self.desk.services.access.register_user(
                uow, username=name, password=PASSWORD, email=f"{name}@example.com", team_name=team, role=role
            )
            await uow.commit()
        return user

    async def person(self, name: str, *, team: str | None = None, role: Role | None = None) -> Person:
        return await self.signed_in(await self.user(name, team=team, role=role))

    async def signed_in(self, user: User) -> Person:
        browser = self.client()
        answer = await browser.post("/login", json={"username": user.username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return Person(user, browser, answer.json()["data"]["csrfToken"])

    async def mint(self, user: User, *scopes: str, days: int | None = None) -> MintedToken:
        """A token with the given scopes, or with every scope there is."""
        async with self.desk.unit_of_work() as uow:
            minted = await self.desk.services.access.mint_token(
                uow,
                user_id=user.user_id,
                name="test",
                scopes=scopes or [skill.scope for skill in self.desk.registry],
                expires_in_days=days,
                minted_by="operator",
            )
            await uow.commit()
        return minted

    async def agent(self, user: User, *scopes: str) -> httpx.AsyncClient:
        """A client that holds a token of the user."""
        return self.client((await self.mint(user, *scopes)).secret)

    async def events(self) -> list[str]:
        """The audit's events, oldest first."""
        async with self.desk.unit_of_work(read_only=True) as uow:
            rows = await self.desk.services.audit.newest(uow, limit=1000)
        return [row.event for row in reversed(rows)]


async def execute(client: httpx.AsyncClient, skill_id: str, **params: Any) -> httpx.Response:
    return await client.post(EXECUTE, json={"skillId": skill_id, "params": params})


def csrf_field(page: str) -> str:
    """The hidden field of a page's forms."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


@cache
def every_skill() -> Registry:
    """The shipped skills; a registry is frozen, so that desks may share it."""
    return Registry.collect(modules())


@asynccontextmanager
async def rest_desk(settings: Settings, clock: Clock, registry: Registry | None = None) -> AsyncIterator[RestDesk]:
    """Open a desk on fresh folders; passwords are hashed cheaply."""
    services = await bootstrap.build(settings, clock=clock)
    access = AccessService(services.ids, services.clock, settings, passwords=cheap_passwords())
    services = replace(services, access=access)
    registry = registry or every_skill()
    dispatcher = Dispatcher(
        registry=registry,
        services=services,
        database=services.database,
        access=access,
        audit=services.audit,
        clock=services.clock,
        ids=services.ids,
        settings=settings,
    )
    made = RestDesk(Desk(services, registry, dispatcher), create_app(services, registry, dispatcher))
    try:
        yield made
    finally:
        for client in made.clients:
            await client.aclose()
        await services.close()


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Settings of a desk in a folder, without rate limits unless asked for."""
    return Settings(**({"home": folder, "rate_limits": False} | changes))
