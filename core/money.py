"""Money arithmetic: decimals only, one rounding rule, said once.

Cash and fees are in cents; prices are kept as quoted. Binary floating point never enters. Inside long folds money is
held as scaled integers; `to_scaled` and `from_scaled` are the only doors between the two.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

from core.errors import Invalid

CENT: Final = Decimal("0.01")
PRICE_PLACES: Final = 8
"""Decimal places to which a quoted price is stored."""


class MoneyInvalid(Invalid):
    """A figure that is not a finite decimal number, or has more places than can be kept."""

    code = "validation_failed"
    template = "{field} must be a finite decimal number with at most {places} decimal places, not {value!r}."


def round_cents(amount: Decimal) -> Decimal:
    """Round to the cent, half away from zero, as Chinese exchanges and the tax office round fees."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def parse_decimal(value: object, *, field: str, places: int = PRICE_PLACES) -> Decimal:
    """Read a decimal from text or an integer. Floats are refused: their digits are not what was written."""
    if isinstance(value, bool | float) or not isinstance(value, str | int | Decimal):
        raise MoneyInvalid(field=field, value=value, places=places)
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise MoneyInvalid(field=field, value=value, places=places) from error
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or (-exponent > places and number != round(number, places)):
        raise MoneyInvalid(field=field, value=value, places=places)
    return number


def to_scaled(amount: Decimal, places: int) -> int:
    """Return `amount * 10**places` as an exact integer. Raises `MoneyInvalid` when digits would be lost."""
    scaled = amount.scaleb(places)
    if scaled != scaled.to_integral_value():
        raise MoneyInvalid(field="amount", value=str(amount), places=places)
    return int(scaled)


def from_scaled(scaled: int, places: int) -> Decimal:
    """Return the decimal that `to_scaled` made into an integer."""
    return Decimal(scaled).scaleb(-places)


def divide_half_up(numerator: int, denominator: int) -> int:
    """Divide integers, rounding half away from zero. `denominator` must be positive."""
    quotient, remainder = divmod(abs(numerator), denominator)
    rounded = quotient + (2 * remainder >= denominator)
    return rounded if numerator >= 0 else -rounded
