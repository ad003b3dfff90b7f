"""The fold: facts of one instrument in one account become a position.

Average cost (the default): buying fees are in the cost; a sale relieves `total cost x sold / held`, half up to the
cent, and the residue goes with the last share; nothing passes through a rounded unit cost. FIFO lots run beside it.
Both relieve the same money in the end, so realised + unrealised result is equal under both.

Diluted cost (摊薄成本) is what is still invested: purchases - sales - dividends, charges in; it starts afresh when the
position is closed. Charges on trades are inside cost and proceeds; fees and taxes booked on their own are `apart`.

Everything inside is a scaled integer: one million trades fold in about two seconds.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from core.portfolio.entries import RATE_ONE, Entry, Order, day_of
from core.portfolio.refusals import BoughtToday, EventWithoutHolding, SellExceedsHolding


class OpenLot(NamedTuple):
    """Shares of one purchase still held: `day` is an ordinal, `cost` cents."""

    fact_id: int
    day: int
    quantity: int
    cost: int


class Match(NamedTuple):
    """Part of a sale and the lot it came from; money in cents."""

    sale_id: int
    sale_day: int
    lot_id: int
    lot_day: int
    quantity: int
    cost: int
    proceeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the facts of one instrument amount to so far. Days are ordinals, money is in cents.

    `day`, `phase` and `sequence` place the last fact folded. `start_quantity` is what was held at the start of `day`
    after the day's events; the `day_` figures count the trades of that day. The `base_` figures follow a foreign
    currency and mean nothing unless `base_known`. `opened` is 0 while nothing is held; `acquired` counts
    every share that ever came in.
    """

    symbol: str
    t_plus_one: bool
    is_foreign: bool
    count: int = 0
    day: int = 0
    phase: int = 0
    sequence: int = 0
    opened: int = 0
    acquired: int = 0
    quantity: int = 0
    cost: int = 0
    invested: int = 0
    realized: int = 0
    realized_fifo: int = 0
    income: int = 0
    charges: int = 0
    apart: int = 0
    start_quantity: int = 0
    day_bought: int = 0
    day_bought_amount: int = 0
    day_sold: int = 0
    day_sold_amount: int = 0
    day_charges: int = 0
    base_known: bool = True
    base_cost: int = 0
    base_realized: int = 0
    base_income: int = 0
    lots: Sequence[OpenLot] = ()

    @property
    def fifo_cost(self) -> int:
        """Cost of the open lots. Both methods relieve the same money in the end, so it follows without adding them."""
        return self.cost + self.realized_fifo - self.realized

    @property
    def order(self) -> Order:
        """Where the last folded fact stands."""
        return (self.day, self.phase, self.sequence)

    def sellable_on(self, day: int) -> int:
        """Return the shares that may be sold on `day` (an ordinal not before the last fact)."""
        return self.quantity - (self.day_bought if self.t_plus_one and day == self.day else 0)


NAMES = tuple(field.name for field in fields(State) if field.name != "lots")


def fold(state: State, entries: Iterable[Entry], *, matches: list[Match] | None = None) -> State:
    """Continue `state` with `entries`, which must be in order and come after it.

    `matches` collects which lots each sale consumed. Raises `SellExceedsHolding`, `BoughtToday` or
    `EventWithoutHolding` at the first fact that cannot have happened.
    """
    folding = _Fold(state, matches)
    folding.run(entries)
    return folding.state()


def relieved(total: int, part: int, whole: int) -> int:
    """Return `total x part / whole`, half up; all of it when the part is the whole. None may be negative."""
    return total if part == whole else (2 * total * part + whole) // (2 * whole)


def rescale(lots: Iterable[OpenLot], whole: int, target: int) -> list[OpenLot]:
    """Spread a changed quantity over the lots in proportion, in whole shares that add up to `target`.

    Costs and dates stay. A lot that shrinks to nothing leaves its cost to the next one.
    """
    scaled: list[OpenLot] = []
    before = carried = 0
    for lot in lots:
        after = before + lot.quantity
        quantity = after * target // whole - before * target // whole
        before, cost = after, lot.cost + carried
        carried = 0 if quantity else cost
        if quantity:
            scaled.append(lot._replace(quantity=quantity, cost=cost))
    return scaled


