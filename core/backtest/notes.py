"""What a result tells beside its figures: lots that are not known, prices that were not there, rights passed over."""

from decimal import Decimal
from fractions import Fraction
from typing import Final

from core.backtest.corporate_actions import DueAction, entitlement
from core.backtest.series import Series
from core.backtest.settlement import Holding
from core.matching import order_layout as at

SPLIT: Final = Decimal("0.05")
"""Bonus shares for each share held from which the fall of the price is worth a word."""


def notes_of(series: Series, holding: Holding) -> list[str]:
    """Return sentences about one instrument of a finished run."""
    passed = [] if holding.options.take_rights else [_passed_over(series, holding, due) for due in series.due]
    return [*series.notes, *_falls(series), *(note for note in passed if note)]


def _falls(series: Series) -> list[str]:
    """Tell of the days on which raw prices fell because shares were split: an average of them takes that for a loss."""
    days = [due.action.ex_date.isoformat() for due in series.due if due.index and due.action.bonus_per_share >= SPLIT]
    if not days:
        return []
    more = f" and {len(days) - 1} more days" if len(days) > 1 else ""
    told = f"{series.name}: prices of bars are raw and fall with the bonus shares of {days[0]}{more}"
    column = series.bars.factor_column
    if series.bars.column(column) is None:
        return [f"{told}, for ctx.sma and its like too: a column {column} would let them look through that"]
    return [f"{told}; ctx.sma and its like look through that, sums of your own need bar.raw['{column}']"]


def _passed_over(series: Series, holding: Holding, due: DueAction) -> str | None:
    """Tell of rights that were offered and not taken, and what that cost; None where it cost nothing.

    Each was worth the theoretical price after the offer, (close - cash + price x rights) / (1 + bonus + rights), less
    the price asked for it.
    """
    if not due.action.rights_per_share or due.index == 0:
        return None
    lines = holding.lines()
    before = lines[lines[:, at.L_BAR] < due.index]
    offered = entitlement(due.action, int(before[-1, at.L_POSITION]) if len(before) else 0).rights
    asked, per_share = Fraction(due.action.rights_price), Fraction(due.action.rights_per_share)
    close = Fraction(holding.price("close", due.index - 1), 10**series.bars.places)
    shares = 1 + Fraction(due.action.bonus_per_share) + per_share
    after = (close - Fraction(due.action.cash_per_share) + asked * per_share) / shares
    lost = float(offered * (after - asked))
    if lost <= 0:
        return None
    return (
        f"{series.name}: rights to {offered:,} shares at {float(asked):g} on {due.action.ex_date} were not taken, "
        f"which cost {lost:,.2f}; take_rights takes them"
    )
