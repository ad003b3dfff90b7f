"""Orders against the levels of a book: by hand, and with one level equal to the fill at a price."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.matching import book_kernel, fill_kernel, order_kernel
from core.matching import order_layout as at
from core.matching.model import RATE, UNLIMITED, ReasonCode
from core.matching.rules_kernel import BUY, SELL

CHARGES = [300_000, 1, 1, 0, 50_000, UNLIMITED, 0, 0]
LOTS = [100, 100, 1, 1_000_000]
ASKS = [(1000, 37), (1001, 900), (1005, 500)]
BIDS = [(999, 200), (998, 150)]


class Desk:
    """The tables of one account with one order, at one bar."""

    def __init__(self, side: int, kind: int, value: int, **given: int) -> None:
        self.account = np.array([given.get("cash", 10**12), 0], dtype=np.int64)
        self.orders = np.zeros((1, at.ORDER_SIZE), dtype=np.int64)
        order_kernel.enter(self.orders, 0, 0, side, kind, value, given.get("limit", 0), 0)
        self.state = np.zeros(at.STATE_SIZE, dtype=np.int64)
        self.state[at.POSITION] = given.get("position", 0)
        self.state[at.BOUGHT_TODAY] = given.get("bought", 0)
        settings = [given.get("slip", 0), 1, 1, 100, 1, RATE, 1]
        head = [*settings, *LOTS, 100, 100, 0, UNLIMITED, 100, 1, 1, 1]
        self.terms = np.array([*head, *CHARGES, UNLIMITED, 1], dtype=np.int64)
        self.quotes = np.zeros((at.QUOTE_SIZE, 1), dtype=np.int64)
        self.quotes[at.DOWN], self.quotes[at.UP] = given.get("down", 900), given.get("up", 1100)

    def against(self, levels: list[tuple[int, int]]) -> tuple[ReasonCode, int, int, int, int]:
        book = np.array(levels, dtype=np.int64).reshape(len(levels), 2).T.copy()
        matched = book_kernel.match(self.account, self.orders, self.state, self.terms, self.quotes, 0, 0, book)
        return ReasonCode.of(matched[0]), *matched[1:]


@pytest.mark.parametrize(
    ("side", "kind", "value", "given_", "expected"),
    [
        # 37 at 10.00 and 463 at 10.01: an odd level is taken with the next one
        (BUY, at.SHARES, 500, {}, (ReasonCode.FILLED, 500, 500, 37 * 100_000 + 463 * 100_100, 50_000)),
        # 1,437 stand there; the lot below is filled
        (BUY, at.SHARES, 2000, {}, (ReasonCode.PARTIAL_VOLUME, 2000, 1400)),
        (BUY, at.SHARES, 2000, {"limit": 1001}, (ReasonCode.PARTIAL_VOLUME, 2000, 900)),
        (BUY, at.SHARES, 500, {"limit": 999}, (ReasonCode.LIMIT_PRICE, 0, 0)),
        (BUY, at.SHARES, 500, {"up": 1000}, (ReasonCode.LIMIT_UP, 0, 0)),
        (BUY, at.SHARES, 500, {"up": 1001}, (ReasonCode.PARTIAL_VOLUME, 500, 0)),
        (BUY, at.SHARES, 500, {"cash": 500 * 1000 * 100}, (ReasonCode.INSUFFICIENT_CASH, 0, 0)),
        (BUY, at.ALL, 0, {"cash": 500 * 1000 * 100}, (ReasonCode.FILLED, 400, 400)),
        (BUY, at.SHARES, 50, {}, (ReasonCode.BELOW_LOT, 0, 0)),
        (SELL, at.ALL, 0, {"position": 300}, (ReasonCode.FILLED, 300, 300, 200 * 99900 + 100 * 99800, 50_000)),
        (SELL, at.ALL, 0, {"position": 500}, (ReasonCode.PARTIAL_VOLUME, 500, 300)),
        (SELL, at.ALL, 0, {"position": 300, "bought": 200}, (ReasonCode.T_PLUS_ONE, 100, 100)),
        (SELL, at.ALL, 0, {"position": 300, "down": 999}, (ReasonCode.LIMIT_DOWN, 0, 0)),
        (SELL, at.ALL, 0, {}, (ReasonCode.NO_POSITION, 0, 0)),
        (SELL, at.SHARES, 200, {"position": 200, "slip": -2}, (ReasonCode.FILLED, 200, 200, 200 * 99700, 50_000)),
    ],
)
def test_orders_against_levels(
    side: int, kind: int, value: int, given_: dict[str, int], expected: tuple[object, ...]
) -> None:
    found = Desk(side, kind, value, **given_).against(ASKS if side == BUY else BIDS)
    assert found[: len(expected)] == expected


def test_nobody_stands_there() -> None:
    assert Desk(BUY, at.SHARES, 100).against([(0, 0)])[0] is ReasonCode.NO_DEPTH
    assert Desk(BUY, at.SHARES, 100).against([(1000, 0), (0, 0)])[0] is ReasonCode.NO_DEPTH


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from([BUY, SELL]),
    st.sampled_from([(at.ALL, 0), (at.PART, RATE // 3), (at.SHARES, 700), (at.SHARES, 330)]),
    st.integers(850, 1150),
    st.integers(1, 3000),
    st.integers(0, 10**9),
    st.integers(0, 2000),
    st.sampled_from([0, 0, -3, RATE // 100]),
    st.sampled_from([0, 990, 1020]),
)
def test_one_level_is_a_fill_at_its_price(
    side: int, size: tuple[int, int], price: int, volume: int, cash: int, position: int, slip: int, limit: int
) -> None:
    desk = Desk(side, *size, cash=cash, position=position, slip=slip, limit=limit)
    found = desk.against([(price, volume)])
    desk.quotes[at.PRICE], desk.quotes[at.VOLUME] = price, volume
    tables = (desk.account, desk.orders[0], desk.state, desk.terms, desk.quotes, 0)
    match = order_kernel.match_buy if side == BUY else order_kernel.match_sale
    expected = match(*tables)
    assert found == (ReasonCode.of(expected[0]), *expected[1:])
    assert fill_kernel.refused(price, -ReasonCode.NO_DEPTH.number, side, desk.terms, 900, 1100) == (
        ReasonCode.NO_DEPTH.number
    )
