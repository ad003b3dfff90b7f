"""The ledger's inner form: facts as tuples of scaled integers, in the order in which they take effect.

Within a day, openings come first, then what the company gives (dividend, bonus, split), then everything else in the
order it was recorded.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from core.money import from_scaled, round_cents, to_scaled
from core.portfolio.model import BASE_CURRENCY, Fact, FactKind

RATE_PLACES: Final = 8
RATE_ONE: Final = 10**RATE_PLACES

OPENING, ACQUIRE, BUY, SELL, RELEASE, RESIZE, INCOME, CHARGE = range(8)
"""Effects on a position. `ACQUIRE` and `RELEASE` move shares without a trade."""

EFFECTS: Final = {
    FactKind.OPENING: OPENING,
    FactKind.TRANSFER_IN: ACQUIRE,
    FactKind.TRANSFER_OUT: RELEASE,
    FactKind.BUY: BUY,
    FactKind.RIGHTS: BUY,
    FactKind.SELL: SELL,
    FactKind.BONUS: RESIZE,
    FactKind.SPLIT: RESIZE,
    FactKind.DIVIDEND: INCOME,
    FactKind.FEE: CHARGE,
    FactKind.TAX: CHARGE,
}
PHASES: Final = {FactKind.OPENING: 0, FactKind.DIVIDEND: 1, FactKind.BONUS: 1, FactKind.SPLIT: 1}
LAST_PHASE: Final = 2
CASH_SIGN: Final = {
    FactKind.BUY: -1,
    FactKind.RIGHTS: -1,
    FactKind.SELL: 1,
    FactKind.DIVIDEND: 1,
    FactKind.INTEREST: 1,
    FactKind.CASH_IN: 1,
    FactKind.CASH_OUT: -1,
    FactKind.FEE: -1,
    FactKind.TAX: -1,
    FactKind.FX: 1,
}


class Entry(NamedTuple):
    """One fact as the fold sees it; sorts in the order of effect.

    `day` is the ordinal of the trade date, `amount` and `charges` are cents, `rate` the exchange rate to the base
    currency times 10**8 (0: unknown).
    """

    day: int
    phase: int
    sequence: int
    effect: int
    quantity: int
    amount: int
    charges: int
    rate: int
    fact_id: int


Order = tuple[int, int, int]
"""Day, phase and sequence of a fact: where it stands in the fold."""


def order_of(fact: Fact) -> Order:
    """Return where `fact` stands in the fold."""
    return (fact.trade_date.toordinal(), PHASES.get(fact.kind, LAST_PHASE), fact.sequence)


def entry_of(fact: Fact) -> Entry:
    """Return the inner form of a fact of an instrument. Raises `KeyError` for cash facts: they move no shares."""
    day, phase, sequence = order_of(fact)
    rate = RATE_ONE if fact.currency == BASE_CURRENCY else scaled_rate(fact.fx_rate)
    charges = to_scaled(fact.fees, 2) + to_scaled(fact.tax, 2)
    amount = to_scaled(fact.amount, 2)
    return Entry(day, phase, sequence, EFFECTS[fact.kind], fact.quantity, amount, charges, rate, fact.fact_id)


def scaled_rate(rate: Decimal | None) -> int:
    """Return an exchange rate as a scaled integer, 0 when it is unknown."""
    return 0 if rate is None else to_scaled(rate, RATE_PLACES)


def effective(facts: Iterable[Fact]) -> list[Fact]:
    """Leave out reversals and what they took back; keep the order given."""
    kept = list(facts)
    gone = {fact.reverses for fact in kept if fact.kind is FactKind.REVERSAL}
    return [fact for fact in kept if fact.kind is not FactKind.REVERSAL and fact.fact_id not in gone]


def entries_of(facts: Iterable[Fact]) -> list[Entry]:
    """Return the entries of an instrument's facts in the order of effect, without what was reversed."""
    return sorted(entry_of(fact) for fact in effective(facts))


def cash_effect(fact: Fact) -> dict[str, Decimal]:
    """Return what a fact does to the account's cash, per currency.

    Buying pays amount and charges, selling receives amount less charges. An exchange receives `amount` of its currency
    and pays amount times price of the base currency, half up to the cent.
    """
    sign = CASH_SIGN.get(fact.kind, 0)
    charges = fact.fees + fact.tax
    effect = {fact.currency: sign * fact.amount - charges} if sign else {}
    if fact.kind is FactKind.FX and fact.amount:
        effect = {fact.currency: fact.amount, BASE_CURRENCY: -round_cents(fact.amount * (fact.price or 0)) - charges}
    return {currency: amount for currency, amount in effect.items() if amount}


def cents(scaled: int) -> Decimal:
    """Return cents as a decimal amount."""
    return from_scaled(scaled, 2)


def day_of(ordinal: int) -> date:
    """Return the date of an ordinal."""
    return date.fromordinal(ordinal)
