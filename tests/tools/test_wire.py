"""Wire form: exact texts, and loud refusal of what has none."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.wire import camel, exceeds, to_wire


class Side(StrEnum):
    BUY = "buy"


@dataclass(frozen=True, slots=True)
class Line:
    stock_num: str
    unit_price: Decimal
    sold_on: date | None = None
    note_text: str | None = field(default=None, metadata={"omit_none": True})


def test_a_dataclass_becomes_camel_case_with_exact_texts():
    assert to_wire(Line("000878", Decimal("1E+2"))) == {"stockNum": "000878", "unitPrice": "100", "soldOn": None}
    assert to_wire((Line("1", Decimal("-0.00"), date(2026, 11, 20), "x"),)) == [
        {"stockNum": "1", "unitPrice": "0.00", "soldOn": "2026-11-20", "noteText": "x"}
    ]


def test_keys_of_plain_dictionaries_are_data():
    assert to_wire({"day_id": Side.BUY, Side.BUY: datetime(2026, 11, 20, 7, tzinfo=UTC)}) == {
        "day_id": "buy",
        "buy": "2026-11-20T07:00:00+00:00",
    }


@pytest.mark.parametrize(
    "value",
    [np.float64(1.5), np.int64(1), np.array([1]), {1: "a"}, pytest.param(object(), id="object"), b"x", Line],
    ids=repr,
)
def test_values_without_wire_form_are_refused(value):
    with pytest.raises(TypeError, match="no wire form"):
        to_wire(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), datetime(2026, 1, 1)])  # noqa: DTZ001
def test_numbers_that_are_not_finite_and_moments_without_zone_are_refused(value):
    with pytest.raises(ValueError, match=r"no wire form|no zone"):
        to_wire([value])


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20))
def test_decimal_text_is_exact_and_plain(number):
    text = to_wire(number)
    assert Decimal(text) == number
    assert "E" not in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [("filter_value_2", "filterValue2"), ("assetId", "assetId"), ("add1", "add1"), ("pnl", "pnl")],
)
def test_camel(name, expected):
    assert camel(name) == expected


def test_exceeds_counts_about_as_json_does_and_stops_early():
    rows = [{"day_id": "20261120", "close": "12.50"}] * 1000
    assert not exceeds(rows, 60_000)
    assert exceeds(rows, 30_000)
    assert not exceeds({"a": None}, 14)
