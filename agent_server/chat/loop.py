"""One turn of a chat: ask the model, run what it calls, ask again, until it has answered.

The loop owns no conversation. It is given the messages so far, adds to that list what is said and answered, and yields
every event as it happens. The chat's doors store and show the events; evals score them.

    loop = ChatLoop(model, clock, ids, TurnLimits())
    history.append(UserMessage("How is my portfolio?"))
    async for event in loop.turn(system=text, history=history, toolbox=toolbox):
        ...

A call that a person must approve parks the turn: the last event is `done` with the stop `waiting_approval` and the
calls that wait. After the decision `resume` runs the very same calls under their approvals and goes on.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from agent_server.chat.budget import Budget, Price, TurnLimits
from agent_server.chat.calls import Sleep, Step, unique_ids
from agent_server.chat.events import (
    BudgetReached,
    ChatEvent,
    Repeated,
    Stop,
    TextSaid,
    TokensUsed,
    ToolAnswered,
    ToolCalled,
    TurnDone,
    TurnFailed,
    WaitingCall,
)
from agent_server.chat.language import Language, language_of
from agent_server.chat.toolbox import Toolbox
from core.clock import Clock
from core.errors import DeskError
from core.ids import IdSource, encode, new_id
from core.llm.data_block import MARKER_BITS, mark
from core.llm.model import (
    AssistantMessage,
    Message,
    ModelClient,
    Prompt,
    Retrying,
    StopReason,
    TextDelta,
    ToolCall,
    ToolDefinition,
    ToolMessage,
    ToolResult,
    TurnFinished,
    Usage,
    UserMessage,
)

MARKER: Final = "{marker}"
LAST_ANSWER: Final = """

The budget of this turn is used up. Call no tool any more. Answer now with what you have, and say what is missing."""
NO_ANSWER: Final = "The desk stopped before this call was answered: whether it took effect is not known. Look first."
STOPS: Final = {StopReason.REFUSAL: Stop.REFUSAL, StopReason.LENGTH: Stop.LENGTH}

NOTHING_YET: Final = TurnFinished(AssistantMessage(""), StopReason.END, Usage())
Events = AsyncGenerator[ChatEvent, None]
T = TypeVar("T")


class _OutOfTime(Exception):
    """The turn's time ended while the model was speaking or a call was running."""


@dataclass(slots=True)
class _Talk:
    """One turn in progress."""

    system: str
    history: list[Message]
    toolbox: Toolbox
    budget: Budget
    tools: tuple[ToolDefinition, ...] = ()
    said: list[str] = field(default_factory=list)
    waiting: list[WaitingCall] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    finished: TurnFinished = field(default=NOTHING_YET)
    unfinished: int | None = None
    """Where in `said` the message begins that the model is still speaking."""

    @property
    def language(self) -> Language:
        """The language of the question."""
        return language_of(next((m.text for m in reversed(self.history) if isinstance(m, UserMessage)), ""))

    def is_news(self, reached: BudgetReached) -> bool:
        """Tell whether a limit is reached for the first time in this turn."""
        is_first = reached.limit not in self.told
        self.told.add(reached.limit)
        return is_first

    def keep_unfinished(self) -> None:
        """Keep in the history what was heard of a message that broke off."""
        text = "" if self.unfinished is None else "".join(self.said[self.unfinished :])
        if text:
            self.history.append(AssistantMessage(text))
        self.unfinished = None


