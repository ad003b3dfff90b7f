import asyncio

import pytest

from core.access.model import ApprovalState, Role, TokenStatus
from core.access.problems import (
    EmailInvalid,
    LastAdministrator,
    NameTaken,
    PasswordInvalid,
    SignInFailed,
    SignInLimited,
    UsernameInvalid,
    UserNotFound,
)
from core.errors import Unauthenticated
from core.storage.unit_of_work import UnitOfWork
from tests.support.access import PASSWORD, AccessDesk, person

pytestmark = pytest.mark.anyio


async def register(desk: AccessDesk, username: str, **more):
    facts = {"username": username, "password": PASSWORD, "email": "x@y.cn"} | more
    return await desk.do(lambda uow: desk.access.register_user(uow, **facts))


async def test_the_first_of_a_team_administers_it(desk: AccessDesk) -> None:
    assert [(user.username, user.team_name, user.role) for user in (desk.ada, desk.ben, desk.cyd, desk.eve)] == [
        ("ada", "north", Role.ADMINISTRATOR),
        ("ben", "north", Role.APPROVER),
        ("cyd", "north", Role.MEMBER),
        ("eve", "tenant_eve", Role.ADMINISTRATOR),
    ]
    assert desk.ada.created_at == desk.clock.now()
    assert PASSWORD not in repr(desk.ada)
    assert desk.ada.password_hash not in repr(desk.ada)


async def test_users_of_one_team_and_of_the_desk(desk: AccessDesk) -> None:
    north = await desk.do(lambda uow: desk.access.users(uow, desk.ada.team_id))
    everybody = await desk.do(lambda uow: desk.access.users(uow, None))
    assert [user.username for user in north] == ["ada", "ben", "cyd"]
    assert [user.username for user in everybody] == ["ada", "ben", "cyd", "eve"]
    assert (await desk.do(lambda uow: desk.access.user_named(uow, "ADA"))).user_id == desk.ada.user_id
    for name in ("nobody", "a\0b", "\ud800"):
        with pytest.raises(UserNotFound):
            await desk.do(lambda uow, name=name: desk.access.user_named(uow, name))


@pytest.mark.parametrize("name", ["ada", "Ada", "ADA"])
async def test_a_name_is_taken_in_any_case(desk: AccessDesk, name: str) -> None:
    with pytest.raises(NameTaken) as caught:
        await register(desk, name, team_name="north")
    assert (caught.value.code, caught.value.kind) == ("name_taken", "conflict")


async def test_a_private_team_never_falls_into_one_that_exists(desk: AccessDesk) -> None:
    await register(desk, "mallory", team_name="Tenant_Bob")
    with pytest.raises(NameTaken) as caught:
        await register(desk, "bob")
    assert caught.value.message == "The team name 'tenant_bob' is taken."


