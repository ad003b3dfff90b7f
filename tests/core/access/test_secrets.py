"""Nothing in the database or in a text opens a door."""

from pathlib import Path

import pytest
from sqlalchemy import select

from core.access.audit_log import AuditLog
from core.access.model import AuditEntry
from core.storage.metadata import metadata
from tests.support.access import PASSWORD, AccessDesk

pytestmark = pytest.mark.anyio


async def test_no_secret_is_stored_in_plain(desk: AccessDesk, audit: AuditLog, tmp_path: Path) -> None:
    signed_in = await desk.do(lambda uow: desk.access.sign_in(uow, username="cyd", password=PASSWORD))
    await desk.approved()
    await audit.record(desk.database, AuditEntry(event="session.opened", actor="cyd"))
    secrets = {
        "password": PASSWORD,
        "token": desk.minted.secret,
        "random part of the token": desk.minted.secret[6:58],
        "cookie": signed_in.cookie,
        "csrf token": signed_in.session.csrf_token,
    }
    stored = await everything_stored(desk)
    assert "cyd" in stored  # the search does find things
    assert [name for name, secret in secrets.items() if secret in stored] == []
    await desk.database.close()
    assert [name for name, secret in secrets.items() if secret.encode() in files_of_the_database(tmp_path)] == []


def files_of_the_database(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("desk.sqlite3*"))


async def everything_stored(desk: AccessDesk) -> str:
    texts = []
    async with desk.database.unit_of_work() as uow:
        for table in metadata.tables.values():
            texts += [str(tuple(row)) for row in await uow.fetch_all(select(table))]
    return "\n".join(texts)
