"""The dated rules on prices and sizes, one row each, with source and mark. Reviewed to 2026-11-20."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from core.market.rules_model import (
    DelistingPeriod,
    FirstDays,
    LargestOrder,
    LotSteps,
    Mark,
    PriceCage,
    Rounding,
    Rule,
    Scope,
    TickTable,
    Topic,
)

V, D, R, U = Mark.VERIFIED, Mark.DOCUMENTED, Mark.RECALLED, Mark.UNCERTAIN
Value = TypeVar("Value")

NEW_RULES: Final = date(2026, 7, 6)
CHINEXT_REFORM: Final = date(2020, 8, 24)
STAR_OPENS: Final = date(2019, 7, 22)
BSE_OPENS: Final = date(2021, 11, 15)
REGISTRATION: Final = date(2023, 4, 10)


def before(day: date) -> date:
    """Return the day before `day`: the last one of the rule that it ends."""
    return day - timedelta(days=1)


def rules(topic: Topic, *rows: tuple[Scope, date | None, date | None, Value, str, Mark]) -> tuple[Rule[Value], ...]:
    """Make the rows of one topic: scope, first day, last day, value, source, mark."""
    return tuple(
        Rule(topic=topic, scope=scope, first_date=first, last_date=last, value=value, source=source, mark=mark)
        for scope, first, last, value, source, mark in rows
    )


ST_RULES: Final = "SSE, SZSE trading rules 2006, 2023"
RULES_2026: Final = "SSE trading rules 2026 (No. 41), SZSE trading rules 2026 (No. 551), issued 2026-04-24"

PRICE_LIMITS: Final = rules(
    Topic.PRICE_LIMIT,
    (Scope.MAIN, date(1996, 12, 16), None, 10, "SSE, SZSE notices of 1996", V),
    (Scope.MAIN_ST, date(1998, 4, 22), before(NEW_RULES), 5, ST_RULES, V),
    (Scope.MAIN_ST, NEW_RULES, None, 10, RULES_2026, D),
    (Scope.MAIN_UNREFORMED, date(2007, 1, 8), before(NEW_RULES), 5, "SSE, SZSE notices of 2007", U),
    (Scope.CHINEXT, date(2009, 10, 30), before(CHINEXT_REFORM), 10, "SZSE trading rules", V),
    (Scope.CHINEXT, CHINEXT_REFORM, None, 20, "SZSE ChiNext special rules 2020", V),
    (Scope.STAR, STAR_OPENS, None, 20, "SSE STAR special rules", V),
    (Scope.BSE, BSE_OPENS, None, 30, "BSE trading rules", V),
)
"""Percent of the reference price, up and down. A day without a row has no limit."""

LIMIT_ROUNDING: Final = rules(
    Topic.LIMIT_ROUNDING,
    (Scope.SSE, None, None, Rounding.HALF_UP, "SSE trading rules", V),
    (Scope.SZSE, None, None, Rounding.HALF_UP, "SZSE trading rules", V),
    (Scope.BSE, BSE_OPENS, None, Rounding.INWARDS, "BSE trading rules", V),
)

FIRST_DAY_44: Final = FirstDays(1, 44, 36, 80, 120)
FIRST_DAYS: Final = rules(
    Topic.FIRST_DAYS,
    (Scope.MAIN, date(1996, 12, 16), date(2013, 12, 31), FirstDays(1), "SSE, SZSE trading rules", R),
    (Scope.CHINEXT, date(2009, 10, 30), date(2013, 12, 31), FirstDays(1), "SZSE trading rules", R),
    (Scope.MAIN, date(2014, 1, 1), before(REGISTRATION), FIRST_DAY_44, "SSE, SZSE first-day notices", V),
    (Scope.CHINEXT, date(2014, 1, 1), before(CHINEXT_REFORM), FIRST_DAY_44, "SZSE first-day notice", V),
    (Scope.CHINEXT, CHINEXT_REFORM, None, FirstDays(5), "SZSE ChiNext special rules 2020", V),
    (Scope.STAR, STAR_OPENS, None, FirstDays(5), "SSE STAR special rules", V),
    (Scope.MAIN, REGISTRATION, None, FirstDays(5), "SSE, SZSE trading rules 2023", D),
    (Scope.MAIN, REGISTRATION, None, FIRST_DAY_44, "about 16 listings approved under the old system", U),
    (Scope.BSE, BSE_OPENS, None, FirstDays(1), "BSE trading rules", V),
    (Scope.RESUMED, None, None, FirstDays(1), "SSE, SZSE rules: first day of resumed or renewed listing", V),
)
"""By listing date; the limits are percent of the issue price."""

DELISTING: Final = rules(
    Topic.DELISTING,
    (Scope.DELISTING, date(2012, 1, 1), date(2020, 12, 30), DelistingPeriod(30, 0), "listing rules 2012-2013", V),
    (Scope.DELISTING, date(2020, 12, 31), None, DelistingPeriod(15, 1), "SSE, SZSE listing rules 2020", D),
    (Scope.DELISTED_BY_PRICE, date(2020, 12, 31), None, DelistingPeriod(0, 0), "SSE, SZSE listing rules 2020", D),
)
"""By the day of the decision. Inside, the board's ordinary limit holds, not that of ST shares."""

