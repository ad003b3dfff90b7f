"""The dated rules on the parts of a trading day, one row each, with source and mark. Reviewed to 2026-11-20."""

from collections.abc import Iterator
from datetime import date, time
from typing import Final

from core.market.rules_model import Auction, Rule, Scope, Session, Topic
from core.market.rules_table import BSE_OPENS, CHINEXT_REFORM, NEW_RULES, RULES_2026, STAR_OPENS, D, R, U, V, rules

OPENING: Final = Auction(time(9, 15), time(9, 25), cancel_until=time(9, 20))
CLOSING: Final = Auction(time(14, 57), time(15, 0))
FIXED_PRICE: Final = Session(time(15, 5), time(15, 30))
HALVES: Final = (Session(time(9, 30), time(11, 30)), Session(time(13, 0), time(15, 0)))

OPENING_AUCTION: Final = rules(
    Topic.OPENING_AUCTION,
    (Scope.MAINLAND, None, None, OPENING, "exchange trading rules; Level-2 of 600519, 2023-02-01", V),
)
"""Its one price is the day's open; nothing trades between its end and the continuous session."""

CONTINUOUS: Final = rules(
    Topic.CONTINUOUS,
    (Scope.MAINLAND, None, None, HALVES, "exchange trading rules; Level-2 of 600519, 2023-02-01", V),
)
"""The second half ends when a closing auction begins, where there is one."""

CLOSING_AUCTION: Final = rules(
    Topic.CLOSING_AUCTION,
    (Scope.SZSE, date(2006, 7, 1), None, CLOSING, "SZSE trading rules 2006", R),
    (Scope.SSE, date(2018, 8, 20), None, CLOSING, "SSE trading rules 2018; 600519 on 2023-02-01 agrees", R),
    (Scope.SSE_FUND, NEW_RULES, None, CLOSING, RULES_2026, D),
    (Scope.BSE, BSE_OPENS, None, CLOSING, "BSE trading rules", R),
)
"""Its price is the close; before, Shanghai's close was the volume-weighted price of the last minute."""

AFTER_HOURS: Final = rules(
    Topic.AFTER_HOURS,
    (Scope.STAR, STAR_OPENS, None, FIXED_PRICE, "SSE STAR special rules", D),
    (Scope.CHINEXT, CHINEXT_REFORM, None, FIXED_PRICE, "SZSE ChiNext special rules 2020", D),
    (Scope.MAIN, NEW_RULES, None, FIXED_PRICE, RULES_2026, D),
    (Scope.FUND, NEW_RULES, None, FIXED_PRICE, RULES_2026, D),
    (Scope.BSE, NEW_RULES, None, FIXED_PRICE, "BSE trading rules 2026: put off to a later notice, sources disagree", U),
)
"""Trade at the close; it counts in the day's volume."""

BREAKER: Final = "exchange rules on the index circuit breaker, 2016"
CIRCUIT_BREAKER: Final = rules(
    Topic.CIRCUIT_BREAKER,
    (Scope.MAINLAND, date(2016, 1, 4), date(2016, 1, 4), True, BREAKER, R),
    (Scope.MAINLAND, date(2016, 1, 7), date(2016, 1, 7), True, BREAKER, R),
)
"""The days on which the index circuit breaker closed the markets early."""


def all_tables() -> Iterator[Rule[object]]:
    """Yield every row on sessions."""
    for table in (OPENING_AUCTION, CONTINUOUS, CLOSING_AUCTION, AFTER_HOURS, CIRCUIT_BREAKER):
        yield from table
