"""What a process, an agent or a person advises about a stock, and what came of it."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from core.errors import ArgumentsInvalid, FieldFault
from core.market.model import Provenance

ACTION_LENGTH = 32
NOTE_LENGTH = 2000
RUN_LENGTH = 64
MAXIMUM_ITEMS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationDraft:
    """One piece of advice about one stock, as its author sends it.

    `symbol` is any spelling the market knows. `add1`, `add2`, `reduce1`, `reduce2` and `no_more_add` are prices in the
    instrument's currency: where to add, where to reduce, and beyond which nothing is added any more. `priority` grows
    with urgency. `market` is filled in from the instrument when it is left out.
    """

    symbol: str
    action: str
    priority: int | None = None
    add1: Decimal | None = None
    add2: Decimal | None = None
    reduce1: Decimal | None = None
    reduce2: Decimal | None = None
    no_more_add: Decimal | None = None
    market: str | None = None
    note: str = ""
    process_id: str | None = None
    execution_id: str | None = None

    def faults(self, path: str) -> list[FieldFault]:
        """Return what is wrong with the draft by itself; `path` names the draft in the messages."""
        found = [
            FieldFault(
                f"{path}.{name}", "must be a finite price above zero", expected="a positive decimal", got=str(price)
            )
            for name, price in self._prices()
            if price is not None and not (price.is_finite() and price > 0)
        ]
        if not self.action.strip():
            found.append(FieldFault(f"{path}.action", "must not be empty", expected="text such as BUY, HOLD, REDUCE"))
        limits = (
            ("action", ACTION_LENGTH),
            ("note", NOTE_LENGTH),
            ("process_id", RUN_LENGTH),
            ("execution_id", RUN_LENGTH),
        )
        for name, limit in limits:
            length = len(getattr(self, name) or "")
            if length > limit:
                message = f"is {length} characters long; at most {limit} are kept"
                found.append(FieldFault(f"{path}.{name}", message, expected=f"at most {limit} characters"))
        if self.priority is not None and not 0 <= self.priority <= 100:
            message = "must lie between 0 and 100"
            found.append(FieldFault(f"{path}.priority", message, expected="0 to 100", got=str(self.priority)))
        return found

    def _prices(self) -> tuple[tuple[str, Decimal | None], ...]:
        return (
            ("add1", self.add1),
            ("add2", self.add2),
            ("reduce1", self.reduce1),
            ("reduce2", self.reduce2),
            ("noMoreAdd", self.no_more_add),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A stored piece of advice. Rows are only ever added; the newest per stock is the one in force."""

    recommendation_id: int
    symbol: str
    market: str
    action: str
    priority: int | None
    add1: Decimal | None
    add2: Decimal | None
    reduce1: Decimal | None
    reduce2: Decimal | None
    no_more_add: Decimal | None
    note: str
    process_id: str | None
    execution_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened after the advice: close-to-close returns as fractions, dividends included.

    `base_date` is the last trading day on or before the day of the advice. A figure is None while its day has not come
    or the market has no bar for it. `excess_*` is the return less the benchmark's over the same days.
    """

    base_date: date
    benchmark: str | None
    return_1: Decimal | None = None
    return_5: Decimal | None = None
    return_20: Decimal | None = None
    excess_1: Decimal | None = None
    excess_5: Decimal | None = None
    excess_20: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRecommendation(Recommendation):
    """A piece of advice and its outcome; `outcome` is None when the market has no bars to score it with."""

    outcome: Outcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationList:
    """The advice in force, one per stock, by symbol."""

    items: tuple[Recommendation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationHistory:
    """One page of all advice on a stock, newest first."""

    items: tuple[ScoredRecommendation, ...]
    page_size: int
    current_page: int
    total_elements: int
    total_pages: int
    meta: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationsWritten:
    """What a write stored, in the order it was sent."""

    written: int
    items: tuple[Recommendation, ...]


class RecommendationsInvalid(ArgumentsInvalid):
    """At least one draft is wrong; nothing was stored. Carries every fault."""
