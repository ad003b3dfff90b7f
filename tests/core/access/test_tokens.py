import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access.tokens import checksum, hash_secret, is_reserved, is_well_formed, new_token
from core.ids import ALPHABET, SeededIds


def test_a_token_has_a_known_shape() -> None:
    secret = new_token(SeededIds(1))
    assert (len(secret), secret[:6]) == (65, "lgatk_")
    assert is_well_formed(secret)
    assert set(secret[6:]) <= set(ALPHABET)


def test_the_checksum_is_crc32() -> None:
    # crc32(b"123456789") is 0xCBF43926 in every description of it; 32 bits are seven base-32 digits
    assert checksum("123456789") == "35z8e96"
    assert sum(ALPHABET.index(digit) << 5 * place for place, digit in enumerate(reversed("35z8e96"))) == 0xCBF43926


@given(seed=st.integers(0, 2**64), place=st.integers(6, 64), digit=st.sampled_from(ALPHABET))
def test_any_one_wrong_character_is_found(seed: int, place: int, digit: str) -> None:
    secret = new_token(SeededIds(seed))
    changed = secret[:place] + digit + secret[place + 1 :]
    assert is_well_formed(changed) == (changed == secret)


@pytest.mark.parametrize("text", ["", "lgatk_", "Bearer x", "x" * 65, "lgatk_" + "0" * 58, "lgatk_\0", "令牌"])
def test_other_texts_are_not_tokens(text: str) -> None:
    assert not is_well_formed(text)


@given(st.text())
def test_no_text_breaks_the_check(text: str) -> None:
    assert not is_well_formed(text)
    assert len(hash_secret(text)) == 64


def test_spaces_and_capitals_are_not_forgiven() -> None:
    secret = new_token(SeededIds(1))
    for changed in (secret + "\n", " " + secret, secret.upper(), secret[:-1]):
        assert not is_well_formed(changed)


def test_the_stored_hash_is_sha256() -> None:
    assert hash_secret("abc") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("paper.orders.write", True),
        ("paper.account.read", True),
        ("process.run", True),
        ("process.list", False),
        ("paperwork.read", False),
        ("market.quote.get", False),
    ],
)
def test_reserved_scopes(scope: str, expected: bool) -> None:
    assert is_reserved(scope) is expected
