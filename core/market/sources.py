"""Ports to the outside: where quotes, the security master and bars can be asked for.

An adapter turns one provider's wire format into the nouns of `core.market.model`. It raises `SourceUnavailable` when
the provider cannot be reached or refuses, `SourceAnswerInvalid` when its answer cannot be read; never anything else.
"""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from core.errors import Unavailable
from core.market.model import Adjustment, BarSeries, Instrument, Quote


class SourceUnavailable(Unavailable):
    """A provider did not answer, or refused to."""

    code = "upstream_unavailable"
    template = "The market data source {source} is unavailable: {reason}"
    shown = ("source",)


class SourceAnswerInvalid(SourceUnavailable):
    """A provider answered with something that cannot be read."""

    template = "The market data source {source} answered with something that cannot be read: {reason}"


class SourceLacks(SourceUnavailable):
    """A provider that works does not have what was asked for: another one may."""

    template = "The market data source {source} does not have it: {reason}"


class QuoteSource(Protocol):
    """Present prices."""

    @property
    def name(self) -> str:
        """Short name of the provider, as shown in provenance."""
        ...

    async def quotes(self, symbols: Sequence[str]) -> list[Quote]:
        """Return the quotes of those symbols that the provider knows, in any order. Unknown symbols are left out."""
        ...


class InstrumentSource(Protocol):
    """The list of what is traded."""

    @property
    def name(self) -> str:
        """Short name of the provider, as shown in provenance."""
        ...

    async def instruments(self) -> list[Instrument]:
        """Return every instrument the provider lists."""
        ...


class BarSource(Protocol):
    """Daily bars."""

    @property
    def name(self) -> str:
        """Short name of the provider, as shown in provenance."""
        ...

    async def bars(self, symbol: str, *, start: date, end: date, adjustment: Adjustment) -> BarSeries:
        """Return the daily bars of `start` to `end`, both included; an empty series when there are none."""
        ...
