"""Writing down what happens in a turn, before anybody is shown it.

Text arrives in small pieces and fast: pieces that come shortly after each other are written together. Every other event
is in the database when `note` returns, so that no call runs that is not on record as asked for.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Final

from agent_server.chat.events import (
    ApprovalNeeded,
    ApprovalSettled,
    ChatEvent,
    TextSaid,
    ToolAnswered,
    ToolCalled,
)
from agent_server.desk import Desk
from core.conversation.model import Changes, Claim, NewEntry, Wait
from core.conversation.service import ConversationService
from tools.redaction import redact, redact_unread
from tools.wire import exceeds

GATHER_SECONDS: Final = 0.08
"""How long pieces of text are gathered between two writes; the first of them is written at once."""

MOST_KEPT: Final = 300_000
"""Characters of JSON of one result that a conversation keeps; a larger one is had by running its skill again."""


def topic(conversation_id: str) -> str:
    """Return what those listen to who follow a conversation."""
    return f"conversation {conversation_id}"


class Journal:
    """The pen of one turn. `on_failure` is told when nothing more can be written: the turn must stop then."""

    def __init__(
        self, desk: Desk, conversations: ConversationService, claim: Claim, *, on_failure: Callable[[], object]
    ) -> None:
        self._desk, self._conversations, self.claim = desk, conversations, claim
        self._on_failure = on_failure
        self._lock = asyncio.Lock()
        self._pending: list[ChatEvent] = []
        self._writer: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self.failure: Exception | None = None

    async def note(self, event: ChatEvent) -> None:
        """Take in an event. Raises `ConversationClaimLost` when the turn is no longer ours, or why writing failed."""
        self._pending.append(event)
        if not isinstance(event, TextSaid):
            await self.flush()
        elif self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_behind())

    async def flush(self) -> None:
        """Write what is pending and tell those who follow."""
        async with self._lock:
            if self.failure is not None:
                raise self.failure
            events, self._pending = _merged(self._pending), []
            if not events:
                return
            async with self._desk.unit_of_work() as uow:
                self.claim = await self._conversations.append(
                    uow, self.claim, _changes(events, self._desk.registry.secrets)
                )
                await uow.commit()
        self._desk.signals.notify(topic(self.claim.conversation_id))

    async def close(self) -> None:
        """Write the rest and end the writer."""
        self._closing.set()
        if self._writer is not None:
            await asyncio.gather(self._writer, return_exceptions=True)
        if self.failure is None:
            await self.flush()

    async def _write_behind(self) -> None:
        try:
            await self.flush()
            while self._pending:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GATHER_SECONDS):
                        await self._closing.wait()
                await self.flush()
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing more may be said that is not written
            self.failure = error
            self._on_failure()


def _merged(events: list[ChatEvent]) -> list[ChatEvent]:
    """Return the events with pieces of text that follow each other as one."""
    merged: list[ChatEvent] = []
    for event in events:
        last = merged[-1] if merged else None
        if isinstance(event, TextSaid) and isinstance(last, TextSaid):
            merged[-1] = TextSaid(last.text + event.text)
        else:
            merged.append(event)
    return merged


def _changes(events: list[ChatEvent], secrets: Collection[str]) -> Changes:
    waits = [
        Wait(event.call_id, event.name, storable(event.arguments), event.approval_id, event.expires_at)
        for event in events
        if isinstance(event, ApprovalNeeded)
    ]
    settled = frozenset(event.call_id for event in events if isinstance(event, ApprovalSettled))
    entries = tuple(NewEntry(event.kind, payload_of(event, secrets=secrets)) for event in events)
    return Changes(entries, tuple(waits), settled)


def payload_of(event: ChatEvent, *, secrets: Collection[str] = ()) -> dict[str, Any]:
    """Return what is kept of an event, and shown to those who follow.

    A result too large to keep is left out; what the model read of it stays. Secrets in arguments are hidden: the call
    itself has them, nobody who reads the conversation needs them. What waits for a person is kept whole, in its `Wait`,
    until it is decided.
    """
    payload: dict[str, Any] = storable(event.payload())
    if isinstance(event, ToolCalled):
        return payload | _without_secrets(payload, secrets)
    if isinstance(event, ApprovalNeeded):
        return payload | {"arguments": redact(payload["arguments"], secrets=secrets)}
    if isinstance(event, ToolAnswered) and exceeds(payload["structured"], MOST_KEPT):
        return payload | {"structured": None, "isWhole": False}
    return payload


def _without_secrets(payload: Mapping[str, Any], secrets: Collection[str]) -> dict[str, Any]:
    """Return the arguments of a call without what is secret in them; their text only changes where they do."""
    given, text = payload["arguments"], payload["argumentsText"]
    if given is None:
        return {"argumentsText": redact_unread(text, secrets=secrets)}
    shown = redact(given, secrets=secrets)
    return {"arguments": shown, "argumentsText": text if shown == given else json.dumps(shown, ensure_ascii=False)}


def storable(value: Any) -> Any:
    """Return plain JSON without what no database keeps: NUL and halves of surrogate pairs, which models can write."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {storable(name): storable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value
