"""What one turn may use, and what it has used."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from agent_server.chat.events import BudgetReached
from core.clock import Clock
from core.llm.model import Usage
from core.settings import Settings

MOST_CUT: Final = 2
"""So many refused repeats of failing calls end the turn: the model is going round in circles."""

Price = Callable[[Usage], Decimal | None]
"""Dollars for the tokens of one call; None where the model's price is not known."""


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """The most one turn may use. `cost_usd` counts only where the model's price is known."""

    model_calls: int = 12
    tool_calls: int = 24
    tokens: int = 200_000
    seconds: float = 180.0
    cost_usd: float = 1.0

    @classmethod
    def from_settings(cls, settings: Settings) -> "TurnLimits":
        """Read the operator's limits."""
        return cls(
            settings.turn_model_calls,
            settings.turn_tool_calls,
            settings.turn_tokens,
            settings.turn_seconds,
            settings.turn_cost_usd,
        )


@dataclass(slots=True)
class Budget:
    """The account of one turn."""

    limits: TurnLimits
    clock: Clock
    price: Price | None = None
    model_calls: int = 0
    tool_calls: int = 0
    repeats_cut: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal | None = None
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock.monotonic()

    def count(self, usage: Usage) -> None:
        """Add one call of the model."""
        self.usage += usage
        dollars = self.price(usage) if self.price is not None else None
        if dollars is not None:
            self.cost = (self.cost or Decimal(0)) + dollars

    @property
    def seconds_left(self) -> float:
        """How long the turn may still take; not below zero."""
        return max(0.0, self.limits.seconds - (self.clock.monotonic() - self._started))

    def exhausted(self) -> BudgetReached | None:
        """Return the limit after which the model cannot be asked again at all."""
        limits, tokens = self.limits, self.usage.input_tokens + self.usage.output_tokens
        if tokens >= limits.tokens:
            return BudgetReached("tokens", str(limits.tokens), str(tokens))
        if self.seconds_left <= 0:
            return self.out_of_time()
        if self.cost is not None and self.cost >= Decimal(str(limits.cost_usd)):
            return BudgetReached("cost_usd", f"{limits.cost_usd:g}", f"{self.cost:f}")
        if self.model_calls >= limits.model_calls:
            return BudgetReached("model_calls", str(limits.model_calls), str(self.model_calls))
        return None

    def only_an_answer_left(self) -> BudgetReached | None:
        """Return the limit after which the model may still say something and call nothing."""
        limits = self.limits
        if self.tool_calls >= limits.tool_calls:
            return BudgetReached("tool_calls", str(limits.tool_calls), str(self.tool_calls))
        if self.repeats_cut >= MOST_CUT:
            return BudgetReached("repeated_failures", str(MOST_CUT), str(self.repeats_cut))
        if self.model_calls >= limits.model_calls - 1 and self.model_calls > 0:
            return BudgetReached("model_calls", str(limits.model_calls), str(self.model_calls + 1))
        return None

    def out_of_time(self) -> BudgetReached:
        """Return the limit of time as reached."""
        return BudgetReached("seconds", f"{self.limits.seconds:g}", f"{self.limits.seconds - self.seconds_left:.0f}")
