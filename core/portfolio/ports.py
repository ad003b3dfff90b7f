"""What the ledger asks of its neighbours: `core.market` and `core.recommendation` answer in a desk."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

from core.market.model import CorporateAction, Exchange, Instrument, InstrumentKind, Provenance, Quote
from core.recommendation.model import Recommendation
from core.storage.unit_of_work import UnitOfWork


class Market(Protocol):
    """Instruments, prices, corporate actions and trading days."""

    async def instrument(self, code: str, *, kind: InstrumentKind | None = None, day: date | None = None) -> Instrument:
        """Resolve any spelling of a code. Raises for unknown codes and for codes with lost zeros."""
        ...

    async def restore_code(self, code: str) -> Instrument:
        """Resolve a code that may have lost its leading zeros."""
        ...

    async def quotes(self, symbols: Sequence[str], *, as_of: date | None = None) -> Mapping[str, Quote]:
        """Return the last prices; symbols without one are absent."""
        ...

    async def actions(self, symbols: Sequence[str], *, start: date, end: date) -> Sequence[CorporateAction]:
        """Return the corporate actions with an ex-date in the interval."""
        ...

    def is_trading_day(self, exchange: Exchange, day: date) -> bool:
        """Return whether the exchange was or will be open."""
        ...

    def next_trading_day(self, exchange: Exchange, day: date) -> date:
        """Return the first trading day after `day`."""
        ...

    def provenance(self, dataset: str, *, as_of: date | None) -> Provenance:
        """Say where figures come from."""
        ...

    async def status(self) -> dict[str, Any]:
        """Describe the stored datasets."""
        ...


class LatestRecommendations(Protocol):
    """The advice in force."""

    async def latest(
        self, uow: UnitOfWork, team_id: int, symbols: Sequence[str] | None = None
    ) -> Mapping[str, Recommendation]:
        """Return the advice in force by symbol."""
        ...
