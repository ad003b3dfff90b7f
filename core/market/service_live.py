"""Live prices for many callers at once: each symbol is fetched at most every few seconds, and only once at a time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from core.clock import Clock
from core.market.fallback import REMEMBERED_MARK, Sourced
from core.market.model import Quote
from core.market.sources import SourceUnavailable

FRESH_SECONDS: Final = 3.0
"""For so long a quote, or the news that there is none, is given again without asking."""
MOST_KEPT: Final = 20_000


class SourcedQuotes(Protocol):
    """A quote source that also tells which providers failed and what is only remembered."""

    @property
    def name(self) -> str:
        """Short name of the source."""
        ...

    async def quotes_sourced(self, symbols: Sequence[str]) -> Sourced[list[Quote]]:
        """Return quotes with their provenance. Raises `SourceUnavailable` when nothing answered."""
        ...


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """Live quotes by symbol, and what callers must know about them."""

    quotes: Mapping[str, Quote]
    warnings: tuple[str, ...]


NOTHING: Final = LiveAnswer({}, ())


@dataclass(frozen=True, slots=True)
class _Round:
    """One answer of the source, and the moment (monotonic seconds) it came."""

    quotes: Mapping[str, Quote]
    warnings: tuple[str, ...]
    at: float

    def warnings_for(self, symbols: Sequence[str]) -> list[str]:
        """Return the warnings that concern all symbols or one of these: others' symbols are not their business."""
        return [text for text in self.warnings if (about := _subject(text)) is None or about in symbols]


@dataclass(slots=True)
class LivePrices:
    """See the module. A failure is not kept: the source itself decides when a failed provider is asked again."""

    source: SourcedQuotes
    clock: Clock
    _kept: dict[str, _Round] = field(default_factory=dict)
    _under_way: dict[str, asyncio.Task[_Round]] = field(default_factory=dict)
    _newest: _Round | None = None

    async def get(self, symbols: Sequence[str]) -> LiveAnswer:
        """Return what the source knows of these symbols. A source that fails is a warning, never an error."""
        now = self.clock.monotonic()
        asked = list(dict.fromkeys(symbols))
        rounds = [kept for symbol in asked if (kept := self._fresh(symbol, now)) is not None]
        missing = [symbol for symbol in asked if self._fresh(symbol, now) is None]
        new = [symbol for symbol in missing if symbol not in self._under_way]
        if new:
            self._start(new)
        waited = {id(task): task for symbol in missing if (task := self._under_way.get(symbol)) is not None}
        # One caller that is cancelled must not take the answer from the others.
        rounds += [await asyncio.shield(task) for task in waited.values()]
        found = {s: each.quotes[s] for each in rounds for s in asked if s in each.quotes}
        warnings = dict.fromkeys(text for each in rounds for text in each.warnings_for(asked))
        return LiveAnswer(found, tuple(warnings))

    def warnings(self) -> tuple[str, ...]:
        """Say what went wrong in the newest answer, without naming symbols: for figures made of many prices."""
        if self._newest is None:
            return ()
        general = [text for text in self._newest.warnings if _subject(text) is None]
        old = [each.at for each in self._newest.quotes.values() if each.source.endswith(REMEMBERED_MARK)]
        if old:
            general.append(f"{len(old)} prices are remembered, not live; the oldest is of {min(old).isoformat()}.")
        return tuple(general)

    async def close(self) -> None:
        """Give up what is being fetched."""
        tasks = set(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fresh(self, symbol: str, now: float) -> _Round | None:
        kept = self._kept.get(symbol)
        return kept if kept is not None and now - kept.at < FRESH_SECONDS else None

    def _start(self, symbols: Sequence[str]) -> None:
        """Fetch in a task of its own, which every caller that wants one of the symbols waits for."""
        task = asyncio.create_task(self._fetch(symbols))
        self._under_way |= dict.fromkeys(symbols, task)

    async def _fetch(self, symbols: Sequence[str]) -> _Round:
        try:
            answer = await self.source.quotes_sourced(symbols)
            wanted = set(symbols)
            quotes = {quote.symbol: quote for quote in answer.value if quote.symbol in wanted}
            this_round = _Round(quotes, answer.provenance.warnings, self.clock.monotonic())
            self._keep(symbols, this_round)
        except SourceUnavailable as failure:
            text = f"Live prices are missing, stored ones stand in: {failure.message}"
            this_round = _Round({}, (text,), self.clock.monotonic())
        finally:
            for symbol in symbols:
                self._under_way.pop(symbol, None)
        self._newest = this_round
        return this_round

    def _keep(self, symbols: Sequence[str], this_round: _Round) -> None:
        if len(self._kept) + len(symbols) > MOST_KEPT:
            self._kept.clear()
        self._kept |= dict.fromkeys(symbols, this_round)


def _subject(warning: str) -> str | None:
    """Return the symbol a warning begins with, or None when it concerns all."""
    head, colon, _ = warning.partition(": ")
    code, dot, suffix = head.partition(".")
    return head if colon and dot and code.isalnum() and suffix.isalpha() and suffix.isupper() else None
