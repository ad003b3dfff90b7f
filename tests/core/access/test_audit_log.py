import asyncio
import json
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text, update

from core.access.audit import AuditFault, AuditFinding, ChainHead
from core.access.audit_log import AuditLog, HeadFile, load_or_create_key
from core.access.audit_store import AuditStore, audit_rows
from core.access.model import AuditEntry
from core.clock import FrozenClock
from core.ids import SeededIds
from core.secrets import KeyFileInvalid
from core.storage.database import Database
from core.storage.unit_of_work import WriteRefused

pytestmark = pytest.mark.anyio


def entry(number: int = 0, **more) -> AuditEntry:
    return AuditEntry(event="call.closed", actor="ada", team_id=1, detail={"number": number}, **more)


async def fill(audit: AuditLog, database: Database, count: int) -> None:
    for number in range(count):
        await audit.record(database, entry(number))


async def verify(audit: AuditLog, database: Database):
    async with database.unit_of_work(read_only=True) as uow:
        return await audit.verify(uow)


def stored_head(path: Path):
    return json.loads(path.read_text()) if path.exists() else None


def set_head(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
    else:
        path.write_text(text)


async def tamper(database: Database, *statements) -> None:
    def work(connection) -> None:
        for statement in statements:
            connection.execute(statement)

    await database.run(work)


async def test_rows_are_chained_and_the_head_is_kept_outside(
    audit: AuditLog, database: Database, head_path: Path, clock: FrozenClock
) -> None:
    first = await audit.record(database, entry(1, skill_id="s", trace_id="t"))
    second = await audit.record(database, entry(2))
    assert (first.sequence, second.sequence, second.previous_hash) == (1, 2, first.row_hash)
    assert first.at == clock.now()
    async with database.unit_of_work() as uow:
        assert await audit.newest(uow) == [second, first]
        assert await audit.newest(uow, limit=1, team_id=1) == [second]
        assert await audit.newest(uow, team_id=2) == []
    assert stored_head(head_path) == {"sequence": 2, "row_hash": second.row_hash}
    found = await verify(audit, database)
    assert (found.rows, found.unprotected_rows, found.finding, found.is_sound) == (2, 0, None, True)


async def test_an_empty_chain_is_sound(audit: AuditLog, database: Database) -> None:
    found = await verify(audit, database)
    assert (found.rows, found.head, found.is_sound) == (0, None, True)


async def test_a_row_is_rolled_back_with_its_write(audit: AuditLog, database: Database, head_path: Path) -> None:
    async with database.unit_of_work() as uow, uow.write():
        await audit.append(uow, entry())
    assert stored_head(head_path) is None
    async with database.unit_of_work() as uow:
        with pytest.raises(ZeroDivisionError):
            async with uow.write():
                await audit.append(uow, entry())
                raise ZeroDivisionError
        async with uow.write():
            pass
        await uow.commit()
    assert stored_head(head_path) is None
    await audit.record(database, entry())
    assert (await verify(audit, database)).rows == 1


async def test_two_rows_of_one_write(audit: AuditLog, database: Database, head_path: Path) -> None:
    async with database.unit_of_work() as uow:
        async with uow.write():
            await audit.append(uow, entry(1))
        await audit.append(uow, entry(2))
        await uow.commit()
    assert stored_head(head_path)["sequence"] == 2
    assert (await verify(audit, database)).rows == 2


async def test_appending_needs_an_open_write(audit: AuditLog, database: Database) -> None:
    async with database.unit_of_work() as uow:
        with pytest.raises(WriteRefused):
            await audit.append(uow, entry())


async def test_thirty_parallel_writers_make_one_chain(audit: AuditLog, database: Database, head_path: Path) -> None:
    rows = await asyncio.gather(*(audit.record(database, entry(number)) for number in range(30)))
    assert sorted(row.sequence for row in rows) == list(range(1, 31))
    found = await verify(audit, database)
    assert (found.rows, found.unprotected_rows, found.finding) == (30, 0, None)
    assert stored_head(head_path)["sequence"] == 30


async def test_thirty_writers_of_two_processes_make_one_chain(
    audit: AuditLog, database: Database, head_path: Path, clock: FrozenClock
) -> None:
    other_database = Database(database.url.render_as_string(hide_password=False))
    other = AuditLog(b"k" * 32, head_path, clock)
    await asyncio.gather(
        *(audit.record(database, entry(number)) for number in range(15)),
        *(other.record(other_database, entry(number)) for number in range(15)),
    )
    await other_database.close()
    found = await verify(audit, database)
    assert (found.rows, found.finding) == (30, None)


async def test_an_edited_row_is_found(audit: AuditLog, database: Database) -> None:
    await fill(audit, database, 6)
    fourth = audit_rows.c.sequence == 4
    await tamper(database, update(audit_rows).where(fourth).values(actor="eve"))
    found = await verify(audit, database)
    assert (found.finding, found.rows, found.is_sound) == (AuditFinding(4, AuditFault.EDITED), 3, False)
    await tamper(database, update(audit_rows).where(fourth).values(actor="ada"))
    assert (await verify(audit, database)).is_sound
    for detail in ('{"number": 4}', "no json", "[1]", '{"number": NaN}'):
        await tamper(database, update(audit_rows).where(fourth).values(detail=detail))
        assert (await verify(audit, database)).finding == AuditFinding(4, AuditFault.EDITED)


async def test_a_row_made_unreadable_is_found(audit: AuditLog, database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL stores nothing but moments in a column of moments")
    await fill(audit, database, 6)
    await tamper(database, text("UPDATE audit SET at = 'no moment' WHERE sequence = 4"))
    found = await verify(audit, database)
    assert (found.finding, found.rows) == (AuditFinding(4, AuditFault.EDITED), 3)
    await tamper(database, text("UPDATE audit SET actor = 'eve' WHERE sequence = 2"))
    assert (await verify(audit, database)).finding == AuditFinding(2, AuditFault.EDITED)


async def test_a_row_added_during_the_check_is_no_alarm(audit: AuditLog, database: Database, monkeypatch) -> None:
    await fill(audit, database, 3)
    real = AuditStore.after

    async def busy(store: AuditStore, sequence: int, *, limit: int):
        rows = await real(store, sequence, limit=limit)
        if sequence < 6:
            await audit.record(database, entry())
        return rows

    monkeypatch.setattr(AuditStore, "after", busy)
    assert (await verify(audit, database)).finding is None


async def test_a_deleted_row_is_found(audit: AuditLog, database: Database) -> None:
    await fill(audit, database, 6)
    await tamper(database, delete(audit_rows).where(audit_rows.c.sequence == 3))
    assert (await verify(audit, database)).finding == AuditFinding(3, AuditFault.DELETED)


async def test_swapped_rows_are_found(audit: AuditLog, database: Database) -> None:
    await fill(audit, database, 6)

    def renumber(old: int, new: int):
        return update(audit_rows).where(audit_rows.c.sequence == old).values(sequence=new)

    await tamper(database, renumber(2, 99), renumber(3, 2), renumber(99, 3))
    assert (await verify(audit, database)).finding == AuditFinding(2, AuditFault.MOVED)


async def test_a_cut_tail_is_found(audit: AuditLog, database: Database) -> None:
    await fill(audit, database, 6)
    await tamper(database, delete(audit_rows).where(audit_rows.c.sequence > 4))
    assert (await verify(audit, database)).finding == AuditFinding(5, AuditFault.TRUNCATED)
    await tamper(database, delete(audit_rows))
    assert (await verify(audit, database)).finding == AuditFinding(1, AuditFault.TRUNCATED)


async def test_rows_added_after_a_cut_do_not_hide_it(audit: AuditLog, database: Database) -> None:
    await fill(audit, database, 6)
    await tamper(database, delete(audit_rows).where(audit_rows.c.sequence > 4))
    await fill(audit, database, 3)
    assert (await verify(audit, database)).finding == AuditFinding(6, AuditFault.REWRITTEN)
    await tamper(database, delete(audit_rows).where(audit_rows.c.sequence > 3))
    await fill(audit, database, 1)
    assert (await verify(audit, database)).finding == AuditFinding(5, AuditFault.TRUNCATED)


async def test_a_crash_between_commit_and_head_is_no_alarm(
    audit: AuditLog, database: Database, head_path: Path
) -> None:
    await fill(audit, database, 2)
    behind = stored_head(head_path)
    await fill(audit, database, 2)
    set_head(head_path, json.dumps(behind))
    found = await verify(audit, database)
    assert (found.rows, found.unprotected_rows, found.finding) == (4, 2, None)
    await fill(audit, database, 1)
    assert (await verify(audit, database)).unprotected_rows == 0


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null", '{"sequence": "x", "row_hash": 1}'])
async def test_a_lost_head_file_shows_as_unprotected_rows(
    audit: AuditLog, database: Database, head_path: Path, text: str | None
) -> None:
    await fill(audit, database, 2)
    set_head(head_path, text)
    found = await verify(audit, database)
    assert (found.head, found.unprotected_rows, found.finding) == (None, 2, None)
    await fill(audit, database, 1)
    assert (await verify(audit, database)).unprotected_rows == 0


async def test_a_disk_that_refuses_the_head_does_not_fail_the_call(database: Database, clock: FrozenClock) -> None:
    audit = AuditLog(b"k" * 32, Path(__file__) / "audit.head", clock)
    await fill(audit, database, 2)
    assert (await verify(audit, database)).unprotected_rows == 2


async def test_long_chains_are_read_in_blocks(audit: AuditLog, database: Database, monkeypatch) -> None:
    monkeypatch.setattr("core.access.audit_log.BLOCK", 4)
    await fill(audit, database, 10)
    assert (await verify(audit, database)).rows == 10
    await tamper(database, update(audit_rows).where(audit_rows.c.sequence == 9).values(event="x"))
    assert (await verify(audit, database)).finding == AuditFinding(9, AuditFault.EDITED)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=20),
    numbers=st.lists(st.integers() | st.floats(), max_size=5),
)
async def test_any_entry_comes_back_as_it_was_signed(audit: AuditLog, database: Database, text: str, numbers) -> None:
    written = AuditEntry(event=text, actor=text, skill_id=text, trace_id=text, detail={text: numbers})
    row = await audit.record(database, written)
    async with database.unit_of_work() as uow:
        assert await audit.newest(uow, limit=1) == [row]
    assert (await verify(audit, database)).is_sound


# the two files


def test_the_head_never_goes_back(tmp_path: Path) -> None:
    head = HeadFile(tmp_path / "audit.head")
    assert head.read() is None
    head.advance(ChainHead(5, "five"))
    head.advance(ChainHead(4, "four"))
    head.advance(ChainHead(5, "other"))
    assert head.read() == ChainHead(5, "five")
    assert [path.name for path in tmp_path.iterdir()] == ["audit.head"]


def test_the_key_is_made_once_and_private(tmp_path: Path, ids: SeededIds) -> None:
    folder = tmp_path / "keys"
    key = load_or_create_key(folder, ids)
    assert (len(key), load_or_create_key(folder, ids)) == (32, key)
    assert stat.S_IMODE((folder / "audit.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["audit.key"]


@pytest.mark.parametrize("content", [b"", b"zz", b"00", b"\xff\xfe"])
def test_a_damaged_key_is_never_replaced(tmp_path: Path, ids: SeededIds, content: bytes) -> None:
    path = tmp_path / "audit.key"
    path.write_bytes(content)
    with pytest.raises(KeyFileInvalid) as caught:
        load_or_create_key(tmp_path, ids)
    assert "64 hexadecimal characters" in caught.value.message
    assert path.read_bytes() == content