async def test_parallel_registrations_of_one_name_make_one_user(desk: AccessDesk) -> None:
    results = await asyncio.gather(*(register(desk, "zoe") for _ in range(10)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NameTaken"] * 9 + ["User"]


@pytest.mark.parametrize("name", ["ab", "a" * 65, "a b", "a/b", "李雷雷", "", "a\0b", "abc\n"])
async def test_bad_user_names(desk: AccessDesk, name: str) -> None:
    with pytest.raises(UsernameInvalid):
        await register(desk, name)
    with pytest.raises(UsernameInvalid):
        await register(desk, "good", team_name=name if len(name) != 65 else "a" * 73)


async def test_bad_passwords_and_addresses(desk: AccessDesk) -> None:
    with pytest.raises(PasswordInvalid):
        await register(desk, "good", password="short")
    for email in ("x", "@", "a@", "a b@c", "a@b\0", "a@" + "b" * 260):
        with pytest.raises(EmailInvalid):
            await register(desk, "good", email=email)
    assert (await register(desk, "good", email="")).email == ""


async def test_roles_change_within_the_team_only(desk: AccessDesk) -> None:
    team_id = desk.ada.team_id
    changed = await desk.do(
        lambda uow: desk.access.set_role(uow, team_id, user_id=desk.cyd.user_id, role=Role.APPROVER)
    )
    assert changed.role is Role.APPROVER
    for user_id in (desk.eve.user_id, 999, 0, -1, 2**70):
        with pytest.raises(UserNotFound):
            await desk.do(lambda uow, key=user_id: desk.access.set_role(uow, team_id, user_id=key, role=Role.MEMBER))


async def test_a_team_keeps_an_administrator(desk: AccessDesk) -> None:
    team_id, ada, ben = desk.ada.team_id, desk.ada.user_id, desk.ben.user_id
    with pytest.raises(LastAdministrator):
        await desk.do(lambda uow: desk.access.set_role(uow, team_id, user_id=ada, role=Role.MEMBER))
    with pytest.raises(LastAdministrator):
        await desk.do(lambda uow: desk.access.deactivate_user(uow, team_id, user_id=ada))
    await desk.do(lambda uow: desk.access.set_role(uow, team_id, user_id=ben, role=Role.ADMINISTRATOR))
    steps = [desk.do(lambda uow, key=key: desk.access.deactivate_user(uow, team_id, user_id=key)) for key in (ada, ben)]
    results = await asyncio.gather(*steps, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["LastAdministrator", "User"]


async def test_deactivation_closes_every_door(desk: AccessDesk) -> None:
    signed_in = await desk.do(lambda uow: desk.access.sign_in(uow, username="cyd", password=PASSWORD))
    pending, approved = await desk.ask("a" * 64), await desk.approved("b" * 64)
    gone = await desk.do(lambda uow: desk.access.deactivate_user(uow, desk.cyd.team_id, user_id=desk.cyd.user_id))
    assert not gone.is_active
    assert await desk.do(lambda uow: desk.access.session(uow, signed_in.cookie)) is None
    with pytest.raises(Unauthenticated):
        await desk.do(lambda uow: desk.access.authenticate_token(uow, desk.minted.secret))
    with pytest.raises(SignInFailed):
        await desk.do(lambda uow: desk.access.sign_in(uow, username="cyd", password=PASSWORD))
    with pytest.raises(UserNotFound):
        await desk.do(lambda uow: mint_for(desk, uow))
    assert (await desk.look(pending, person(desk.ben))).state is ApprovalState.WITHDRAWN
    assert (await desk.look(approved, person(desk.ben))).state is ApprovalState.REVOKED


async def mint_for(desk: AccessDesk, uow: UnitOfWork) -> None:
    facts = {"name": "x", "scopes": [], "expires_in_days": 1, "minted_by": "operator"}
    await desk.access.mint_token(uow, user_id=desk.cyd.user_id, **facts)


async def test_changing_a_password_ends_sessions_and_needs_the_old_one(desk: AccessDesk) -> None:
    access, key = desk.access, desk.cyd.user_id
    signed_in = await desk.do(lambda uow: access.sign_in(uow, username="cyd", password=PASSWORD))

    async def change(current: str, new: str) -> None:
        await desk.do(lambda uow: access.change_password(uow, user_id=key, current_password=current, new_password=new))

    with pytest.raises(SignInFailed):
        await change("wrong password", "a better password")
    with pytest.raises(PasswordInvalid):
        await change(PASSWORD, "short")
    assert await desk.do(lambda uow: access.session(uow, signed_in.cookie)) is not None
    await change(PASSWORD, "a better password")
    assert await desk.do(lambda uow: access.session(uow, signed_in.cookie)) is None
    with pytest.raises(SignInFailed):
        await desk.do(lambda uow: access.sign_in(uow, username="cyd", password=PASSWORD))
    await desk.do(lambda uow: access.sign_in(uow, username="cyd", password="a better password"))
    for _ in range(5):
        with pytest.raises(SignInFailed):
            await change("wrong password", "another password")
    with pytest.raises(SignInLimited):
        await change("a better password", "another password")


async def test_the_operator_resets_a_password(desk: AccessDesk) -> None:
    access = desk.access
    await desk.do(lambda uow: access.reset_password(uow, user_id=desk.cyd.user_id, new_password="fresh password"))
    await desk.do(lambda uow: access.sign_in(uow, username="cyd", password="fresh password"))
    with pytest.raises(UserNotFound):
        await desk.do(lambda uow: access.reset_password(uow, user_id=999, new_password="fresh password"))


@pytest.mark.parametrize(("revokes", "left"), [(False, TokenStatus.ACTIVE), (True, TokenStatus.REVOKED)])
async def test_a_reset_password_ends_tokens_only_when_told_to(
    desk: AccessDesk, *, revokes: bool, left: TokenStatus
) -> None:
    await desk.do(
        lambda uow: desk.access.reset_password(
            uow, user_id=desk.cyd.user_id, new_password="fresh password", revokes_tokens=revokes
        )
    )
    found = await desk.do(lambda uow: desk.access.token(uow, desk.cyd.team_id, desk.minted.token.token_id))
    assert found.status is left
