"""Sealed texts open for their owner, with the key they were sealed under, and for nobody else."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import RandomIds
from core.secrets import KeyFileInvalid, SecretBox, SecretUnreadable, load_or_create_key


@pytest.fixture
def box(tmp_path: Path) -> SecretBox:
    return SecretBox(tmp_path / "keys" / "secrets.key", RandomIds())


def test_a_sealed_text_opens_again_and_shows_nothing(box: SecretBox) -> None:
    sealed = box.seal("mailtos://me:pass@host", owner="a")
    assert box.open(sealed, owner="a") == "mailtos://me:pass@host"
    assert "pass" not in sealed
    assert sealed != box.seal("mailtos://me:pass@host", owner="a")
    assert stat.S_IMODE(box.path.stat().st_mode) == 0o600
    assert str(box.path.read_text().strip()) not in repr(box)


@pytest.mark.parametrize(
    "change", [lambda text: "", lambda text: text[:-4], lambda text: "AAAA" + text[4:], lambda _: "é"]
)
def test_a_changed_text_is_refused(box: SecretBox, change) -> None:
    with pytest.raises(SecretUnreadable, match="channel a"):
        box.open(change(box.seal("secret", owner="channel a")), owner="channel a")


def test_a_text_of_another_owner_or_desk_is_refused(box: SecretBox, tmp_path: Path) -> None:
    sealed = box.seal("secret", owner="team 1")
    with pytest.raises(SecretUnreadable):
        box.open(sealed, owner="team 2")
    with pytest.raises(SecretUnreadable):
        SecretBox(tmp_path / "other.key", RandomIds()).open(sealed, owner="team 1")


def test_a_damaged_key_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    key = load_or_create_key(path, RandomIds())
    assert load_or_create_key(path, RandomIds()) == key
    path.write_text("no key")
    with pytest.raises(KeyFileInvalid, match="64 hexadecimal"):
        load_or_create_key(path, RandomIds())


@given(st.text(max_size=200), st.text(max_size=20))
def test_every_text_survives(tmp_path_factory, text: str, owner: str) -> None:
    try:
        owner.encode()
        text.encode()
    except UnicodeEncodeError:
        return
    path = tmp_path_factory.getbasetemp() / "every.key"
    box = SecretBox(path, RandomIds())
    assert box.open(box.seal(text, owner=owner), owner=owner) == text
