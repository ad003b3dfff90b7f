"""Conversations in the database: claims, appends, keys, and who sees what."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.access.model import User
from core.access.service import AccessService
from core.clock import FrozenClock
from core.conversation.model import (
    Begun,
    Changes,
    Claim,
    Conversation,
    ConversationBusy,
    ConversationClaimLost,
    ConversationFull,
    ConversationNotFound,
    NewEntry,
    Wait,
)
from core.conversation.service import ConversationService, TooManyTurns, title_of
from core.conversation.store import ConversationStore, conversations
from core.errors import ArgumentsInvalid
from core.ids import SeededIds
from core.settings import Settings
from core.storage.database import Database
from core.storage.unit_of_work import UnitOfWork
from tests.support.rest_desk import cheap_passwords

pytestmark = pytest.mark.anyio
WAIT = Wait("c1", "break", {"name": "blue", "approvalId": "apr_1"}, "apr_1", "2026-11-20T07:40:00+00:00")


class Desk:
    """Two people of two teams, and the service."""

    def __init__(self, database: Database, service: ConversationService) -> None:
        self.database, self.service = database, service
        self.ada: User
        self.eve: User

    async def do(self, step: Callable[[UnitOfWork], Awaitable[Any]]) -> Any:
        async with self.database.unit_of_work() as uow:
            result = await step(uow)
            await uow.commit()
        return result

    async def begin(self, text: str = "hi", *, user: User | None = None, **more: Any) -> Begun:
        who = user or self.ada
        given = {"owner": f"user:{who.user_id}", "user_id": who.user_id, "text": text, "marker": "m"} | more
        begun: Begun = await self.do(lambda uow: self.service.begin(uow, who.team_id, **given))
        return begun

    async def append(self, claim: Claim | None, *entries: NewEntry, **more: Any) -> Claim:
        assert claim is not None
        moved: Claim = await self.do(lambda uow: self.service.append(uow, claim, Changes(entries, **more)))
        return moved

    async def release(self, claim: Claim | None) -> None:
        assert claim is not None
        await self.do(lambda uow: self.service.release(uow, claim))

    async def get(self, begun: Begun) -> Conversation:
        name = begun.conversation.conversation_id
        found: Conversation = await self.do(
            lambda uow: self.service.get(uow, self.ada.team_id, conversation_id=name, owner=f"user:{self.ada.user_id}")
        )
        return found

    async def entries(self, begun: Begun, after: int = 0) -> list[tuple[int, str, Any]]:
        found = await self.do(lambda uow: self.service.entries(uow, begun.conversation, after=after))
        return [(entry.sequence, entry.kind, entry.payload) for entry in found]


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, ids: SeededIds, tmp_path: Any) -> Desk:
    access = AccessService(ids, clock, Settings(home=tmp_path), passwords=cheap_passwords())
    made = Desk(database, ConversationService(clock, ids))
    for name in ("ada", "eve"):
        user = await made.do(
            lambda uow, name=name: access.register_user(
                uow, username=name, password="correct horse battery", email=f"{name}@x.cn"
            )
        )
        setattr(made, name, user)
    return made


def said(text: str) -> NewEntry:
    return NewEntry("text", {"text": text})


async def test_what_happens_is_numbered_and_read_again_in_order(desk: Desk, clock: FrozenClock) -> None:
    begun = await desk.begin("How is\nmy portfolio?")
    claim = await desk.append(begun.claim, said("Fine."), NewEntry("done", {"stop": "end", "价": ["1.50", None]}))
    assert claim.last_sequence == 3
    name = begun.conversation.conversation_id
    at = clock.now().isoformat()
    assert await desk.entries(begun) == [
        (1, "user", {"conversationId": name, "text": "How is\nmy portfolio?", "at": at}),
        (2, "text", {"text": "Fine."}),
        (3, "done", {"stop": "end", "价": ["1.50", None]}),
    ]
    assert await desk.entries(begun, after=2) == [(3, "done", {"stop": "end", "价": ["1.50", None]})]
    found = await desk.get(begun)
    assert (found.title, found.state, found.last_sequence) == ("How is", "running", 3)
    await desk.release(claim)
    assert (await desk.get(begun)).state == "idle"


async def test_the_same_append_again_changes_nothing(desk: Desk) -> None:
    begun = await desk.begin()
    first = await desk.append(begun.claim, said("a"), said("b"))
    assert await desk.append(begun.claim, said("a"), said("b")) == first
    assert [entry[0] for entry in await desk.entries(begun)] == [1, 2, 3]
    with pytest.raises(ConversationClaimLost):
        await desk.append(begun.claim, said("c"))


async def test_one_message_at_a_time(desk: Desk) -> None:
    begun = await desk.begin()
    name = begun.conversation.conversation_id
    with pytest.raises(ConversationBusy):
        await desk.begin("more", conversation_id=name)
    await desk.release(begun.claim)
    more = await desk.begin("more", conversation_id=name)
    assert (more.first_sequence, more.claim is None) == (2, False)


async def test_of_many_that_reach_for_a_turn_one_has_it(desk: Desk) -> None:
    begun = await desk.begin()
    await desk.release(begun.claim)

    async def reach() -> bool:
        try:
            await desk.do(lambda uow: desk.service.take(uow, begun.conversation))
        except ConversationBusy:
            return False
        return True

    assert sorted(await asyncio.gather(*(reach() for _ in range(8)))) == [*[False] * 7, True]


async def test_who_was_taken_for_dead_writes_nothing_more(desk: Desk, clock: FrozenClock) -> None:
    begun = await desk.begin()
    assert await desk.do(desk.service.abandoned) == []
    clock.advance(timedelta(seconds=29))
    assert await desk.do(lambda uow: desk.service.renew(uow, begun.claim)) is False
    clock.advance(timedelta(seconds=31))
    abandoned = await desk.do(desk.service.abandoned)
    assert [each.conversation_id for each in abandoned] == [begun.conversation.conversation_id]
    await desk.do(lambda uow: desk.service.take(uow, abandoned[0]))
    for late in (
        lambda: desk.append(begun.claim, said("late")),
        lambda: desk.do(lambda uow: desk.service.renew(uow, begun.claim)),
    ):
        with pytest.raises(ConversationClaimLost):
            await late()
    await desk.release(begun.claim)
    assert (await desk.get(begun)).state == "running"


async def test_a_key_names_one_message(desk: Desk) -> None:
    first = await desk.begin("hi", key="k")
    again = await desk.begin("hi", key="k")
    assert (again.conversation.conversation_id, again.claim) == (first.conversation.conversation_id, None)
    other = await desk.begin("hi", key="k", user=desk.eve)
    assert other.claim is not None
    await desk.release(first.claim)
    name = first.conversation.conversation_id
    second = await desk.begin("more", key="k2", conversation_id=name)
    repeated = await desk.begin("more", key="k2", conversation_id=name)
    assert (repeated.first_sequence, repeated.claim) == (second.first_sequence, None) == (2, None)


async def test_calls_wait_until_they_are_settled(desk: Desk) -> None:
    begun = await desk.begin()
    claim = await desk.append(begun.claim, NewEntry("approval_required", {}), waits=(WAIT, replace(WAIT, call_id="c2")))
    assert await desk.do(desk.service.waiting) == []  # it is still being played
    await desk.release(claim)
    waiting = await desk.do(desk.service.waiting)
    assert [each.conversation_id for each in waiting] == [begun.conversation.conversation_id]
    assert (await desk.do(lambda uow: desk.service.waits(uow, waiting[0])))[0] == WAIT
    claim = await desk.do(lambda uow: desk.service.take(uow, waiting[0]))
    claim = await desk.append(claim, NewEntry("approval_resolved", {}), settled=frozenset({"c1", "c2"}))
    await desk.release(claim)
    assert await desk.do(desk.service.waiting) == []


async def test_asking_to_stop_reaches_who_plays(desk: Desk) -> None:
    begun = await desk.begin()
    name, owner = begun.conversation.conversation_id, f"user:{desk.ada.user_id}"

    async def cancel() -> Any:
        return await desk.do(lambda uow: desk.service.cancel(uow, desk.ada.team_id, conversation_id=name, owner=owner))

    assert await cancel() is True
    assert await desk.do(lambda uow: desk.service.renew(uow, begun.claim)) is True
    await desk.release(begun.claim)
    assert await cancel() is False
    more = await desk.begin("more", conversation_id=name)
    assert await desk.do(lambda uow: desk.service.renew(uow, more.claim)) is False


async def test_nobody_sees_or_changes_what_is_not_theirs(desk: Desk) -> None:
    begun = await desk.begin()
    await desk.append(begun.claim, waits=(WAIT,))
    name = begun.conversation.conversation_id
    for team, owner in ((desk.eve.team_id, f"user:{desk.ada.user_id}"), (desk.ada.team_id, f"user:{desk.eve.user_id}")):
        whose = {"conversation_id": name, "owner": owner}
        for step in (desk.service.get, desk.service.delete, desk.service.cancel):
            with pytest.raises(ConversationNotFound):
                await desk.do(lambda uow, step=step, team=team, whose=whose: step(uow, team, **whose))
        assert await desk.do(lambda uow, team=team, owner=owner: desk.service.newest(uow, team, owner=owner)) == ([], 0)
    with pytest.raises(ConversationNotFound):
        await desk.begin("x", user=desk.eve, conversation_id=name)
    store = await desk.do(lambda uow: _everything(uow, desk.eve.team_id, name))
    assert store == (None, [], [])


async def _everything(uow: UnitOfWork, team_id: int, name: str) -> Any:
    store = ConversationStore(uow).for_team(team_id)
    return await store.one(name), await store.entries(name, after=0, limit=10), await store.waits(name)


async def test_deleting_leaves_nothing(desk: Desk) -> None:
    begun = await desk.begin()
    await desk.append(begun.claim, said("a"), waits=(WAIT,))
    whose = {"conversation_id": begun.conversation.conversation_id, "owner": f"user:{desk.ada.user_id}"}
    assert await desk.do(lambda uow: desk.service.delete(uow, desk.ada.team_id, **whose)) == (WAIT,)
    found = await desk.do(lambda uow: _everything(uow, desk.ada.team_id, whose["conversation_id"]))
    assert found == (None, [], [])
    with pytest.raises(ConversationClaimLost):
        await desk.append(begun.claim, said("late"))


async def test_pages_are_the_newest_first(desk: Desk, clock: FrozenClock) -> None:
    names = []
    for text in ("one", "two", "three"):
        begun = await desk.begin(text)
        await desk.release(begun.claim)
        names.append(begun.conversation.conversation_id)
        clock.advance(timedelta(seconds=1))
    owner = f"user:{desk.ada.user_id}"
    page, total = await desk.do(lambda uow: desk.service.newest(uow, desk.ada.team_id, owner=owner, page=1, size=2))
    assert ([each.conversation_id for each in page], total) == ([names[2], names[1]], 3)


async def test_limits_are_told(desk: Desk) -> None:
    for text in ("", " \n", "x" * 20_001):
        with pytest.raises(ArgumentsInvalid):
            await desk.begin(text)
    begun = [await desk.begin() for _ in range(4)]
    with pytest.raises(TooManyTurns):
        await desk.begin()
    await desk.begin(user=desk.eve)
    await desk.release(begun[0].claim)
    name = begun[0].conversation.conversation_id

    async def fill(uow: UnitOfWork) -> None:
        async with uow.write():
            where = conversations.c.conversation_id == name
            await uow.execute(conversations.update().where(where).values(last_sequence=20_000))

    await desk.do(fill)
    with pytest.raises(ConversationFull):
        await desk.begin(conversation_id=name)


def test_titles_are_one_short_line() -> None:
    assert title_of("\n  查一下\t今天的  持仓\nmore") == "查一下 今天的 持仓"
    assert title_of("x" * 100) == "x" * 79 + "…"
