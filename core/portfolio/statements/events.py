"""Corporate actions for a statement that has none: derived from what the market knows and what was held.

Entitled are the shares held at the close before the ex-date. Cash is before tax, half up to the cent of the whole
holding; bonus shares are floored (the registry tops some accounts up by one share: a file with its own rows says so).
Rights are not taken. When an import changes what was held before an ex-date, what was derived from the old holding is
taken back and derived again; what a person took back stays away.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from core.market.model import CorporateAction, Instrument
from core.money import round_cents
from core.portfolio.entries import EFFECTS, RELEASE, SELL
from core.portfolio.model import Fact, FactKind, Source

GIVEN: Final = frozenset({FactKind.DIVIDEND, FactKind.BONUS, FactKind.SPLIT})
LATEST_PAYMENT: Final = timedelta(days=60)
"""A recorded dividend or bonus of these days after an ex-date is taken to be the same event."""
LEAVES: Final = frozenset({SELL, RELEASE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """Derived facts of one instrument, the earlier derived facts that no longer hold, and what could not be derived."""

    facts: tuple[Fact, ...]
    outdated: tuple[Fact, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What an account remembers: every external id it knows, and the facts that a person took back."""

    known: Mapping[str, int]
    withdrawn: Collection[int]

    def admitted(self, facts: Iterable[Fact]) -> Iterator[Fact]:
        """Leave out what a person took back in any of its versions, and number the others after theirs."""
        for fact in facts:
            versions = list(self._versions(fact.external_id or ""))
            if not any(self.known[name] in self.withdrawn for name in versions):
                number = f":{len(versions) + 1}" if versions else ""
                yield replace(fact, external_id=f"{fact.external_id}{number}")

    def _versions(self, external_id: str) -> Iterator[str]:
        name, version = external_id, 1
        while name in self.known:
            yield name
            version += 1
            name = f"{external_id}:{version}"


def derive(
    instrument: Instrument,
    history: Iterable[Fact],
    actions: Sequence[CorporateAction],
    *,
    past: Past,
    today: date,
    renew_only: bool = False,
) -> Derived:
    """Return the facts that `actions` give to the shares of `history` (its effective facts, in any order).

    External ids name instrument, ex-date and kind. What `history` has already is left out when it is the same, and
    outdated when it is not; so is what is booked after `today`: a later import brings it. `renew_only` leaves events
    alone that nothing was derived from before.
    """
    moves = list(history)
    facts: list[Fact] = []
    outdated: list[Fact] = []
    warnings: list[str] = []
    for action in sorted(actions, key=lambda item: item.ex_date):
        held = held_before(moves, action.ex_date)
        standing = [fact for fact in moves if _is_derived_from(fact, action)]
        if _is_recorded(moves, action.ex_date) or (renew_only and not standing):
            continue
        wanted = [fact for fact in _given(instrument, action, held) if fact.trade_date <= today]
        gone, new = _without(standing, wanted), list(past.admitted(_without(wanted, standing)))
        moves = [fact for fact in moves if fact not in gone] + new
        facts, outdated = facts + new, outdated + gone
        if action.rights_per_share and held > 0:
            warnings.append(
                f"{instrument.symbol} offered rights on {action.ex_date}: not taken here; record them if you took them."
            )
    return Derived(facts=tuple(facts), outdated=tuple(outdated), warnings=tuple(warnings))


def _event_id(symbol: str, ex_date: date) -> str:
    return f"derived:{symbol}:{ex_date:%Y%m%d}"


def _is_derived_from(fact: Fact, action: CorporateAction) -> bool:
    name = f"{_event_id(action.symbol, action.ex_date)}:"
    return fact.source is Source.DERIVED and (fact.external_id or "").startswith(name)


def _without(facts: Iterable[Fact], others: Iterable[Fact]) -> list[Fact]:
    """Return the facts that give something else, or on another day, than each of the others."""
    taken = {_gift(fact) for fact in others}
    return [fact for fact in facts if _gift(fact) not in taken]


def _gift(fact: Fact) -> tuple[FactKind, date, int, Decimal]:
    return (fact.kind, fact.trade_date, fact.quantity, fact.amount)


def held_before(facts: Iterable[Fact], day: date) -> int:
    """Return the shares held at the close before `day`."""
    held = 0
    for fact in facts:
        if fact.trade_date < day and fact.quantity:
            held += -fact.quantity if EFFECTS[fact.kind] in LEAVES else fact.quantity
    return held


def _is_recorded(history: Iterable[Fact], ex_date: date) -> bool:
    """True when the statement, or a person, recorded the event already."""
    return any(
        fact.kind in GIVEN
        and fact.source is not Source.DERIVED
        and ex_date <= fact.trade_date <= ex_date + LATEST_PAYMENT
        for fact in history
    )


def _given(instrument: Instrument, action: CorporateAction, held: int) -> Iterable[Fact]:
    if held <= 0:
        return
    name = _event_id(instrument.symbol, action.ex_date)
    fact = Fact(
        kind=FactKind.DIVIDEND,
        trade_date=action.pay_date or action.ex_date,
        symbol=instrument.symbol,
        currency=instrument.currency,
        source=Source.DERIVED,
        external_id=f"{name}:dividend",
        note=f"derived from the market's events: {held} shares held before {action.ex_date}",
    )
    if action.cash_per_share > 0:
        yield replace(fact, price=action.cash_per_share, amount=round_cents(held * action.cash_per_share))
    bonus = int(held * action.bonus_per_share)
    if bonus > 0:
        given = replace(fact, kind=FactKind.BONUS, trade_date=action.ex_date, quantity=bonus)
        yield replace(given, external_id=f"{name}:bonus")
