"""The calendars, against the library they were made from and against the days with an index bar."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.model import Exchange, TradingDay
from core.market.trading_calendar import (
    SHIPPED,
    CalendarBegins,
    CalendarEnds,
    CalendarFileInvalid,
    TradingCalendars,
)
from tests.support import calendar_tables

CALENDARS = TradingCalendars.load()
SHANGHAI, HONG_KONG = CALENDARS.shanghai, CALENDARS.hongkong
DAYS = st.dates(date(1991, 1, 7), date(2026, 12, 20))


def test_the_shipped_table_is_what_the_generator_makes() -> None:
    assert SHIPPED.read_text("ascii").splitlines() == list(calendar_tables.rows())


@pytest.mark.parametrize(("code", "calendar"), [("XSHG", SHANGHAI), ("XHKG", HONG_KONG)])
def test_days_equal_exchange_calendars(code, calendar) -> None:
    opened, half = calendar_tables.sessions(code)
    assert set(calendar.between(min(opened), calendar.last)) == opened
    assert calendar.half_days == half


def test_days_equal_the_days_with_an_index_bar(shared_data: Path) -> None:
    import pyarrow.parquet

    seen = pyarrow.parquet.read_table(shared_data / "trade_calendar.parquet")["trade_date"].to_pylist()
    assert SHANGHAI.between(SHANGHAI.first, SHANGHAI.last) == sorted(seen)


def test_every_day_with_a_stock_bar_since_2015_is_open(shared_data: Path) -> None:
    import pyarrow.parquet

    bars = pyarrow.parquet.read_table(shared_data / "daily_bars.parquet", columns=["trade_date"])
    assert all(SHANGHAI.is_trading_day(day) for day in bars["trade_date"].unique().to_pylist())


@pytest.mark.parametrize(
    ("exchange", "day", "is_open"),
    [
        (Exchange.SSE, date(2026, 11, 20), True),
        (Exchange.SZSE, date(2026, 11, 21), False),
        (Exchange.BSE, date(2026, 10, 1), False),
        (Exchange.SSE, date(1990, 12, 19), True),
        (Exchange.SSE, date(2026, 12, 31), True),
        (Exchange.HKEX, date(2026, 10, 2), True),
        (Exchange.HKEX, date(2026, 12, 25), False),
        (Exchange.HKEX, date(2023, 9, 1), False),
        (Exchange.HKEX, date(2023, 9, 8), False),
    ],
)
def test_single_days(exchange, day, is_open) -> None:
    assert CALENDARS.of(exchange).is_trading_day(day) is is_open


def test_description_of_days() -> None:
    assert HONG_KONG.describe(date(2026, 12, 24), Exchange.HKEX) == TradingDay(
        date(2026, 12, 24), Exchange.HKEX, is_open=True, is_half_day=True, note="half day"
    )
    assert SHANGHAI.describe(date(2026, 10, 1), Exchange.SSE).note == "holiday"
    assert SHANGHAI.describe(date(2026, 11, 21), Exchange.SSE).note == "weekend"
    assert SHANGHAI.describe(date(2026, 11, 20), Exchange.SSE).note == ""


def test_steps_over_a_holiday() -> None:
    assert SHANGHAI.next(date(2026, 9, 30)) == date(2026, 10, 8)
    assert SHANGHAI.previous(date(2026, 10, 8)) == date(2026, 9, 30)
    assert SHANGHAI.shift(date(2026, 10, 3), 0) == date(2026, 10, 8)
    assert SHANGHAI.shift(date(2026, 10, 3), 1) == date(2026, 10, 8)
    assert SHANGHAI.shift(date(2026, 10, 3), -1) == date(2026, 9, 30)
    assert SHANGHAI.shift(date(2026, 10, 8), 2) == date(2026, 10, 12)
    assert SHANGHAI.count(date(2026, 9, 30), date(2026, 10, 9)) == 3
    assert SHANGHAI.count(date(2026, 10, 9), date(2026, 9, 30)) == 0


@pytest.mark.parametrize("year", range(2015, 2026))
def test_years_have_242_to_244_days(year) -> None:
    assert 242 <= SHANGHAI.count(date(year, 1, 1), date(year, 12, 31)) <= 244


def test_beyond_the_end_is_an_error() -> None:
    with pytest.raises(CalendarEnds, match="known to 2026-12-31; 2027-01-04 lies beyond"):
        SHANGHAI.is_trading_day(date(2027, 1, 4))
    with pytest.raises(CalendarEnds):
        SHANGHAI.next(date(2026, 12, 31))
    with pytest.raises(CalendarBegins):
        SHANGHAI.previous(date(1990, 12, 19))
    with pytest.raises(CalendarBegins):
        HONG_KONG.is_trading_day(date(1989, 12, 29))


@pytest.mark.parametrize(
    ("today", "warned"),
    [
        (date(2026, 11, 20), 0),
        (date(2026, 11, 30), 0),
        (date(2026, 12, 1), 2),
        (date(2026, 12, 5), 2),
        (date(2027, 1, 5), 2),
    ],
)
def test_warnings_start_30_days_before_the_end(today, warned) -> None:
    warnings = CALENDARS.warnings(today)
    assert len(warnings) == warned
    assert all("ends on 2026-12-31" in warning for warning in warnings)


@given(DAYS, st.integers(1, 6))
def test_next_is_the_nearest_later_open_day(day, count) -> None:
    later = SHANGHAI.next(day)
    assert SHANGHAI.is_trading_day(later)
    assert SHANGHAI.count(day, later) == 1 + SHANGHAI.is_trading_day(day)
    assert SHANGHAI.previous(later) == (day if SHANGHAI.is_trading_day(day) else SHANGHAI.previous(day))


@given(DAYS.filter(SHANGHAI.is_trading_day), st.integers(-4, 4))
def test_shift_there_and_back_is_identity(day, count) -> None:
    assert SHANGHAI.shift(SHANGHAI.shift(day, count), -count) == day


def write(folder: Path, *rows: str) -> Path:
    path = folder / "calendars.csv"
    path.write_text("\n".join(["calendar,day,kind,note", *rows]) + "\n", encoding="utf-8")
    return path


def test_a_desk_extends_the_calendar_and_closes_a_typhoon_day(tmp_path: Path) -> None:
    calendars = TradingCalendars.load(
        write(
            tmp_path,
            "hongkong,2026-11-24,closed,台风",
            "shanghai,2027-12-31,end,",
            "shanghai,2027-01-01,closed,元旦",
            "shanghai,2027-01-02,open,",
        )
    )
    assert calendars.hongkong.describe(date(2026, 11, 24), Exchange.HKEX).note == "台风"
    assert calendars.hongkong.is_trading_day(date(2026, 11, 24)) is False
    assert calendars.shanghai.next(date(2026, 12, 31)) == date(2027, 1, 2)
    assert calendars.shanghai.last == date(2027, 12, 31)
    assert calendars.warnings(date(2026, 12, 20)) == [
        "The Hong Kong trading calendar ends on 2026-12-31: add the days announced since to calendars.csv."
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("tokyo,2026-12-01,closed,", "line 2: expected one of shanghai"),
        ("shanghai,2026-13-01,closed,", "'2026-13-01' is not a day"),
        ("shanghai,2026-12-01,shut,", "line 2: expected"),
        ("shanghai,2026-12-01", "line 2: expected"),
        ("shanghai,2027-03-01,closed,", "lies outside"),
    ],
)
def test_a_bad_extension_is_refused(tmp_path: Path, row, message) -> None:
    with pytest.raises(CalendarFileInvalid, match=message):
        TradingCalendars.load(write(tmp_path, row))


def test_a_file_without_the_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calendars.csv"
    path.write_text("shanghai,2026-12-01,closed,\n", encoding="utf-8")
    with pytest.raises(CalendarFileInvalid, match="header"):
        TradingCalendars.load(path)
