"""What an ex-date does to a holding: cash, bonus shares, rights, and the tax on dividends.

Entitled is what was held at the close before the ex-date. Cash is booked on the pay date (on the mainland the
ex-date), bonus shares are floored to whole ones, rights are taken only when asked and as far as the cash pays.
"""

import calendar
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Final

import numpy as np

from core.backtest.bars import CheckedBars
from core.market.model import CorporateAction
from core.market.rules_model import RuleNotKnown
from core.matching.model import AMOUNT_PLACES

UNIT: Final = 10**AMOUNT_PLACES
CENT: Final = UNIT // 100
NOTICE_101: Final = date(2015, 9, 8)
NOTICE_85: Final = date(2013, 1, 1)
MONTH, YEAR = 1, 12


@dataclass(frozen=True, slots=True)
class DueAction:
    """An action at the bar where it takes effect, and the bar at which its cash is paid."""

    action: CorporateAction
    index: int
    pay_index: int | None


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What a holding receives: cash in 0.0001, whole bonus shares, whole rights and their price."""

    cash: int
    bonus: int
    rights: int
    rights_price: Decimal


def due_actions(bars: CheckedBars, actions: Sequence[CorporateAction]) -> list[DueAction]:
    """Place actions at the first bar on or after their ex-date; those outside the bars are left out."""
    if not actions:
        return []
    days = bars.times.astype("datetime64[D]")
    found = []
    for action in sorted(actions, key=lambda entry: entry.ex_date):
        index = int(np.searchsorted(days, np.datetime64(action.ex_date)))
        if index < len(days) and (index > 0 or days[0].item() == action.ex_date):
            paid = action.pay_date or action.ex_date
            pay_index = max(int(np.searchsorted(days, np.datetime64(paid))), index)
            found.append(DueAction(action, index, pay_index if pay_index < len(days) else None))
    return found


def entitlement(action: CorporateAction, held: int) -> Entitlement:
    """Return what `held` shares receive: cash half up to the cent, shares floored."""
    cents = floor(Fraction(action.cash_per_share) * held * 100 + Fraction(1, 2))
    return Entitlement(
        cash=cents * CENT,
        bonus=floor(Fraction(action.bonus_per_share) * held),
        rights=floor(Fraction(action.rights_per_share) * held),
        rights_price=action.rights_price,
    )


@dataclass(slots=True)
class TaxLot:
    """Shares of one purchase: `dividends` are (ex-date, cash per share) received since."""

    shares: int
    bought: date
    dividends: list[tuple[date, Fraction]] = field(default_factory=list)


@dataclass(slots=True)
class DividendLots:
    """Shares in the order of their purchase, for the tax that depends on how long each was held.

    Individuals on the mainland: 20 % up to a month, 10 % up to a year, longer 0, taken at the sale (dividends from
    2015-09-08, notice 101 of 2015); from 2013-01-01 to then 20 / 10 / 5 % with 5 % at payment (notice 85 of 2012).
    Bonus shares are a purchase of their ex-date and are not taxed themselves.
    """

    lots: deque[TaxLot] = field(default_factory=deque)

    def bought(self, shares: int, day: date) -> None:
        """Add a purchase."""
        if shares > 0:
            self.lots.append(TaxLot(shares, day))

    def received(self, per_share: Decimal, ex_date: date) -> int:
        """Note a dividend on everything held; return the tax taken at payment, in 0.0001."""
        if ex_date < NOTICE_85:
            raise RuleNotKnown(topic="dividend_tax", scope="mainland", day=ex_date)
        cash = Fraction(per_share)
        for lot in self.lots:
            lot.dividends.append((ex_date, cash))
        if ex_date >= NOTICE_101:
            return 0
        return _cents(sum((lot.shares * cash for lot in self.lots), Fraction(0)) * Fraction(5, 100))

    def sold(self, shares: int, day: date) -> int:
        """Take shares out, oldest first; return the tax on the dividends they received, in 0.0001."""
        tax = Fraction(0)
        while shares > 0:
            lot = self.lots[0]
            taken = min(lot.shares, shares)
            for ex_date, cash in lot.dividends:
                tax += taken * cash * due_rate(lot.bought, day, ex_date)
            lot.shares -= taken
            shares -= taken
            if lot.shares == 0:
                self.lots.popleft()
        return _cents(tax)

    def tax_of(self, shares: int, day: date) -> int:
        """Return what `sold` would take, and take nothing."""
        copy = DividendLots(deque(TaxLot(lot.shares, lot.bought, lot.dividends) for lot in self.lots))
        return copy.sold(shares, day)


def due_rate(bought: date, sold: date, ex_date: date) -> Fraction:
    """Return the tax rate still due at a sale. Months and years are counted by the calendar, to the day before it."""
    late = 0 if sold > add_months(bought, YEAR) else 10
    rate = 20 if sold <= add_months(bought, MONTH) else late
    if ex_date < NOTICE_101:
        rate = max(rate, 5) - 5
    return Fraction(rate, 100)


def add_months(day: date, months: int) -> date:
    """Return the same day some months on, or the last of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _cents(amount: Fraction) -> int:
    return floor(amount * 100 + Fraction(1, 2)) * CENT
