"""The ledger once more, as slowly and plainly as its rules can be written; it shares no code with the product.

Facts are written in lines such as

    2026-11-02 buy 100 @ 15.00 fee 5
    2026-11-03 dividend 30.00
    2026-11-04 bonus 50

Money is `Fraction`; only what the rules round is rounded, half up to the cent.
"""

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from math import floor

CENT = Fraction(1, 100)
ORDER = {"opening": 0, "dividend": 1, "bonus": 1, "split": 1}


def half_up(amount: Fraction) -> Fraction:
    """Round to the cent, half away from zero."""
    sign = -1 if amount < 0 else 1
    return sign * floor(abs(amount) / CENT + Fraction(1, 2)) * CENT


@dataclass
class SlowFact:
    day: date
    kind: str
    quantity: int = 0
    price: Fraction = Fraction(0)
    amount: Fraction = Fraction(0)
    fee: Fraction = Fraction(0)


@dataclass
class SlowLot:
    bought_on: date
    shares: int
    cost: Fraction


@dataclass
class SlowPosition:
    """Everything the rules name, computed by following each fact in turn."""

    shares: int = 0
    cost: Fraction = Fraction(0)
    invested: Fraction = Fraction(0)
    realized: Fraction = Fraction(0)
    fifo_realized: Fraction = Fraction(0)
    income: Fraction = Fraction(0)
    apart: Fraction = Fraction(0)
    lots: list[SlowLot] = field(default_factory=list)

    @property
    def fifo_cost(self) -> Fraction:
        return sum((lot.cost for lot in self.lots), Fraction(0))


class CannotHappen(Exception):
    """A sale of more than is held or may be sold."""


def parse(text: str) -> list[SlowFact]:
    """Read lines of facts; blank lines are skipped."""
    return [_parse_line(line.split()) for line in text.strip().splitlines() if line.strip()]


def _parse_line(words: list[str]) -> SlowFact:
    day, kind = date.fromisoformat(words[0]), words[1]
    fee = Fraction(words[words.index("fee") + 1]) if "fee" in words else Fraction(0)
    if kind in {"dividend", "fee", "tax"}:
        return SlowFact(day, kind, amount=Fraction(words[2]))
    quantity = int(words[2])
    price = Fraction(words[words.index("@") + 1]) if "@" in words else Fraction(0)
    return SlowFact(day, kind, quantity=quantity, price=price, amount=half_up(price * quantity), fee=fee)


def follow(facts: list[SlowFact], *, t_plus_one: bool = True) -> SlowPosition:
    """Apply the facts in the order of effect: day by day, openings and events of a day first."""
    position = SlowPosition()
    bought: dict[date, int] = {}
    for fact in sorted(facts, key=lambda item: (item.day, ORDER.get(item.kind, 2))):
        if fact.kind in {"buy", "opening", "transfer_in", "rights"}:
            _buy(position, fact)
            if fact.kind in {"buy", "rights"}:
                bought[fact.day] = bought.get(fact.day, 0) + fact.quantity
        elif fact.kind in {"sell", "transfer_out"}:
            locked = bought.get(fact.day, 0) if t_plus_one and fact.kind == "sell" else 0
            if fact.quantity > position.shares - locked:
                raise CannotHappen(fact)
            _sell(position, fact)
        elif fact.kind in {"bonus", "split"}:
            _resize(position, position.shares + fact.quantity)
        elif fact.kind == "dividend":
            position.income += fact.amount
            position.invested -= fact.amount
        else:
            position.apart += fact.amount
            position.invested += fact.amount
    return position


def _buy(position: SlowPosition, fact: SlowFact) -> None:
    if position.shares == 0:
        position.invested = Fraction(0)
    paid = fact.amount + fact.fee
    position.shares += fact.quantity
    position.cost += paid
    position.invested += paid
    position.lots.append(SlowLot(fact.day, fact.quantity, paid))


def _sell(position: SlowPosition, fact: SlowFact) -> None:
    received = fact.amount - fact.fee
    relieved = half_up(position.cost * Fraction(fact.quantity, position.shares))
    if fact.quantity == position.shares:
        relieved = position.cost
    position.realized += received - relieved
    position.fifo_realized += received - _oldest(position, fact.quantity)
    position.cost -= relieved
    position.invested -= received
    position.shares -= fact.quantity


def _oldest(position: SlowPosition, need: int) -> Fraction:
    cost = Fraction(0)
    for lot in position.lots:
        taken = min(lot.shares, need)
        part = lot.cost if taken == lot.shares else half_up(lot.cost * Fraction(taken, lot.shares))
        lot.shares, lot.cost = lot.shares - taken, lot.cost - part
        cost, need = cost + part, need - taken
    position.lots = [lot for lot in position.lots if lot.shares]
    return cost


def _resize(position: SlowPosition, target: int) -> None:
    """Spread the new number of shares by cumulated quantity, rounded down."""
    whole, before, carried = position.shares, 0, Fraction(0)
    kept = []
    for lot in position.lots:
        after = before + lot.shares
        shares = floor(Fraction(after * target, whole)) - floor(Fraction(before * target, whole))
        before = after
        lot.cost, lot.shares = lot.cost + carried, shares
        carried = Fraction(0) if shares else lot.cost
        kept += [lot] if shares else []
    position.lots, position.shares = kept, target


def today(facts: list[SlowFact], day: date, *, last: Fraction, reference: Fraction) -> Fraction:
    """Today's P/L share by share: each held share by its move, each sold and bought one against its price."""
    held = 0
    result = Fraction(0)
    for fact in sorted(facts, key=lambda item: (item.day, ORDER.get(item.kind, 2))):
        is_today = fact.day == day
        if fact.kind in {"opening", "transfer_in", "bonus", "split"} or (
            fact.kind in {"buy", "rights"} and not is_today
        ):
            held += fact.quantity
        elif fact.kind == "transfer_out" or (fact.kind == "sell" and not is_today):
            held -= fact.quantity
        elif fact.kind in {"buy", "rights"}:
            result += last * fact.quantity - fact.amount - fact.fee
        elif fact.kind == "sell":
            held -= fact.quantity
            result += fact.amount - reference * fact.quantity - fact.fee
        elif is_today and fact.kind in {"fee", "tax"}:
            result -= fact.amount
    return half_up(result + held * (last - reference))
