"""An order at a price: every rule of `rules_kernel` in its order, in one call.

`settings` holds: slippage (as `rules_kernel.slipped` takes it), numerators of slipped prices for buys and sells, unit
factor, unit divisor, part of the volume in billionths (0: no cap), T+1. `limit` is the order's own limit in units of
slipped prices (0: none). `day_*` is what the same order did earlier that day: fees are taken on an order's whole
amount of a day.
"""

from core.matching.compiled import compiled, inlined
from core.matching.integers import HALF_UP, mul_div
from core.matching.model import UNLIMITED
from core.matching.rules_kernel import (
    BUY,
    FILLED,
    INSUFFICIENT_CASH,
    LIMIT_PRICE,
    NO_POSITION,
    NO_VOLUME,
    PENDING,
    SELL,
    T_PLUS_ONE,
    Integers,
    amount_of,
    fees_of,
    fill,
    locked,
    sellable,
    size_buy,
    size_sell,
    slipped,
    volume_cap,
)


@inlined
def refused(price: int, volume: int, side: int, settings: Integers, down: int, up: int) -> int:
    """Return why nothing can fill at this price at all, else `PENDING`.

    A volume below 0 is the number of a reason, negative: nobody could trade there, whatever the price says.
    """
    if volume <= 0:
        if volume < 0:
            return -volume
        if settings[5] > 0:
            return NO_VOLUME
    return locked(price, side, down, up)


@inlined
def quoted(
    price: int, volume: int, side: int, settings: Integers, ticks: Integers, down: int, up: int
) -> tuple[int, int]:
    """Return why nothing can fill at this price, else `PENDING`; and the slipped price times its numerator."""
    reason = refused(price, volume, side, settings, down, up)
    return reason, slipped(price, side, settings[0], ticks, down, up) * settings[1 + side]


@compiled
def buy(
    price: int,
    volume: int,
    used: int,
    wanted: int,
    is_fixed: int,
    is_rest: int,
    budget: int,
    limit: int,
    day_quantity: int,
    day_amount: int,
    day_fees: int,
    settings: Integers,
    lots: Integers,
    rest_lots: Integers,
    charges: Integers,
    ticks: Integers,
    down: int,
    up: int,
) -> tuple[int, int, int, int, int]:
    """Return reason, quantity of the order, shares filled, amount and fees of a buy.

    `is_rest`: the order was valid and partly filled before, so only the step still binds.
    """
    reason, paid = quoted(price, volume, BUY, settings, ticks, down, up)
    if reason != PENDING:
        return reason, 0, 0, 0, 0
    if limit > 0 and paid > limit:
        return LIMIT_PRICE, 0, 0, 0, 0
    cap = volume_cap(volume, settings[5], used) if settings[5] > 0 else UNLIMITED
    sizes = rest_lots if is_rest else lots
    return buy_at(paid, cap, wanted, is_fixed, budget, day_quantity, day_amount, day_fees, settings, sizes, charges)


@inlined
def buy_at(
    paid: int,
    cap: int,
    wanted: int,
    is_fixed: int,
    budget: int,
    day_quantity: int,
    day_amount: int,
    day_fees: int,
    settings: Integers,
    sizes: Integers,
    charges: Integers,
) -> tuple[int, int, int, int, int]:
    """Return what `buy` returns, of an order that may fill at the price `paid` as far as `cap` shares."""
    quantity, standing = size_buy(wanted, is_fixed, budget, paid, settings[3], settings[4], sizes, charges)
    if quantity == 0:
        return standing, 0, 0, 0, 0
    filled, reason = fill(quantity, standing, cap, sizes[1])
    amount, fees = 0, 0
    while filled > 0:
        amount = amount_of(filled, paid, settings[3], settings[4])
        fees = fees_of(charges, day_amount + amount, day_quantity + filled, BUY) - day_fees
        if amount + fees <= budget:
            return reason, quantity, filled, amount, fees
        filled -= sizes[1]
        reason = INSUFFICIENT_CASH
    return reason, quantity, 0, 0, 0


@compiled
def sell(
    price: int,
    volume: int,
    used: int,
    wanted: int,
    is_rest: int,
    cash: int,
    position: int,
    bought_today: int,
    limit: int,
    day_quantity: int,
    day_amount: int,
    day_fees: int,
    settings: Integers,
    lots: Integers,
    charges: Integers,
    ticks: Integers,
    down: int,
    up: int,
) -> tuple[int, int, int, int, int]:
    """Return reason, quantity of the order, shares filled, amount before fees and fees of a sale.

    A sale whose fees are more than its proceeds and the cash together is refused: cash is never negative.
    """
    if position <= 0:
        return NO_POSITION, 0, 0, 0, 0
    reason, received = quoted(price, volume, SELL, settings, ticks, down, up)
    if reason != PENDING:
        return reason, 0, 0, 0, 0
    if limit > 0 and received < limit:
        return LIMIT_PRICE, 0, 0, 0, 0
    cap = volume_cap(volume, settings[5], used) if settings[5] > 0 else UNLIMITED
    return sell_at(
        received, cap, wanted, is_rest, cash, position, bought_today, day_quantity, day_amount, day_fees, settings,
        lots, charges,
    )  # fmt: skip


@inlined
def sell_at(
    received: int,
    cap: int,
    wanted: int,
    is_rest: int,
    cash: int,
    position: int,
    bought_today: int,
    day_quantity: int,
    day_amount: int,
    day_fees: int,
    settings: Integers,
    lots: Integers,
    charges: Integers,
) -> tuple[int, int, int, int, int]:
    """Return what `sell` returns, of an order that may fill at the price `received` as far as `cap` shares."""
    if is_rest:
        free = sellable(position, bought_today, settings[6])
        quantity, standing = min(wanted, free), T_PLUS_ONE if wanted > free else FILLED
    else:
        quantity, standing = size_sell(wanted, position, bought_today, settings[6], lots)
    if quantity == 0:
        return standing, 0, 0, 0, 0
    filled, reason = fill(quantity, standing, cap, lots[1])
    if filled == 0:
        return reason, quantity, 0, 0, 0
    amount = amount_of(filled, received, settings[3], settings[4])
    fees = fees_of(charges, day_amount + amount, day_quantity + filled, SELL) - day_fees
    if cash + amount < fees:
        return INSUFFICIENT_CASH, quantity, 0, 0, 0
    return reason, quantity, filled, amount, fees


@inlined
def worth(quantity: int, price: int, factor: int, divisor: int) -> int:
    """Return what shares are worth at an unslipped price, in 0.0001, half up."""
    return mul_div(quantity * factor, price, divisor, HALF_UP)


@compiled
def worth_column(quantities: Integers, prices: Integers, factor: int, divisor: int, out: Integers) -> None:
    """Add to `out` what a holding is worth bar by bar."""
    for row in range(quantities.size):
        if quantities[row] > 0:
            out[row] += worth(quantities[row], prices[row], factor, divisor)
