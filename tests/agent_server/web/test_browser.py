"""A real browser signs in, reads a request and approves it, with scripts switched off."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn

from core.clock import FrozenClock
from tests.support.chromium import ARGUMENTS, CHROMIUM, needs_chromium
from tests.support.rest_desk import PASSWORD, RestDesk, execute, rest_desk, settings_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.anyio,
    needs_chromium,
]


@pytest.fixture
async def served(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[RestDesk]:
    """A desk behind a real socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    settings = settings_in(tmp_path, port=listener.getsockname()[1])
    async with rest_desk(settings, clock) as desk:
        config = uvicorn.Config(desk.app, log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield desk
        server.should_exit = True
        await serving
    listener.close()


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (390, "dark")])
async def test_sign_in_and_approve_without_scripts(served: RestDesk, width: int, scheme: str) -> None:
    from playwright.async_api import async_playwright

    user = await served.user("mei")
    victim = (await served.mint(user)).token.token_id
    agent = await served.agent(user)
    asked = (await execute(agent, "subscription.token.revoke", token_id=victim)).json()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        context = await browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=False, locale="en-GB"
        )
        page = await context.new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text))
        await page.goto(asked["approval"]["url"])
        await page.get_by_label("User name").fill("mei")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        assert page.url == asked["approval"]["url"]
        assert await page.locator(".tier.red").is_visible()
        box = await page.locator("body").bounding_box()
        assert box is not None
        assert box["width"] <= width
        await page.get_by_label("Comment").fill("checked")
        await page.get_by_role("button", name="Approve").click()
        assert await page.locator(".state.approved").is_visible()
        await page.get_by_role("link", name="Tokens").click()
        assert await page.get_by_role("heading", name="New token").is_visible()
        await page.get_by_role("link", name="中文").click()
        assert await page.get_by_role("heading", name="新建令牌").is_visible()
        await browser.close()
    assert faults == []
    done = await agent.post("/agent/skills/execute", json=asked["nextAction"]["body"])
    assert done.status_code == 200
