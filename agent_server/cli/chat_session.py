"""A talk in a terminal: what is typed goes to the desk's chat, what happens is shown as it happens."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import typer

from agent_server.chat.desk_chat import DeskChat
from agent_server.chat.events import Stop
from agent_server.cli.chat_screen import Screen
from agent_server.cli.context import APPROVAL_NEEDED, FAILED, OK, local_caller, user_named
from agent_server.desk import Desk
from core.access.model import Caller
from core.conversation.model import Entry
from core.errors import DeskError

LOOK_SECONDS: Final = 0.5
PROMPT: Final = "you> "
HELP: Final = "/new begins another conversation, /exit ends (so does Ctrl-D), Ctrl-C stops an answer."
FAILURES: Final = (Stop.ERROR, Stop.INTERRUPTED, Stop.CANCELLED)
CODES: Final = {Stop.WAITING_APPROVAL: APPROVAL_NEEDED} | dict.fromkeys(FAILURES, FAILED)


@dataclass(frozen=True, slots=True)
class Options:
    """How `dingpan chat` was called."""

    user: str | None = None
    conversation: str | None = None
    last: bool = False
    wait: bool = True
    as_json: bool = False


class ChatSession:
    """One terminal's talk. It plays its turns itself, beside a server if there is one: both use the same database."""

    def __init__(self, chat: DeskChat, caller: Caller, options: Options) -> None:
        self._chat, self._caller, self._options = chat, caller, options
        self._screen = Screen(as_json=options.as_json)
        self._conversation_id = options.conversation
        self._seen = 0

    @classmethod
    @asynccontextmanager
    async def opened(cls, desk: Desk, options: Options) -> AsyncIterator["ChatSession"]:
        """Open a talk of the person the options name; at the end its turns stop."""
        caller = local_caller(await user_named(desk, options.user))
        chat = DeskChat(desk)
        session = cls(chat, caller, options)
        if options.last and options.conversation is None:
            found, _ = await chat.newest(caller, page=1, size=1)
            session._conversation_id = found[0].conversation_id if found else None
        try:
            yield session
        finally:
            await chat.close()

    async def once(self, text: str) -> int:
        """Say one thing, show the answer, and return the exit code."""
        stop = await self._answer(text)
        return CODES.get(stop, OK)

    async def converse(self) -> int:
        """Read and answer lines until the person leaves."""
        model = self._chat.model
        self._screen.notice(f"{model.name if model.is_configured else 'No model is configured'}. {HELP}")
        while (line := _read_line()) is not None:
            text = line.strip()
            if text in {"/exit", "/quit"}:
                break
            if text == "/new":
                self._conversation_id = None
                self._screen.notice("A new conversation.")
            elif text.startswith("/"):
                self._screen.notice(HELP)
            elif text:
                await self._try_to_answer(text)
        if self._conversation_id is not None:
            self._screen.notice(f"Go on later with: dingpan chat --conversation {self._conversation_id}")
        return OK

    async def _try_to_answer(self, text: str) -> None:
        try:
            await self._answer(text)
        except DeskError as error:
            self._screen.notice(f"{error.message} ({error.code})")

    async def _answer(self, text: str) -> Stop:
        """Say something and show what comes of it, until it has ended or the person presses Ctrl-C."""
        begun = await self._chat.say(self._caller, text, conversation_id=self._conversation_id)
        self._conversation_id = begun.conversation.conversation_id
        self._seen = begun.first_sequence - (1 if self._options.as_json else 0)
        showing = asyncio.create_task(self._show())
        looking = asyncio.create_task(self._look())
        with _on_interrupt(showing.cancel):
            try:
                stop = await showing
            except asyncio.CancelledError:
                stop = await self._stopped()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        self._screen.end()
        if stop is Stop.WAITING_APPROVAL:
            self._screen.notice("It still waits. A running desk ('dingpan serve') goes on once a person has decided.")
        return stop

    async def _show(self, *, waits: bool | None = None) -> Stop:
        stop = Stop.END
        wait = self._options.wait if waits is None else waits
        async for entry in self._chat.follow(self._caller, self._name, after=self._seen, waits=wait):
            if entry is not None:
                self._screen.show(entry)
                self._seen = entry.sequence
                stop = _stop_of(entry) or stop
        return stop

    async def _stopped(self) -> Stop:
        """Stop the answer; when it had ended and only a person was waited for, stop waiting."""
        await self._chat.cancel(self._caller, self._name)
        stop = await self._show(waits=False)
        _, _, waiting = await self._chat.read(self._caller, self._name, after=self._seen)
        return Stop.WAITING_APPROVAL if waiting else stop

    async def _look(self) -> None:
        """Go on with this conversation once a person has decided, unless a server was faster."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(DeskError):
                await self._chat.turns.look(only=self._name)

    @property
    def _name(self) -> str:
        return self._conversation_id or ""


def _stop_of(entry: Entry) -> Stop | None:
    return Stop(entry.payload["stop"]) if entry.kind == "done" else None


def _read_line() -> str | None:
    """Return what the person types; None at the end of input. Ctrl-C empties the line."""
    while True:
        try:
            return input(PROMPT)
        except KeyboardInterrupt:
            typer.echo()
        except EOFError:
            typer.echo()
            return None


@contextmanager
def _on_interrupt(action: Callable[[], object]) -> Iterator[None]:
    """Have Ctrl-C do something else for the time of a block; where the platform cannot, it ends the program."""
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGINT, action)
    try:
        yield
    finally:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGINT)
