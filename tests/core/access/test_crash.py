"""A process killed while it writes leaves the chain sound and every approval either unused or used with its effect."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.access.approval_store import approvals
from core.access.audit_log import AuditLog
from core.access.audit_store import audit_rows
from core.access.model import ApprovalState
from core.clock import SystemClock
from core.storage.database import Database

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[3]

WRITER = """
import asyncio, sys
from pathlib import Path
from core.access.audit_log import AuditLog
from core.access.model import AuditEntry
from core.access.passwords import Passwords
from core.access.service import AccessService
from core.clock import FrozenClock, SystemClock
from core.ids import RandomIds
from core.settings import Settings
from core.storage.database import Database
from tests.support.access import AccessDesk, person
from tests.support.databases import create_schema

async def main(folder):
    database = Database(f"sqlite:///{folder / 'desk.sqlite3'}")
    await create_schema(database)
    ids = RandomIds()
    clock = FrozenClock(SystemClock().now())
    passwords = Passwords(ids, passes=1, memory_kib=8, lanes=1)
    access = AccessService(ids, clock, Settings(home=folder), passwords=passwords)
    audit = AuditLog(b"k" * 32, folder / "audit.head", clock)
    desk = await AccessDesk.make(database, access, clock)
    for number in range(10_000):
        approval = await desk.decide(await desk.ask(f"{number:064d}"), person(desk.ada))
        async with database.unit_of_work() as uow:
            async with uow.write():
                await access.consume(
                    uow, approval_id=approval.approval_id, params_hash=approval.params_hash, now=clock.now(),
                    external=False,
                )
            await audit.append(uow, AuditEntry(event="call.closed", actor="cyd", detail={"number": number}))
            await uow.commit()
        print(number, flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


def kill_after(folder: Path, calls: int) -> None:
    """Run the writer and kill it, without warning, somewhere after its call number `calls`."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WRITER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for _ in range(calls):
            assert writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("calls", [1, 7, 20])
async def test_a_kill_leaves_nothing_half_done(tmp_path: Path, calls: int) -> None:
    await asyncio.to_thread(kill_after, tmp_path, calls)
    database = Database(f"sqlite:///{tmp_path / 'desk.sqlite3'}")
    async with database.unit_of_work(read_only=True) as uow:
        found = await AuditLog(b"k" * 32, tmp_path / "audit.head", SystemClock()).verify(uow)
        used = select(func.count()).where(approvals.c.state == ApprovalState.EXECUTED)
        effects = (await uow.fetch_one(select(func.count()).select_from(audit_rows)))[0]
        assert (found.finding, found.rows) == (None, effects)
        assert (await uow.fetch_one(used))[0] == effects >= calls
        assert found.unprotected_rows <= 1
    await database.close()
