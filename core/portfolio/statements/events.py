"""Corporate actions for a statement that has none: derived from what the market knows and what was held.

Entitled are the shares held at the close before the ex-date. Cash is before tax, half up to the cent of the whole
holding; bonus shares are floored (the registry tops some accounts up by one share: a file with its own rows says so).
Rights are not taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
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
    """Derived facts of one instrument, and what could not be."""

    facts: tuple[Fact, ...]
    warnings: tuple[str, ...]


def derive(
    instrument: Instrument,
    history: Iterable[Fact],
    actions: Sequence[CorporateAction],
    *,
    known: Mapping[str, int],
    today: date,
) -> Derived:
    """Return the facts that `actions` give to the shares of `history` (its effective facts, in any order).

    External ids name instrument, ex-date and kind; those in `known` are there already and are left out,
    as is what is booked after `today`: a later import brings it.
    """
    moves = sorted(history, key=lambda fact: fact.trade_date)
    facts: list[Fact] = []
    warnings: list[str] = []
    for action in sorted(actions, key=lambda item: item.ex_date):
        held = held_before([*moves, *facts], action.ex_date)
        if held <= 0 or _is_recorded(moves, action.ex_date):
            continue
        given = _given(instrument, action, held)
        facts += [fact for fact in given if fact.external_id not in known and fact.trade_date <= today]
        if action.rights_per_share:
            warnings.append(
                f"{instrument.symbol} offered rights on {action.ex_date}: not taken here; record them if you took them."
            )
    return Derived(facts=tuple(facts), warnings=tuple(warnings))


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
    name = f"derived:{instrument.symbol}:{action.ex_date:%Y%m%d}"
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
