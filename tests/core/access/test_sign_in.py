import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.access.model import CallerKind, Role
from core.access.passwords import Passwords
from core.access.problems import SignInFailed, SignInLimited
from core.access.service import AccessService
from core.access.sessions import csrf_token
from core.access.store import sessions
from core.ids import SeededIds
from core.settings import Settings
from tests.support.access import PASSWORD, AccessDesk

pytestmark = pytest.mark.anyio


async def sign_in(desk: AccessDesk, username: str = "cyd", password: str = PASSWORD, **more):
    return await desk.do(lambda uow: desk.access.sign_in(uow, username=username, password=password, **more))


async def session(desk: AccessDesk, cookie: str):
    async with desk.database.unit_of_work(read_only=True) as uow:
        return await desk.access.session(uow, cookie)


async def count_sessions(desk: AccessDesk) -> int:
    async with desk.database.unit_of_work() as uow:
        row = await uow.fetch_one(select(func.count()).select_from(sessions))
        return row[0]


async def test_signing_in_opens_a_session_of_the_person(desk: AccessDesk) -> None:
    signed_in = await sign_in(desk, "CYD")
    found = await session(desk, signed_in.cookie)
    assert found == signed_in.session
    assert (found.user.username, found.user.role, len(signed_in.cookie)) == ("cyd", Role.MEMBER, 52)
    assert found.csrf_token == csrf_token(signed_in.cookie)
    assert found.created_at == found.last_seen_at == desk.clock.now()
    caller = desk.access.session_caller(found, address="1.2.3.4", client="Firefox")
    assert (caller.kind, caller.team_name, caller.all_scopes, caller.is_person) == (
        CallerKind.SESSION,
        "north",
        True,
        True,
    )
    assert (caller.requester, caller.address, caller.client) == (f"user:{desk.cyd.user_id}", "1.2.3.4", "Firefox")


async def test_secrets_are_not_shown(desk: AccessDesk) -> None:
    signed_in = await sign_in(desk)
    assert signed_in.cookie not in repr(signed_in)
    assert signed_in.session.csrf_token not in repr(signed_in)


@pytest.mark.parametrize("username", ["cyd", "nobody", "", "a\0b", "x" * 10_000, "\ud800", "李雷"])
async def test_every_failure_reads_the_same(desk: AccessDesk, username: str) -> None:
    with pytest.raises(SignInFailed) as caught:
        await sign_in(desk, username, "not the password")
    assert (caught.value.code, caught.value.message) == (
        "unauthenticated",
        "The user name or the password is wrong.",
    )


@pytest.mark.parametrize("cookie", ["", "x", "\0", "\ud800", "0" * 52])
async def test_a_made_up_cookie_is_no_session(desk: AccessDesk, cookie: str) -> None:
    assert await session(desk, cookie) is None


async def test_signing_in_again_replaces_the_session_of_the_browser(desk: AccessDesk) -> None:
    first, other = await sign_in(desk), await sign_in(desk)
    second = await sign_in(desk, previous_cookie=first.cookie)
    assert second.cookie != first.cookie
    assert await session(desk, first.cookie) is None
    assert await session(desk, other.cookie) is not None
    await sign_in(desk, previous_cookie="made up")


async def test_signing_out_ends_the_session_and_may_be_repeated(desk: AccessDesk) -> None:
    signed_in = await sign_in(desk)
    for _ in range(2):
        await desk.do(lambda uow: desk.access.sign_out(uow, signed_in.cookie))
        assert await session(desk, signed_in.cookie) is None


async def test_a_session_sleeps_in_after_twelve_hours_without_use(desk: AccessDesk) -> None:
    signed_in = await sign_in(desk)
    desk.later(hours=11, minutes=59)
    assert await session(desk, signed_in.cookie) is not None
    desk.later(hours=11, minutes=59)
    assert await session(desk, signed_in.cookie) is not None
    desk.later(hours=12)
    assert await session(desk, signed_in.cookie) is None


async def test_a_use_not_yet_written_down_keeps_a_session_from_being_deleted(desk: AccessDesk) -> None:
    signed_in = await sign_in(desk)
    desk.later(hours=11)
    assert await session(desk, signed_in.cookie) is not None
    desk.later(hours=11)
    await sign_in(desk, "ben")
    assert await session(desk, signed_in.cookie) is not None