LOTS: Final = rules(
    Topic.LOT,
    (Scope.MAIN, None, None, LotSteps(100, 100, "whole"), "SSE, SZSE trading rules", D),
    (Scope.CHINEXT, None, None, LotSteps(100, 100, "whole"), "SZSE trading rules", D),
    (Scope.FUND, None, None, LotSteps(100, 100, "whole"), "SSE, SZSE trading rules", D),
    (Scope.STAR, STAR_OPENS, None, LotSteps(200, 1, "position"), "SSE STAR special rules", D),
    (Scope.BSE, BSE_OPENS, None, LotSteps(100, 1, "position"), "BSE trading rules", D),
    (Scope.MAIN, NEW_RULES, None, LotSteps(100, 1, "position"), "a study of 2023-08 only", U),
)

LARGEST_ORDERS: Final = rules(
    Topic.LARGEST_ORDER,
    (Scope.MAIN, None, None, LargestOrder(1_000_000, 1_000_000), "SSE, SZSE trading rules", R),
    (Scope.CHINEXT, None, None, LargestOrder(300_000, 150_000), "SZSE trading rules", R),
    (Scope.FUND, None, None, LargestOrder(1_000_000, 1_000_000), "SSE, SZSE trading rules", R),
    (Scope.STAR, STAR_OPENS, None, LargestOrder(100_000, 50_000), "SSE STAR special rules", R),
    (Scope.BSE, BSE_OPENS, None, LargestOrder(1_000_000, 1_000_000), "BSE trading rules", R),
)


def ticks(*bands: str) -> TickTable:
    """Read `bound:step` pairs; the last has no bound."""
    pairs = (band.partition(":") for band in bands)
    return TickTable(tuple((Decimal(bound) if bound else None, Decimal(step)) for bound, _, step in pairs))


HK_LOW: Final = (".25:.001", ".5:.005")
HK_HIGH: Final = ("100:.05", "200:.1", "500:.2", "1000:.5", "2000:1", "5000:2", ":5")
TICKS: Final = rules(
    Topic.TICK,
    (Scope.MAINLAND, None, None, ticks(":0.01"), "SSE, SZSE, BSE trading rules", V),
    (Scope.FUND, None, None, ticks(":0.001"), "SSE, SZSE trading rules", D),
    (Scope.SSE_B, None, None, ticks(":0.001"), "SSE trading rules (USD)", D),
    (Scope.SZSE_B, None, None, ticks(":0.01"), "SZSE trading rules (HKD)", D),
    (Scope.HK, None, date(2025, 8, 3), ticks(*HK_LOW, "10:.01", "20:.02", *HK_HIGH), "HKEX Rules, second schedule", V),
    (
        Scope.HK,
        date(2025, 8, 4),
        None,
        ticks(*HK_LOW, "20:.01", "50:.02", *HK_HIGH),
        "HKEX, spread reduction phase 1",
        D,
    ),
    (
        Scope.HK,
        date(2026, 7, 1),
        None,
        ticks(".25:.001", "10:.005", "20:.01", "50:.02", *HK_HIGH),
        "HKEX, spread reduction phase 2: mid-2026, day not found",
        U,
    ),
)

CAGES: Final = rules(
    Topic.PRICE_CAGE,
    (Scope.STAR, STAR_OPENS, None, PriceCage(102, 98, 0), "SSE STAR special rules", R),
    (Scope.CHINEXT, CHINEXT_REFORM, None, PriceCage(102, 98, 0), "SZSE ChiNext special rules 2020", R),
    (Scope.MAIN, REGISTRATION, None, PriceCage(102, 98, 10), "SSE, SZSE trading rules 2023", R),
    (Scope.BSE, BSE_OPENS, None, PriceCage(105, 95, 10), "BSE trading rules", D),
)

SETTLEMENT: Final = rules(
    Topic.SETTLEMENT,
    (Scope.MAINLAND, None, None, True, "exchange rules: bought today is not sold today", R),
    (Scope.FUND, None, None, True, "exchange rules: funds on mainland shares", R),
    (Scope.SAME_DAY_FUND, None, None, False, "exchange rules: bond, gold, money, commodity, cross-border funds", R),
    (Scope.HK, None, None, False, "HKEX: settlement T+2, sale the same day allowed", R),
)
"""Whether what is bought on a day can only be sold on a later one."""


def all_tables() -> Iterator[Rule[object]]:
    """Yield every row on prices and sizes."""
    for table in (PRICE_LIMITS, LIMIT_ROUNDING, FIRST_DAYS, DELISTING, LOTS, LARGEST_ORDERS, TICKS, CAGES, SETTLEMENT):
        yield from table
