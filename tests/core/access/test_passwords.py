import pytest

from core.access.passwords import Passwords, check_password
from core.access.problems import PasswordInvalid
from core.ids import SeededIds

pytestmark = pytest.mark.anyio


@pytest.fixture
def passwords(ids: SeededIds) -> Passwords:
    return Passwords(ids, passes=1, memory_kib=8, lanes=1)


async def test_a_hash_opens_to_its_password_only(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse battery")
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert await passwords.verify("correct horse battery", stored)
    assert not await passwords.verify("correct horse batterz", stored)
    assert not await passwords.verify("correct horse battery", None)
    assert not await passwords.verify("correct horse battery", "no hash at all")


async def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert await passwords.hash("same password") != await passwords.hash("same password")


async def test_an_unknown_user_costs_the_work_of_a_real_check(passwords: Passwords, monkeypatch) -> None:
    checked: list[str] = []
    real = Passwords._verify

    def spy(self: Passwords, password: str, password_hash: str) -> bool:
        checked.append(password_hash)
        return real(self, password, password_hash)

    monkeypatch.setattr(Passwords, "_verify", spy)
    assert not await passwords.verify("whatever it is", None)
    assert checked[0].startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert not passwords.is_outdated(checked[0])


async def test_default_parameters_are_those_of_rfc_9106(ids: SeededIds) -> None:
    assert (await Passwords(ids).hash("correct horse battery")).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_a_hash_of_other_parameters_still_opens_and_is_outdated(passwords: Passwords, ids: SeededIds) -> None:
    stronger = Passwords(ids, passes=2, memory_kib=16, lanes=1)
    stored = await passwords.hash("correct horse battery")
    assert await stronger.verify("correct horse battery", stored)
    assert stronger.is_outdated(stored)
    assert not passwords.is_outdated(stored)


async def test_text_that_is_no_unicode_is_a_wrong_password(passwords: Passwords) -> None:
    assert not await passwords.verify("\ud800 lone surrogate", await passwords.hash("correct horse battery"))


@pytest.mark.parametrize(("length", "is_right"), [(0, False), (9, False), (10, True), (1024, True), (1025, False)])
def test_length(length: int, is_right: bool) -> None:
    if is_right:
        check_password("x" * length)
        return
    with pytest.raises(PasswordInvalid) as caught:
        check_password("x" * length)
    assert caught.value.message == f"The password cannot be used: it must have 10 to 1024 characters and has {length}."
