"""Sessions and dividend tax by date, and the marks of the largest orders."""

from datetime import date, time
from decimal import Decimal

import pytest

from core.market.model import Board, Exchange, InstrumentKind
from core.market.rules import all_rules, lot_rule
from core.market.rules_dividends import dividend_tax, dividend_tax_rate
from core.market.rules_model import Auction, LotRule, Mark, RuleNotKnown, Session, Topic
from core.market.rules_sessions import trading_sessions

FUND = InstrumentKind.FUND
FIXED_PRICE = Session(time(15, 5), time(15, 30))


@pytest.mark.parametrize(
    ("exchange", "kind", "day", "has_auction"),
    [
        (Exchange.SZSE, InstrumentKind.STOCK, date(2006, 6, 30), False),
        (Exchange.SZSE, InstrumentKind.STOCK, date(2006, 7, 1), True),
        (Exchange.SZSE, FUND, date(2006, 7, 1), True),
        (Exchange.SSE, InstrumentKind.STOCK, date(2018, 8, 17), False),
        (Exchange.SSE, InstrumentKind.STOCK, date(2018, 8, 20), True),
        (Exchange.SSE, FUND, date(2026, 7, 3), False),
        (Exchange.SSE, FUND, date(2026, 7, 6), True),
        (Exchange.BSE, InstrumentKind.STOCK, date(2021, 11, 15), True),
    ],
)
def test_continuous_trading_ends_where_a_closing_auction_begins(exchange, kind, day, has_auction) -> None:
    found = trading_sessions(exchange, day, kind=kind)
    end = time(14, 57) if has_auction else time(15, 0)
    assert found.continuous == (Session(time(9, 30), time(11, 30)), Session(time(13, 0), end))
    assert found.closing_auction == (Auction(time(14, 57), time(15, 0)) if has_auction else None)
    assert found.opening_auction == Auction(time(9, 15), time(9, 25), cancel_until=time(9, 20))


@pytest.mark.parametrize(
    ("exchange", "board", "kind", "first"),
    [
        (Exchange.SSE, Board.STAR, InstrumentKind.STOCK, date(2019, 7, 22)),
        (Exchange.SZSE, Board.CHINEXT, InstrumentKind.STOCK, date(2020, 8, 24)),
        (Exchange.SSE, Board.MAIN, InstrumentKind.STOCK, date(2026, 7, 6)),
        (Exchange.SZSE, Board.MAIN, InstrumentKind.STOCK, date(2026, 7, 6)),
        (Exchange.SSE, None, FUND, date(2026, 7, 6)),
    ],
)
def test_after_hours_trading_begins_by_board(exchange, board, kind, first) -> None:
    eve = date.fromordinal(first.toordinal() - 1)
    assert trading_sessions(exchange, eve, board=board, kind=kind).after_hours is None
    assert trading_sessions(exchange, first, board=board, kind=kind).after_hours == FIXED_PRICE


def test_what_is_uncertain_of_beijing_is_not_applied() -> None:
    assert trading_sessions(Exchange.BSE, date(2026, 11, 20), board=Board.BSE).after_hours is None


def test_the_circuit_breaker_closed_two_days_early() -> None:
    days = [date(2016, 1, day) for day in (4, 5, 6, 7, 8)]
    closed = [day.day for day in days if trading_sessions(Exchange.SSE, day).closed_early]
    assert closed == [4, 7]


def test_hong_kong_has_no_sessions_here() -> None:
    with pytest.raises(RuleNotKnown, match="No rule on continuous for HK on 2026-11-20"):
        trading_sessions(Exchange.HKEX, date(2026, 11, 20))


@pytest.mark.parametrize(
    ("bought", "sold", "record_date", "rate"),
    [
        (date(2015, 9, 1), date(2015, 10, 1), date(2015, 9, 8), "0.2"),
        (date(2015, 9, 1), date(2015, 10, 2), date(2015, 9, 8), "0.1"),
        (date(2015, 9, 1), date(2016, 9, 1), date(2015, 9, 8), "0.1"),
        (date(2015, 9, 1), date(2016, 9, 2), date(2015, 9, 8), "0"),
        (date(2014, 1, 2), date(2015, 9, 30), date(2015, 9, 7), "0.05"),
        (date(2026, 1, 31), date(2026, 2, 28), date(2026, 2, 2), "0.2"),
        (date(2026, 1, 31), date(2026, 3, 1), date(2026, 2, 2), "0.1"),
        (date(2024, 2, 29), date(2025, 2, 28), date(2024, 6, 3), "0.1"),
        (date(2024, 12, 15), date(2025, 1, 15), date(2024, 12, 16), "0.2"),
    ],
)
def test_dividend_tax_by_record_date_and_calendar_months(bought, sold, record_date, rate) -> None:
    assert dividend_tax_rate(bought, sold, record_date=record_date) == Decimal(rate)


def test_what_is_withheld_when_a_dividend_is_paid() -> None:
    assert dividend_tax(date(2013, 1, 1)).at_payment == Decimal("0.05")
    assert dividend_tax(date(2015, 9, 8)).at_payment == 0
    assert dividend_tax(date(2014, 11, 17), through_stock_connect=True).at_payment == Decimal("0.2")
    with pytest.raises(RuleNotKnown):
        dividend_tax(date(2012, 12, 31))


def test_sizes_and_largest_orders_have_marks_of_their_own() -> None:
    rows = [row for row in all_rules() if row.mark is not Mark.UNCERTAIN]
    assert {row.mark for row in rows if row.topic is Topic.LOT} == {Mark.DOCUMENTED}
    assert {row.mark for row in rows if row.topic is Topic.LARGEST_ORDER} == {Mark.RECALLED}
    assert lot_rule(Board.CHINEXT, date(2026, 11, 20)) == LotRule(100, 100, "whole", 300_000, 150_000)
    assert lot_rule(Board.STAR, date(2026, 11, 20)) == LotRule(200, 1, "position", 100_000, 50_000)
