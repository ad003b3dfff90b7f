"""Every rule of a fill: tables of cases, and properties against plain fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.matching import rules_kernel as kernel
from core.matching.model import RATE, UNLIMITED, ReasonCode
from tests.support import slow_rules as slow

MAIN = np.array([100, 100, 1, 1_000_000])
STAR = np.array([200, 1, 2, 100_000])
BEIJING = np.array([100, 1, 2, 1_000_000])
PLAIN = np.array([1, 1, 0, UNLIMITED])
BOARD_LOT_500 = np.array([500, 500, 1, 1_500_000])
SLOW_LOTS = {
    "main": (MAIN, slow.SlowLots(100, 100, "whole", 1_000_000)),
    "star": (STAR, slow.SlowLots(200, 1, "position", 100_000)),
    "beijing": (BEIJING, slow.SlowLots(100, 1, "position", 1_000_000)),
    "plain": (PLAIN, slow.SlowLots(1, 1, "any", 10**15)),
    "hk": (BOARD_LOT_500, slow.SlowLots(500, 500, "whole", 1_500_000)),
}
COMMISSION = [300_000, 1, 1, 0, 50_000, UNLIMITED, 0, 0]
STAMP = [500_000, 0, 1, 0, 0, UNLIMITED, 0, 0]
TRANSFER = [10_000, 1, 1, 0, 0, UNLIMITED, 0, 0]
A_SHARE = np.array([COMMISSION, STAMP, TRANSFER])
SLOW_A_SHARE = [
    slow.SlowCharge(Fraction(3, 10_000), minimum=Fraction(5)),
    slow.SlowCharge(Fraction(5, 10_000), buys=False),
    slow.SlowCharge(Fraction(1, 100_000)),
]
CENT_TICK = np.array([[UNLIMITED, 1]])
HK_TICKS = np.array([[250, 1], [500, 5], [10_000, 10], [20_000, 20], [100_000, 50], [UNLIMITED, 100]])
SLOW_HK_TICKS = [
    (Fraction(1, 4), Fraction(1, 1000)),
    (Fraction(1, 2), Fraction(5, 1000)),
    (Fraction(10), Fraction(1, 100)),
    (Fraction(20), Fraction(2, 100)),
    (Fraction(100), Fraction(5, 100)),
    (None, Fraction(1, 10)),
]


def money(text: str) -> int:
    return int(Fraction(text) * 10_000)


def charge(**values: int) -> np.ndarray:
    names = ("rate", "on_buy", "on_sell", "rounding", "minimum", "maximum", "fixed", "par_value")
    defaults = {"on_buy": 1, "on_sell": 1, "maximum": UNLIMITED}
    return np.array([(defaults | values).get(name, 0) for name in names], dtype=np.int64)


@pytest.mark.parametrize(
    ("row", "amount", "quantity", "side", "expected"),
    [
        pytest.param(charge(rate=300_000, minimum=50_000), "10000", 100, kernel.BUY, "5", id="commission minimum"),
        pytest.param(charge(rate=300_000, minimum=50_000), "100000", 100, kernel.BUY, "30", id="commission above it"),
        pytest.param(charge(rate=500_000, on_buy=0), "100000", 100, kernel.BUY, "0", id="stamp duty spares the buyer"),
        pytest.param(charge(rate=500_000, on_buy=0), "100000", 100, kernel.SELL, "50", id="stamp duty of the seller"),
        pytest.param(charge(rate=10_000), "500", 100, kernel.BUY, "0.01", id="half a cent goes up"),
        pytest.param(charge(rate=10_000), "499.99", 100, kernel.BUY, "0", id="less than half a cent goes down"),
        pytest.param(
            charge(rate=300_000, par_value=10_000), "99999", 1_000, kernel.SELL, "0.30", id="fee on par value"
        ),
        pytest.param(charge(rate=1_000_000, rounding=1), "1000.01", 100, kernel.BUY, "2", id="up to the dollar"),
        pytest.param(charge(rate=1_000_000, rounding=1), "1000", 100, kernel.BUY, "1", id="a whole dollar stays"),
        pytest.param(
            charge(rate=20_000, minimum=20_000, maximum=1_000_000), "100", 1, kernel.BUY, "2", id="CCASS least"
        ),
        pytest.param(
            charge(rate=20_000, minimum=20_000, maximum=1_000_000), "90000000", 1, kernel.BUY, "100", id="CCASS most"
        ),
        pytest.param(charge(fixed=5_000), "1", 1, kernel.SELL, "0.5", id="trading tariff"),
        pytest.param(charge(fixed=5_000), "0", 0, kernel.SELL, "0", id="nothing filled costs nothing"),
        pytest.param(charge(rate=300_000, rounding=2), "33.3333", 1, kernel.BUY, "0.01", id="without market rules"),
    ],
)
def test_charges(row: np.ndarray, amount: str, quantity: int, side: int, expected: str) -> None:
    assert kernel.charge_of(row, money(amount), quantity, side) == money(expected)


@pytest.mark.parametrize(
    ("wanted", "lots", "expected"),
    [
        (99, MAIN, 0), (100, MAIN, 100), (199, MAIN, 100), (1_000_050, MAIN, 1_000_000),
        (199, STAR, 0), (200, STAR, 200), (201, STAR, 201), (100_001, STAR, 100_000),
        (99, BEIJING, 0), (101, BEIJING, 101), (1, PLAIN, 1), (0, PLAIN, 0), (1_499, BOARD_LOT_500, 1_000),
    ],
)  # fmt: skip
def test_buy_orders_have_valid_sizes(wanted: int, lots: np.ndarray, expected: int) -> None:
    assert kernel.valid_buy(wanted, lots) == expected


@pytest.mark.parametrize(
    ("wanted", "position", "lots", "expected"),
    [
        (130, 130, MAIN, 130), (129, 130, MAIN, 100), (30, 130, MAIN, 30), (29, 130, MAIN, 0), (250, 350, MAIN, 250),
        (249, 350, MAIN, 200), (100, 350, MAIN, 100), (149, 350, MAIN, 100), (150, 350, MAIN, 150), (50, 350, MAIN, 50),
        (199, 300, STAR, 0), (201, 300, STAR, 201), (150, 150, STAR, 150), (149, 150, STAR, 0),
        (99, 99, BEIJING, 99), (98, 99, BEIJING, 0), (101, 150, BEIJING, 101), (7, 9, PLAIN, 7),
    ],
)  # fmt: skip
def test_sell_orders_have_valid_sizes(wanted: int, position: int, lots: np.ndarray, expected: int) -> None:
    assert kernel.valid_sell(wanted, position, lots) == expected


@settings(deadline=None)
@given(st.sampled_from(sorted(SLOW_LOTS)), st.integers(0, 3_000), st.integers(0, 3_000))
def test_sizes_agree_with_the_slow_rules(name: str, wanted: int, position: int) -> None:
    fast, reference = SLOW_LOTS[name]
    assert kernel.valid_buy(wanted, fast) == reference.largest_buy(wanted)
    assert kernel.valid_sell(wanted, position, fast) == reference.largest_sell(wanted, position)


@pytest.mark.parametrize(
    ("price", "side", "rate", "expected"),
    [
        (1_000, kernel.BUY, 0, 1_000), (1_000, kernel.BUY, 100_000, 1_001), (1_000, kernel.SELL, 100_000, 999),
        (1_000, kernel.BUY, 2_000_000, 1_002), (1_099, kernel.BUY, 5_000_000, 1_100),
        (905, kernel.SELL, 9_000_000, 900),
        (1_100, kernel.BUY, 9_000_000, 1_100),
    ],
)  # fmt: skip
def test_slippage_goes_to_the_tick_away_from_the_trader_and_never_past_the_limit(
    price: int, side: int, rate: int, expected: int
) -> None:
    assert kernel.slipped(price, side, rate, CENT_TICK, 900, 1_100) == expected


@settings(deadline=None)
@given(
    st.integers(1, 200_000),
    st.sampled_from(["buy", "sell"]),
    st.integers(0, RATE // 10),
    st.booleans(),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_slippage_agrees_with_fractions(price: int, side: str, rate: int, limited: bool, room: tuple[int, int]) -> None:
    down, up = max(price - room[0], 1), price + room[1]
    limits = (Fraction(down, 1000), Fraction(up, 1000)) if limited else None
    expected = slow.slow_slipped(
        Fraction(price, 1000), side, Fraction(rate, RATE), ticks=SLOW_HK_TICKS, limits=limits, unit=Fraction(1, 1000)
    )
    number = kernel.BUY if side == "buy" else kernel.SELL
    bounds = (down, up) if limited else (0, UNLIMITED)
    assert Fraction(kernel.slipped(price, number, rate, HK_TICKS, *bounds), 1000) == expected


@pytest.mark.parametrize(
    ("price", "side", "count", "expected"),
    [
        (1_000, kernel.BUY, 2, 1_002),
        (1_000, kernel.SELL, 2, 998),
        (1_099, kernel.BUY, 5, 1_100),
        (1_100, kernel.SELL, 5, 1_095),
        (2, kernel.SELL, 9, 1),
    ],
)
def test_slippage_by_ticks(price: int, side: int, count: int, expected: int) -> None:
    assert kernel.slipped(price, side, -count, CENT_TICK, 0, 1_100) == expected


@settings(deadline=None)
@given(
    st.integers(1, 60_000),
    st.sampled_from(["buy", "sell"]),
    st.integers(1, 40),
    st.booleans(),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_price_steps_agree_with_fractions(
    price: int, side: str, count: int, limited: bool, room: tuple[int, int]
) -> None:
    down, up = max(price - room[0], 1), price + room[1]
    limits = (Fraction(down, 1000), Fraction(up, 1000)) if limited else None
    expected = slow.slow_stepped(Fraction(price, 1000), side, count, ticks=SLOW_HK_TICKS, limits=limits)
    number = kernel.BUY if side == "buy" else kernel.SELL
    bounds = (down, up) if limited else (0, UNLIMITED)
    assert Fraction(kernel.slipped(price, number, -count, HK_TICKS, *bounds), 1000) == expected


@pytest.mark.parametrize(
    ("side", "down", "up", "expected"),
    [
        (kernel.BUY, 900, 1_100, 1_100),
        (kernel.SELL, 900, 1_100, 900),
        (kernel.BUY, 0, UNLIMITED, 1_000),
        (kernel.SELL, 0, UNLIMITED, 1_000),
    ],
)
def test_slippage_to_the_limit(side: int, down: int, up: int, expected: int) -> None:
    assert kernel.slipped(1_000, side, kernel.TO_LIMIT, CENT_TICK, down, up) == expected


@pytest.mark.parametrize(
    ("price", "side", "expected"),
    [
        (1_100, kernel.BUY, ReasonCode.LIMIT_UP), (1_099, kernel.BUY, ReasonCode.PENDING),
        (1_100, kernel.SELL, ReasonCode.PENDING), (900, kernel.SELL, ReasonCode.LIMIT_DOWN),
        (900, kernel.BUY, ReasonCode.PENDING),
    ],
)  # fmt: skip
def test_locked_prices_refuse_one_side(price: int, side: int, expected: ReasonCode) -> None:
    assert ReasonCode.of(kernel.locked(price, side, 900, 1_100)) is expected


def test_volume_cap_counts_what_is_used_and_falls_to_the_step() -> None:
    quarter = RATE // 4
    assert kernel.volume_cap(1_003, quarter, 0) == 250
    assert kernel.volume_cap(1_003, quarter, 200) == 50
    assert kernel.volume_cap(1_003, quarter, 900) == 0
    assert kernel.capped(200, 250, 100) == 200
    assert kernel.capped(300, 250, 100) == 200
    assert kernel.capped(300, 250, 1) == 250
    assert kernel.fill(300, kernel.FILLED, 99, 100) == (0, kernel.PARTIAL_VOLUME)
    assert kernel.fill(300, kernel.T_PLUS_ONE, 300, 100) == (300, kernel.T_PLUS_ONE)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(SLOW_LOTS)),
    st.integers(0, 5_000_000_000),
    st.integers(1, 20_000),
    st.integers(1, 3_000_000),
    st.booleans(),
)
def test_buy_size_is_the_largest_the_budget_pays_for(
    name: str, budget: int, price: int, wanted: int, with_fees: bool
) -> None:
    fast, reference = SLOW_LOTS[name]
    charges = A_SHARE if with_fees else A_SHARE[:0]
    slow_charges = SLOW_A_SHARE if with_fees else []
    expected = slow.slow_affordable(Fraction(budget, 10_000), wanted, Fraction(price, 100), reference, slow_charges)
    assert kernel.affordable(budget, wanted, price, 100, 1, fast, charges) == expected


@settings(deadline=None)
@given(
    st.sampled_from(sorted(SLOW_LOTS)),
    st.integers(1, 10**12),
    st.integers(1, 10**6),
    st.sampled_from([(100, 1), (1, 1), (1, 10_000), (1, 10_000 * 10_001)]),
    st.lists(st.sampled_from([300_000, 10**7, 10**9, 3 * 10**9]), max_size=3),
    st.sampled_from([0, 50_000, 10**7]),
)
def test_no_step_more_fits_whatever_the_fees(
    name: str, budget: int, price: int, unit: tuple[int, int], rates: list[int], minimum: int
) -> None:
    """Fees of three times the amount, minimums far above it, shares worth less than 0.0001."""
    lots, (factor, divisor) = SLOW_LOTS[name][0], unit
    charges = np.array([charge(rate=rate, minimum=minimum) for rate in rates] or [charge()])
    found = kernel.affordable(budget, 10**15, price, factor, divisor, lots, charges)
    assert found == 0 or kernel.cost_of(found, price, factor, divisor, charges) <= budget
    assert kernel.valid_buy(found, lots) == found
    more = found + lots[1] if found else lots[0]
    assert more > min(lots[3], 10**15) or kernel.cost_of(more, price, factor, divisor, charges) > budget


@pytest.mark.parametrize(
    ("wanted", "is_fixed", "budget", "lots", "expected"),
    [
        pytest.param(1_000, 1, "10010", MAIN, (1_000, ReasonCode.FILLED), id="whole"),
        pytest.param(1_000, 1, "10005.09", MAIN, (0, ReasonCode.INSUFFICIENT_CASH), id="one cent short"),
        pytest.param(1_000, 1, "10005.10", MAIN, (1_000, ReasonCode.FILLED), id="to the cent"),
        pytest.param(1_000, 0, "10005.09", MAIN, (900, ReasonCode.FILLED), id="shrinks"),
        pytest.param(99, 0, "99999", MAIN, (0, ReasonCode.BELOW_LOT), id="below a lot"),
        pytest.param(150, 1, "99999", MAIN, (100, ReasonCode.FILLED), id="down to the lot"),
        pytest.param(100_500, 1, "9999999", STAR, (100_000, ReasonCode.ABOVE_LARGEST), id="largest order"),
        pytest.param(500, 0, "999", MAIN, (0, ReasonCode.INSUFFICIENT_CASH), id="not one lot"),
        pytest.param(500, 0, "0", MAIN, (0, ReasonCode.INSUFFICIENT_CASH), id="no cash"),
    ],
)
def test_buy_sizes(wanted: int, is_fixed: int, budget: str, lots: np.ndarray, expected: tuple[int, ReasonCode]) -> None:
    quantity, standing = kernel.size_buy(wanted, is_fixed, money(budget), 1_000, 100, 1, lots, A_SHARE)
    assert (quantity, ReasonCode.of(standing)) == expected


@pytest.mark.parametrize(
    ("wanted", "position", "today", "t_plus_one", "expected"),
    [
        pytest.param(500, 0, 0, 1, (0, ReasonCode.NO_POSITION), id="nothing held"),
        pytest.param(500, 500, 500, 1, (0, ReasonCode.T_PLUS_ONE), id="all bought today"),
        pytest.param(500, 500, 500, 0, (500, ReasonCode.FILLED), id="same-day market"),
        pytest.param(500, 500, 200, 1, (300, ReasonCode.T_PLUS_ONE), id="part bought today"),
        pytest.param(900, 500, 0, 1, (500, ReasonCode.FILLED), id="no more than held"),
        pytest.param(50, 500, 0, 1, (0, ReasonCode.BELOW_LOT), id="below a lot"),
        pytest.param(530, 530, 500, 1, (30, ReasonCode.T_PLUS_ONE), id="the old remainder alone"),
        pytest.param(1_000_100, 2_000_000, 0, 1, (1_000_000, ReasonCode.ABOVE_LARGEST), id="largest order"),
    ],
)
def test_sell_sizes(wanted: int, position: int, today: int, t_plus_one: int, expected: tuple[int, ReasonCode]) -> None:
    quantity, standing = kernel.size_sell(wanted, position, today, t_plus_one, MAIN)
    assert (quantity, ReasonCode.of(standing)) == expected


def test_amounts_are_rounded_once() -> None:
    assert kernel.amount_of(3, 1_000 * 10_003, 100, 10_000) == 300_090
    assert kernel.amount_of(7, 123_456_789, 1, 10_000) == 86_420
    assert kernel.amount_of(1_000_000_000, 10**13 * 10_003, 1, 10_000 * 10_000) == 10**9 * 10**5 * 10_003
