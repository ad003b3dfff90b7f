"""What individuals pay on cash dividends, by how long the shares were held."""

from calendar import monthrange
from datetime import date
from decimal import Decimal

from core.market.rules import require_rule
from core.market.rules_costs_table import DIVIDEND_TAX
from core.market.rules_model import DividendTax, Scope, Topic


def dividend_tax(record_date: date, *, through_stock_connect: bool = False) -> DividendTax:
    """Return the rates for a dividend by its record date. Raises `RuleNotKnown`.

    `through_stock_connect`: a dividend of a Hong Kong share. Bonus shares out of profit are taxed at their par value
    by the same rates, those out of capital reserve are not taxed.
    """
    scope = Scope.STOCK_CONNECT if through_stock_connect else Scope.MAINLAND
    return require_rule(DIVIDEND_TAX, scope, record_date, topic=Topic.DIVIDEND_TAX)


def dividend_tax_rate(bought: date, sold: date, *, record_date: date) -> Decimal:
    """Return the whole tax on a dividend of mainland shares bought and sold on these days, as a share of it.

    Months and years are those of the calendar and end the day before the same day: shares bought on 05-15 and sold on
    06-15 were held one month (notice 101 of 2015). Raises `RuleNotKnown`.
    """
    rates = dividend_tax(record_date)
    if sold <= _months_later(bought, 1):
        return rates.month
    return rates.year if sold <= _months_later(bought, 12) else rates.longer


def _months_later(day: date, months: int) -> date:
    """Return the same day some months later, or the last day of a month that is shorter."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
