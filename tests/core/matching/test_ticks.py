"""What trades and order books say of each bar: tables by hand."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.matching.model import UNLIMITED, AmountTooLarge
from core.matching.ticks import NOBODY, NOWHERE, Books, Trades, Windows, vwap

WINDOWS = Windows(starts=np.array([-1, 10, 20, 30]), ends=np.array([10, 20, 30, 40]))
TRADES = Trades(
    moments=np.array([10, 11, 20, 20, 35]),
    prices=np.array([1000, 1001, 1003, 1005, 999]),
    quantities=np.array([500, 100, 200, 100, 700]),
    amounts=np.array([500_000, 100_100, 200_600, 100_500, 699_300]),
)


def test_a_window_begins_after_the_end_of_the_bar_before() -> None:
    assert WINDOWS.first_after(np.array([10, 20, 21])).tolist() == [0, 1, 2, NOWHERE]
    assert WINDOWS.first_after(np.array([], dtype=np.int64)).tolist() == [NOWHERE] * 4


def test_the_first_trade_of_each_window() -> None:
    price, volume = TRADES.next_last(WINDOWS)
    assert price.tolist() == [1000, 1001, 0, 999]
    assert volume.tolist() == [500, 100, NOBODY, 700]


def test_vwap_of_each_window() -> None:
    price, volume = TRADES.vwap(WINDOWS)
    # (100,100 + 200,600 + 100,500) / 400 = 1003
    assert price.tolist() == [1000, 1003, 0, 999]
    assert volume.tolist() == [500, 400, NOBODY, 700]


@given(st.integers(0, 10**15), st.integers(0, 10**9))
def test_vwap_is_rounded_half_up(amount: int, shares: int) -> None:
    (price,), (volume,) = vwap(np.array([amount]), np.array([shares]))
    if not amount or not shares:
        assert (price, volume) == (0, NOBODY)
    else:
        expected = (Fraction(amount, shares) + Fraction(1, 2)).__floor__()
        assert (price, volume) == ((expected, shares) if expected else (0, NOBODY))


def test_an_auction_has_one_price_and_all_that_was_traded_before_its_end() -> None:
    price, volume = TRADES.auction(WINDOWS, ends=np.array([10, 20, 25, 40]))
    assert price.tolist() == [0, 1001, 0, 999]
    assert volume.tolist() == [NOBODY, 100, NOBODY, 700]


def test_sums_too_large_are_refused() -> None:
    huge = np.full(3, UNLIMITED // 2)
    trades = Trades(moments=np.array([1, 2, 3]), prices=huge, quantities=huge, amounts=huge)
    with pytest.raises(AmountTooLarge):
        trades.vwap(WINDOWS)


def test_books_of_a_call_auction_are_closed() -> None:
    """One price on both sides, or nobody at all: nothing can be taken. One empty side is a locked market."""
    books = Books(
        moments=np.array([1, 2, 3, 4, 5]),
        bid_prices=np.array([[1000], [1000], [0], [1100], [0]]),
        bid_quantities=np.array([[300], [300], [0], [900], [0]]),
        ask_prices=np.array([[1001], [1000], [0], [0], [900]]),
        ask_quantities=np.array([[300], [300], [0], [0], [50]]),
    )
    assert books.open().moments.tolist() == [1, 4, 5]
