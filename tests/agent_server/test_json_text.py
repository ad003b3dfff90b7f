"""JSON in and out."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.json_text import JsonInvalid, decode, encode, storable

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**50), 10**50)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read_again(value: object) -> None:
    assert decode(encode(value)) == value


def test_numbers_keep_every_digit() -> None:
    assert decode(b"[0.1, 12345678901234567890.10, 1E+2, 7]") == [
        Decimal("0.1"),
        Decimal("12345678901234567890.10"),
        Decimal("1E+2"),
        7,
    ]
    assert isinstance(decode(b"1.0"), Decimal)
    assert isinstance(decode(b"1"), int)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"NaN", "NaN is not a number"),
        (b"[1,]", "Illegal trailing comma before end of array at line 1, column 3"),
        (b'{"a":1,"a":1}', "the key 'a' is given twice"),
        (b"\xff", "byte 0 is not UTF-8"),
        (b"1e-70", "the number 1e-70 is out of range"),
        (b"1" * 61, "the number 11111111111111111111... is too long"),
        (b"0." + b"1" * 60, "the number 0.111111111111111111... is too long"),
        (b'["\\u0000"]', "a text holds the NUL character or half a surrogate pair"),
        (b'{"\\udfff": 1}', "a text holds the NUL character or half a surrogate pair"),
    ],
)
def test_faults_are_named(text: bytes, reason: str) -> None:
    with pytest.raises(JsonInvalid) as caught:
        decode(text)
    if b"," not in text:
        assert caught.value.data["reason"] == reason


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert decode(b'"\\ud83d\\ude00"') == "\U0001f600"
    assert storable("\U0001f600")
    assert not storable("a\0b")
