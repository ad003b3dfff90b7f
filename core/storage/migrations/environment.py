"""Runs alembic inside a connection of ours; imported only when a migration is due."""

from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from core.storage.metadata import metadata

FOLDER: Final = Path(__file__).parent


def scripts() -> ScriptDirectory:
    """Return the revision scripts shipped with this release."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return ScriptDirectory.from_config(config)


def known_revisions() -> frozenset[str]:
    """Return every revision this release can start from."""
    return frozenset(script.revision for script in scripts().walk_revisions())


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision inside the caller's transaction."""
    directory = scripts()
    with EnvironmentContext(
        Config(),
        directory,
        fn=lambda revision, _context: directory._upgrade_revs("head", revision),  # noqa: SLF001
    ) as context:
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()
