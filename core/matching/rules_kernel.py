"""Every market and money rule of a fill, as small compiled functions over integers.

Prices are whole numbers of the series' own power of ten, cash whole numbers of 0.0001, rates billionths. A price that
slippage made a fraction is held as `price * numerator` with the denominator inside `unit_divisor`, so that an amount
is rounded once. Rows of charges and order sizes are described by `ChargeColumn` and `LotColumn`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.matching.compiled import compiled, inlined
from core.matching.integers import DOWN, HALF_UP, UP, mul_div
from core.matching.model import NO_PRICE, RATE, UNLIMITED, ReasonCode

Integers = NDArray[np.int64]

CENT: Final = 100
DOLLAR: Final = 10_000
BUY: Final = 0
SELL: Final = 1
PENDING: Final = ReasonCode.PENDING.number
FILLED: Final = ReasonCode.FILLED.number
PARTIAL_VOLUME: Final = ReasonCode.PARTIAL_VOLUME.number
LIMIT_UP: Final = ReasonCode.LIMIT_UP.number
LIMIT_DOWN: Final = ReasonCode.LIMIT_DOWN.number
NO_VOLUME: Final = ReasonCode.NO_VOLUME.number
T_PLUS_ONE: Final = ReasonCode.T_PLUS_ONE.number
INSUFFICIENT_CASH: Final = ReasonCode.INSUFFICIENT_CASH.number
BELOW_LOT: Final = ReasonCode.BELOW_LOT.number
ABOVE_LARGEST: Final = ReasonCode.ABOVE_LARGEST.number
NO_POSITION: Final = ReasonCode.NO_POSITION.number
LIMIT_PRICE: Final = ReasonCode.LIMIT_PRICE.number
TO_LIMIT: Final = -UNLIMITED
"""As a rate of slippage: to the exchange's price limit."""
GUESSES: Final = 4
"""So often the search for a quantity guesses before it halves."""


@inlined
def amount_of(quantity: int, price: int, unit_factor: int, unit_divisor: int) -> int:
    """Return the amount of a fill in 0.0001, rounded once half up."""
    return mul_div(quantity * unit_factor, price, unit_divisor, HALF_UP)


@inlined
def charge_of(charge: Integers, amount: int, quantity: int, side: int) -> int:
    """Return one fee on an order's whole amount, by the row that describes it (`ChargeColumn`).

    A rate of the amount, or of the par value, between minimum and maximum, plus a fixed sum; rounded half up to the
    cent, up to the dollar (Hong Kong stamp duty) or half up to 0.0001 (no market rules).
    """
    if amount == 0 or charge[1 + side] == 0:
        return 0
    base = charge[7] * quantity if charge[7] > 0 else amount
    if charge[3] == 1:
        fee = mul_div(base, charge[0], RATE * DOLLAR, UP) * DOLLAR
    elif charge[3] == 2:
        fee = mul_div(base, charge[0], RATE, HALF_UP)
    else:
        fee = mul_div(base, charge[0], RATE * CENT, HALF_UP) * CENT
    return min(max(fee, charge[4]), charge[5]) + charge[6]


@inlined
def fees_of(charges: Integers, amount: int, quantity: int, side: int) -> int:
    """Return all fees on an order's whole amount, each rounded by itself, in 0.0001."""
    total = 0
    for row in range(charges.shape[0]):
        total += charge_of(charges[row], amount, quantity, side)
    return total


@inlined
def valid_buy(quantity: int, lots: Integers) -> int:
    """Return the largest quantity up to `quantity` that a buy order may have; 0 when there is none."""
    largest = min(quantity, lots[3])
    if largest < lots[0]:
        return 0
    return lots[0] + (largest - lots[0]) // lots[1] * lots[1]


