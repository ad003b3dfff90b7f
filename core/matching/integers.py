"""Exact integer arithmetic for kernels: products of 128 bits, divided once, rounded as said.

All arguments are non-negative and below 2**63; the divisor is positive. A quotient that does not fit into 63 bits is
`OVERFLOW`.
"""

from typing import Final

import numpy as np

from core.matching.compiled import compiled, inlined

OVERFLOW: Final = 2**63 - 1
"""What a quotient beyond 63 bits becomes; drivers refuse figures that could reach it."""
LARGEST: Final = 2**63 - 1
SAFELY_NARROW: Final = 9.2e18
"""A product that floats say is at most this fits into 63 bits whatever their rounding did; asking costs no division."""
DOWN: Final = 0
HALF_UP: Final = 1
UP: Final = 2


@inlined
def rounded(quotient: int, remainder: int, divisor: int, rounding: int) -> int:
    """Bring a quotient and its remainder to one whole number."""
    if remainder == 0 or rounding == DOWN:
        return quotient
    if rounding == UP or remainder >= divisor - remainder:
        return quotient + 1
    return quotient


@compiled
def divided_by_bits(high: np.uint64, low: np.uint64, by: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return quotient and remainder of a 128-bit number by a divisor above its high half."""
    one, top = np.uint64(1), np.uint64(63)
    remainder, quotient = high, np.uint64(0)
    for _ in range(64):
        remainder = (remainder << one) | (low >> top)
        low = low << one
        quotient = quotient << one
        if remainder >= by:
            remainder = remainder - by
            quotient = quotient | one
    return quotient, remainder


@compiled
def wide_mul_div(left: int, right: int, divisor: int, rounding: int) -> int:
    """Return left * right / divisor by a 128-bit product and long division: by 32 bits a time, else bit by bit."""
    mask = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    a_high, a_low = np.uint64(left) >> half, np.uint64(left) & mask
    b_high, b_low = np.uint64(right) >> half, np.uint64(right) & mask
    low = a_low * b_low
    middle = a_high * b_low + (low >> half)
    middle_low = a_low * b_high + (middle & mask)
    high = a_high * b_high + (middle >> half) + (middle_low >> half)
    low = (middle_low << half) | (low & mask)
    by = np.uint64(divisor)
    if high >= by:
        return OVERFLOW
    if by <= mask:
        part = (high << half) | (low >> half)
        rest = ((part % by) << half) | (low & mask)
        quotient, remainder = ((part // by) << half) | (rest // by), rest % by
    else:
        quotient, remainder = divided_by_bits(high, low, by)
    if quotient >= np.uint64(LARGEST):
        return OVERFLOW
    return rounded(np.int64(quotient), np.int64(remainder), divisor, rounding)  # type: ignore[arg-type]


@inlined
def mul_div(left: int, right: int, divisor: int, rounding: int) -> int:
    """Return left * right / divisor, rounded once: `DOWN`, `HALF_UP` or `UP`."""
    if left == 0 or right == 0:
        return 0
    if float(left) * float(right) > SAFELY_NARROW:
        return wide_mul_div(left, right, divisor, rounding)
    product = left * right
    if divisor == 1:
        return product
    quotient = product // divisor
    return rounded(quotient, product - quotient * divisor, divisor, rounding)
