"""The corporate actions of everything an account holds, for statements that do not tell them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from core.market.model import Instrument
from core.portfolio.entries import EFFECTS
from core.portfolio.model import Fact, Source
from core.portfolio.recording import Recorder, reversal
from core.portfolio.statements.drafts import Context, Draft, facts_of
from core.portfolio.statements.events import Derived, derive, held_before
from core.portfolio.statements.model import RowOutcome

Derivation = tuple[list[Draft], list[str]]
"""Drafts and warnings."""


class EventDeriver:
    """Derives events, and derives them again when an import changes what was held."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def derived(
        self, drafts: Sequence[Draft], context: Context, instruments: dict[str, Instrument], *, has_events: bool
    ) -> Derivation:
        """Derive the corporate actions of every share held up to the last imported day; fill in `instruments`.

        Who holds a share on that day is entitled to an event of the next trading day. For a layout that tells its own
        events (`has_events`) only what was derived before is derived again.
        """
        market = self._recorder.market
        histories = _by_symbol([*context.history, *facts_of(drafts)])
        if has_events:
            histories = {symbol: history for symbol, history in histories.items() if _has_derived(history)}
        last = _last_imported(drafts, context)
        if not histories or last is None:
            return [], []
        for symbol in histories:
            if symbol not in instruments:
                instruments[symbol] = await market.instrument(symbol)
        start = min(fact.trade_date for history in histories.values() for fact in history)
        ends = {symbol: market.next_trading_day(instruments[symbol].exchange, last) for symbol in histories}
        actions = await market.actions(sorted(histories), start=start, end=max(ends.values()))
        warnings = [] if has_events else _coverage_warnings(histories, await market.status(), last)
        made: list[Draft] = []
        for symbol, history in sorted(histories.items()):
            found = derive(
                instruments[symbol],
                history,
                [action for action in actions if action.symbol == symbol and action.ex_date <= ends[symbol]],
                past=context.past,
                today=self._recorder.today(),
                renew_only=has_events,
            )
            made += self._drafts(found)
            warnings += [*found.warnings, *_renewals(symbol, found)]
        return made, warnings

    def _drafts(self, found: Derived) -> Iterable[Draft]:
        for fact in found.outdated:
            reason = f"record {fact.fact_id} was derived for other holdings than are known now"
            back = reversal(fact, self._recorder.today(), note=reason, source=Source.DERIVED)
            yield Draft(outcome=RowOutcome.DERIVED, fact=back, reason=reason, takes_back=fact)
        for fact in found.facts:
            yield Draft(outcome=RowOutcome.DERIVED, fact=fact, reason=fact.note)


def _last_imported(drafts: Iterable[Draft], context: Context) -> date | None:
    """Return the day up to which statements, this one or earlier ones, tell every trade."""
    days = [draft.row.day for draft in drafts if draft.row is not None and draft.row.day is not None]
    earlier = [fact.trade_date for fact in context.history if fact.source is Source.IMPORT]
    return max([*days, *earlier]) if days else None


def _renewals(symbol: str, found: Derived) -> Iterable[str]:
    if found.outdated:
        days = ", ".join(sorted({fact.trade_date.isoformat() for fact in found.outdated}))
        yield f"{symbol}: what was derived for {days} rested on other holdings; it is taken back and derived again."


def _has_derived(history: Iterable[Fact]) -> bool:
    return any(fact.source is Source.DERIVED for fact in history)


def _by_symbol(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.symbol is not None and fact.kind in EFFECTS:
            groups.setdefault(fact.symbol, []).append(fact)
    return groups


def _coverage_warnings(histories: Mapping[str, Sequence[Fact]], status: Mapping[str, Any], end: date) -> list[str]:
    """Name the holdings whose corporate actions the market cannot know."""
    known_until = status.get("datasets", {}).get("actions", {}).get("last_day")
    if known_until is not None and known_until >= end:
        return []
    blind = [
        symbol
        for symbol, facts in sorted(histories.items())
        if known_until is None
        or held_before(facts, known_until)
        or any(fact.trade_date >= known_until for fact in facts)
    ]
    if not blind:
        return []
    since = "at all" if known_until is None else f"after {known_until}"
    warning = (
        f"This layout has no dividend or bonus rows, and the market has no corporate actions {since}: none could be "
        f"derived from there to {end} for {', '.join(blind)}. Import corporate actions, then this file again."
    )
    return [warning]
