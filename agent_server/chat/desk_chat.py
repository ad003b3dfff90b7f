"""The desk's chat, as its doors use it: say something, follow what happens, read it again, stop it, delete it."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import structlog

from agent_server.chat.callers import caller_again
from agent_server.chat.journal import topic
from agent_server.chat.loop import new_marker
from agent_server.chat.turns import Turns
from agent_server.desk import Desk
from agent_server.signals import APPROVALS
from core.access.model import Caller
from core.conversation.model import Begun, Conversation, ConversationState, Entry, Wait
from core.errors import DeskError, Forbidden, Limited
from core.ids import new_id
from core.llm.clients import make_client
from core.llm.model import ModelClient
from tools.exports.provider_limits import check_tools
from tools.limits import MINUTE, Allowance, SlidingWindow, identity_of

LOOK_SECONDS: Final = 2.0
"""How often approvals and abandoned turns are looked at without a signal: decisions of another process show then."""
FOLLOW_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 15.0
RECHECK_SECONDS: Final = 15.0  # how long a stream may outlive its caller's token
PAGE: Final = 100
MOST_FOLLOWERS: Final = 16
"""Most streams of one caller at the same time."""
ALLOWANCES: Final = (Allowance("chat", 30, MINUTE), Allowance("chat_daily", 1000, 1440 * MINUTE))
"""Messages of one identity. Each may cost the operator money, so they are fewer than calls."""

log = structlog.get_logger("dingpan.chat")


class ChatNeedsAccount(Forbidden):
    """A caller without a team has no conversations."""

    code = "chat_needs_account"
    template = "Only a known user can talk with the desk."


class TooManyFollowers(Limited):
    """The caller has too many streams of conversations open."""

    template = "{limit} streams of conversations are open already. Close one."


class DeskChat:
    """One per process. `model` is the one the settings name when it is left out.

    Raises `SettingInvalid` at once when the settings name a model that cannot be used, and `ToolsUnfit` when a skill
    breaks a limit of the model's provider.
    """

    def __init__(self, desk: Desk, model: ModelClient | None = None) -> None:
        services = desk.services
        self._desk, self._conversations = desk, services.conversation
        self.model = model or make_client(services.settings, clock=services.clock, ids=services.ids)
        check_tools(desk.registry, self.model.name)
        self.turns = Turns(desk, self._conversations, self.model)
        self._is_ending = False
        self._followers: Counter[str] = Counter()
        self._windows = tuple(SlidingWindow(allowance) for allowance in ALLOWANCES)

    async def say(
        self, caller: Caller, text: str, *, conversation_id: str | None = None, key: str | None = None
    ) -> Begun:
        """Take in a message and begin to answer it. The same `key` again begins nothing.

        Raises `Limited` and what `ConversationService.begin` raises.
        """
        team_id, user_id = _account(caller)
        self._count(caller)
        marker = new_marker(self._desk.services.ids)
        async with self._desk.unit_of_work() as uow:
            begun = await self._conversations.begin(
                uow,
                team_id,
                owner=caller.requester,
                user_id=user_id,
                text=text,
                marker=marker,
                conversation_id=conversation_id,
                key=key,
            )
            await uow.commit()
        self.turns.start(begun, caller)
        return begun

    def check_place(self, caller: Caller) -> None:
        """Raise `TooManyFollowers` unless the caller may follow one conversation more."""
        if self._followers.get(caller.requester, 0) >= MOST_FOLLOWERS:
            raise TooManyFollowers(bucket="followers", retry_after_seconds=5, limit=MOST_FOLLOWERS)

    async def follow(
        self, caller: Caller, conversation_id: str, *, after: int, waits: bool = True
    ) -> AsyncGenerator[Entry | None, None]:
        """Yield what happens behind a number until nothing more will; None now and then while nothing does.

        With `waits` it stays while a call waits for a person. It ends within `RECHECK_SECONDS` of its caller's token,
        also while a busy turn leaves it no quiet moment. Raises `ConversationNotFound`.
        """
        clock = self._desk.services.clock
        quiet, checked = 0.0, clock.monotonic()
        with self._place(caller), self._desk.signals.listen(topic(conversation_id)) as bell:
            while True:
                bell.clear()
                conversation, entries, waiting = await self.read(
                    caller, conversation_id, after=after, is_following=True
                )
                if clock.monotonic() - checked >= RECHECK_SECONDS:
                    if await caller_again(self._desk, conversation) is None:
                        return
                    checked = clock.monotonic()
                for entry in entries:
                    after, quiet = entry.sequence, 0.0
                    yield entry
                if len(entries) == PAGE:
                    continue
                is_over = conversation.state is ConversationState.IDLE and not (waits and waiting)
                if is_over or self._is_ending:
                    return
                quiet += 0.0 if await bell.wait(FOLLOW_SECONDS) else FOLLOW_SECONDS
                if quiet >= HEARTBEAT_SECONDS:
                    quiet = 0.0
                    yield None

    async def read(
        self, caller: Caller, conversation_id: str, *, after: int = 0, limit: int = PAGE, is_following: bool = False
    ) -> tuple[Conversation, list[Entry], tuple[Wait, ...]]:
        """Return a conversation of the caller, what happened in it behind a number, and the calls that wait.

        Who follows a running turn does not need those and is not given them. Raises `ConversationNotFound`.
        """
        team_id, _ = _account(caller)
        async with self._desk.unit_of_work(read_only=True) as uow:
            conversation = await self._conversations.get(
                uow, team_id, conversation_id=conversation_id, owner=caller.requester
            )
            waiting: tuple[Wait, ...] = ()
            if conversation.last_sequence > after:
                entries = await self._conversations.entries(uow, conversation, after=after, limit=limit)
            else:
                entries = []
            if conversation.state is ConversationState.IDLE or not is_following:
                waiting = await self._conversations.waits(uow, conversation)
            return conversation, entries, waiting

    async def newest(self, caller: Caller, *, page: int, size: int) -> tuple[list[Conversation], int]:
        """Return a page of the caller's conversations and how many there are."""
        team_id, _ = _account(caller)
        async with self._desk.unit_of_work(read_only=True) as uow:
            return await self._conversations.newest(uow, team_id, owner=caller.requester, page=page, size=size)

    async def cancel(self, caller: Caller, conversation_id: str) -> bool:
        """Stop the turn in progress, whichever process plays it; return False when there is none."""
        team_id, _ = _account(caller)
        async with self._desk.unit_of_work() as uow:
            is_running = await self._conversations.cancel(
                uow, team_id, conversation_id=conversation_id, owner=caller.requester
            )
            await uow.commit()
        self.turns.stop(conversation_id)
        await self.turns.ended(conversation_id)
        return is_running

    async def delete(self, caller: Caller, conversation_id: str) -> None:
        """Delete a conversation: its turn stops, and what it asked a person for is taken back."""
        team_id, _ = _account(caller)
        await self.cancel(caller, conversation_id)
        async with self._desk.unit_of_work() as uow:
            waiting = await self._conversations.delete(
                uow, team_id, conversation_id=conversation_id, owner=caller.requester
            )
            await uow.commit()
        for approval_id in {wait.approval_id for wait in waiting}:
            await self._take_back(caller, approval_id)
        self._desk.signals.notify(topic(conversation_id))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch for decisions while the block runs; at its end stop the turns and close the model.

        The model's SDK is loaded meanwhile, so that the first message does not wait for it.
        """
        background = [asyncio.create_task(self._watch()), asyncio.create_task(self.model.warm_up())]
        try:
            yield
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self.close()

    async def end_streams(self) -> None:
        """Stop the turns of this process and let every stream end, so that a server need not wait for them."""
        await self.turns.close()
        self._is_ending = True
        self._desk.signals.notify_all()

    async def close(self) -> None:
        """Stop the turns of this process and close the model's connections."""
        await self.turns.close()
        await self.model.close()

    @contextmanager
    def _place(self, caller: Caller) -> Iterator[None]:
        """Count who follows."""
        self._followers[caller.requester] += 1
        try:
            yield
        finally:
            self._followers[caller.requester] -= 1
            if not self._followers[caller.requester]:
                del self._followers[caller.requester]

    async def _watch(self) -> None:
        with self._desk.signals.listen(APPROVALS) as bell:
            while True:
                bell.clear()
                try:
                    await self.turns.look()
                except Exception as error:  # noqa: BLE001 - the watch must outlive a database that is away for a while
                    log.warning("waiting conversations were not looked at", reason=str(error).splitlines()[:1])
                await bell.wait(LOOK_SECONDS)

    async def _take_back(self, caller: Caller, approval_id: str) -> None:
        trace_id = new_id(self._desk.services.ids, "trc")
        with suppress(DeskError):  # decided or expired meanwhile: there is nothing to take back
            async with self._desk.unit_of_work() as uow:
                taken = await self._desk.services.access.withdraw(uow, approval_id=approval_id, caller=caller)
                event, detail = f"approval.{taken.state.value}", {"approvalId": approval_id}
                await self._desk.note(uow, event, caller=caller, trace_id=trace_id, detail=dict(detail))
                await uow.commit()

    def _count(self, caller: Caller) -> None:
        services = self._desk.services
        if not services.settings.rate_limits:
            return
        now, identity = services.clock.monotonic(), identity_of(caller)
        waits = [(window.wait(identity, now), window.allowance.bucket) for window in self._windows]
        seconds, bucket = max(waits)
        if seconds:
            raise Limited(bucket=bucket, retry_after_seconds=seconds)
        for window in self._windows:
            window.count(identity, now)


def _account(caller: Caller) -> tuple[int, int]:
    if caller.team_id is None or caller.user_id is None:
        raise ChatNeedsAccount
    return caller.team_id, caller.user_id
