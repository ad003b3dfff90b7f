"""Corporate actions booked to a holding: what `corporate_actions` says it is given, and when the cash comes."""

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from core.backtest.corporate_actions import DueAction, entitlement
from core.backtest.settlement import UNIT, Holding, date_at
from core.matching import order_kernel
from core.matching import order_layout as at


def apply_action(holding: Holding, due: DueAction) -> None:
    """Book what an ex-date gives to the shares held at the close before."""
    held, action = holding.position, due.action
    if held == 0:
        return
    order_kernel.begin_bar(holding.state, holding.quote(at.DATE, due.index), due.index)
    given = entitlement(action, held)
    if given.cash:
        holding.book(income=given.cash)
        if due.pay_index is not None:
            holding.owed.append((due.pay_index, given.cash))
        if holding.options.is_taxed:
            withheld = holding.lots.received(action.cash_per_share, action.ex_date)
            holding.account.add(-withheld)
            holding.book(flow=-withheld, income=-withheld)
            holding.withheld += withheld
    rights = _take_rights(holding, given.rights, given.rights_price) if holding.options.take_rights else 0
    if holding.options.is_taxed:
        holding.lots.bought(given.bonus + rights, date_at(holding, due.index))
    holding.book(position=given.bonus + rights)


def pay_owed(holding: Holding, index: int) -> None:
    """Book the cash that is due at a bar."""
    paid = sum(cash for due, cash in holding.owed if due <= index)
    holding.account.add(paid)
    holding.book(flow=paid)
    holding.owed[:] = [(due, cash) for due, cash in holding.owed if due > index]


def _take_rights(holding: Holding, rights: int, price: Decimal) -> int:
    """Pay for rights as far as the cash goes; return the shares taken."""
    if rights == 0:
        return 0
    each = Fraction(price) * UNIT
    taken = rights if each == 0 else min(rights, floor(Fraction(max(holding.account.cash, 0)) / each))
    paid = ceil(each * taken)
    holding.account.add(-paid)
    holding.book(flow=-paid, cost=paid, spent=paid)
    return taken