@inlined
def valid_sell(quantity: int, position: int, lots: Integers) -> int:
    """Return the largest quantity up to `quantity` that an order to sell out of `position` may have.

    Main board, ChiNext, funds: steps with or without the whole odd remainder, or the remainder alone. STAR, Beijing:
    at least the minimum, or a smaller position whole.
    """
    largest = min(quantity, position, lots[3])
    if lots[2] == 2 and largest < lots[0]:
        return largest if largest == position else 0
    if lots[2] == 1:
        remainder = position % lots[1]
        plain = largest // lots[1] * lots[1]
        if remainder == 0 or largest < remainder:
            return plain
        return max(plain, largest - (largest - remainder) % lots[1])
    if largest < lots[0]:
        return 0
    return lots[0] + (largest - lots[0]) // lots[1] * lots[1]


@inlined
def tick_at(price: int, ticks: Integers) -> int:
    """Return the price step at a price: rows are (up to and including, step), ascending; 1 where there is no row."""
    for row in range(ticks.shape[0]):
        if price <= ticks[row, 0]:
            return ticks[row, 1]
    return 1


@compiled
def stepped(price: int, side: int, count: int, ticks: Integers, down: int, up: int) -> int:
    """Move a price against the trader by `count` price steps, one by one, never past the limit, never below one step.

    A price between two steps first moves to the next one away from the trader, which is not counted.
    """
    tick = tick_at(price, ticks)
    if side == BUY:
        moved = (price + tick - 1) // tick * tick
        for _ in range(count):
            if moved >= up:
                break
            moved += tick_at(moved + 1, ticks)
        return max(min(moved, up), price)
    moved, lowest = price // tick * tick, max(down, min(tick_at(1, ticks), price))
    for _ in range(count):
        if moved <= lowest:
            break
        moved -= tick_at(moved, ticks)
    return min(max(moved, lowest), price)


@compiled
def slipped_to_limit(price: int, side: int, down: int, up: int) -> int:
    """Move a price to the exchange's limit, the worst that can happen; it stays where the day has none."""
    if side == BUY:
        return max(up, price) if up < UNLIMITED else price
    return min(down, price) if down > 0 else price


