"""Products of 128 bits, divided once."""

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.matching.integers import DOWN, HALF_UP, OVERFLOW, UP, mul_div, wide_mul_div

whole = st.integers(0, 2**63 - 1)
positive = st.integers(1, 2**63 - 1)


def slow(left: int, right: int, divisor: int, rounding: int) -> int:
    exact = Fraction(left * right, divisor)
    if rounding == DOWN:
        return exact.__floor__()
    if rounding == UP:
        return exact.__ceil__()
    return (exact + Fraction(1, 2)).__floor__()


@settings(deadline=None)
@given(whole, whole, positive, st.sampled_from([DOWN, HALF_UP, UP]))
@example(2**63 - 1, 2**63 - 1, 2**63 - 1, HALF_UP)
@example(2**62, 3, 7, UP)
@example(5, 1, 2, HALF_UP)
@example(1, 1, 3, HALF_UP)
@example(2, 1, 3, HALF_UP)
def test_equals_exact_fractions(left: int, right: int, divisor: int, rounding: int) -> None:
    expected = slow(left, right, divisor, rounding)
    got = mul_div(left, right, divisor, rounding)
    assert got == (expected if expected < 2**63 - 1 else OVERFLOW)


@settings(deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(1, 2**40), st.sampled_from([DOWN, HALF_UP, UP]))
def test_long_division_agrees_with_the_short_way(left: int, right: int, divisor: int, rounding: int) -> None:
    expected = slow(left, right, divisor, rounding)
    assert wide_mul_div(left, right, divisor, rounding) == min(expected, OVERFLOW)


@pytest.mark.parametrize(("left", "right", "divisor"), [(2**63 - 1, 2, 1), (2**62, 2**62, 2**20)])
def test_quotient_that_does_not_fit_is_overflow(left: int, right: int, divisor: int) -> None:
    assert mul_div(left, right, divisor, DOWN) == OVERFLOW
