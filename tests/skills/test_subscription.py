"""Tokens listed and revoked through the dispatcher, on both databases; no skill makes one."""

from pathlib import Path

import pytest

import skills.subscription
from core.access.model import Caller, Role
from core.access.problems import TokenNotFound
from core.clock import FrozenClock
from core.errors import Unauthenticated
from core.ids import SeededIds
from core.storage.database import Database
from tests.support.sample_skills import SampleDesk, new_desk
from tools.errors import ApprovalRequired
from tools.registry import Registry

pytestmark = pytest.mark.anyio
REVOKE = "subscription.token.revoke"


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, ids: SeededIds, tmp_path: Path) -> SampleDesk:
    return await new_desk(database, clock, ids, tmp_path, registry=Registry.collect([skills.subscription]))


async def ids_seen(desk: SampleDesk, caller: Caller) -> list[int]:
    return [row["tokenId"] for row in (await desk.run("subscription.token.list", caller)).data]


async def test_no_skill_mints_tokens() -> None:
    assert [item.skill_id for item in Registry.collect([skills.subscription])] == [
        "subscription.token.list",
        REVOKE,
    ]


async def test_members_see_their_own_tokens_and_administrators_all_of_the_team(desk: SampleDesk) -> None:
    member = await desk.new_user("berta", team_name="tenant_anna", role=Role.MEMBER)
    stranger = await desk.new_user("carl")
    first, hers, foreign = await desk.token(), await desk.token(member), await desk.token(stranger)
    assert await ids_seen(desk, hers) == [hers.token_id]
    assert sorted(await ids_seen(desk, first)) == sorted([first.token_id, hers.token_id])
    assert await ids_seen(desk, foreign) == [foreign.token_id]
    row = (await desk.run("subscription.token.list", hers)).data[0]
    assert (row["tokenName"], row["username"], row["status"], row["expiresAt"]) == ("test", "berta", "active", None)
    assert not any("secret" in name.lower() or "hash" in name.lower() for name in row)


async def test_other_peoples_tokens_cannot_be_revoked(desk: SampleDesk) -> None:
    member = await desk.new_user("berta", team_name="tenant_anna", role=Role.MEMBER)
    stranger = await desk.new_user("carl")
    first, hers, foreign = await desk.token(), await desk.token(member), await desk.token(stranger)
    for caller, target in ((hers, first), (first, foreign), (foreign, first)):
        with pytest.raises(TokenNotFound):
            await desk.run(REVOKE, caller, token_id=target.token_id)
    with pytest.raises(TokenNotFound):
        await desk.run(REVOKE, first, token_id=2**40)


async def test_revoking_asks_a_person_and_then_ends_the_token(desk: SampleDesk) -> None:
    caller = await desk.token()
    async with desk.database.unit_of_work() as uow:
        minted = await desk.access.mint_token(
            uow, user_id=desk.user.user_id, name="lost", scopes=["x"], expires_in_days=1, minted_by="test"
        )
        await uow.commit()
    token_id = minted.token.token_id
    with pytest.raises(ApprovalRequired) as caught:
        await desk.run(REVOKE, caller, token_id=token_id)
    assert caught.value.data["preview"] == {
        "summary": "Revokes the token lost of anna, last used never.",
        "changes": [{"tokenId": token_id, "tokenName": "lost", "field": "status", "from": "active", "to": "revoked"}],
    }
    approval = str(caught.value.data["approval_id"])
    await desk.decide(approval)
    result = await desk.run(REVOKE, caller, approval=approval, tokenId=str(token_id))
    assert result.data == {"tokenId": token_id, "tokenName": "lost", "revokedAt": "2026-11-20T07:30:00+00:00"}
    async with desk.database.unit_of_work(read_only=True) as uow:
        with pytest.raises(Unauthenticated):
            await desk.access.authenticate_token(uow, minted.secret)


async def test_a_token_may_end_itself_and_is_warned(desk: SampleDesk) -> None:
    caller = await desk.token()
    with pytest.raises(ApprovalRequired) as caught:
        await desk.run(REVOKE, caller, token_id=caller.token_id)
    assert caught.value.data["preview"]["summary"].endswith("its own calls end as well.")
    approval = str(caught.value.data["approval_id"])
    await desk.decide(approval)
    await desk.run(REVOKE, caller, approval=approval, token_id=caller.token_id)
    assert await desk.state(approval) == "executed"
