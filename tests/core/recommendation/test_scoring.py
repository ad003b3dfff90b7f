"""The arithmetic of how advice turned out."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.recommendation.scoring import Closes, score

MONDAY = date(2024, 1, 8)
TARGETS = {1: date(2024, 1, 9), 5: date(2024, 1, 15), 20: date(2024, 2, 5)}


def closes(*pairs: tuple[date, float]) -> Closes:
    return Closes([day for day, _ in pairs], [price for _, price in pairs])


STOCK = closes((MONDAY, 10.0), (TARGETS[1], 10.5), (TARGETS[5], 9.0), (TARGETS[20], 12.0))
INDEX = closes((MONDAY, 3000.0), (TARGETS[1], 3030.0), (TARGETS[5], 3000.0), (TARGETS[20], 3300.0))


def test_returns_and_excess_by_hand():
    outcome = score(STOCK, base=MONDAY, targets=TARGETS, benchmark=INDEX, benchmark_symbol="000300.SH")
    assert (outcome.base_date, outcome.benchmark) == (MONDAY, "000300.SH")
    assert (outcome.return_1, outcome.return_5, outcome.return_20) == (
        Decimal("0.050000"),
        Decimal("-0.100000"),
        Decimal("0.200000"),
    )
    assert (outcome.excess_1, outcome.excess_5, outcome.excess_20) == (
        Decimal("0.040000"),
        Decimal("-0.100000"),
        Decimal("0.100000"),
    )


def test_days_not_reached_have_no_figure():
    short = closes((MONDAY, 10.0), (TARGETS[1], 11.0))
    outcome = score(short, base=MONDAY, targets=TARGETS, benchmark=None, benchmark_symbol="000300.SH")
    assert (outcome.return_1, outcome.return_5, outcome.return_20) == (Decimal("0.100000"), None, None)
    assert outcome.excess_1 is outcome.benchmark is None
    assert score(short, base=MONDAY, targets={}, benchmark=INDEX, benchmark_symbol="x").return_1 is None


def test_suspended_stock_keeps_its_price_while_the_market_goes_on():
    halted = closes((MONDAY, 10.0))
    outcome = score(halted, base=MONDAY, targets=TARGETS, benchmark=INDEX, benchmark_symbol="000300.SH")
    assert (outcome.return_1, outcome.excess_1) == (Decimal("0.000000"), Decimal("-0.010000"))
    before = score(halted, base=date(2024, 1, 5), targets=TARGETS, benchmark=INDEX, benchmark_symbol="000300.SH")
    assert before.return_1 is None


def test_benchmark_that_stops_gives_no_excess():
    stopped = closes((MONDAY, 3000.0))
    outcome = score(STOCK, base=MONDAY, targets=TARGETS, benchmark=stopped, benchmark_symbol="000300.SH")
    assert outcome.return_20 == Decimal("0.200000")
    assert outcome.excess_20 is None


@given(
    prices=st.lists(st.floats(0.5, 5000), min_size=21, max_size=40),
    factor=st.sampled_from([0.25, 1.0, 2.0, 64.0]),
)
def test_a_common_factor_cancels_and_a_stock_has_no_excess_over_itself(prices: list[float], factor: float):
    days = [MONDAY + timedelta(days=place) for place in range(len(prices))]
    targets = {horizon: days[horizon] for horizon in (1, 5, 20)}
    series, scaled = Closes(days, prices), Closes(days, [price * factor for price in prices])
    one = score(series, base=MONDAY, targets=targets, benchmark=scaled, benchmark_symbol="x")
    other = score(scaled, base=MONDAY, targets=targets, benchmark=series, benchmark_symbol="x")
    assert one == other
    assert one.excess_1 == one.excess_5 == one.excess_20 == 0
