"""Who am I, and registration, through the dispatcher on both databases."""

from pathlib import Path

import pytest

import skills.auth
from core.access.model import Caller, CallerKind
from core.access.problems import NameTaken, PasswordInvalid
from core.clock import FrozenClock
from core.ids import SeededIds
from core.storage.database import Database
from skills.auth import RegistrationClosed
from tests.support.sample_skills import SampleDesk, new_desk
from tools.errors import MissingScope
from tools.registry import Registry

pytestmark = pytest.mark.anyio
NEW = {"username": "berta", "password": "correct horse battery", "email": "berta@example.com"}


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, ids: SeededIds, tmp_path: Path) -> SampleDesk:
    return await new_desk(database, clock, ids, tmp_path, registry=Registry.collect([skills.auth]))


async def test_a_token_sees_itself_whatever_its_scopes(desk: SampleDesk) -> None:
    caller = await desk.token(scopes=("dataasset.list",))
    result = await desk.run("auth.token.introspect", caller)
    identity = {
        "username": "anna",
        "teamName": "tenant_anna",
        "userId": desk.user.user_id,
        "tokenId": caller.token_id,
        "tokenName": "test",
        "status": "active",
        "expiresAt": None,
        "scopes": ["dataasset.list"],
    }
    assert (result.data, result.beside) == (identity, identity)


async def test_a_session_has_no_token_and_anonymous_callers_have_nothing_to_see(desk: SampleDesk) -> None:
    seen = (await desk.run("auth.token.introspect", desk.session())).data
    assert (seen["username"], seen["tokenId"], seen["expiresAt"]) == ("anna", None, None)
    with pytest.raises(MissingScope):
        await desk.run("auth.token.introspect", Caller(kind=CallerKind.ANONYMOUS))


async def test_registration_is_off_and_says_so(desk: SampleDesk) -> None:
    with pytest.raises(RegistrationClosed, match="DINGPAN_ALLOW_REGISTRATION=true") as caught:
        await desk.run("auth.user.register", await desk.token(), **NEW)
    assert (caught.value.kind.value, caught.value.code) == ("not_possible", "registration_closed")


async def test_registration_makes_a_user_in_a_team_of_their_own(desk: SampleDesk) -> None:
    desk.dispatcher = desk.new_dispatcher(allow_registration=True)
    caller = await desk.token()
    data = (await desk.run("auth.user.register", caller, **NEW)).data
    assert data == {
        "userId": data["userId"],
        "username": "berta",
        "teamName": "tenant_berta",
        "email": "berta@example.com",
        "createdAt": "2026-11-20T07:30:00+00:00",
    }
    with pytest.raises(NameTaken):
        await desk.run("auth.user.register", caller, **NEW)
    with pytest.raises(PasswordInvalid):
        await desk.run("auth.user.register", caller, **NEW | {"username": "carl", "password": "short"})
    opened = [detail["params"] for event, _, detail in await desk.audit_rows() if event == "call.opened"]
    assert opened[0] == {"username": "berta", "password": "(hidden)", "email": "berta@example.com"}
