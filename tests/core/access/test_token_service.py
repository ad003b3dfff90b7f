import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import event

from core.access.model import ApprovalState, CallerKind, TokenStatus
from core.access.problems import ReservedScope, TokenNotFound, TokenRequestInvalid, UserNotFound
from core.access.service import AccessService
from core.access.tokens import new_token
from core.errors import Unauthenticated
from core.ids import SeededIds
from core.settings import Settings
from tests.support.access import AccessDesk, person

pytestmark = pytest.mark.anyio


async def mint(desk: AccessDesk, **changes):
    facts = {
        "user_id": desk.cyd.user_id,
        "name": "second",
        "scopes": ["b.read", "a.read", "a.read"],
        "expires_in_days": 90,
        "minted_by": "session:cyd",
    }
    return await desk.do(lambda uow: desk.access.mint_token(uow, **(facts | changes)))


async def authenticate(desk: AccessDesk, secret: str):
    async with desk.database.unit_of_work(read_only=True) as uow:
        return await desk.access.authenticate_token(uow, secret)


async def listed(desk: AccessDesk, user_id: int | None = None):
    return await desk.do(lambda uow: desk.access.tokens(uow, desk.cyd.team_id, user_id))


async def revoke(desk: AccessDesk, team_id: int, token_id: int):
    return await desk.do(lambda uow: desk.access.revoke_token(uow, team_id, token_id))


async def test_a_minted_token_opens_the_door_as_its_user(desk: AccessDesk) -> None:
    minted = await mint(desk)
    assert minted.secret not in repr(minted)
    token, user = await authenticate(desk, minted.secret)
    assert (token.token_name, token.scopes, token.status) == ("second", ("a.read", "b.read"), TokenStatus.ACTIVE)
    assert token.expires_at == desk.clock.now() + timedelta(days=90)
    assert (user.username, token.team_name) == ("cyd", "north")
    caller = desk.access.token_caller(token, user, address="1.2.3.4", client="curl")
    assert (caller.kind, caller.scopes, caller.all_scopes) == (CallerKind.TOKEN, {"a.read", "b.read"}, False)
    assert (caller.requester, caller.may_approve) == (f"token:{token.token_id}", False)


async def test_presenting_a_token_is_one_statement(desk: AccessDesk) -> None:
    statements: list[str] = []
    listen = lambda *args: statements.append(args[2])  # noqa: E731
    event.listen(desk.database.driver.engine, "before_cursor_execute", listen)
    await authenticate(desk, desk.minted.secret)
    event.remove(desk.database.driver.engine, "before_cursor_execute", listen)
    assert len([statement for statement in statements if "SELECT" in statement]) == 1


