"""Playing turns beside their doors: a turn belongs to its conversation, not to the connection that asked for it.

A client that goes away changes nothing: the turn goes on, is written down, and can be read or followed again. What
stops one is a cancel, its budget, or the end of the desk.
"""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from agent_server.chat.budget import TurnLimits
from agent_server.chat.callers import caller_again
from agent_server.chat.events import (
    ApprovalSettled,
    ChatEvent,
    Stop,
    ToolAnswered,
    TurnDone,
    TurnFailed,
    WaitingCall,
)
from agent_server.chat.history import fit, messages_of
from agent_server.chat.journal import Journal, topic
from agent_server.chat.loop import ChatLoop
from agent_server.chat.prompts import system_prompt
from agent_server.chat.toolbox import DeskToolbox
from agent_server.desk import Desk
from agent_server.tool_bridge import ToolBridge
from core.access.approvals import ApprovalNotFound
from core.access.model import ApprovalState, Caller
from core.clock import china_today
from core.conversation.model import (
    CLAIM_LIFE,
    USER_KIND,
    Begun,
    Claim,
    Conversation,
    ConversationBusy,
    ConversationClaimLost,
    ConversationNotFound,
    Entry,
)
from core.conversation.service import ConversationService
from core.errors import DeskError
from core.ids import new_id
from core.llm.model import ModelClient
from core.llm.prices import cost_usd
from core.storage.unit_of_work import UnitOfWork
from tools.errors import Incident
from tools.redaction import mask

BEAT_SECONDS: Final = CLAIM_LIFE.total_seconds() / 10
MOST_HISTORY_TOKENS: Final = 40_000
HISTORY_SHARE: Final = 8
"""A turn may ask the model several times, so the conversation before it gets one part in eight of its tokens."""
ENTRIES_READ: Final = 500
INTERRUPTED: Final = "The desk stopped in the middle of this turn. What was said is kept; ask again to go on."
NO_RIGHTS: Final = "Not run: the token that asked has ended, or its person was locked out."

log = structlog.get_logger("dingpan.chat")


@dataclass(frozen=True, slots=True)
class _Turn:
    """One turn to play. `decided` names the approvals whose calls run now; None for a turn that answers a message."""

    conversation: Conversation
    claim: Claim
    caller: Caller
    decided: Collection[str] | None = None


