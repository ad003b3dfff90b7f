"""The stand-in over a real desk: its questions go through the dispatcher, its figures come from the ledger."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from agent_server.chat.budget import TurnLimits
from agent_server.chat.loop import ChatLoop
from agent_server.chat.toolbox import DeskToolbox
from agent_server.cli.context import local_caller
from core.clock import FrozenClock
from core.ids import SeededIds
from core.llm.model import UserMessage
from core.llm.offline.client import OfflineClient
from tests.support.rest_desk import Person, RestDesk, rest_desk, settings_in

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[RestDesk]:
    async with rest_desk(settings_in(tmp_path), clock) as made:
        yield made


@pytest.fixture
async def ada(desk: RestDesk) -> Person:
    return await desk.person("ada")


async def ask(desk, person, clock, text):
    """Return the answer and the names of the tools that were called."""
    loop = ChatLoop(OfflineClient(clock=clock), clock, SeededIds(3), TurnLimits())
    toolbox = DeskToolbox(desk.desk, local_caller(person.user), shortens=False)
    events = [e async for e in loop.turn(system="", history=[UserMessage(text)], toolbox=toolbox)]
    assert [event.kind for event in events if event.kind in {"error", "budget"}] == []
    said = "".join(event.payload()["text"] for event in events if event.kind == "text")
    return said, [event.payload()["name"] for event in events if event.kind == "tool_call"]


@pytest.mark.parametrize(
    ("question", "begins"),
    [
        ("查一下今天的持仓盈亏", "2026-11-20 的持仓盈亏：总盈亏 "),
        ("check my portfolio P/L", "Profit and loss on 2026-11-20: "),
        ("交易记录", "交易记录："),
        ("is the market open tomorrow", "2026-11-21 SH: closed"),
        ("我的令牌有哪些", "访问令牌列表："),
        ("删除交易 3", "这应该用「删除交易记录」"),
    ],
)
async def test_a_question_in_either_language_is_answered_from_the_desk(desk, ada, clock, question, begins):
    text, names = await ask(desk, ada, clock, question)
    assert text.startswith(begins)
    assert bool(names) is not question.startswith("删除")
    assert ("没有配置模型" in text) or ("No model is configured" in text)


async def test_today_is_the_day_of_the_desks_clock(desk, ada, clock):
    assert clock.now().date() == date(2026, 11, 20)
    text, _ = await ask(desk, ada, clock, "下周一开市吗")
    assert text.startswith("2026-11-23 SH：开市")
