"""The dated rules on what a trade costs, one row each, with source and mark. Reviewed to 2026-11-20."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Final

from core.market.rules_model import Charge, DividendTax, Rounding, Rule, Scope, Side, Topic
from core.market.rules_table import BSE_OPENS, D, R, U, before, rules

SELLER: Final = frozenset({Side.SELL})
FEE_CUT_2015: Final = date(2015, 8, 1)
FEE_CUT_2022: Final = date(2022, 4, 29)
TAX_CUT_2023: Final = date(2023, 8, 28)
BSE_NOTICE: Final = "BSE notice 54 of 2023"


def percent(rate: str, **more: object) -> Charge:
    """Make a charge from a rate in percent."""
    return Charge(Decimal(rate) / 100, **more)  # type: ignore[arg-type]


NOTHING: Final = percent("0")

STAMP_DUTY: Final = rules(
    Topic.STAMP_DUTY,
    (Scope.MAINLAND, date(2007, 5, 30), date(2008, 4, 23), percent("0.3"), "Ministry of Finance 2007", R),
    (Scope.MAINLAND, date(2008, 4, 24), date(2008, 9, 18), percent("0.1"), "Ministry of Finance 2008-04", R),
    (
        Scope.MAINLAND,
        date(2008, 9, 19),
        before(TAX_CUT_2023),
        percent("0.1", sides=SELLER),
        "Ministry of Finance 2008-09",
        R,
    ),
    (Scope.MAINLAND, TAX_CUT_2023, None, percent("0.05", sides=SELLER), "Ministry of Finance, notice 39 of 2023", D),
    (Scope.FUND, None, None, NOTHING, "funds are not taxed", D),
    (
        Scope.HK,
        None,
        date(2021, 7, 31),
        percent("0.1", rounding=Rounding.UP_TO_DOLLAR),
        "HK Government, stamp duty ordinance",
        D,
    ),
    (
        Scope.HK,
        date(2021, 8, 1),
        date(2023, 11, 16),
        percent("0.13", rounding=Rounding.UP_TO_DOLLAR),
        "HK Government 2021",
        D,
    ),
    (Scope.HK, date(2023, 11, 17), None, percent("0.1", rounding=Rounding.UP_TO_DOLLAR), "HKEX CT/152/23", D),
    (Scope.HK_FUND, None, None, NOTHING, "HK Government: exchange traded funds are not taxed", D),
)

TRANSFER_FEE: Final = rules(
    Topic.TRANSFER_FEE,
    (Scope.SSE, date(2012, 9, 1), before(FEE_CUT_2015), percent("0.03", on_par=True), "CSDC 2012, 2015", D),
    (Scope.SSE, date(2012, 9, 1), before(FEE_CUT_2015), percent("0.06", on_par=True), "statements of the time", U),
    (Scope.SZSE, None, before(FEE_CUT_2015), percent("0.00255", inside_commission=True), "CSDC 2015", D),
    (Scope.SSE, FEE_CUT_2015, before(FEE_CUT_2022), percent("0.002"), "CSDC 2015-07", D),
    (Scope.SZSE, FEE_CUT_2015, before(FEE_CUT_2022), percent("0.002"), "CSDC 2015-07", D),
    (Scope.BSE, BSE_OPENS, before(FEE_CUT_2022), percent("0.0025"), "CSDC 2022-04-28", D),
    (Scope.SSE, FEE_CUT_2022, None, percent("0.001"), "CSDC 2022-04-28", D),
    (Scope.SZSE, FEE_CUT_2022, None, percent("0.001"), "CSDC 2022-04-28", D),
    (Scope.BSE, FEE_CUT_2022, None, percent("0.001"), "CSDC 2022-04-28", D),
    (Scope.FUND, None, None, NOTHING, "CSDC 2022-04-28", D),
)


def handling(rate: str) -> Charge:
    """Make an exchange handling fee; brokers include it."""
    return percent(rate, inside_commission=True)


HANDLING_FEE: Final = rules(
    Topic.HANDLING_FEE,
    *(
        row
        for scope, exchange in ((Scope.SSE, "SSE"), (Scope.SZSE, "SZSE"))
        for row in (
            (scope, None, before(FEE_CUT_2015), handling("0.00696"), exchange, D),
            (scope, FEE_CUT_2015, before(TAX_CUT_2023), handling("0.00487"), exchange, D),
            (scope, TAX_CUT_2023, None, handling("0.00341"), exchange, D),
        )
    ),
    (Scope.BSE, BSE_OPENS, date(2022, 11, 30), handling("0.05"), "one reading of " + BSE_NOTICE, U),
    (Scope.BSE, BSE_OPENS, before(TAX_CUT_2023), handling("0.025"), BSE_NOTICE, D),
    (Scope.BSE, TAX_CUT_2023, None, handling("0.0125"), BSE_NOTICE, D),
)

REGULATORY_FEE: Final = rules(
    Topic.REGULATORY_FEE,
    (Scope.MAINLAND, date(2012, 1, 1), None, handling("0.002"), "NDRC 2119 of 2012", D),
)

COMMISSION: Final = rules(
    Topic.COMMISSION,
    (
        Scope.MAINLAND,
        None,
        None,
        percent("0.3", minimum=Decimal(5)),
        "brokers: negotiated; this is the highest rate and the usual least amount per order and day",
        R,
    ),
)

HK_FEES: Final = (
    *rules(
        Topic.SFC_LEVY,
        (Scope.HK, date(2010, 10, 1), date(2014, 10, 31), percent("0.003"), "HKEX", D),
        (Scope.HK, date(2014, 11, 1), None, percent("0.0027"), "HKEX", D),
    ),
    *rules(Topic.FRC_LEVY, (Scope.HK, date(2022, 1, 1), None, percent("0.00015"), "HKEX", D)),
    *rules(
        Topic.TRADING_FEE,
        (Scope.HK, None, date(2022, 12, 31), percent("0.005"), "HKEX", D),
        (Scope.HK, date(2023, 1, 1), None, percent("0.00565"), "HKEX", D),
    ),
    *rules(
        Topic.TRADING_TARIFF,
        (Scope.HK, None, date(2022, 12, 31), Charge(Decimal(0), fixed=Decimal("0.50")), "HKEX", D),
    ),
    *rules(
        Topic.SETTLEMENT_FEE,
        (
            Scope.HK,
            None,
            date(2025, 6, 29),
            percent("0.002", minimum=Decimal(2), maximum=Decimal(100)),
            "HKEX 2025-02-21",
            D,
        ),
        (Scope.HK, date(2025, 6, 30), None, percent("0.0042"), "HKEX 2025-02-21", D),
        (
            Scope.HK_FUND,
            None,
            date(2025, 6, 29),
            percent("0.002", minimum=Decimal(2), maximum=Decimal(100)),
            "HKEX 2025-02-21",
            D,
        ),
        (Scope.HK_FUND, date(2025, 6, 30), None, percent("0.002"), "HKEX 2025-02-21", D),
    ),
)

NOTICE_101: Final = date(2015, 9, 8)


def dividend_tax(month: str, year: str, longer: str, at_payment: str) -> DividendTax:
    """Make the rates of a dividend tax from percents."""
    return DividendTax(*(Decimal(rate) / 100 for rate in (month, year, longer, at_payment)))


DIVIDEND_TAX: Final = rules(
    Topic.DIVIDEND_TAX,
    (
        Scope.MAINLAND,
        date(2013, 1, 1),
        before(NOTICE_101),
        dividend_tax("20", "10", "5", "5"),
        "Ministry of Finance, notice 85 of 2012",
        R,
    ),
    (
        Scope.MAINLAND,
        NOTICE_101,
        None,
        dividend_tax("20", "10", "0", "0"),
        "Ministry of Finance, notice 101 of 2015",
        D,
    ),
    (
        Scope.STOCK_CONNECT,
        date(2014, 11, 17),
        None,
        dividend_tax("20", "20", "20", "20"),
        "Ministry of Finance, notice 81 of 2014: dividends from Hong Kong",
        R,
    ),
)
"""By the record date of the dividend; what individuals pay."""


def all_tables() -> Iterator[Rule[object]]:
    """Yield every row on costs."""
    for table in (STAMP_DUTY, TRANSFER_FEE, HANDLING_FEE, REGULATORY_FEE, COMMISSION, HK_FEES, DIVIDEND_TAX):
        yield from table