class Turns:
    """The turns of one process. `model` is asked; the limits are those of the desk's settings."""

    def __init__(self, desk: Desk, conversations: ConversationService, model: ModelClient) -> None:
        self._desk, self._conversations, self._model = desk, conversations, model
        self._bridge = ToolBridge(desk)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_closing = False

    def start(self, begun: Begun, caller: Caller) -> None:
        """Answer a message that was taken in."""
        if begun.claim is not None:
            self._start(_Turn(begun.conversation, begun.claim, caller))

    def stop(self, conversation_id: str) -> None:
        """Stop a turn that this process plays."""
        task = self._tasks.get(conversation_id)
        if task is not None:
            self._cancel(task)

    async def ended(self, conversation_id: str) -> None:
        """Wait until this process plays no turn of the conversation."""
        task = self._tasks.get(conversation_id)
        if task is not None:
            await asyncio.wait({task})

    async def close(self) -> None:
        """Stop every turn; each is noted as interrupted."""
        self._is_closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            self._cancel(task)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self, *, only: str | None = None) -> None:
        """Go on with what was decided, and close what was abandoned, of any process and any team or in one talk."""
        async with self._desk.unit_of_work(read_only=True) as uow:
            abandoned = await self._conversations.abandoned(uow)
            waiting = await self._conversations.waiting(uow)
        looks = [(self._close_abandoned, each) for each in abandoned] + [(self._go_on, each) for each in waiting]
        for look, conversation in looks:
            if only in {None, conversation.conversation_id}:
                try:
                    await look(conversation)
                except Exception as error:  # noqa: BLE001 - one conversation must not keep the others waiting
                    self._incident(error)

    async def _go_on(self, conversation: Conversation) -> None:
        """Claim a conversation in which a call was decided on, and play the rest of its turn."""
        caller = await caller_again(self._desk, conversation)
        decided = await self._decided(conversation, caller)
        if not decided:
            return
        try:
            async with self._desk.unit_of_work() as uow:
                claim = await self._conversations.take(uow, conversation)
                await uow.commit()
        except (ConversationBusy, ConversationNotFound):
            return
        if caller is None:
            await self._refuse_waits(conversation, claim)
            return
        self._start(_Turn(conversation, claim, caller, decided))

    async def _decided(self, conversation: Conversation, caller: Caller | None) -> frozenset[str]:
        """Return the approvals of waiting calls that are pending no longer; all of them when nobody may wait."""
        found = set()
        async with self._desk.unit_of_work(read_only=True) as uow:
            for wait in await self._conversations.waits(uow, conversation):
                try:
                    is_open = (
                        caller is not None
                        and (
                            await self._desk.services.access.approval(uow, approval_id=wait.approval_id, caller=caller)
                        ).state
                        is ApprovalState.PENDING
                    )
                except ApprovalNotFound:
                    is_open = False
                if not is_open:
                    found.add(wait.approval_id)
        return frozenset(found)

    def _start(self, turn: _Turn) -> None:
        name = turn.conversation.conversation_id
        task = asyncio.create_task(self._play(turn), name=f"turn of {name}")
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._tasks.pop(name, None) if self._tasks.get(name) is done else None)
        if self._is_closing:  # its message was taken in while the desk stopped
            self._cancel(task)

    @staticmethod
    def _cancel(task: asyncio.Task[None]) -> None:
        """Cancel a turn after its first step: before that it has nothing that would note its end."""
        asyncio.get_running_loop().call_soon(task.cancel)

    async def _play(self, turn: _Turn) -> None:
        """Play a turn to its end and give the claim back, whatever happens."""
        player = asyncio.current_task()
        assert player is not None
        journal = Journal(self._desk, self._conversations, turn.claim, on_failure=player.cancel)
        beat = asyncio.create_task(self._beat(turn.claim, player))
        try:
            await self._write(turn, journal)
        except asyncio.CancelledError:
            await asyncio.shield(self._wind_up(journal, Stop.INTERRUPTED if self._is_closing else Stop.CANCELLED))
        except ConversationClaimLost:
            log.info("turn lost", conversation_id=turn.claim.conversation_id)
        except Exception as error:  # noqa: BLE001 - a defect must end this turn in words, not in silence
            await self._note_defect(journal, error)
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
            await self._give_back(journal.claim)

    async def _write(self, turn: _Turn, journal: Journal) -> None:
        async with aclosing(self._events(turn)) as events:
            async for event in events:
                await journal.note(event)
        await journal.close()

    async def _events(self, turn: _Turn) -> AsyncGenerator[ChatEvent, None]:
        services, conversation = self._desk.services, turn.conversation
        limits = TurnLimits.from_settings(services.settings)
        async with self._desk.unit_of_work(read_only=True) as uow:
            entries = await self._latest(uow, turn)
            waits = await self._conversations.waits(uow, conversation) if turn.decided is not None else ()
        tokens = min(MOST_HISTORY_TOKENS, limits.tokens // HISTORY_SHARE)
        is_cut = bool(entries) and entries[0].sequence > 1
        history = fit(messages_of(entries, marker=conversation.marker), tokens=tokens, is_cut=is_cut)
        price = partial(cost_usd, self._model.name)
        loop = ChatLoop(self._model, services.clock, services.ids, limits, marker=conversation.marker, price=price)
        toolbox = DeskToolbox(
            self._desk,
            turn.caller,
            shortens=self._model.is_configured,
            bridge=self._bridge,
            renew=partial(caller_again, self._desk, conversation),
        )
        system = system_prompt(
            username=turn.caller.username or "somebody",
            team=turn.caller.team_name or "",
            today=china_today(services.clock),
            is_simulated=services.market.is_simulated,
        )
        if turn.decided is None:
            events = loop.turn(system=system, history=history, toolbox=toolbox)
        else:
            waiting = [WaitingCall(w.call_id, w.name, w.arguments, w.approval_id, w.expires_at) for w in waits]
            if not any(call.approval_id in turn.decided for call in waiting):
                return  # another process was faster
            events = loop.resume(system=system, history=history, toolbox=toolbox, waiting=waiting, decided=turn.decided)
        async with aclosing(events) as running:
            async for event in running:
                yield event

    async def _latest(self, uow: UnitOfWork, turn: _Turn) -> list[Entry]:
        """Return the newest entries from the beginning of a turn on, with one turn at least before the new message."""
        window = ENTRIES_READ
        while True:
            after = max(0, turn.claim.last_sequence - window)
            entries = await self._conversations.entries(uow, turn.conversation, after=after, limit=window)
            begins = next((place for place, entry in enumerate(entries) if entry.kind == USER_KIND), None)
            if after == 0 or (begins is not None and begins < len(entries) - 1):
                return entries[begins or 0 :]
            window *= 4

    async def _wind_up(self, journal: Journal, stop: Stop) -> None:
        """Write the end of a turn that was stopped; one that is ours no longer has none to write."""
        with suppress(Exception):
            await journal.close()
            await journal.note(TurnDone(stop))

    async def _note_defect(self, journal: Journal, error: Exception) -> None:
        """Tell those who follow the number of a defect; the log has the rest."""
        told = error if isinstance(error, DeskError) else Incident(incident_id=self._incident(error))
        with suppress(Exception):
            await journal.note(TurnFailed(told.code, told.message))
            await journal.note(TurnDone(Stop.ERROR))

    def _incident(self, error: Exception) -> str:
        """Log a defect in full and return its number."""
        incident_id = new_id(self._desk.services.ids, "inc")
        log.error("incident", incident_id=incident_id, traceback=mask("".join(traceback.format_exception(error))))
        return incident_id

    async def _beat(self, claim: Claim, player: asyncio.Task[None]) -> None:
        """Keep the claim alive, and stop when another process asked for that or took the turn over."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                async with self._desk.unit_of_work() as uow:
                    shall_stop = await self._conversations.renew(uow, claim)
                    await uow.commit()
            except ConversationClaimLost:
                shall_stop = True
            except DeskError as error:
                log.warning("a claim was not renewed", code=error.code)
                continue
            if shall_stop:
                player.cancel()
                return

    async def _give_back(self, claim: Claim) -> None:
        with suppress(DeskError):
            async with self._desk.unit_of_work() as uow:
                await self._conversations.release(uow, claim)
                await uow.commit()
        self._desk.signals.notify(topic(claim.conversation_id))

    async def _close_abandoned(self, conversation: Conversation) -> None:
        """Write the end of a turn whose process died."""
        await self._end_with(conversation, None, [TurnFailed("interrupted", INTERRUPTED), TurnDone(Stop.INTERRUPTED)])

    async def _refuse_waits(self, conversation: Conversation, claim: Claim) -> None:
        """Tell of waiting calls that nobody may run any more."""
        async with self._desk.unit_of_work(read_only=True) as uow:
            waits = await self._conversations.waits(uow, conversation)
        events: list[ChatEvent] = []
        for wait in waits:
            events.append(ApprovalSettled(wait.call_id, wait.name, wait.approval_id, "revoked"))
            events.append(ToolAnswered(wait.call_id, wait.name, NO_RIGHTS, is_error=True))
        await self._end_with(conversation, claim, [*events, TurnDone(Stop.ERROR)])

    async def _end_with(self, conversation: Conversation, claim: Claim | None, events: list[ChatEvent]) -> None:
        try:
            if claim is None:
                async with self._desk.unit_of_work() as uow:
                    claim = await self._conversations.take(uow, conversation)
                    await uow.commit()
            journal = Journal(self._desk, self._conversations, claim, on_failure=lambda: None)
            for event in events:
                await journal.note(event)
            await self._give_back(journal.claim)
        except (ConversationBusy, ConversationNotFound, ConversationClaimLost):
            return
