"""Reading of plain values: what is understood, what is refused and in which words."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from tools.argument_types import (
    read_boolean,
    read_day,
    read_decimal,
    read_float,
    read_integer,
    read_moment,
    read_text,
    split_list,
)


@pytest.mark.parametrize(
    ("reader", "value", "expected"),
    [
        (read_text, "000878", "000878"),
        (read_text, "平安银行", "平安银行"),
        (read_integer, 5, 5),
        (read_integer, "-05", -5),
        (read_integer, Decimal("5.0"), 5),
        (read_integer, 2**63 - 1, 2**63 - 1),
        (read_decimal, "12.50", Decimal("12.50")),
        (read_decimal, 7, Decimal(7)),
        (read_decimal, 0.1, Decimal("0.1")),
        (read_decimal, Decimal("1E-8"), Decimal("1E-8")),
        (read_decimal, "-.5", Decimal("-0.5")),
        (read_float, "0.25", 0.25),
        (read_boolean, True, True),
        (read_boolean, "False", False),
        (read_day, "2026-11-20", date(2026, 11, 20)),
        (read_day, "20261120", date(2026, 11, 20)),
        (read_day, date(2026, 11, 20), date(2026, 11, 20)),
        (read_moment, "2026-11-20T15:30:00+08:00", datetime(2026, 11, 20, 7, 30, tzinfo=UTC)),
        (split_list, "600519.SH, 000001.SZ", ["600519.SH", "000001.SZ"]),
        (split_list, " ", []),
        (split_list, ["a,b"], ["a,b"]),
    ],
)
def test_understood(reader, value, expected):
    read = reader(value)
    assert (read, type(read)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("reader", "value", "words"),
    [
        (read_text, 878, 'write "878" in quotes'),
        (read_text, Decimal("1.50"), 'write "1.50" in quotes'),
        (read_text, "a\x00b", "NUL"),
        (read_text, "\ud800", "surrogate"),
        (read_integer, True, "must be an integer"),
        (read_integer, "5.5", "must be an integer"),
        (read_integer, Decimal("5.5"), "must be an integer"),
        (read_integer, Decimal("NaN"), "must be an integer"),
        (read_integer, float("inf"), "must be an integer"),
        (read_integer, "٥", "must be an integer"),
        (read_integer, None, "must be an integer"),
        (read_integer, 2**63, "64 bits"),
        (read_integer, "9" * 40, "64 bits"),
        (read_integer, "9" * 5000, "must be an integer"),
        (read_decimal, True, "must be a decimal number"),
        (read_decimal, None, "must be a decimal number"),
        (read_decimal, "NaN", "finite"),
        (read_decimal, float("nan"), "finite"),
        (read_decimal, "Infinity", "finite"),
        (read_decimal, Decimal("-Infinity"), "finite"),
        (read_decimal, "1e99", "at most 40 digits"),
        (read_decimal, "1e-99", "at most 40 digits"),
        (read_decimal, "1" * 41, "at most 40 digits"),
        (read_decimal, "1_000", "finite"),
        (read_decimal, "", "finite"),
        (read_float, "nan", "finite"),
        (read_boolean, 1, "true or false"),
        (read_boolean, "yes", "true or false"),
        (read_day, 20261120, 'write "20261120" in quotes'),
        (read_day, "2026-02-30", "a day that exists"),
        (read_day, "2026-1-2", "YYYY-MM-DD"),
        (read_day, datetime(2026, 11, 20, tzinfo=timezone(timedelta(0))), "YYYY-MM-DD"),
        (read_moment, "2026-11-20T15:30:00", "with a zone"),
        (read_moment, "yesterday", "ISO 8601"),
    ],
)
def test_refused(reader, value, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        reader(value)
