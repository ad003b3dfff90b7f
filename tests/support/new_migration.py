"""Write the next migration from what the code declares: `python -m tests.support.new_migration NUMBER "what changes"`.

The text is a draft to read and correct; `tests/core/storage/test_migrations.py` says whether it is complete. Column
types are written as what the database stores, so that a migration does not depend on code that changes later.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from core.storage.database import Database
from core.storage.metadata import metadata
from core.storage.migrations import environment
from tests.support.tables import import_every_table

STORED_AS = {
    r"core\.storage\.column_types\.UtcDateTime\([^)]*\)": "sa.DateTime(timezone=True)",
    r"core\.storage\.column_types\.EnumText\(length=(\d+)\)": r"sa.String(length=\1)",
    r"core\.storage\.column_types\.ScaledDecimal\([^)]*\)": "sa.BigInteger()",
    r"op\.f\(('[^']*')\)": r"\1",
}
HEAD = '''"""{summary}"""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = {previous!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
'''


def difference(connection: Connection) -> str:
    script = produce_migrations(MigrationContext.configure(connection), metadata)
    assert script.upgrade_ops is not None
    text = render_python_code(script.upgrade_ops)
    for pattern, stored in STORED_AS.items():
        text = re.sub(pattern, stored, text)
    return "\n".join(line for line in text.splitlines() if "###" not in line)


async def write(number: str, summary: str) -> Path:
    import_every_table()
    previous = environment.scripts().get_current_head()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/desk.sqlite3")
        if previous is not None:
            await database.run(environment.upgrade)
        body = await database.run(difference, writing=False)
        await database.close()
    path = environment.FOLDER / "versions" / f"{number}_{re.sub(r'[^a-z]+', '_', summary.lower()).strip('_')[:40]}.py"
    path.parent.mkdir(exist_ok=True)
    first, *rest = body.splitlines()
    lines = [first if first.startswith("    ") else "    " + first, *rest]
    path.write_text(HEAD.format(summary=summary, number=number, previous=previous) + "\n".join(lines) + "\n")
    return path


if __name__ == "__main__":
    print(asyncio.run(write(sys.argv[1], sys.argv[2])))