@inlined
def slipped(price: int, side: int, rate: int, ticks: Integers, down: int, up: int) -> int:
    """Move a price against the trader by `rate` billionths, to the tick away from the trader, never past the limit.

    A rate of 0 leaves the price as it is, one below 0 is so many price steps, `TO_LIMIT` the exchange's limit: where
    the day has none the price stays.
    """
    if rate == 0:
        return price
    if rate < 0:
        return (
            slipped_to_limit(price, side, down, up)
            if rate == TO_LIMIT
            else stepped(price, side, -rate, ticks, down, up)
        )
    if side == BUY:
        moved = mul_div(price, RATE + rate, RATE, UP)
        tick = tick_at(moved, ticks)
        return max(min((moved + tick - 1) // tick * tick, up), price)
    moved = mul_div(price, RATE - rate, RATE, DOWN)
    tick = tick_at(moved, ticks)
    return min(max(moved // tick * tick, down, min(tick, price)), price)


@inlined
def locked(price: int, side: int, down: int, up: int) -> int:
    """Return the reason when a price at its limit refuses the side, else 0 (`PENDING`)."""
    if side == BUY and price >= up:
        return LIMIT_UP
    if side == SELL and price <= down:
        return LIMIT_DOWN
    return PENDING


@inlined
def volume_cap(volume: int, part: int, used: int) -> int:
    """Return how many shares may still be filled out of a bar's volume: `part` billionths of it, less those used."""
    return max(mul_div(volume, part, RATE, DOWN) - used, 0)


@inlined
def capped(quantity: int, cap: int, step: int) -> int:
    """Return what a cap lets through: all, or the cap brought down to the step."""
    return quantity if quantity <= cap else cap // step * step


@inlined
def sellable(position: int, bought_today: int, t_plus_one: int) -> int:
    """Return the shares that may be sold: without those bought today under T+1."""
    return max(position - bought_today, 0) if t_plus_one else position


@inlined
def cost_of(quantity: int, price: int, unit_factor: int, unit_divisor: int, charges: Integers) -> int:
    """Return what a buy of a quantity takes: its amount and fees."""
    amount = amount_of(quantity, price, unit_factor, unit_divisor)
    return amount + fees_of(charges, amount, quantity, BUY)


@inlined
def affordable(
    budget: int, quantity: int, price: int, unit_factor: int, unit_divisor: int, lots: Integers, charges: Integers
) -> int:
    """Return the largest valid quantity up to `quantity` whose amount and fees fit into `budget`.

    Costs never fall as the quantity grows, and one step more costs at least its amount. So the search begins where the
    amount alone would end, goes as many steps as the money left over or missing pays for, and halves what lies between
    should that take long.
    """
    if price <= NO_PRICE or budget <= 0 or quantity < lots[0]:
        return 0
    low, high = -1, (min(quantity, lots[3]) - lots[0]) // lots[1]
    least = amount_of(lots[1], price, unit_factor, unit_divisor) - (1 if unit_divisor > 1 else 0)
    shares = float(budget + 1) * float(unit_divisor) / (float(price) * float(unit_factor))
    guess = max(int(min((shares - lots[0]) / lots[1], float(high))), 0)
    high = min(high, guess + (guess >> 40) + 1)
    tries = 0
    while low < high:
        left = budget - cost_of(lots[0] + guess * lots[1], price, unit_factor, unit_divisor, charges)
        if left >= 0:
            low = guess
            if left < least:
                break
        else:
            high = guess - 1
        tries += 1
        guess = guess + left // max(least, 1) if tries < GUESSES else (low + high + 1) // 2
        guess = min(max(guess, low + 1), high)
    return lots[0] + low * lots[1] if low >= 0 else 0


@inlined
def size_buy(
    wanted: int,
    is_fixed: int,
    budget: int,
    price: int,
    unit_factor: int,
    unit_divisor: int,
    lots: Integers,
    charges: Integers,
) -> tuple[int, int]:
    """Return the quantity of a buy order and how it stands: `FILLED` as it is, `ABOVE_LARGEST` cut, or refused.

    A number of shares named by the trader (`is_fixed`) is bought whole or not at all; other sizes shrink to what the
    budget pays for, fees included.
    """
    valid = valid_buy(wanted, lots)
    if valid == 0:
        return 0, BELOW_LOT
    standing = ABOVE_LARGEST if wanted > lots[3] else FILLED
    quantity = affordable(budget, valid, price, unit_factor, unit_divisor, lots, charges)
    if quantity == 0 or (is_fixed and quantity < valid):
        return 0, INSUFFICIENT_CASH
    return quantity, standing if quantity == valid else FILLED


@inlined
def size_sell(wanted: int, position: int, bought_today: int, t_plus_one: int, lots: Integers) -> tuple[int, int]:
    """Return the quantity of a sell order and how it stands: `FILLED`, cut (`T_PLUS_ONE`, `ABOVE_LARGEST`), refused."""
    if position <= 0:
        return 0, NO_POSITION
    free = sellable(position, bought_today, t_plus_one)
    asked = min(wanted, position)
    if free == 0:
        return 0, T_PLUS_ONE
    quantity = valid_sell(min(asked, free), position, lots)
    if quantity == 0:
        return 0, T_PLUS_ONE if asked > free else BELOW_LOT
    if asked > free:
        return quantity, T_PLUS_ONE
    return quantity, ABOVE_LARGEST if asked > lots[3] else FILLED


@inlined
def fill(quantity: int, standing: int, cap: int, step: int) -> tuple[int, int]:
    """Return what is filled of an order, and its reason, under a cap of volume."""
    filled = capped(quantity, cap, step)
    return filled, PARTIAL_VOLUME if filled < quantity else standing


@inlined
def relieved(value: int, sold: int, held: int) -> int:
    """Return the part of a holding's cost, or of what it received, that goes with the shares sold: half up."""
    return value if sold == held else mul_div(value, sold, held, HALF_UP)


@inlined
def target_shares(equity: int, part: int, price: int, unit_factor: int, unit_divisor: int) -> int:
    """Return how many shares are worth `part` billionths of the equity at a price, rounded down."""
    return mul_div(mul_div(equity, part, RATE, DOWN), unit_divisor, price * unit_factor, DOWN)