class ChatLoop:
    """Plays turns with one model. Holds nothing between them but the marker of its conversation's data blocks.

    `{marker}` in a system text is replaced by the marker. `sleep` waits before a call that came too fast is repeated.
    """

    def __init__(
        self,
        model: ModelClient,
        clock: Clock,
        ids: IdSource,
        limits: TurnLimits,
        *,
        marker: str = "",
        price: Price | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._model, self._clock, self._ids, self._limits = model, clock, ids, limits
        self._price, self._sleep = price, sleep
        self.marker = marker or new_marker(ids)

    async def turn(self, *, system: str, history: list[Message], toolbox: Toolbox) -> Events:
        """Answer the last message of `history`, which grows by what is said. Close the iterator to stop everything."""
        talk = self._begin(system, history, toolbox)
        talk.tools = await toolbox.definitions()
        async with aclosing(self._guarded(talk, self._converse(talk))) as events:
            async for event in events:
                yield event

    async def resume(
        self,
        *,
        system: str,
        history: list[Message],
        toolbox: Toolbox,
        waiting: Sequence[WaitingCall],
        decided: Collection[str] | None = None,
    ) -> Events:
        """Run the waiting calls whose approvals are `decided` (None: try all), tell the model, and go on.

        While others of the same message still wait, the turn is parked again without asking the model.
        """
        talk = self._begin(system, history, toolbox)
        talk.tools = await toolbox.definitions()
        ready = [call for call in waiting if decided is None or call.approval_id in decided]
        talk.waiting = [call for call in waiting if call not in ready]
        async with aclosing(self._guarded(talk, self._resumed(talk, ready))) as events:
            async for event in events:
                yield event

    def _begin(self, system: str, history: list[Message], toolbox: Toolbox) -> _Talk:
        budget = Budget(self._limits, self._clock, self._price)
        return _Talk(system.replace(MARKER, self.marker), history, toolbox, budget)

    async def _guarded(self, talk: _Talk, events: Events) -> Events:
        """Turn what ends a turn early into its last events."""
        try:
            async with aclosing(events) as running:
                async for event in running:
                    yield event
        except _OutOfTime:
            talk.keep_unfinished()
            for event in self._cut_off(talk, talk.budget.out_of_time()):
                yield event
        except DeskError as error:
            talk.keep_unfinished()
            yield TurnFailed(error.code, error.message)
            yield self._done(talk, Stop.ERROR)

    async def _resumed(self, talk: _Talk, ready: Sequence[WaitingCall]) -> Events:
        step = self._step(talk)
        async with aclosing(self._timed(talk, step.resume(ready))) as events:
            async for event in events:
                yield event
        talk.waiting += step.waiting
        self._take_in(talk, step.answers)
        last = talk.history[-1] if talk.history else None
        held = {result.call_id for result in last.results} if isinstance(last, ToolMessage) else set()
        if not step.answers or held & {call.call_id for call in talk.waiting}:
            yield self._done(talk, Stop.WAITING_APPROVAL)
            return
        async for event in self._converse(talk):
            yield event

    async def _converse(self, talk: _Talk) -> Events:
        while (reached := talk.budget.exhausted()) is None:
            last = talk.budget.only_an_answer_left()
            if last is not None and talk.is_news(last):
                yield last
            async with aclosing(self._ask(talk, is_last=last is not None)) as heard:
                async for event in heard:
                    yield event
            message = talk.finished.message
            if last is not None or not message.tool_calls:
                for event in self._ended(talk, last):
                    yield event
                return
            async with aclosing(self._run_calls(talk, message)) as events:
                async for event in events:
                    yield event
            if self._is_parked(talk):
                yield self._done(talk, Stop.WAITING_APPROVAL)
                return
        for event in self._cut_off(talk, reached):
            yield event

    async def _ask(self, talk: _Talk, *, is_last: bool) -> Events:
        """Ask the model once; its whole message is `talk.finished` afterwards."""
        system = talk.system + (LAST_ANSWER if is_last else "")
        talk.budget.model_calls += 1
        stream = self._model.stream(Prompt(system, tuple(talk.history), talk.tools))
        if talk.said:
            talk.said.append("\n\n")
        talk.unfinished = pieces = len(talk.said)
        async with aclosing(self._timed(talk, stream)) as heard:
            async for event in heard:
                if isinstance(event, TextDelta) and event.text:
                    talk.said.append(event.text)
                    yield TextSaid(event.text)
                elif isinstance(event, Retrying):
                    del talk.said[pieces:]
                    yield Repeated(event.attempt, event.wait_seconds, event.reason, discards_text=True)
                elif isinstance(event, TurnFinished):
                    for more in self._take_message(talk, event, pieces):
                        yield more

    def _take_message(self, talk: _Talk, event: TurnFinished, pieces: int) -> list[ChatEvent]:
        """Take in a whole message: what it cost, text that was not streamed, and calls under ids of their own."""
        talk.budget.count(event.usage)
        calls = unique_ids(event.message.tool_calls, _call_ids(talk.history), lambda: new_id(self._ids, "call"))
        message = event.message
        if calls != message.tool_calls:
            message = replace(message, tool_calls=calls, kept=None)
        talk.finished, talk.unfinished = replace(event, message=message), None
        if message.text or calls:
            talk.history.append(message)
        events: list[ChatEvent] = []
        if message.text and not any(talk.said[pieces:]):
            talk.said.append(message.text)
            events.append(TextSaid(message.text))
        cost = None if talk.budget.cost is None else f"{talk.budget.cost:f}"
        return [*events, TokensUsed(self._model.name, event.usage, talk.budget.usage, cost)]

    async def _run_calls(self, talk: _Talk, message: AssistantMessage) -> Events:
        """Answer the calls of a message. The answers are in the history even when this is cut off."""
        for call in message.tool_calls:
            yield ToolCalled(call.call_id, call.name, call.arguments, call.arguments_text)
        step = self._step(talk)
        try:
            async with aclosing(self._timed(talk, step.run(message.tool_calls))) as events:
                async for event in events:
                    yield event
        finally:
            talk.waiting += step.waiting
            talk.history.append(ToolMessage(tuple(self._result(call, step.answers) for call in message.tool_calls)))

    def _step(self, talk: _Talk) -> Step:
        tiers = {tool.name: tool.tier for tool in talk.tools}
        return Step(talk.toolbox, talk.budget, tiers, talk.failures, self._sleep)

    def _result(self, call: ToolCall, answers: Mapping[str, ToolAnswered]) -> ToolResult:
        answer = answers.get(call.call_id) or ToolAnswered(call.call_id, call.name, NO_ANSWER, is_error=True)
        return self.marked(answer)

    def marked(self, answer: ToolAnswered) -> ToolResult:
        """Return an answer as a model is given it: inside a block of data."""
        content = mark(answer.content, marker=self.marker, source=answer.name)
        return ToolResult(answer.call_id, answer.name, content, answer.is_error)

    def _take_in(self, talk: _Talk, answers: Mapping[str, ToolAnswered]) -> None:
        """Put the answers of resumed calls where they belong; those of a message long past become a note."""
        last = talk.history[-1] if talk.history else None
        late = dict(answers)
        if isinstance(last, ToolMessage):
            results = tuple(
                self.marked(late.pop(result.call_id)) if result.call_id in late else result for result in last.results
            )
            talk.history[-1] = ToolMessage(results)
        if late:
            talk.history.append(UserMessage("\n\n".join(late_note(self.marked(answer)) for answer in late.values())))

    @staticmethod
    def _is_parked(talk: _Talk) -> bool:
        last = talk.history[-1]
        waiting = {call.call_id for call in talk.waiting}
        return isinstance(last, ToolMessage) and any(result.call_id in waiting for result in last.results)

    @staticmethod
    async def _timed(talk: _Talk, stream: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """Pass a stream on, as long as the turn has time; without time none begins. It is closed whatever happens."""
        try:
            if talk.budget.seconds_left <= 0:
                raise _OutOfTime
            while True:
                try:
                    async with asyncio.timeout(talk.budget.seconds_left) as deadline:
                        event = await anext(stream)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    if deadline.expired():
                        raise _OutOfTime from error
                    raise
                yield event
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    def _ended(self, talk: _Talk, reached: BudgetReached | None) -> list[ChatEvent]:
        """Close a turn whose model has spoken last. Calls it made although it was told to answer are dropped."""
        message = talk.finished.message
        if message.tool_calls:
            talk.history.pop()
            talk.history += [AssistantMessage(message.text)] if message.text else []
        stop = Stop.BUDGET if reached is not None else STOPS.get(talk.finished.stop, Stop.END)
        words = [] if message.text else self._say(talk, self._without_answer(talk, stop, reached))
        return [*words, self._done(talk, Stop.WAITING_APPROVAL if talk.waiting and stop is Stop.END else stop)]

    @staticmethod
    def _without_answer(talk: _Talk, stop: Stop, reached: BudgetReached | None) -> str:
        return talk.language.cut_off(reached) if reached is not None else talk.language.without_answer(stop)

    def _cut_off(self, talk: _Talk, reached: BudgetReached) -> list[ChatEvent]:
        """End a turn that may ask the model nothing more, in the desk's own words."""
        events: list[ChatEvent] = [reached] if talk.is_news(reached) else []
        return [*events, *self._say(talk, talk.language.cut_off(reached)), self._done(talk, Stop.BUDGET)]

    @staticmethod
    def _say(talk: _Talk, text: str) -> list[ChatEvent]:
        talk.said.append(text)
        talk.history.append(AssistantMessage(text))
        return [TextSaid(text)]

    @staticmethod
    def _done(talk: _Talk, stop: Stop) -> TurnDone:
        return TurnDone(stop, "".join(talk.said).strip(), tuple(talk.waiting))


def new_marker(ids: IdSource) -> str:
    """Make the marker of a conversation's data blocks."""
    return encode(ids.bits(MARKER_BITS), MARKER_BITS)


def late_note(result: ToolResult) -> str:
    """Return how a model is told the answer of a call that waited while the conversation went on."""
    return f"(From the desk, not from the user.) The call {result.name} that waited has been decided:\n{result.content}"


def _call_ids(history: Sequence[Message]) -> set[str]:
    return {call.call_id for message in history if isinstance(message, AssistantMessage) for call in message.tool_calls}
