"""Market and money rules in plain Python fractions, written from the rule book alone: the slow side of comparisons.

Money is a Fraction of the currency; quantities are integers. Nothing here is shared with the kernels.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor


def half_up(value: Fraction, step: Fraction) -> Fraction:
    return floor(value / step + Fraction(1, 2)) * step


CENT = Fraction(1, 100)
UNIT = Fraction(1, 10_000)


@dataclass(frozen=True)
class SlowCharge:
    rate: Fraction
    buys: bool = True
    sells: bool = True
    rounding: str = "cent"
    minimum: Fraction = Fraction(0)
    maximum: Fraction | None = None
    fixed: Fraction = Fraction(0)
    par: Fraction | None = None

    def take(self, amount: Fraction, quantity: int, side: str) -> Fraction:
        if amount == 0 or not (self.buys if side == "buy" else self.sells):
            return Fraction(0)
        exact = (self.par * quantity if self.par is not None else amount) * self.rate
        exact = max(exact, self.minimum)
        if self.maximum is not None:
            exact = min(exact, self.maximum)
        exact += self.fixed
        if self.rounding == "dollar":
            return Fraction(ceil(exact))
        return half_up(exact, CENT if self.rounding == "cent" else UNIT)


@dataclass(frozen=True)
class SlowLots:
    minimum: int = 1
    step: int = 1
    odd: str = "any"
    largest: int = 10**12

    def buy_is_valid(self, quantity: int) -> bool:
        return self.minimum <= quantity <= self.largest and (quantity - self.minimum) % self.step == 0

    def sell_is_valid(self, quantity: int, position: int) -> bool:
        if not 0 < quantity <= min(position, self.largest):
            return False
        if self.odd == "whole":
            remainder = position % self.step
            return quantity % self.step in {0, remainder}
        if self.odd == "position":
            return quantity >= self.minimum or quantity == position
        return self.buy_is_valid(quantity)

    def largest_buy(self, wanted: int) -> int:
        top = min(wanted, self.largest)
        return next((q for q in range(top, max(top - self.step, 0), -1) if self.buy_is_valid(q)), 0)

    def largest_sell(self, wanted: int, position: int) -> int:
        top = min(wanted, position, self.largest)
        return next((q for q in range(top, max(top - 2 * self.step, 0), -1) if self.sell_is_valid(q, position)), 0)


def slow_fees(charges: list[SlowCharge], amount: Fraction, quantity: int, side: str) -> Fraction:
    return sum((charge.take(amount, quantity, side) for charge in charges), Fraction(0))


def slow_affordable(budget: Fraction, wanted: int, price: Fraction, lots: SlowLots, charges: list[SlowCharge]) -> int:
    """Walk down from what the budget would buy without fees."""
    quantity = lots.largest_buy(min(wanted, floor(budget / price) + lots.step))
    while quantity > 0:
        amount = half_up(quantity * price, UNIT)
        if amount + slow_fees(charges, amount, quantity, "buy") <= budget:
            return quantity
        quantity = lots.largest_buy(quantity - 1)
    return 0


def slow_tick(price: Fraction, ticks: list[tuple[Fraction | None, Fraction]]) -> Fraction:
    return next(step for bound, step in ticks if bound is None or price <= bound)


def slow_slipped(
    price: Fraction,
    side: str,
    rate: Fraction,
    *,
    ticks: list[tuple[Fraction | None, Fraction]],
    limits: tuple[Fraction, Fraction] | None,
    unit: Fraction,
) -> Fraction:
    """Move to the tick away from the trader. `unit` is the finest step prices are written in."""
    if rate == 0:
        return price
    if side == "buy":
        moved = ceil(price * (1 + rate) / unit) * unit
        tick = slow_tick(moved, ticks)
        moved = ceil(moved / tick) * tick
        return max(price, moved if limits is None else min(moved, limits[1]))
    moved = floor(price * (1 - rate) / unit) * unit
    tick = slow_tick(moved, ticks)
    moved = max(floor(moved / tick) * tick, min(tick, price))
    return min(price, moved if limits is None else max(moved, limits[0]))


def slow_stepped(
    price: Fraction,
    side: str,
    count: int,
    *,
    ticks: list[tuple[Fraction | None, Fraction]],
    limits: tuple[Fraction, Fraction] | None,
) -> Fraction:
    """Go along the prices that orders may have, one of them after the other; the unit is a tenth of a cent."""
    unit, way = Fraction(1, 1000), 1 if side == "buy" else -1
    worst = price if limits is None else limits[1] if side == "buy" else limits[0]
    place = ceil(price / unit) if side == "buy" else floor(price / unit)
    while (place * unit) % slow_tick(place * unit, ticks):
        place += way
    for _ in range(count):
        if limits is not None and (place * unit - worst) * way >= 0:
            break
        place += way
        while place > 0 and (place * unit) % slow_tick(place * unit, ticks):
            place += way
        if place <= 0:
            return min(price, ticks[0][1])
    moved = place * unit
    if side == "buy":
        return max(price, moved if limits is None else min(moved, worst))
    return min(price, max(moved, min(ticks[0][1], price)) if limits is None else max(moved, worst))
