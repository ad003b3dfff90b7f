"""Asking again after a failure that may be over in a moment, while events already flow to the reader."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from tenacity import AsyncRetrying, DoAttempt, DoSleep, RetryCallState, retry_if_exception_type

from core.ids import IdSource
from core.llm.failures import ModelBusy
from core.llm.model import ModelEvent, Retrying

JITTER_BITS: Final = 16

Attempt = Callable[[], AsyncGenerator[ModelEvent, None]]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a model is asked again.

    Waits double from `first_wait` up to `longest_wait` seconds, plus up to a quarter at random. What a server asks for
    is kept; when it is more than `longest_asked` seconds, the attempts end at once.
    """

    attempts: int = 4
    first_wait: float = 1.0
    longest_wait: float = 8.0
    longest_asked: float = 30.0


@dataclass(frozen=True, slots=True)
class Retries:
    """Runs attempts under a policy. `sleep` is a port, so that tests wait for nothing."""

    ids: IdSource
    policy: RetryPolicy = RetryPolicy()
    sleep: Sleep = asyncio.sleep

    async def run(self, attempt: Attempt) -> AsyncGenerator[ModelEvent, None]:
        """Yield the events of the first attempt that ends well; between two attempts a `Retrying`.

        Raises the last attempt's `ModelBusy` when the policy is used up, and every other error at once. Closing this
        generator closes the attempt that runs.
        """
        retrying = AsyncRetrying(
            stop=self._stop, wait=self._wait, retry=retry_if_exception_type(ModelBusy), reraise=True
        )
        retrying.begin()
        state = RetryCallState(retrying, fn=None, args=(), kwargs={})
        while True:
            action = await retrying.iter(retry_state=state)
            if isinstance(action, DoAttempt):
                try:
                    async with aclosing(attempt()) as events:
                        async for event in events:
                            yield event
                except ModelBusy as error:
                    state.set_exception((type(error), error, error.__traceback__))
                else:
                    return
            elif isinstance(action, DoSleep):
                yield Retrying(state.attempt_number, float(action), str(_busy(state).data["reason"]))
                state.prepare_for_next_attempt()
                await self.sleep(float(action))

    def _stop(self, state: RetryCallState) -> bool:
        asked = _busy(state).data.get("retry_after_seconds")
        return state.attempt_number >= self.policy.attempts or (asked or 0.0) > self.policy.longest_asked

    def _wait(self, state: RetryCallState) -> float:
        asked = _busy(state).data.get("retry_after_seconds")
        if asked is not None:
            return float(asked)
        doubled = min(self.policy.longest_wait, self.policy.first_wait * 2.0 ** (state.attempt_number - 1))
        return float(round(doubled * (1 + self.ids.bits(JITTER_BITS) / 2**JITTER_BITS / 4), 3))


def _busy(state: RetryCallState) -> ModelBusy:
    """Return the failure of the attempt that just ended."""
    error = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(error, ModelBusy):  # pragma: no cover
        raise TypeError("tenacity asked about an attempt that did not fail")
    return error
