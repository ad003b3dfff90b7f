"""Corporate actions of a panel as the kernel's arrays: each placed at its symbol's first bar on or after its day."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.corporate_actions import MONTH, NOTICE_85, NOTICE_101, YEAR, DueAction, add_months, due_actions
from core.backtest.panel_market import PanelMarket, carrier
from core.market.rules_model import RuleNotKnown
from core.matching.panel_layout import RATIO, RIGHTS_PRICE, Actions, Integers

NO_EVENTS: Final = np.zeros((0, 3), dtype=np.int64)


def place_actions(market: PanelMarket, *, is_taxed: bool) -> Actions:
    """Return the events of every day. Raises `RuleNotKnown` for the tax on a dividend before 2013."""
    size = len(market.days)
    first_of = np.zeros(len(market.symbols), dtype=np.int64)
    ratios: list[list[int]] = []
    events: list[tuple[int, int, int, int]] = []
    for symbol in sorted(market.actions):
        place = market.place_of[symbol]
        first_of[place] = len(ratios)
        for due, rows in _due(market, place, symbol):
            if is_taxed and due.action.cash_per_share and due.action.ex_date < NOTICE_85:
                raise RuleNotKnown(topic="dividend_tax", scope="mainland", day=due.action.ex_date)
            events.append((int(rows[due.index]), place, 0, len(ratios)))
            if due.pay_index is not None:
                events.append((int(rows[due.pay_index]), place, 1, len(ratios)))
            ratios.append(ratios_of(due))
    events.sort()
    days = np.array([event[0] for event in events], dtype=np.int64)
    return Actions(
        starts=np.searchsorted(days, np.arange(size + 1)).astype(np.int64),
        events=np.array([(place, number, kind) for _, place, kind, number in events], dtype=np.int64)
        if events
        else NO_EVENTS,
        first_of=first_of,
        ratios=np.array(ratios, dtype=np.int64).reshape(len(ratios), 5),
        owed=np.zeros(len(ratios), dtype=np.int64),
        calendar=_calendar(market.days) if is_taxed else np.zeros((1, 3), dtype=np.int64),
    )


def _due(market: PanelMarket, place: int, symbol: str) -> list[tuple[DueAction, Integers]]:
    actions = market.actions.get(symbol, ())
    rows = np.flatnonzero(market.tape.closes[:, place] > 0) if actions else np.zeros(0, dtype=np.int64)
    if not rows.size:
        return []
    bars = carrier(market.days[rows], market.prices.places, prices={}, columns={})
    return [(due, rows) for due in due_actions(bars, actions)]


def ratios_of(due: DueAction) -> list[int]:
    """Return cash, bonus and rights of one share in 1e-15, the price of rights in 1e-8, and 1 where taxed when paid."""
    action = due.action
    each = (action.cash_per_share, action.bonus_per_share, action.rights_per_share)
    return [*(_scaled(value, RATIO) for value in each), _scaled(action.rights_price, RIGHTS_PRICE), _is_early(due)]


def _scaled(value: Decimal, scale: int) -> int:
    """Return a decimal in whole numbers of 1 / scale; finer digits, which move no cent, are dropped."""
    return floor(Fraction(value) * scale)


def _is_early(due: DueAction) -> int:
    return int(due.action.ex_date < NOTICE_101)


def _calendar(days: NDArray[np.datetime64]) -> Integers:
    """Return each day's number, and those of the last day within a month and a year of it."""
    rows = []
    for day in days.astype("datetime64[D]").tolist():
        bought: date = day
        rows.append([bought.toordinal(), *(add_months(bought, months).toordinal() for months in (MONTH, YEAR))])
    return np.array(rows, dtype=np.int64)
