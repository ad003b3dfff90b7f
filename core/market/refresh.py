"""Brings the market folder up to date from live sources, through the same checks as an import and in one commit."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Protocol

from core.clock import china_today
from core.errors import NotPossible
from core.market.fallback import Sourced
from core.market.importers.model import FileReport, ImportReport
from core.market.importers.run import Fetched, import_fetched, refuse_simulated
from core.market.model import Adjustment, BarSeries, Exchange, Instrument
from core.market.refresh_content import (
    bars_content,
    dataset_of,
    instruments_content,
    previous_closes,
    reference_prices,
)
from core.market.service import MarketService
from core.market.sources import BarSource, SourceUnavailable

MASTER: Final = "instruments"
OVERLAP: Final = timedelta(days=14)
"""So many days that are stored already are fetched again: that the two agree shows that they are one series."""
FIRST_YEARS: Final = 2
"""Without stored bars and without a word from the caller, so many years are fetched."""


class LiveMarketOff(NotPossible):
    """The operator did not allow the desk to ask sources outside."""

    code = "live_market_off"
    template = "The desk may not fetch market data. Set DINGPAN_LIVE_MARKET=true to switch that on, then repeat."


class Masters(Protocol):
    """A source of the security master that says where its list comes from."""

    async def instruments_sourced(self) -> Sourced[list[Instrument]]:
        """Return every instrument. Raises `SourceUnavailable`."""
        ...


class LiveSources(Protocol):
    """What a refresh asks."""

    @property
    def instruments(self) -> Masters:
        """The security master."""
        ...

    @property
    def bars(self) -> BarSource:
        """Daily bars."""
        ...


@dataclass(frozen=True, slots=True)
class RefreshProgress:
    """How far a refresh is: `done` of `total` answers have been fetched; `what` is asked for next, "" when storing."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What became of one symbol, or of `instruments`. `reason` says why nothing was stored; None when all is well.

    `rows_unchanged` counts days fetched again; `rows_quarantined` rows that broke a rule or differ from stored ones.
    """

    what: str
    source: str | None = None
    newest: date | None = None
    rows_added: int = 0
    rows_unchanged: int = 0
    rows_replaced: int = 0
    rows_quarantined: int = 0
    reason: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReport:
    """What a refresh did. `quarantine_path` is the file of refused rows."""

    items: tuple[Refreshed, ...]
    quarantine_path: Path | None = None
    committed: bool = False

    @property
    def failed(self) -> tuple[Refreshed, ...]:
        """What could not be had."""
        return tuple(item for item in self.items if item.reason is not None)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was fetched for one item, beside what is known of it so far."""

    item: Refreshed
    fetched: Fetched | None = None


class _Failed(Exception):
    """One item cannot be refreshed; the others can."""


