"""Running the calls of one step of a model: reading ones side by side, the others one after another.

Nothing here raises for what a tool or a model does wrong: every call gets an answer the model can read and mend.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from agent_server.chat.budget import Budget
from agent_server.chat.events import ApprovalNeeded, ApprovalSettled, ChatEvent, Repeated, ToolAnswered, WaitingCall
from agent_server.chat.toolbox import Toolbox, ToolOutcome
from agent_server.json_text import encode
from core.errors import ErrorKind
from core.llm.model import ToolCall
from tools.exports.meta_tools import CALL
from tools.redaction import redact_unread
from tools.risk import RiskTier
from tools.wire import to_wire

SAME_FAILURES: Final = 2
"""After so many failures of the very same call it is not run again in this turn."""
LONGEST_WAIT_SECONDS: Final = 20.0
LONGEST_ID: Final = 64
HARD_LIMIT: Final = 80_000
"""Most bytes of one answer that go to a model, wherever the tools run."""
STILL_WAITING: Final = (
    "Not run. A person must approve this very call first, at the address the user has been shown. The desk runs it "
    "by itself after the approval and then tells you what came of it; do not call it again."
)
SETTLED: Final = {
    "approval_denied": "denied",
    "approval_expired": "expired",
    "approval_withdrawn": "withdrawn",
    "approval_revoked": "revoked",
    "approval_consumed": "executed",
    "approval_failed": "failed",
    "approval_outcome_unknown": "unknown",
    "approval_not_found": "withdrawn",
    "idempotency_unfinished": "unknown",
}
"""What a refusal of an approved call says about its approval."""

Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class Step:
    """The calls of one message of a model, on their way to answers."""

    toolbox: Toolbox
    budget: Budget
    tiers: dict[str, str]
    failures: dict[str, int]
    sleep: Sleep
    answers: dict[str, ToolAnswered] = field(default_factory=dict)
    waiting: list[WaitingCall] = field(default_factory=list)

    async def run(self, calls: Sequence[ToolCall]) -> AsyncGenerator[ChatEvent, None]:
        """Answer every call, yielding events as they happen. Closing the iterator stops what is running."""
        for batch in self._batches(calls):
            tasks = _Tasks([self._one(call) for call in batch])
            try:
                async for event in tasks.events():
                    yield event
            finally:
                await tasks.stop()

    async def resume(self, waiting: Sequence[WaitingCall]) -> AsyncGenerator[ChatEvent, None]:
        """Run calls that have been decided on, each exactly as it was asked for."""
        for waiter in waiting:
            call = ToolCall(waiter.call_id, waiter.name, "", waiter.arguments)
            outcome = await self.toolbox.call(call)
            if outcome.code == "approval_pending":
                self.waiting.append(waiter)
                continue
            state = SETTLED.get(outcome.code, "failed" if outcome.is_error else "executed")
            yield ApprovalSettled(waiter.call_id, waiter.name, waiter.approval_id, state)
            yield self._answered(call, outcome)

    def _batches(self, calls: Sequence[ToolCall]) -> list[list[ToolCall]]:
        batches: list[list[ToolCall]] = []
        together = False
        for call in calls:
            reads = self._reads(call)
            if together and reads:
                batches[-1].append(call)
            else:
                batches.append([call])
            together = reads
        return batches

    def _reads(self, call: ToolCall) -> bool:
        return self.tiers.get(call.name) == RiskTier.GREEN.value and call.name != CALL

    async def _one(self, call: ToolCall) -> AsyncIterator[ChatEvent]:
        refusal = self._refusal(call)
        if refusal is not None:
            yield self._answered(call, refusal)
            return
        self.budget.tool_calls += 1
        outcome = await self.toolbox.call(call)
        wait = _wait_asked(outcome)
        if wait is not None and wait < self.budget.seconds_left:
            yield Repeated(1, wait, str((outcome.problem or {}).get("message", "")))
            await self.sleep(wait)
            outcome = await self.toolbox.call(call)
        if outcome.code == "approval_required":
            yield self._parked(call, outcome)
            return
        yield self._answered(call, outcome)

    def _refusal(self, call: ToolCall) -> ToolOutcome | None:
        """Return the answer to a call that is not run at all."""
        if not readable(call):
            return _own_problem(
                "arguments_malformed",
                f"The arguments of {call.name} are no JSON object. Write the call again with valid JSON.",
                got=redact_unread(call.arguments_text)[:200],
            )
        if self.budget.tool_calls >= self.budget.limits.tool_calls:
            return _own_problem("turn_budget", "Not run: this turn's calls are used up. Answer with what you have.")
        if self.failures.get(_fingerprint(call), 0) >= SAME_FAILURES:
            self.budget.repeats_cut += 1
            message = f"Not run: this very call has failed {SAME_FAILURES} times. Change the arguments, or answer."
            return _own_problem("repeated_failure", message)
        if self.waiting and self.tiers.get(call.name) != RiskTier.RED.value and not self._reads(call):
            message = f"Not run: {self.waiting[0].name} before it waits for a person. Ask again once that is decided."
            return _own_problem("approval_first", message)
        return None

    def _parked(self, call: ToolCall, outcome: ToolOutcome) -> ApprovalNeeded:
        problem = dict(outcome.problem or {})
        approval = problem.get("approval") or {}
        following = problem.get("nextToolCall") or {}
        approval_id = str(problem.get("approvalId", ""))
        arguments = following.get("arguments") or {**(call.arguments or {}), "approvalId": approval_id}
        expires_at = str(problem.get("expiresAt", ""))
        self.waiting.append(WaitingCall(call.call_id, call.name, arguments, approval_id, expires_at))
        self.answers[call.call_id] = ToolAnswered(call.call_id, call.name, STILL_WAITING, is_error=True)
        return ApprovalNeeded(
            call_id=call.call_id,
            name=call.name,
            approval_id=approval_id,
            url=str(approval.get("url", "")),
            expires_at=expires_at,
            skill_id=str(problem.get("skillId", "")),
            message=str(problem.get("message", "")),
            preview=problem.get("preview") or {},
            arguments=arguments,
        )

    def _answered(self, call: ToolCall, outcome: ToolOutcome) -> ToolAnswered:
        if outcome.is_error:
            mark = _fingerprint(call)
            self.failures[mark] = self.failures.get(mark, 0) + 1
        content = outcome.content.encode()[:HARD_LIMIT].decode("utf-8", "ignore")
        answer = ToolAnswered(
            call_id=call.call_id,
            name=call.name,
            content=content,
            is_error=outcome.is_error,
            structured=outcome.structured,
            problem=outcome.problem,
            meta=outcome.meta,
        )
        self.answers[call.call_id] = answer
        return answer


class _Tasks:
    """Some event streams at once, each in a task of its own."""

    def __init__(self, streams: Sequence[AsyncIterator[ChatEvent]]) -> None:
        self._events: asyncio.Queue[ChatEvent | None] = asyncio.Queue()
        self._tasks = [asyncio.ensure_future(self._drain(stream)) for stream in streams]

    async def _drain(self, stream: AsyncIterator[ChatEvent]) -> None:
        try:
            async for event in stream:
                self._events.put_nowait(event)
        finally:
            self._events.put_nowait(None)

    async def events(self) -> AsyncIterator[ChatEvent]:
        """Yield what happens until all have ended; raises what one of them raised."""
        left = len(self._tasks)
        while left:
            event = await self._events.get()
            if event is None:
                left -= 1
            else:
                yield event
        for task in self._tasks:
            await task

    async def stop(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def readable(call: ToolCall) -> bool:
    """Tell whether the arguments are an object that can be written as JSON: neither broken off nor holding NaN."""
    if call.arguments is None:
        return False
    try:
        encode(to_wire(dict(call.arguments)))
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def unique_ids(calls: Sequence[ToolCall], taken: set[str], fresh: Callable[[], str]) -> tuple[ToolCall, ...]:
    """Return the calls with short ids that no other call of the conversation has; some models number from one again."""
    renamed: list[ToolCall] = []
    for call in calls:
        is_good = 0 < len(call.call_id) <= LONGEST_ID and call.call_id not in taken
        known = call if is_good else replace(call, call_id=fresh())
        taken.add(known.call_id)
        renamed.append(known)
    return tuple(renamed)


def _own_problem(code: str, message: str, **extras: Any) -> ToolOutcome:
    problem = {"success": False, "code": code, "kind": ErrorKind.INVALID.value, "message": message} | extras
    return ToolOutcome(encode(problem).decode(), is_error=True, problem=problem)


def _wait_asked(outcome: ToolOutcome) -> float | None:
    """Return how long a call that came too fast shall wait, when that is worth waiting for."""
    problem = outcome.problem or {}
    wait = problem.get("retryAfterSeconds")
    if problem.get("kind") != ErrorKind.LIMITED.value or problem.get("code") == "pending_limit":
        return None
    return float(wait) if isinstance(wait, int | float) and 0 < wait <= LONGEST_WAIT_SECONDS else None


def _fingerprint(call: ToolCall) -> str:
    if call.arguments is None:
        return f"{call.name} {call.arguments_text}"
    try:
        return f"{call.name} {json.dumps(to_wire(dict(call.arguments)), sort_keys=True)}"
    except (TypeError, ValueError, RecursionError):
        return f"{call.name} {call.arguments_text}"
