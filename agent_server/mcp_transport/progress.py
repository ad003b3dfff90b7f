"""Progress of a call that takes over a second: what the skill reports, and signs of life until it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from agent_server.mcp_transport.identity import Context
from tools.context import ProgressSink

FIRST_SECONDS: Final = 1.0
EVERY_SECONDS: Final = 2.0
STEP: Final = 0.001
"""A sign of life moves this much, so that whatever the skill itself reports lies beyond it."""


@asynccontextmanager
async def reporting(ctx: Context, message: str) -> AsyncIterator[ProgressSink]:
    """Give the body's reports to the client; between them say the last again, and `message` before the first.

    Reports that do not lead on are dropped: the protocol wants each beyond the last.
    """
    furthest, whole, said = -1.0, None, message

    async def sink(done: float, total: float | None, text: str) -> None:
        nonlocal furthest, whole, said
        if done > furthest:
            furthest, whole, said = done, total, text
            await ctx.session.report_progress(done, total, text or None)

    async def live() -> None:
        await asyncio.sleep(FIRST_SECONDS)
        while furthest < 1 - STEP:
            await sink(max(furthest, 0.0) + STEP, whole, said)
            await asyncio.sleep(EVERY_SECONDS)

    living = asyncio.create_task(live())
    try:
        yield sink
    finally:
        living.cancel()
        with suppress(asyncio.CancelledError):
            await living
