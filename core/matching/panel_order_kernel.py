"""What the size of an order means against a holding, and the order held against its bar by the rules of a fill."""

from typing import Final

from core.matching.compiled import compiled
from core.matching.fill_kernel import buy, sell
from core.matching.integers import DOWN, mul_div
from core.matching.model import RATE, UNLIMITED, ReasonCode
from core.matching.panel_book_kernel import bought_today, used_today
from core.matching.panel_layout import (
    FILLED_SHARES,
    KIND,
    KIND_ALL,
    KIND_PART,
    KIND_SHARES,
    KIND_TARGET,
    LIMIT,
    PART,
    POSITION,
    QUANTITY,
    SHARES,
    TARGET,
    Integers,
)

AT_TARGET: Final = ReasonCode.AT_TARGET.number
BELOW_LOT: Final = ReasonCode.BELOW_LOT.number


@compiled
def wanted_buy(order: Integers, cash: int, position: int) -> tuple[int, int, int]:
    """Return shares wanted at the most, cash allowed, and whether it is that number or nothing."""
    if order[QUANTITY] > 0:
        return order[QUANTITY] - order[FILLED_SHARES], cash, 0
    if order[KIND] == KIND_SHARES:
        return order[SHARES], cash, 1
    if order[KIND] == KIND_PART:
        return UNLIMITED, mul_div(cash, order[PART], RATE, DOWN), 0
    if order[KIND] == KIND_TARGET:
        return order[TARGET] - position, cash, 0
    return UNLIMITED, cash, 0


@compiled
def wanted_sale(order: Integers, position: int) -> int:
    """Return the shares that are to be sold."""
    if order[QUANTITY] > 0:
        return order[QUANTITY] - order[FILLED_SHARES]
    if order[KIND] == KIND_ALL:
        return position
    if order[KIND] == KIND_SHARES:
        return order[SHARES]
    if order[KIND] == KIND_PART:
        return mul_div(position, order[PART], RATE, DOWN)
    return position - order[TARGET]


@compiled
def match_buy(
    order: Integers,
    state: Integers,
    cash: int,
    day: int,
    price: int,
    volume: int,
    settings: Integers,
    lots: Integers,
    rest_lots: Integers,
    charges: Integers,
    ticks: Integers,
    down: int,
    up: int,
) -> tuple[int, int, int, int, int]:
    """Return reason, quantity of the order, shares filled, amount and fees of a buy."""
    wanted, budget, is_fixed = wanted_buy(order, cash, state[POSITION])
    if wanted <= 0:
        return AT_TARGET, 0, 0, 0, 0
    is_rest = 1 if order[QUANTITY] > 0 else 0
    used, limit = used_today(state, day), order[LIMIT]
    return buy(
        price, volume, used, wanted, is_fixed, is_rest, budget, limit, 0, 0, 0, settings, lots, rest_lots, charges,
        ticks, down, up,
    )  # fmt: skip


@compiled
def match_sale(
    order: Integers,
    state: Integers,
    cash: int,
    day: int,
    price: int,
    volume: int,
    settings: Integers,
    lots: Integers,
    charges: Integers,
    ticks: Integers,
    down: int,
    up: int,
) -> tuple[int, int, int, int, int]:
    """Return reason, quantity of the order, shares filled, amount and fees of a sale."""
    position = state[POSITION]
    wanted = wanted_sale(order, position)
    if wanted <= 0 and position > 0:
        return AT_TARGET if order[KIND] == KIND_TARGET else BELOW_LOT, 0, 0, 0, 0
    is_rest = 1 if order[QUANTITY] > 0 else 0
    used, bought, limit = used_today(state, day), bought_today(state, day), order[LIMIT]
    return sell(
        price, volume, used, wanted, is_rest, cash, position, bought, limit, 0, 0, 0, settings, lots, charges, ticks,
        down, up,
    )  # fmt: skip
