"""Asks several providers in order, so that one failing provider is a warning and not an outage.

A provider that failed rests for a while and is passed over. When all fail, the last good answer that was remembered
stands in, and its provenance says how old it is and why.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from core.clock import CHINA, Clock
from core.market.model import Adjustment, BarSeries, Instrument, Provenance, Quote
from core.market.sources import BarSource, InstrumentSource, QuoteSource, SourceLacks, SourceUnavailable

LIVE: Final = "live"
REMEMBERED_MARK: Final = ", remembered"
"""How the source of a remembered quote ends."""
FIRST_REST_SECONDS: Final = 30.0
LONGEST_REST_SECONDS: Final = 600.0

Answer = TypeVar("Answer")
Source = TypeVar("Source", bound="Named")
"""Any of the three kinds of source."""


class Named(Protocol):
    """What all sources have."""

    @property
    def name(self) -> str:
        """Short name of the provider."""
        ...


class AllSourcesFailed(SourceUnavailable):
    """No provider answered and nothing was remembered. For callers, the live sources are one source that is down."""

    code = "upstream_unavailable"
    template = "No market data source answered: {reason}"
    shown = ("sources",)


@dataclass(frozen=True, slots=True)
class Sourced(Generic[Answer]):
    """An answer and where it came from."""

    value: Answer
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Remembered(Generic[Answer]):
    """An earlier answer and the moment it was given."""

    value: Answer
    saved_at: datetime


class LastAnswers(Protocol):
    """Where good answers are kept for the day when no provider answers."""

    async def save_quotes(self, quotes: Sequence[Quote]) -> None:
        """Keep these quotes, replacing older ones of the same symbols."""
        ...

    async def quotes(self, symbols: Sequence[str]) -> list[Remembered[Quote]]:
        """Return the kept quotes of those symbols."""
        ...

    async def save_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Keep this list, replacing the older one."""
        ...

    async def instruments(self) -> Remembered[list[Instrument]] | None:
        """Return the kept list."""
        ...

    async def save_bars(self, series: BarSeries, start: date, end: date) -> None:
        """Keep this answer to a question about `start` to `end`."""
        ...

    async def bars(self, symbol: str, start: date, end: date, adjustment: Adjustment) -> Remembered[BarSeries] | None:
        """Return the kept bars if they answered the whole range."""
        ...


@dataclass(slots=True)
class _Rest:
    until: float
    seconds: float


@dataclass(slots=True)
class Circuit:
    """Remembers which providers failed, and how long each is left alone: 30 s, doubled per failure, at most 10 minutes.

    After the rest one call tries the provider again; success forgets everything.
    """

    clock: Clock
    rests: dict[str, _Rest] = field(default_factory=dict)

    def rest_left(self, name: str) -> float:
        """Return the seconds for which the provider is still left alone; 0 when it may be asked."""
        rest = self.rests.get(name)
        return max(0.0, rest.until - self.clock.monotonic()) if rest else 0.0

    def failed(self, name: str, *, at_least: float = 0.0) -> None:
        """Let the provider rest, `at_least` as long as it asked for, but no longer than the longest rest."""
        before = self.rests.get(name)
        seconds = min(before.seconds * 2 if before else FIRST_REST_SECONDS, LONGEST_REST_SECONDS)
        rest = min(max(seconds, at_least), LONGEST_REST_SECONDS)
        self.rests[name] = _Rest(until=self.clock.monotonic() + rest, seconds=seconds)

    def worked(self, name: str) -> None:
        """Forget earlier failures."""
        self.rests.pop(name, None)


