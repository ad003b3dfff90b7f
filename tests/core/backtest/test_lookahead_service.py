"""Look-ahead checks are shared fairly: no team can keep the others from theirs."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from core.backtest.lookahead_service import AT_ONCE, MOST_OF_A_TEAM, LookAheadService, TooManyChecks
from core.durable.child import Children

pytestmark = pytest.mark.anyio


async def test_a_team_has_only_so_many_checks_in_hand() -> None:
    market: Any = None
    service = LookAheadService(market, Children())
    async with AsyncExitStack() as held:
        for _ in range(AT_ONCE):
            await held.enter_async_context(service._place(1))

        async def wait(team_id: int) -> None:
            async with service._place(team_id):
                pass

        waiting = [asyncio.create_task(wait(1)) for _ in range(MOST_OF_A_TEAM - AT_ONCE)]
        other = asyncio.create_task(wait(2))
        await asyncio.sleep(0)
        with pytest.raises(TooManyChecks) as refused:
            await wait(1)
        assert refused.value.extras() == {"bucket": "lookahead", "retry_after_seconds": 10}
        assert refused.value.code == "rate_limited"
        assert not other.done()
    await asyncio.gather(*waiting, other)
    await wait(1)
    assert not service._in_hand
