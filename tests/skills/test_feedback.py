"""The skills about feedback, as every door runs them."""

from pathlib import Path

import pytest

from core.clock import FrozenClock
from core.errors import ArgumentsInvalid, Forbidden
from core.storage.database import Database
from skills import feedback
from tests.support.catalog_desk import BEN, CatalogDesk
from tests.support.small_market import ANONYMOUS

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, tmp_path: Path) -> CatalogDesk:
    return await CatalogDesk.make(database, clock, tmp_path, modules=[feedback])


async def test_submit_and_list(desk: CatalogDesk):
    sent = await desk.run(
        "feedback.submit", category="feature_request", subject="Wish", message="More", contactEmail="a@b.cn"
    )
    assert sent.data == {
        "feedbackId": 1,
        "category": "feature_request",
        "subject": "Wish",
        "message": "More",
        "contactEmail": "a@b.cn",
        "submittedBy": "anna",
        "status": "open",
        "createdAt": "2026-11-20T07:30:00+00:00",
        "reply": None,
        "repliedAt": None,
    }
    listed = await desk.run("feedback.list")
    assert listed.data == [sent.data]
    assert listed.beside == {"pageSize": 20, "currentPage": 1, "totalElements": 1, "totalPages": 1}
    assert (await desk.run("feedback.list", BEN)).data == []


async def test_short_category_is_refused_with_the_long_one(desk: CatalogDesk):
    with pytest.raises(ArgumentsInvalid) as caught:
        await desk.run("feedback.submit", category="bug", subject="s", message="m")
    assert caught.value.extras()["errors"] == [
        {
            "path": "category",
            "message": "no such category",
            "expected": "bug_report, feature_request, general, other",
            "got": "bug",
            "suggestion": "bug_report",
        }
    ]


async def test_anonymous_callers_are_sent_away(desk: CatalogDesk):
    for skill_id, params in (("feedback.list", {}), ("feedback.submit", {"category": "general"})):
        with pytest.raises(Forbidden):
            await desk.run(skill_id, ANONYMOUS, **params)


def test_examples_bind():
    from tools.registry import Registry

    registry = Registry.collect([feedback])
    assert [item.tier.value for item in registry] == ["green", "yellow"]
    for item in registry:
        assert registry.schema(item).bind(item.example)