@dataclass(slots=True)
class _Round(Generic[Source]):
    """One question put to the sources in order; collects why they failed."""

    circuit: Circuit
    failures: list[tuple[str, str]] = field(default_factory=list)

    async def ask(self, source: Source, question: Callable[[Source], Awaitable[Answer]]) -> Answer | None:
        """Ask one source; None when it is resting or fails, which is noted."""
        left = self.circuit.rest_left(source.name)
        if left > 0:
            self.failures.append((source.name, f"failed lately, asked again in {left:.0f} s"))
            return None
        try:
            answer = await question(source)
        except SourceLacks as lack:
            self.circuit.worked(source.name)
            self.failures.append((source.name, str(lack.data["reason"])))
            return None
        except SourceUnavailable as failure:
            self.circuit.failed(source.name, at_least=failure.data.get("retry_after_seconds") or 0.0)
            self.failures.append((source.name, str(failure.data["reason"])))
            return None
        self.circuit.worked(source.name)
        return answer

    def warnings(self) -> tuple[str, ...]:
        """Return one warning per source that failed."""
        return tuple(f"{name} did not answer: {reason}" for name, reason in self.failures)

    def error(self) -> AllSourcesFailed:
        """Return the error that lists every reason."""
        return AllSourcesFailed(
            source=LIVE,
            reason="; ".join(f"{name}: {reason}" for name, reason in self.failures) or "none is configured",
            sources=[{"name": name, "reason": reason} for name, reason in self.failures],
        )


class LiveQuotes:
    """A quote source made of quote sources. What the first does not know, the next is asked for."""

    name = LIVE

    def __init__(
        self, sources: Sequence[QuoteSource], *, clock: Clock, circuit: Circuit, last_answers: LastAnswers | None = None
    ) -> None:
        self._sources = tuple(sources)
        self._clock = clock
        self._circuit = circuit
        self._last_answers = last_answers

    async def quotes(self, symbols: Sequence[str]) -> list[Quote]:
        """Return the quotes that any source knows. Raises `AllSourcesFailed` when none answered at all."""
        return (await self.quotes_sourced(symbols)).value

    async def quotes_sourced(self, symbols: Sequence[str]) -> Sourced[list[Quote]]:
        """Return the quotes, in the order asked for, and their provenance with a warning per failing source."""
        asked = list(dict.fromkeys(symbols))
        found: dict[str, Quote] = {}
        this_round: _Round[QuoteSource] = _Round(self._circuit)
        answered = not asked
        for source in self._sources:
            missing = [symbol for symbol in asked if symbol not in found]
            if not missing:
                break
            answer = await this_round.ask(source, partial(_quotes_of, symbols=missing))
            if answer is not None:
                answered = True
                found |= {quote.symbol: quote for quote in answer if quote.symbol in missing}
        if self._last_answers is not None and found:
            await self._last_answers.save_quotes(list(found.values()))
        warnings = this_round.warnings()
        missing = [symbol for symbol in asked if symbol not in found]
        if self._last_answers is not None and missing and this_round.failures:
            remembered = await self._last_answers.quotes(missing)
            found |= {kept.value.symbol: _remembered(kept.value) for kept in remembered}
            answered = answered or bool(remembered)
            warnings += tuple(
                f"{kept.value.symbol}: no live quote; {_age(kept.saved_at, self._clock)}" for kept in remembered
            )
        if not answered:
            raise this_round.error()
        quotes = [found[symbol] for symbol in asked if symbol in found]
        return Sourced(quotes, _quote_provenance(quotes, warnings))