class _Fold:
    """The accumulator of one fold: a mutable copy of the state."""

    __slots__ = (*NAMES, "lots", "matches")
    symbol: str
    t_plus_one: bool
    is_foreign: bool
    base_known: bool
    count: int
    day: int
    phase: int
    sequence: int
    opened: int
    acquired: int
    quantity: int
    cost: int
    invested: int
    realized: int
    realized_fifo: int
    income: int
    charges: int
    apart: int
    start_quantity: int
    day_bought: int
    day_bought_amount: int
    day_sold: int
    day_sold_amount: int
    day_charges: int
    base_cost: int
    base_realized: int
    base_income: int

    def __init__(self, state: State, matches: list[Match] | None) -> None:
        for name in NAMES:
            setattr(self, name, getattr(state, name))
        self.lots: deque[OpenLot] = deque(state.lots)
        self.matches = matches

    def state(self) -> State:
        return State(**{name: getattr(self, name) for name in NAMES}, lots=tuple(self.lots))

    def run(self, entries: Iterable[Entry]) -> None:
        effects = (
            self._acquire,
            self._acquire,
            self._buy,
            self._sell,
            self._release,
            self._resize,
            self._receive,
            self._pay,
        )
        last: Entry | None = None
        count = 0
        for entry in entries:
            if entry[0] != self.day:
                self._begin_day(entry[0])
            effects[entry[3]](entry)
            last, count = entry, count + 1
        if last is not None:
            self.phase, self.sequence, self.count = last.phase, last.sequence, self.count + count

    def _begin_day(self, day: int) -> None:
        self.day, self.start_quantity = day, self.quantity
        self.day_bought = self.day_bought_amount = self.day_sold = self.day_sold_amount = self.day_charges = 0

    def _add(self, entry: Entry) -> None:
        """Put shares and their cost in, as one lot."""
        day, _, _, _, quantity, amount, charges, rate, fact_id = entry
        cost = amount + charges
        if not self.quantity:
            self.opened, self.invested = day, 0
        self.acquired += quantity
        self.quantity += quantity
        self.cost += cost
        self.invested += cost
        self.charges += charges
        self.lots.append(OpenLot(fact_id, day, quantity, cost))
        if self.is_foreign:
            self.base_known = self.base_known and rate > 0
            self.base_cost += _converted(cost, rate)

    def _acquire(self, entry: Entry) -> None:
        """Opening or transfer in: the shares count as held since the day began."""
        self._add(entry)
        self.start_quantity += entry.quantity

    def _buy(self, entry: Entry) -> None:
        self._add(entry)
        self.day_bought += entry[4]
        self.day_bought_amount += entry[5]
        self.day_charges += entry[6]

    def _sell(self, entry: Entry) -> None:
        quantity = entry[4]
        if quantity > self.quantity:
            raise SellExceedsHolding(held=self.quantity, **self._named(entry))
        if self.t_plus_one and quantity > self.quantity - self.day_bought:
            sellable = self.quantity - self.day_bought
            raise BoughtToday(held=self.quantity, bought=self.day_bought, sellable=sellable, **self._named(entry))
        self._remove(entry)
        self.day_sold += quantity
        self.day_sold_amount += entry[5]
        self.day_charges += entry[6]

    def _release(self, entry: Entry) -> None:
        """Transfer out: relieved at its stated value, no trade of the day."""
        if entry.quantity > self.quantity:
            raise SellExceedsHolding(held=self.quantity, **self._named(entry))
        self._remove(entry)
        self.start_quantity -= entry.quantity

    def _remove(self, entry: Entry) -> None:
        """Take shares out by average cost and from the oldest lots."""
        _, _, _, _, quantity, amount, charges, rate, _ = entry
        held, proceeds = self.quantity, amount - charges
        cost = relieved(self.cost, quantity, held)
        self.realized += proceeds - cost
        self.realized_fifo += proceeds - self._consume(entry, proceeds)
        self.quantity = held - quantity
        self.cost -= cost
        self.invested -= proceeds
        self.charges += charges
        if self.is_foreign:
            base_cost = relieved(self.base_cost, quantity, held)
            self.base_known = self.base_known and rate > 0
            self.base_realized += _converted(proceeds, rate) - base_cost
            self.base_cost -= base_cost
        if not self.quantity:
            self.opened = 0

    def _consume(self, entry: Entry, proceeds: int) -> int:
        """Take the sold shares from the oldest lots and return their cost."""
        need, total = entry[4], 0
        lots, matches = self.lots, self.matches
        while need:
            lot = lots[0]
            taken = min(lot.quantity, need)
            cost = relieved(lot.cost, taken, lot.quantity)
            if taken == lot.quantity:
                lots.popleft()
            else:
                lots[0] = OpenLot(lot.fact_id, lot.day, lot.quantity - taken, lot.cost - cost)
            if matches is not None:
                matches.append(_match(entry, lot, taken, cost=cost, left=need, proceeds=proceeds))
            total += cost
            need -= taken
        return total

    def _resize(self, entry: Entry) -> None:
        """Bonus shares or a split: the quantity changes, the cost does not."""
        target = self.quantity + entry.quantity
        if self.quantity <= 0 or target <= 0:
            raise EventWithoutHolding(kind="bonus or split", **self._named(entry))
        self.lots = deque(rescale(self.lots, self.quantity, target))
        self.quantity = target
        self.start_quantity += entry.quantity

    def _receive(self, entry: Entry) -> None:
        """Cash dividend: income, the cost stays. A tax withheld from it is a charge apart."""
        if not self.acquired:
            raise EventWithoutHolding(kind="dividend", **self._named(entry))
        self.income += entry.amount
        self.invested -= entry.amount
        if self.is_foreign:
            self.base_known = self.base_known and entry.rate > 0
            self.base_income += _converted(entry.amount, entry.rate)
        self._charge(entry, entry.charges)

    def _pay(self, entry: Entry) -> None:
        """Fee or tax booked on its own."""
        self._charge(entry, entry.amount + entry.charges)

    def _charge(self, entry: Entry, charge: int) -> None:
        self.apart += charge
        self.charges += charge
        self.invested += charge
        self.day_charges += charge
        if self.is_foreign and charge:
            self.base_known = self.base_known and entry.rate > 0
            self.base_income -= _converted(charge, entry.rate)

    def _named(self, entry: Entry) -> dict[str, Any]:
        """Return what every refusal says about the fact it refuses."""
        record = entry.fact_id or "new"
        day = day_of(entry.day).isoformat()
        return {"symbol": self.symbol, "day": day, "quantity": entry.quantity, "record": record}


def _converted(amount: int, rate: int) -> int:
    """Return cents in the base currency, half away from zero."""
    product = abs(amount) * rate
    rounded = (2 * product + RATE_ONE) // (2 * RATE_ONE)
    return rounded if amount >= 0 else -rounded


def _match(entry: Entry, lot: OpenLot, taken: int, *, cost: int, left: int, proceeds: int) -> Match:
    """Describe one matched part. Proceeds are shared by cumulated quantity, so that the parts add up."""
    done = entry.quantity - left
    share = proceeds * (done + taken) // entry.quantity - proceeds * done // entry.quantity
    return Match(entry.fact_id, entry.day, lot.fact_id, lot.day, taken, cost, share)