@dataclass(frozen=True, slots=True)
class Refresher:
    """Fetches what is missing. `live` is None on a desk that has not switched the live market on."""

    market: MarketService
    live: LiveSources | None

    def check(self) -> LiveSources:
        """Return the sources. Raises `LiveMarketOff`, or `MarketSimulated` on the simulated market."""
        refuse_simulated(self.market.store)
        if self.live is None:
            raise LiveMarketOff
        return self.live

    async def run(
        self,
        symbols: Sequence[str],
        *,
        since: date | None = None,
        with_master: bool = False,
        progress: Callable[[RefreshProgress], None] = lambda _: None,
    ) -> RefreshReport:
        """Fetch the master and the bars missing after the newest stored ones; `since` reaches further back.

        What cannot be had is told in the report and keeps nothing else back. Raises what `check` raises.
        """
        live = self.check()
        wanted = [*([MASTER] if with_master else []), *dict.fromkeys(symbols)]
        answers = []
        for done, what in enumerate(wanted):
            progress(RefreshProgress(what, done, len(wanted)))
            try:
                answer = await (self._master(live) if what == MASTER else self._bars(live, what, since))
            except (SourceUnavailable, _Failed) as failure:
                answer = _Answer(Refreshed(what=what, reason=str(failure)))
            answers.append(answer)
        progress(RefreshProgress("", len(wanted), len(wanted)))
        return await self._store(answers)

    async def stored_symbols(self) -> frozenset[str]:
        """Return the symbols that have daily bars."""
        found = await asyncio.to_thread(self.market.store.query, "SELECT DISTINCT symbol FROM daily")
        return frozenset(found["symbol"].to_pylist())

    async def _master(self, live: LiveSources) -> _Answer:
        answer = await live.instruments.instruments_sourced()
        table = await asyncio.to_thread(self.market.store.table, MASTER)
        stored = {row["symbol"]: row for row in table.to_pylist()}
        source = answer.provenance.dataset.removeprefix("instruments (").removesuffix(")")
        fetched = await asyncio.to_thread(instruments_content, answer.value, stored, source=source)
        return _Answer(Refreshed(what=MASTER, source=source, warnings=answer.provenance.warnings), fetched)

    async def _bars(self, live: LiveSources, symbol: str, since: date | None) -> _Answer:
        today = china_today(self.market.clock)
        until = self.market.last_finished_day(Exchange(symbol.partition(".")[2]))
        stored = await asyncio.to_thread(self._newest_stored, symbol)
        if until is None or (stored is not None and stored >= until and since is None):
            return _Answer(Refreshed(what=symbol, newest=stored))
        raw = await live.bars.bars(symbol, start=_start(today, stored, since), end=today, adjustment=Adjustment.RAW)
        if not len(raw):
            raise _Failed(f"the source has no bars of {symbol} for these days")
        references = previous_closes(raw)
        if dataset_of(symbol) == "daily":
            references = reference_prices(raw, await self._forward(live, raw))
        understood = raw.times[references.first].item()
        if stored is not None and understood > stored:
            raise _Failed(
                f"its dividends and splits between {stored} and {understood} cannot be told from the prices: "
                "import these days from a file that has reference prices or factors"
            )
        source = raw.provenance.dataset.removesuffix(" daily bars")
        fetched = await asyncio.to_thread(bars_content, raw, references, source=source, until=until)
        warnings = raw.provenance.warnings
        if references.first:
            warnings += (f"Bars before {understood} were left out: events before it are not understood.",)
        newest = min(raw.times[-1].item(), until)
        return _Answer(Refreshed(what=symbol, source=source, newest=newest, warnings=warnings), fetched)

    async def _forward(self, live: LiveSources, raw: BarSeries) -> BarSeries:
        """Fetch forward adjusted bars of the same days: without them, factors could not be continued."""
        start, end = raw.times[0].item(), raw.times[-1].item()
        try:
            return await live.bars.bars(raw.symbol, start=start, end=end, adjustment=Adjustment.FORWARD)
        except SourceUnavailable as failure:
            raise _Failed(f"its dividends and splits could not be looked up: {failure}") from failure

    def _newest_stored(self, symbol: str) -> date | None:
        """Return the day of the newest stored bar. Raises `_Failed` where raw bars must not join what is stored."""
        name = dataset_of(symbol)
        columns = ["trade_date", *(["adjustment"] if name == "hk_daily" else [])]
        found = self.market.store.table(name, columns=columns, symbols=[symbol])
        kinds = set(found["adjustment"].to_pylist()) - {Adjustment.RAW.value} if name == "hk_daily" else set()
        if kinds:
            raise _Failed(f"its stored bars are {' and '.join(map(str, kinds))}: raw ones cannot be mixed into them")
        return max(found["trade_date"].to_pylist(), default=None)

    async def _store(self, answers: Sequence[_Answer]) -> RefreshReport:
        fetched = [answer.fetched for answer in answers if answer.fetched is not None]
        items = [answer.item for answer in answers]
        if not fetched:
            return RefreshReport(items=tuple(items))
        clock, store = self.market.clock, self.market.store
        report: ImportReport = await asyncio.to_thread(
            import_fetched, store, fetched, clock=clock, replacing=frozenset({MASTER})
        )
        files = {str(file.path): file for file in report.files}
        items = [_with_figures(a.item, files[a.fetched.name]) if a.fetched else a.item for a in answers]
        return RefreshReport(items=tuple(items), quarantine_path=report.quarantine_path, committed=report.committed)


def _start(today: date, stored: date | None, since: date | None) -> date:
    """Return the first day to fetch: what follows the stored bars is never skipped, or events would be missed."""
    first = stored - OVERLAP if stored is not None else date(today.year - FIRST_YEARS, 1, 1)
    return first if since is None else since if stored is None else min(first, since)


def _with_figures(item: Refreshed, file: FileReport) -> Refreshed:
    return replace(
        item,
        rows_added=file.rows_added,
        rows_unchanged=file.rows_unchanged,
        rows_replaced=file.rows_replaced,
        rows_quarantined=file.rows_quarantined,
        reason=file.message if file.status == "refused" else None,
    )
