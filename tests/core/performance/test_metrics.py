"""Return and risk figures: tables of cases worked out by hand, properties, and the slow reference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.performance import metrics
from core.performance.curve import Curve, CurveInvalid
from core.performance.figures import ANNUALIZATION, CHINA_ANNUALIZATION, Figure, Undefined, defined
from core.performance.metrics import Drawdown
from core.performance.periods import YearRow, yearly_table
from tests.support import slow_performance as slow

LEVELS = st.lists(st.integers(1, 10_000_000).map(lambda cents: cents / 100), min_size=1, max_size=40)


def curve(*equity: float, initial: float = 100.0, days: list[int] | None = None) -> Curve:
    return Curve.of(initial, days or [20240101 + place for place in range(len(equity))], list(equity))


def test_constants_are_those_named() -> None:
    assert (ANNUALIZATION, CHINA_ANNUALIZATION) == (252.0, 243.0)


@pytest.mark.parametrize(
    ("equity", "expected"), [((100.0,), 0.0), ((150.0, 125.0), 0.25), ((50.0,), -0.5), ((0.0,), -1.0)]
)
def test_total_return(equity: tuple[float, ...], expected: float) -> None:
    assert metrics.total_return(curve(*equity)) == Figure(expected)


def test_cagr_counts_periods_from_the_opening() -> None:
    assert metrics.cagr(curve(110.0, 121.0), annualization=2).value == pytest.approx(0.21)
    assert metrics.cagr(curve(110.0, 121.0), annualization=4).value == pytest.approx(1.21**2 - 1)
    assert metrics.cagr(curve(*[100.0] * 251, 200.0)).value == pytest.approx(1.0)
    assert metrics.cagr(curve(0.0)) == Figure(-1.0)
    assert metrics.cagr(curve(1e300)) == Figure(None, Undefined.TOO_LARGE)


def test_nothing_to_measure() -> None:
    empty, none = curve(), np.zeros(0)
    few = Figure(None, Undefined.TOO_FEW_PERIODS)
    assert metrics.total_return(empty) == metrics.cagr(empty) == few
    assert metrics.turnover(empty, 1.0) == metrics.exposure(np.zeros(0, dtype=bool)) == few
    assert metrics.max_drawdown(empty) == Drawdown(0.0, None, None, None)
    for short in (none, np.array([0.01])):
        assert metrics.volatility(short) == metrics.sharpe(short) == metrics.sortino(short) == few
    assert yearly_table(empty) == ()
    assert len(empty.daily) == 0
    assert empty.returns is not None


def test_volatility_sharpe_and_sortino_by_hand() -> None:
    """Returns 0.01, -0.01, 0.03: mean 0.01, deviation 0.02, downside sqrt(0.0001 / 3)."""
    returns = np.array([0.01, -0.01, 0.03])
    assert metrics.volatility(returns, annualization=100).value == pytest.approx(0.2)
    assert metrics.sharpe(returns, annualization=100).value == pytest.approx(5.0)
    assert metrics.sharpe(returns, annualization=100, risk_free=0.5).value == pytest.approx(2.5)
    assert metrics.sortino(returns, annualization=100).value == pytest.approx(0.1 / math.sqrt(0.0001 / 3))
    assert metrics.sortino(returns, annualization=100, target=1.0).value == pytest.approx(0.0)


def test_equal_returns_have_no_ratio_even_with_rounding_noise() -> None:
    returns = curve(*[100.0 * 1.01**place for place in range(1, 200)]).returns
    assert returns is not None
    assert metrics.volatility(returns) == Figure(0.0)
    assert metrics.sharpe(returns) == Figure(None, Undefined.NO_VARIANCE)
    assert metrics.sortino(returns) == Figure(None, Undefined.NO_DOWNSIDE)
    assert metrics.sharpe(np.zeros(5)).reason is Undefined.NO_VARIANCE
    assert metrics.sortino(np.zeros(5)).reason is Undefined.NO_DOWNSIDE


def test_a_cent_on_a_thousand_million_is_seen() -> None:
    returns = curve(1e9, 1e9 + 0.01, 1e9, 1e9 + 0.01, initial=1e9).returns
    assert returns is not None
    assert metrics.sharpe(returns).value is not None


@pytest.mark.parametrize(
    ("equity", "expected"),
    [
        ((100.0, 110.0, 110.0), Drawdown(0.0, None, None, None)),
        ((90.0, 95.0), Drawdown(-0.1, -1, 0, None)),
        ((90.0, 100.0), Drawdown(-0.1, -1, 0, 1)),
        ((120.0, 90.0, 119.0, 120.0), Drawdown(-0.25, 0, 1, 3)),
        ((120.0, 120.0, 90.0, 90.0), Drawdown(-0.25, 1, 2, None)),
        ((200.0, 100.0, 200.0, 100.0), Drawdown(-0.5, 0, 1, 2)),
        ((100.0, 50.0, 300.0, 180.0), Drawdown(-0.5, 0, 1, 2)),
        ((0.0,), Drawdown(-1.0, -1, 0, None)),
    ],
)
def test_drawdown(equity: tuple[float, ...], expected: Drawdown) -> None:
    found = metrics.max_drawdown(curve(*equity))
    assert found.depth == pytest.approx(expected.depth)
    assert (found.start, found.trough, found.recovery) == (expected.start, expected.trough, expected.recovery)


def test_calmar_exposure_turnover() -> None:
    fallen = Drawdown(-0.25, 0, 1, None)
    assert metrics.calmar(Figure(0.5), fallen) == Figure(2.0)
    assert metrics.calmar(Figure(0.5), Drawdown(0.0, None, None, None)).reason is Undefined.NO_DRAWDOWN
    assert metrics.calmar(Figure(None, Undefined.TOO_LARGE), fallen).reason is Undefined.TOO_LARGE
    assert metrics.exposure(np.array([True, False, False, True])) == Figure(0.5)
    assert metrics.exposure(None).reason is Undefined.NOT_RECORDED
    assert metrics.turnover(curve(100.0, 300.0), 800.0, annualization=4) == Figure(4.0)
    assert metrics.turnover(curve(100.0), None).reason is Undefined.NOT_RECORDED
    assert metrics.turnover(curve(0.0), 800.0).reason is Undefined.LOST_EVERYTHING


def test_minutes_are_measured_by_day_but_drawdown_by_bar() -> None:
    minutes = curve(110.0, 55.0, 110.0, 120.0, 100.0, 121.0, days=[20240102] * 3 + [20240103] * 3)
    assert minutes.daily.equity.tolist() == [110.0, 121.0]
    assert minutes.daily.days.tolist() == [20240102, 20240103]
    assert minutes.daily.daily is minutes.daily
    assert metrics.max_drawdown(minutes) == Drawdown(-0.5, 0, 1, 2)


def test_calendar_table() -> None:
    """Two months of 2023, a year without bars, one month of 2025."""
    days = [20231130, 20231215, 20231229, 20250102, 20250103]
    rows = yearly_table(curve(110.0, 100.0, 121.0, 60.5, 121.0, days=days))
    november, december = [None] * 10 + [0.1], 0.1
    assert [row.year for row in rows] == [2023, 2025]
    assert rows[0].months[:10] == (None,) * 10
    assert rows[0].months[10:] == pytest.approx((0.1, 0.1))
    assert rows[0].total == pytest.approx(0.21)
    assert rows[1] == YearRow(2025, (0.0,) + (None,) * 11, 0.0)
    assert (len(november), december) == (11, 0.1)


def test_a_period_that_begins_with_nothing_has_no_return() -> None:
    ruined = curve(0.0, 0.0, days=[20231229, 20240102])
    assert ruined.returns is None
    assert [row.total for row in yearly_table(ruined)] == [-1.0, None]
    only_at_the_end = curve(50.0, 0.0).returns
    assert only_at_the_end is not None
    assert only_at_the_end.tolist() == [-0.5, -1.0]


@pytest.mark.parametrize(
    ("initial", "days", "equity", "said"),
    [
        (0.0, [20240101], [1.0], "initial cash"),
        (math.nan, [20240101], [1.0], "initial cash"),
        (math.inf, [20240101], [1.0], "initial cash"),
        (1.0, [20240101], [1.0, 2.0], "1 days do not fit 2"),
        (1.0, [20240102, 20240101], [1.0, 2.0], "must not fall"),
        (1.0, [20240101, 20240102], [1.0, math.nan], "nan at bar 1"),
        (1.0, [20240101], [math.inf], "inf at bar 0"),
        (1.0, [20240101], [-0.01], "-0.01 at bar 0"),
    ],
)
def test_impossible_curves_are_refused(initial: float, days: list[int], equity: list[float], said: str) -> None:
    with pytest.raises(CurveInvalid, match=said):
        Curve.of(initial, days, equity)


def test_every_reason_has_its_sentence_in_both_languages() -> None:
    for reason in Undefined:
        assert reason.text.endswith(".")
        assert reason.text_zh.endswith("。")
    assert defined(math.nan).reason is Undefined.TOO_LARGE


@settings(max_examples=60, deadline=None)
@given(LEVELS, st.integers(1, 10_000_000))
def test_returns_chain_to_the_total_and_agree_with_fractions(equity: list[float], initial: int) -> None:
    made = curve(*equity, initial=initial / 100, days=[20240101] * len(equity))
    returns = made.returns
    assert returns is not None
    assert np.prod(1 + returns) == pytest.approx(1 + (metrics.total_return(made).value or 0.0), rel=1e-9)
    assert returns.tolist() == pytest.approx([float(value) for value in slow.returns(made.initial, equity)], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(LEVELS)
def test_drawdown_agrees_with_every_pair_of_bars(equity: list[float]) -> None:
    found = metrics.max_drawdown(curve(*equity, days=[20240101] * len(equity)))
    depth, *_ = slow.drawdown(100.0, equity)
    assert found.depth == pytest.approx(float(depth), abs=1e-12)
    assert -1.0 <= found.depth <= 0.0
    if found.trough is not None and found.start is not None:
        high = 100.0 if found.start < 0 else equity[found.start]
        assert equity[found.trough] / high - 1 == pytest.approx(float(depth), abs=1e-12)
        assert found.start < found.trough
        later = [place for place in range(found.trough, len(equity)) if equity[place] >= high]
        assert found.recovery == (later[0] if later else None)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-900, 900).map(lambda basis: basis / 10_000), min_size=2, max_size=60),
    st.sampled_from([252.0, 243.0, 52.0]),
    st.sampled_from([0.0, 0.02]),
)
def test_ratios_agree_with_the_reference(values: list[float], annualization: float, rate: float) -> None:
    returns = np.array(values)
    found = metrics.sharpe(returns, annualization=annualization, risk_free=rate)
    if len(set(values)) == 1:
        assert found.reason is Undefined.NO_VARIANCE
    else:
        assert found.value == pytest.approx(slow.sharpe(values, annualization, rate), rel=1e-9, abs=1e-9)
    below = metrics.sortino(returns, annualization=annualization, target=rate)
    if min(values) - rate / annualization >= 0:
        assert below.reason is Undefined.NO_DOWNSIDE
    else:
        assert below.value == pytest.approx(slow.sortino(values, annualization, rate), rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(LEVELS, st.lists(st.integers(0, 900), min_size=40, max_size=40))
def test_years_and_months_chain_to_the_total(equity: list[float], gaps: list[int]) -> None:
    days, day = [], np.datetime64("2019-01-01")
    for gap in gaps[: len(equity)]:
        day = day + gap
        days.append(int(str(day).replace("-", "")))
    made = curve(*equity, days=days)
    whole = 1 + (metrics.total_return(made).value or 0.0)
    rows = yearly_table(made)
    assert math.prod(1 + (row.total or 0.0) for row in rows) == pytest.approx(whole, rel=1e-9)
    months = [month for row in rows for month in row.months if month is not None]
    assert math.prod(1 + month for month in months) == pytest.approx(whole, rel=1e-9)