class LiveInstruments:
    """An instrument source made of instrument sources: the first that answers."""

    name = LIVE

    def __init__(
        self,
        sources: Sequence[InstrumentSource],
        *,
        clock: Clock,
        circuit: Circuit,
        last_answers: LastAnswers | None = None,
    ) -> None:
        self._sources = tuple(sources)
        self._clock = clock
        self._circuit = circuit
        self._last_answers = last_answers

    async def instruments(self) -> list[Instrument]:
        """Return the list of the first source that answers. Raises `AllSourcesFailed`."""
        return (await self.instruments_sourced()).value

    async def instruments_sourced(self) -> Sourced[list[Instrument]]:
        """Return the list and its provenance, with a warning per failing source."""
        this_round: _Round[InstrumentSource] = _Round(self._circuit)
        for source in self._sources:
            answer = await this_round.ask(source, lambda each: each.instruments())
            if answer is not None:
                if self._last_answers is not None:
                    await self._last_answers.save_instruments(answer)
                return Sourced(answer, _list_provenance(source.name, self._clock.now(), this_round.warnings()))
        kept = await self._last_answers.instruments() if self._last_answers is not None else None
        if kept is None:
            raise this_round.error()
        warnings = (*this_round.warnings(), _age(kept.saved_at, self._clock))
        return Sourced(kept.value, _list_provenance("remembered", kept.saved_at, warnings))


class LiveBars:
    """A bar source made of bar sources: the first that has the instrument."""

    name = LIVE

    def __init__(
        self, sources: Sequence[BarSource], *, clock: Clock, circuit: Circuit, last_answers: LastAnswers | None = None
    ) -> None:
        self._sources = tuple(sources)
        self._clock = clock
        self._circuit = circuit
        self._last_answers = last_answers

    async def bars(self, symbol: str, *, start: date, end: date, adjustment: Adjustment) -> BarSeries:
        """Return daily bars of one source, never mixed; failing sources are warnings in its provenance.

        Raises `AllSourcesFailed` when none answered and nothing is remembered for the whole range.
        """
        this_round: _Round[BarSource] = _Round(self._circuit)
        for source in self._sources:
            answer = await this_round.ask(
                source, lambda each: each.bars(symbol, start=start, end=end, adjustment=adjustment)
            )
            if answer is not None:
                if self._last_answers is not None:
                    await self._last_answers.save_bars(answer, start, end)
                return _with_warnings(answer, this_round.warnings())
        kept = await self._last_answers.bars(symbol, start, end, adjustment) if self._last_answers is not None else None
        if kept is None:
            raise this_round.error()
        return _with_warnings(kept.value, (*this_round.warnings(), _age(kept.saved_at, self._clock)))


async def _quotes_of(source: QuoteSource, *, symbols: Sequence[str]) -> list[Quote]:
    return await source.quotes(symbols)


def _remembered(quote: Quote) -> Quote:
    """Mark a quote so that it cannot be taken for a live one, wherever it travels."""
    return replace(quote, source=f"{quote.source}{REMEMBERED_MARK}")


def _age(saved_at: datetime, clock: Clock) -> str:
    """Say how old a remembered answer is."""
    seconds = max(timedelta(), clock.now() - saved_at).total_seconds()
    for length, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"remembered from {saved_at.astimezone(CHINA).isoformat()}, {int(seconds // length)} {unit} ago"
    return f"remembered from {saved_at.astimezone(CHINA).isoformat()}, {int(seconds)} seconds ago"


def _quote_provenance(quotes: Sequence[Quote], warnings: tuple[str, ...]) -> Provenance:
    sources = sorted({quote.source for quote in quotes})
    currencies = {quote.currency for quote in quotes}
    return Provenance(
        dataset=f"live quotes ({', '.join(sources)})" if sources else "live quotes",
        as_of=max(quote.at for quote in quotes).isoformat() if quotes else None,
        simulated=False,
        adjustment=Adjustment.RAW,
        currency=currencies.pop() if len(currencies) == 1 else None,
        warnings=warnings,
    )


def _list_provenance(source: str, at: datetime, warnings: tuple[str, ...]) -> Provenance:
    return Provenance(
        dataset=f"instruments ({source})", as_of=at.astimezone(CHINA).isoformat(), simulated=False, warnings=warnings
    )


def _with_warnings(series: BarSeries, warnings: tuple[str, ...]) -> BarSeries:
    if not warnings:
        return series
    return replace(series, provenance=replace(series.provenance, warnings=(*series.provenance.warnings, *warnings)))
