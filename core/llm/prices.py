"""What a model's tokens cost, for the few models whose list prices were known on a day. An estimate, never a bill.

Providers do not tell prices over their APIs, and change them. A model that is not in the table costs None: whoever sets
a budget in money then knows that it cannot be watched, and the budgets of tokens and seconds hold.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from core.llm.model import Usage

AS_OF: Final = date(2026, 6, 30)
"""The day the list prices below were read."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens. Cached input is what the provider had kept from an earlier request."""

    input: Decimal
    cached: Decimal
    output: Decimal


def _price(fresh: str, cached: str, output: str) -> Price:
    return Price(Decimal(fresh), Decimal(cached), Decimal(output))


PRICES: Final = {
    "openai:gpt-5.5": _price("5", "0.5", "30"),
    "openai:gpt-5.4": _price("2.5", "0.25", "15"),
    "openai:gpt-5.4-mini": _price("0.75", "0.075", "4.5"),
    "openai:gpt-5.4-nano": _price("0.2", "0.02", "1.25"),
    "openai:gpt-5.2": _price("1.75", "0.175", "14"),
    "openai:gpt-5.1": _price("1.25", "0.125", "10"),
    "anthropic:claude-opus-4-8": _price("5", "0.5", "25"),
    "anthropic:claude-opus-4-7": _price("5", "0.5", "25"),
    "anthropic:claude-opus-4-6": _price("5", "0.5", "25"),
    "anthropic:claude-sonnet-4-6": _price("3", "0.3", "15"),
    "anthropic:claude-sonnet-4-5": _price("3", "0.3", "15"),
    "anthropic:claude-haiku-4-5": _price("1", "0.1", "5"),
}
"""By the name of the client. Prices for prompts of usual length; providers ask more for very long ones."""


_DATED: Final = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")


def cost_usd(name: str, usage: Usage) -> Decimal | None:
    """Return what the tokens of `usage` cost at list price; None for a model that is not in the table.

    A name that ends with the day of a release, such as `claude-haiku-4-5-20251001`, costs what the model costs.
    """
    price = PRICES.get(_DATED.sub("", name))
    if price is None:
        return None
    fresh = max(0, usage.input_tokens - usage.cached_tokens)
    total = fresh * price.input + usage.cached_tokens * price.cached + usage.output_tokens * price.output
    return total / 1_000_000