@pytest.mark.parametrize("secret", ["", "lgatk_", "x", "\0", "\ud800", new_token(SeededIds(99))])
async def test_an_unknown_token_is_refused(desk: AccessDesk, secret: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await authenticate(desk, secret)
    assert caught.value.message == "Invalid token"


async def test_a_token_lives_until_its_moment(desk: AccessDesk) -> None:
    minted, forever = await mint(desk, expires_in_days=1), await mint(desk, expires_in_days=None)
    desk.later(days=1, microseconds=-1)
    await authenticate(desk, minted.secret)
    desk.later(microseconds=1)
    with pytest.raises(Unauthenticated):
        await authenticate(desk, minted.secret)
    desk.later(days=20_000)
    assert (await authenticate(desk, forever.secret))[0].expires_at is None
    assert {token.token_id: token.status for token in await listed(desk)} == {
        forever.token.token_id: TokenStatus.ACTIVE,
        minted.token.token_id: TokenStatus.EXPIRED,
        desk.minted.token.token_id: TokenStatus.EXPIRED,
    }


async def test_a_revoked_token_is_dead_and_its_approvals_with_it(desk: AccessDesk) -> None:
    pending, approved = await desk.ask("a" * 64), await desk.approved("b" * 64)
    other = await desk.ask("c" * 64, requester=f"user:{desk.cyd.user_id}")
    token_id = desk.minted.token.token_id
    revoked = await revoke(desk, desk.cyd.team_id, token_id)
    assert (revoked.status, revoked.revoked_at) == (TokenStatus.REVOKED, desk.clock.now())
    with pytest.raises(Unauthenticated):
        await authenticate(desk, desk.minted.secret)
    states = [(await desk.look(one, person(desk.cyd))).state for one in (pending, approved, other)]
    assert states == [ApprovalState.WITHDRAWN, ApprovalState.REVOKED, ApprovalState.PENDING]
    desk.later(minutes=1)
    assert (await revoke(desk, desk.cyd.team_id, token_id)).revoked_at == revoked.revoked_at


async def test_another_team_cannot_tell_a_token_from_none(desk: AccessDesk) -> None:
    for token_id in (desk.minted.token.token_id, 999, 0, -1, 2**70):
        with pytest.raises(TokenNotFound) as caught:
            await revoke(desk, desk.eve.team_id, token_id)
        assert caught.value.message == f"No token {token_id}."
    assert await desk.do(lambda uow: desk.access.tokens(uow, desk.eve.team_id)) == []
    await authenticate(desk, desk.minted.secret)


async def test_tokens_of_a_person_and_of_the_team_newest_first(desk: AccessDesk) -> None:
    minted = await mint(desk, user_id=desk.ben.user_id)
    assert [token.token_id for token in await listed(desk)] == [minted.token.token_id, desk.minted.token.token_id]
    assert [token.token_name for token in await listed(desk, desk.cyd.user_id)] == ["agent"]


async def test_last_use_is_seen_at_once_and_written_in_batches(desk: AccessDesk, settings: Settings) -> None:
    token_id = desk.minted.token.token_id
    assert (await listed(desk))[0].last_used_at is None
    desk.later(seconds=5)
    await authenticate(desk, desk.minted.secret)
    used = desk.clock.now()
    assert (await listed(desk))[0].last_used_at == used
    await desk.do(desk.access.flush_last_used)
    assert desk.access._token_uses == {}
    desk.access = AccessService(SeededIds(2), desk.clock, settings)
    assert (await listed(desk))[0].last_used_at == used
    desk.access._token_uses[token_id] = used - timedelta(hours=1)
    await desk.do(desk.access.flush_last_used)
    assert (await listed(desk))[0].last_used_at == used


async def test_a_use_during_the_flush_and_a_failed_flush_are_not_lost(desk: AccessDesk) -> None:
    desk.access.touch_token(desk.minted.token.token_id)
    async with desk.database.unit_of_work() as uow:
        await desk.access.flush_last_used(uow)
    assert len(desk.access._token_uses) == 1
    async with desk.database.unit_of_work() as uow:
        await desk.access.flush_last_used(uow)
        desk.later(seconds=1)
        desk.access.touch_token(desk.minted.token.token_id)
        await uow.commit()
    assert desk.access._token_uses == {desk.minted.token.token_id: desk.clock.now()}
    desk.access._token_uses.clear()
    async with desk.database.unit_of_work(read_only=True) as uow:
        await desk.access.flush_last_used(uow)


async def test_parallel_flushes_do_not_stop_each_other(desk: AccessDesk, settings: Settings) -> None:
    ids = [desk.minted.token.token_id, *[(await mint(desk)).token.token_id for _ in range(4)]]
    services = [AccessService(SeededIds(number), desk.clock, settings) for number in range(6)]
    for number, service in enumerate(services):
        for token_id in ids if number % 2 else reversed(ids):
            service.touch_token(token_id)
    await asyncio.gather(*(desk.do(service.flush_last_used) for service in services))
    assert {token.last_used_at for token in await listed(desk)} == {desk.clock.now()}


@pytest.mark.parametrize("scope", ["paper.orders.write", "paper.account.read", "process.run"])
async def test_reserved_scopes_are_refused(desk: AccessDesk, scope: str) -> None:
    with pytest.raises(ReservedScope) as caught:
        await mint(desk, scopes=["a.read", scope])
    error = caught.value
    assert (error.code, error.kind, error.extras()) == ("reserved_scope", "forbidden", {"scope": scope})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "  "},
        {"name": "x" * 65},
        {"name": "a\0b"},
        {"name": "a\nb"},
        {"expires_in_days": 0},
        {"expires_in_days": 3651},
        {"scopes": [""]},
        {"scopes": ["x" * 129]},
        {"scopes": [str(number) for number in range(501)]},
    ],
)
async def test_requests_that_cannot_be(desk: AccessDesk, changes) -> None:
    with pytest.raises(TokenRequestInvalid):
        await mint(desk, **changes)


async def test_a_token_needs_a_person(desk: AccessDesk) -> None:
    with pytest.raises(UserNotFound):
        await mint(desk, user_id=999)