async def test_idle_sessions_are_removed_when_somebody_signs_in(desk: AccessDesk) -> None:
    await sign_in(desk)
    desk.later(hours=24)
    await sign_in(desk, "ben")
    assert await count_sessions(desk) == 1


async def test_use_is_noted_once_a_minute_and_survives_a_restart_after_the_flush(
    desk: AccessDesk, settings: Settings
) -> None:
    signed_in = await sign_in(desk)
    start = desk.clock.now()
    desk.later(seconds=59)
    assert (await session(desk, signed_in.cookie)).last_seen_at == start
    desk.later(seconds=1)
    assert (await session(desk, signed_in.cookie)).last_seen_at == start + timedelta(seconds=60)
    desk.later(seconds=30)
    assert (await session(desk, signed_in.cookie)).last_seen_at == start + timedelta(seconds=60)
    await desk.do(desk.access.flush_last_used)
    assert desk.access._session_uses == {}
    desk.access = AccessService(SeededIds(2), desk.clock, settings)
    assert (await session(desk, signed_in.cookie)).last_seen_at == start + timedelta(seconds=60)


async def test_a_stranger_cannot_lock_a_victim_out_with_five_guesses(desk: AccessDesk) -> None:
    for _ in range(5):
        with pytest.raises(SignInFailed):
            await sign_in(desk, password="not the password", address="6.6.6.6")
    with pytest.raises(SignInLimited):
        await sign_in(desk, address="6.6.6.6")
    await sign_in(desk, address="1.2.3.4")


async def test_a_network_of_ipv6_counts_as_one_address(desk: AccessDesk) -> None:
    for number in range(5):
        with pytest.raises(SignInFailed):
            await sign_in(desk, password="not the password", address=f"2001:db8:1:2::{number}")
    with pytest.raises(SignInLimited):
        await sign_in(desk, address="2001:db8:1:2:ffff::1")
    await sign_in(desk, address="2001:db8:1:3::1")


async def test_one_name_can_be_guessed_fifty_times_from_everywhere_together(desk: AccessDesk) -> None:
    for _ in range(50):
        with pytest.raises(SignInFailed):
            await sign_in(desk, password="not the password")
    with pytest.raises(SignInLimited) as caught:
        await sign_in(desk, "Cyd")
    assert (caught.value.code, caught.value.data["retry_after_seconds"]) == ("rate_limited", 900)
    await sign_in(desk, "ben")
    desk.later(minutes=15)
    await sign_in(desk)


async def test_parallel_guesses_do_not_slip_through(desk: AccessDesk) -> None:
    guesses = (sign_in(desk, password=f"guess number {number}") for number in range(60))
    results = await asyncio.gather(*guesses, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["SignInFailed"] * 50 + ["SignInLimited"] * 10


async def test_an_address_is_limited_over_all_names(desk: AccessDesk) -> None:
    for number in range(5):
        with pytest.raises(SignInFailed):
            await sign_in(desk, f"guess{number}", address="1.2.3.4")
    with pytest.raises(SignInLimited):
        await sign_in(desk, address="1.2.3.4")
    await sign_in(desk, address="1.2.3.5")


async def test_old_hashes_are_renewed_at_sign_in(desk: AccessDesk) -> None:
    desk.access.passwords = Passwords(SeededIds(3), passes=2, memory_kib=16, lanes=1)
    before = desk.cyd.password_hash
    signed_in = await sign_in(desk)
    after = (await session(desk, signed_in.cookie)).user.password_hash
    assert before.startswith("$argon2id$v=19$m=8,t=1,")
    assert after.startswith("$argon2id$v=19$m=16,t=2,")
    assert signed_in.session.user.password_hash == after
    await sign_in(desk)


async def test_a_password_changed_while_being_checked_opens_nothing(desk: AccessDesk, monkeypatch) -> None:
    real = Passwords.verify

    async def slow(self: Passwords, password: str, password_hash: str | None) -> bool:
        fits = await real(self, password, password_hash)
        await desk.do(
            lambda uow: desk.access.reset_password(uow, user_id=desk.cyd.user_id, new_password="a new password")
        )
        return fits

    monkeypatch.setattr(Passwords, "verify", slow)
    with pytest.raises(SignInFailed):
        await sign_in(desk)
    assert await count_sessions(desk) == 0
